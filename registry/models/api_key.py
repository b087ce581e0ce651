"""A key for a program."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models.membership import Role
from registry.models.team import Team
from registry.models.viewer import Viewer


class Scope(models.TextChoices):
    """What a key may be used for."""

    READ = "read", "Read everything of the team"
    REGISTRY = "registry", "Write the inventory"
    INGEST = "ingest", "Send predictions and outcomes"
    SERVING = "serving", "Poll serving state"
    EVENTS = "events", "Report change events"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Chains over keys."""

    def visible_to(self, user: Viewer) -> Self:
        """Keys of the person's teams."""
        return self.filter(team__in=Team.objects.visible_to(user))


class ApiKey(models.Model):
    """One row is one key. The secret is shown once; stored is its SHA-256 (256 random bits need no slow hash)."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    key_id = models.CharField(max_length=12, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    team = models.ForeignKey("registry.Team", on_delete=models.CASCADE, related_name="keys")
    user = models.ForeignKey("registry.User", on_delete=models.CASCADE, null=True, related_name="keys")
    role = models.CharField(max_length=16, choices=Role, null=True)  # noqa: DJ001 (absent for personal keys)
    label = models.CharField(max_length=128)
    scopes = models.JSONField()
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    replaces = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")

    objects: ClassVar[ApiKeyQuerySet] = ApiKeyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user=None, role__isnull=False) | models.Q(user__isnull=False, role=None),
                name="service_key_has_a_role",
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.key_id})"
