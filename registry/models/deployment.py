"""A revision of what an endpoint serves."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import F, Q

from registry.models.endpoint import Endpoint
from registry.models.viewer import Viewer


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    """Chains over revisions."""

    def visible_to(self, user: Viewer) -> Self:
        """Revisions of endpoints the viewer may see."""
        return self.filter(endpoint__in=Endpoint.objects.visible_to(user))


class Deployment(models.Model):
    """One row is one revision, served from `created_at` until the next one; never changed, never deleted."""

    class Strategy(models.TextChoices):
        OFF = "off", "Off"
        SINGLE = "single", "One version"
        CANARY = "canary", "Canary"
        AB = "ab", "A/B test"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    endpoint = models.ForeignKey("registry.Endpoint", on_delete=models.PROTECT, related_name="deployments")
    revision = models.PositiveIntegerField()
    strategy = models.CharField(max_length=16, choices=Strategy)
    has_shadow = models.BooleanField(default=False)
    decision_rule = models.JSONField(default=dict)
    fallback = models.JSONField(default=dict)
    document = models.TextField()  # canonical JSON: what serving gets, byte for byte
    sha256 = models.CharField(max_length=64)
    base_revision = models.PositiveIntegerField()
    copied_from = models.PositiveIntegerField(null=True)  # the revision a rollback took its plan from
    reason = models.TextField(blank=True, default="")
    decision_id = models.UUIDField(null=True)  # of the app review; no foreign key, for registry does not know it
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)

    objects: ClassVar[DeploymentQuerySet] = DeploymentQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "revision"], name="one_revision_per_number"),
            models.UniqueConstraint(fields=["decision_id"], name="a_decision_is_applied_once"),
            models.CheckConstraint(condition=Q(revision=F("base_revision") + 1), name="revision_follows_its_base"),
        ]
        indexes = [models.Index(fields=["endpoint", "-revision"]), models.Index(fields=["endpoint", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.endpoint.slug} rev {self.revision}"

    @property
    def etag(self) -> str:
        """The entity tag of the served document, without its quotes: revision and 8 digits of its hash."""
        return f"{self.revision}-{self.sha256[:8]}"
