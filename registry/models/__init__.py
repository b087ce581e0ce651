"""One model per file; this is their table of contents."""

from registry.models.api_key import ApiKey, Scope
from registry.models.audit_entry import AuditEntry
from registry.models.endpoint import Endpoint
from registry.models.environment import Environment
from registry.models.feature import Feature
from registry.models.membership import Membership, Role
from registry.models.model_version import ModelVersion
from registry.models.outbox_message import OutboxMessage
from registry.models.registered_model import RegisteredModel
from registry.models.sign_in_failure import SignInFailure
from registry.models.team import Team
from registry.models.user import User
from registry.models.viewer import Viewer

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Endpoint",
    "Environment",
    "Feature",
    "Membership",
    "ModelVersion",
    "OutboxMessage",
    "RegisteredModel",
    "Role",
    "Scope",
    "SignInFailure",
    "Team",
    "User",
    "Viewer",
]
