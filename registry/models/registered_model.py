"""A model a team operates."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q

from registry.models.team import SLUG, Team
from registry.models.viewer import Viewer


class RegisteredModelQuerySet(models.QuerySet["RegisteredModel"]):
    """Chains over models."""

    def visible_to(self, user: Viewer) -> Self:
        """Models of the viewer's teams."""
        within = Q() if user.sees_all_teams else Q(team__in=Team.objects.visible_to(user))
        return self.filter(user.model_filter(), within)

    def live(self) -> Self:
        """Not deleted."""
        return self.filter(deleted_at=None)


class RegisteredModel(models.Model):
    """One row is one thing a team operates. The slug never changes; the name may."""

    class Task(models.TextChoices):
        BINARY = "binary", "Binary classification"
        MULTICLASS = "multiclass", "Multi-class classification"
        REGRESSION = "regression", "Regression"
        RANKING = "ranking", "Ranking"

    class Lifecycle(models.TextChoices):
        DRAFT = "draft", "Draft"
        LIVE = "live", "Live"
        RETIRED = "retired", "Retired"

    class Risk(models.TextChoices):
        HIGH = "high", "High"
        MEDIUM = "medium", "Medium"
        LOW = "low", "Low"
        UNRATED = "unrated", "Not rated"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    team = models.ForeignKey("registry.Team", on_delete=models.PROTECT, related_name="models")
    name = models.CharField(max_length=256)
    slug = models.CharField(max_length=63, validators=[SLUG])
    owner = models.ForeignKey("registry.User", on_delete=models.SET_NULL, null=True, related_name="+")
    deputy = models.ForeignKey("registry.User", on_delete=models.SET_NULL, null=True, related_name="+")
    lifecycle = models.CharField(max_length=16, choices=Lifecycle, default=Lifecycle.DRAFT)
    description = models.TextField(blank=True, default="")
    purpose = models.TextField(blank=True, default="")
    intended_use = models.TextField(blank=True, default="")
    limitations = models.TextField(blank=True, default="")
    risk = models.CharField(max_length=16, choices=Risk, default=Risk.UNRATED)
    risk_reason = models.TextField(blank=True, default="")
    review_due_on = models.DateField(null=True)
    # Empty: registered by a client that says no task, such as MLflow's. It may be said once; traffic needs it.
    task = models.CharField(max_length=16, blank=True, default="", choices=[("", "Task not said yet"), *Task.choices])
    # What the model answers: score, classes, positive, range, unit (registry/inventory/output.py).
    output = models.JSONField(default=dict)
    next_version = models.PositiveIntegerField(default=1)
    # What readiness found last: the share of its items that hold, and each of them (registry/readiness.py).
    readiness_share = models.FloatField(null=True)
    readiness = models.JSONField(default=list)
    readiness_at = models.DateTimeField(null=True)
    is_demo = models.BooleanField(default=False)
    managed_by = models.CharField(max_length=128, blank=True, default="")
    lock_version = models.PositiveIntegerField(default=1)
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several rows without a key)
    client_body_sha = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[RegisteredModelQuerySet] = RegisteredModelQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(deleted_at=None), name="live_model_names_are_unique"),
            models.UniqueConstraint(fields=["slug"], condition=Q(deleted_at=None), name="live_model_slugs_are_unique"),
            models.UniqueConstraint(fields=["team", "client_key"], name="one_model_per_client_key"),
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(name__contains="/") & ~Q(name__contains=":"),
                name="model_name_has_no_path",
            ),
        ]
        indexes = [
            models.Index(fields=["team", "slug"]),
            models.Index(fields=["team", "name"], condition=Q(deleted_at=None), name="models_by_name"),
            models.Index(fields=["team", "updated_at", "name"], condition=Q(deleted_at=None), name="models_by_update"),
            models.Index(fields=["updated_at", "id"], condition=Q(deleted_at=None), name="live_models_by_update"),
            models.Index(  # all that counting the filters of the list reads
                fields=["team", "owner", "lifecycle", "risk", "task", "readiness_share"],
                condition=Q(deleted_at=None),
                name="live_models_by_facet",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of a classifier in registered order; empty for other tasks."""
        return tuple(self.output.get("classes", ()))

    @property
    def positive(self) -> str:
        """The positive label of a binary classifier, else an empty text."""
        return str(self.output.get("positive", ""))
