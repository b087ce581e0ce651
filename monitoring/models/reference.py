"""Reference data: what normal looks like."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q

from registry.models import RegisteredModel, Viewer


class ReferenceQuerySet(models.QuerySet["Reference"]):
    """Chains over references."""

    def visible_to(self, user: Viewer) -> Self:
        """References of models the person may see."""
        return self.filter(version__model__in=RegisteredModel.objects.visible_to(user))


class Reference(models.Model):
    """One row is one reference file of a version; the primary one freezes the grid."""

    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload"
        API = "api", "API"
        COMMAND = "command", "Command"
        TRAFFIC = "traffic", "Traffic"

    class State(models.TextChoices):
        LOADING = "loading", "Loading"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="references")
    name = models.CharField(max_length=64)
    source = models.CharField(max_length=16, choices=Source)
    state = models.CharField(max_length=16, choices=State, default=State.LOADING)
    is_primary = models.BooleanField(default=False)
    file_format = models.CharField(max_length=16)  # parquet, csv
    path = models.CharField(max_length=512)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    rows = models.PositiveBigIntegerField(default=0)
    label_rows = models.PositiveBigIntegerField(default=0)
    grid = models.ForeignKey("monitoring.Grid", on_delete=models.SET_NULL, null=True, related_name="+")
    profile = models.BinaryField(null=True)  # stats.profile.dumps against the grid
    label_profile = models.BinaryField(null=True)  # stats.profile.LabelProfile of its labelled rows
    problems = models.JSONField(default=list)
    notes = models.JSONField(default=list)  # e.g. columns that were dropped
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    ready_at = models.DateTimeField(null=True)

    objects: ClassVar[ReferenceQuerySet] = ReferenceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "name"], name="reference_names_are_unique"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(is_primary=True), name="one_primary_reference_per_version"
            ),
        ]

    def __str__(self) -> str:
        return self.name
