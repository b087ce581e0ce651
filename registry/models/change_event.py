"""Something that changed upstream, and may explain an alert."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import F, Q

from registry.models.registered_model import RegisteredModel
from registry.models.team import Team
from registry.models.viewer import Viewer


class ChangeEventQuerySet(models.QuerySet["ChangeEvent"]):
    """Chains over change events."""

    def visible_to(self, user: Viewer) -> Self:
        """Events of the viewer's teams; a key bound to one model sees those of that model and of the whole team."""
        models_seen = RegisteredModel.objects.visible_to(user)
        return self.filter(Q(model=None) | Q(model__in=models_seen), team__in=Team.objects.visible_to(user))


class ChangeEvent(models.Model):
    """One row is one change that somebody or something reported; without a subject it concerns the whole team."""

    class Kind(models.TextChoices):
        DEPLOY = "deploy", "Deployment"
        SCHEMA = "schema", "Schema"
        PIPELINE = "pipeline", "Pipeline"
        POLICY = "policy", "Policy"
        THRESHOLD = "threshold", "Threshold"
        FEATURE_FLAG = "feature_flag", "Feature flag"
        BUSINESS = "business", "Business"
        INFRASTRUCTURE = "infrastructure", "Infrastructure"
        INCIDENT = "incident", "Incident"

    class Severity(models.TextChoices):
        INFO = "info", "Info"
        NOTABLE = "notable", "Notable"
        BREAKING = "breaking", "Breaking"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    team = models.ForeignKey("registry.Team", on_delete=models.PROTECT, related_name="change_events")
    kind = models.CharField(max_length=16, choices=Kind)
    title = models.CharField(max_length=256)
    origin = models.CharField(max_length=255)  # who says so: a CloudEvents source, "portal" for a form
    event_id = models.CharField(max_length=255)  # their id of it
    source = models.ForeignKey("registry.Source", on_delete=models.CASCADE, null=True, related_name="change_events")
    model = models.ForeignKey(
        "registry.RegisteredModel", on_delete=models.CASCADE, null=True, related_name="change_events"
    )
    endpoint = models.ForeignKey("registry.Endpoint", on_delete=models.CASCADE, null=True, related_name="change_events")
    feature_name = models.CharField(max_length=128, blank=True, default="")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=128, blank=True, default="")
    url = models.CharField(max_length=2048, blank=True, default="")
    payload = models.JSONField(default=dict)
    severity = models.CharField(max_length=16, choices=Severity, default=Severity.INFO)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)

    objects: ClassVar[ChangeEventQuerySet] = ChangeEventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "origin", "event_id"], name="change_event_is_reported_once"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")), name="change_ends_after_it_starts"
            ),
        ]
        indexes = [models.Index(fields=["team", "-started_at"])]

    def __str__(self) -> str:
        return self.title
