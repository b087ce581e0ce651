"""A version of a model."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.db.models.functions import Left

from registry.models.registered_model import RegisteredModel
from registry.models.viewer import Viewer

INDEXED = 200  # leading characters of a source that the index holds; PostgreSQL takes no longer rows


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Chains over versions."""

    def visible_to(self, user: Viewer) -> Self:
        """Versions of models the viewer may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))

    def live(self) -> Self:
        """Not deleted."""
        return self.filter(deleted_at=None)


class ModelVersion(models.Model):
    """One row is one trained artefact under a number that is never used twice."""

    class Stage(models.TextChoices):
        NONE = "None", "None"
        STAGING = "Staging", "Staging"
        PRODUCTION = "Production", "Production"
        ARCHIVED = "Archived", "Archived"

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        BLOCKED = "blocked", "Blocked"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.CharField(max_length=2048, blank=True, default="")
    storage_uri = models.CharField(max_length=2048, blank=True, default="")  # of a copy: where its origin is kept
    artifact_sha256 = models.CharField(max_length=64, blank=True, default="")
    run_id = models.CharField(max_length=255, blank=True, default="")
    run_link = models.CharField(max_length=2048, blank=True, default="")
    mlflow_model_id = models.CharField(max_length=255, blank=True, default="")
    git_sha = models.CharField(max_length=64, blank=True, default="")
    framework = models.CharField(max_length=128, blank=True, default="")
    description = models.TextField(blank=True, default="")
    source_version = models.CharField(max_length=128, blank=True, default="")  # the text that a backfilled file used
    status = models.CharField(max_length=16, choices=Status, default=Status.READY)
    status_message = models.TextField(blank=True, default="")
    blocked_reason = models.TextField(blank=True, default="")
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.NONE)  # for clients of MLflow
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    schema_frozen_at = models.DateTimeField(null=True)
    schema_revision = models.PositiveIntegerField(default=0)  # grows whenever its list of features is written
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several versions without a key)
    client_body_sha = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[ModelVersionQuerySet] = ModelVersionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="version_numbers_are_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="version_numbers_are_positive"),
            models.UniqueConstraint(fields=["model", "client_key"], name="one_version_per_client_key"),
            models.CheckConstraint(
                condition=Q(status="blocked") & ~Q(blocked_reason="") | ~Q(status="blocked") & Q(blocked_reason=""),
                name="blocked_version_has_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["model", "-number"]),
            models.Index(fields=["-updated_at", "model", "-number"], name="versions_by_update"),
            models.Index(fields=["run_id"], name="versions_by_run_id"),
            models.Index(Left("source", INDEXED), name="versions_by_source"),
            models.Index(
                fields=["model", "stage", "-number"], condition=Q(deleted_at=None), name="newest_versions_by_stage"
            ),
            models.Index(fields=["model", "-updated_at", "-number"], name="versions_of_model_by_update"),
            models.Index(fields=["number", "model"], name="versions_by_number"),  # orders of MLflow's clients
            models.Index(fields=["created_at", "model"], name="versions_by_creation"),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def is_usable(self) -> bool:
        """Whether predictions of this version are taken without a remark."""
        return self.status == self.Status.READY and self.deleted_at is None
