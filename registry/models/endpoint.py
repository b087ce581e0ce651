"""Where a model is served."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models.registered_model import RegisteredModel
from registry.models.team import SLUG
from registry.models.viewer import Viewer


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Chains over endpoints."""

    def visible_to(self, user: Viewer) -> Self:
        """Endpoints of models the viewer may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user).live())

    def active(self) -> Self:
        """Not retired."""
        return self.filter(retired_at=None)

    def serving(self) -> Self:
        """Whose present revision has arms: neither off nor never activated."""
        return self.filter(pointer__deployment__isnull=False).exclude(pointer__deployment__strategy="off")


class Endpoint(models.Model):
    """One row is one address, job or queue at which a model answers."""

    class Kind(models.TextChoices):
        ONLINE = "online", "Online"
        BATCH = "batch", "Batch"
        STREAM = "stream", "Stream"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="endpoints")
    environment = models.ForeignKey("registry.Environment", on_delete=models.PROTECT, related_name="endpoints")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.ONLINE)
    location = models.CharField(max_length=2048, blank=True, default="")
    alias = models.CharField(max_length=255, blank=True, default="")  # the MLflow alias that mirrors its primary arm
    slo_p95_ms = models.PositiveIntegerField(null=True)
    slo_p99_ms = models.PositiveIntegerField(null=True)
    timeout_ms = models.PositiveIntegerField(null=True)
    rate_limit_rps = models.PositiveIntegerField(null=True)
    # What keeps a caller on one arm: "request_id" or a feature, hashed with the salt.
    routing_unit = models.CharField(max_length=128, default="request_id")
    routing_salt = models.CharField(max_length=32, blank=True, default="")
    managed_by = models.CharField(max_length=128, blank=True, default="")
    lock_version = models.PositiveIntegerField(default=1)
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several rows without a key)
    client_body_sha = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    objects: ClassVar[EndpointQuerySet] = EndpointQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "client_key"], name="one_endpoint_per_client_key"),
            models.UniqueConstraint(
                fields=["model", "alias"],
                condition=~models.Q(alias="") & models.Q(retired_at=None),
                name="endpoint_alias_is_unique_per_model",
            ),
        ]

    def __str__(self) -> str:
        return self.slug
