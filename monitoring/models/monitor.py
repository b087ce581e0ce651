"""A monitor: what is measured how often."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models import RegisteredModel, Viewer


class MonitorQuerySet(models.QuerySet["Monitor"]):
    """Chains over monitors."""

    def visible_to(self, user: Viewer) -> Self:
        """Monitors of models the person may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))


class Monitor(models.Model):
    """One row is one standing order to measure a model; its content is in numbered revisions."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    class Cadence(models.TextChoices):
        HOUR = "hour", "Every hour"
        DAY = "day", "Every day"
        WEEK = "week", "Every week"
        EVENT = "event", "On an event"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="monitors")
    slug = models.CharField(max_length=63)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    cadence = models.CharField(max_length=16, choices=Cadence)
    revision = models.PositiveIntegerField(default=1)
    planned_from = models.DateTimeField(null=True)  # window ends in [planned_from, planned_until) have a run
    planned_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    objects: ClassVar[MonitorQuerySet] = MonitorQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "slug"], name="monitor_slugs_are_unique")]
        indexes = [models.Index(fields=["state", "planned_until"])]

    def __str__(self) -> str:
        return self.slug
