"""A receiver of the portal's messages."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models.team import Team
from registry.models.viewer import Viewer


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Chains over webhooks."""

    def visible_to(self, user: Viewer) -> Self:
        """Webhooks of the viewer's teams."""
        return self.filter(team__in=Team.objects.visible_to(user))


class Webhook(models.Model):
    """One row is one address that gets a team's messages. The secret is shown once and stored under Fernet."""

    class Format(models.TextChoices):
        STANDARD = "standard", "Standard Webhooks"
        MLFLOW = "mlflow", "MLflow"

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"
        BROKEN = "broken", "Broken: its secret cannot be read"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    team = models.ForeignKey("registry.Team", on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True, default="")
    url = models.CharField(max_length=2048)
    events = models.JSONField(default=list)  # types of messages, or globs such as "version.*"
    format = models.CharField(max_length=16, choices=Format, default=Format.STANDARD)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    status_reason = models.TextField(blank=True, default="")
    secret_ciphertext = models.BinaryField(null=True)  # null: an MLflow webhook without a secret
    key_id = models.CharField(max_length=16, blank=True, default="")  # of the key ring
    # While a secret rotates, messages are signed with the old one too.
    old_secret_ciphertext = models.BinaryField(null=True)
    old_key_id = models.CharField(max_length=16, blank=True, default="")
    old_secret_until = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # attempts that failed since the last success
    lock_version = models.PositiveIntegerField(default=1)
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several rows without a key)
    client_body_sha = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[WebhookQuerySet] = WebhookQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "name"], condition=models.Q(deleted_at=None), name="webhook_names_are_unique_in_a_team"
            ),
            models.UniqueConstraint(fields=["team", "client_key"], name="one_webhook_per_client_key"),
        ]

    def __str__(self) -> str:
        return self.name
