"""The test button: an example is sent at once, and what came back is shown."""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from mlops_portal.kit import outbound
from mlops_portal.kit.errors import DomainError, Invalid, TooMany
from mlops_portal.kit.outbound import NoAnswer
from registry import audit, rates
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.models import Webhook
from registry.permissions import Permission, require
from registry.webhooks import bodies, sending
from registry.webhooks.secret import SecretLost

PER_MINUTE = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """What a test found out; the text of an answer is at most 1 KiB."""

    success: bool
    status: int | None = None
    answer: str = ""
    error: str = ""


def try_out(webhook: Webhook, *, event: str = "", by: Actor, now: datetime) -> Trial:
    """Send an example now, outside the outbox, and tell what came back.

    event: for the MLflow format, one of its events; the first it asks for unless it is given. Raises Refused without
    the right, Invalid for an event that does not exist, TooMany after ten tests in a minute.
    """
    require(by, Permission.WEBHOOK_MANAGE, webhook.team)
    body = _example(webhook, event, now)
    if wait_s := rates.take(
        f"test:{by.key_id if isinstance(by, KeyPrincipal) else actor_label(by)}", limit=PER_MINUTE, now=now
    ):
        raise TooMany(f"{PER_MINUTE} tests a minute are enough; wait {wait_s} s.", retry_after_s=wait_s)
    trial = _send(webhook, body, now)
    told = {"result": [None, trial.status or trial.error]}
    audit.record("webhook.tested", webhook, by=by, now=now, team=webhook.team, changes=told)
    return trial


def _send(webhook: Webhook, body: bytes, now: datetime) -> Trial:
    try:
        headers = sending.headers_for(webhook, uuid4(), body, now)
        answer = outbound.request("POST", webhook.url, body=body, headers=headers)
    except SecretLost as error:
        sending.break_off(webhook, f"Its secret cannot be read: {error}. Rotate the secret.")
        return Trial(success=False, error=f"The secret cannot be read: {error}. Rotate it.")
    except (NoAnswer, DomainError) as error:
        return Trial(success=False, error=str(error))
    told = "" if answer.is_success else f"It answered {answer.status}; only 2xx means that a message was taken."
    return Trial(success=answer.is_success, status=answer.status, answer=answer.excerpt, error=told)


def _example(webhook: Webhook, event: str, now: datetime) -> bytes:
    if webhook.format != Webhook.Format.MLFLOW:
        return bodies.standard_body("test", {"id": str(webhook.pk), "name": webhook.name}, now)
    event = event or str(webhook.events[0])
    if event not in bodies.MLFLOW_EVENTS:
        known = ", ".join(bodies.MLFLOW_EVENTS)
        raise Invalid(f"{event[:64]!r} is none of {known}.", field="event")
    return bodies.mlflow_body(event, bodies.EXAMPLES, now)
