"""One model per file; this is their table of contents."""

from registry.models.acknowledgement import Acknowledgement
from registry.models.alias import Alias
from registry.models.api_key import ApiKey, Scope
from registry.models.audit_entry import AuditEntry
from registry.models.change_event import ChangeEvent
from registry.models.consumer import Consumer
from registry.models.deployment import Deployment
from registry.models.deployment_arm import DeploymentArm
from registry.models.endpoint import Endpoint
from registry.models.environment import Environment
from registry.models.feature import Feature
from registry.models.membership import Membership, Role
from registry.models.model_version import ModelVersion
from registry.models.outbox_message import OutboxMessage
from registry.models.registered_model import RegisteredModel
from registry.models.serving_pointer import ServingPointer
from registry.models.sign_in_failure import SignInFailure
from registry.models.source import Source
from registry.models.tag import Tag
from registry.models.team import Team
from registry.models.use_count import UseCount
from registry.models.user import User
from registry.models.viewer import Viewer
from registry.models.webhook import Webhook

__all__ = [
    "Acknowledgement",
    "Alias",
    "ApiKey",
    "AuditEntry",
    "ChangeEvent",
    "Consumer",
    "Deployment",
    "DeploymentArm",
    "Endpoint",
    "Environment",
    "Feature",
    "Membership",
    "ModelVersion",
    "OutboxMessage",
    "RegisteredModel",
    "Role",
    "Scope",
    "ServingPointer",
    "SignInFailure",
    "Source",
    "Tag",
    "Team",
    "UseCount",
    "User",
    "Viewer",
    "Webhook",
]
