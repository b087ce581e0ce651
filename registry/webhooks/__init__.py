"""Webhooks: receivers of a team's messages. The only writer of these rows."""

from registry.webhooks.bodies import EXAMPLES, KINDS, MLFLOW_EVENTS, destinations
from registry.webhooks.keeping import delete, disable, edit, enable, may_manage, register, replay, rotate_secret
from registry.webhooks.sending import send
from registry.webhooks.trying import Trial, try_out

__all__ = [
    "EXAMPLES",
    "KINDS",
    "MLFLOW_EVENTS",
    "Trial",
    "delete",
    "destinations",
    "disable",
    "edit",
    "enable",
    "may_manage",
    "register",
    "replay",
    "rotate_secret",
    "send",
    "try_out",
]
