"""A feature: the single source of truth for what a model reads."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import F, Q


class FeatureQuerySet(models.QuerySet["Feature"]):
    """Chains over features."""

    def current(self) -> Self:
        """The model's current list, not the frozen copies of its versions."""
        return self.filter(version=None)


class Feature(models.Model):
    """One row is one feature of a model's current list (version null) or of a version's frozen copy."""

    class Kind(models.TextChoices):
        INPUT = "input", "Input of the model"
        CONTEXT = "context", "Context, not an input"

    class Dtype(models.TextChoices):
        NUMBER = "number", "Number"
        INTEGER = "integer", "Whole number"
        BOOLEAN = "boolean", "Yes or no"
        CATEGORY = "category", "Category"
        TEXT = "text", "Text"
        TIMESTAMP = "timestamp", "Point in time"

    class Privacy(models.TextChoices):
        KEEP = "keep", "Keep as it is"
        DROP = "drop", "Drop the value"
        HASH = "hash", "Keyed hash"
        BUCKET = "bucket", "Bucket"
        MASK = "mask", "Mask all but the last four"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="features")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, null=True, related_name="features")
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.INPUT)
    dtype = models.CharField(max_length=16, choices=Dtype)
    source = models.ForeignKey("registry.Source", on_delete=models.SET_NULL, null=True, related_name="features")
    source_field = models.CharField(max_length=256, blank=True, default="")
    segment = models.BooleanField(default=False)
    required = models.BooleanField(default=True)
    position = models.PositiveIntegerField(default=0)
    allowed_min = models.FloatField(null=True)
    allowed_max = models.FloatField(null=True)
    categories = models.JSONField(default=list)  # declared categories; empty: not declared
    abs_tolerance = models.FloatField(default=1e-6)
    rel_tolerance = models.FloatField(default=1e-3)
    privacy = models.CharField(max_length=16, choices=Privacy)
    privacy_options = models.JSONField(default=dict)  # bucket: {"edges": [..]}
    importance = models.FloatField(null=True)
    description = models.TextField(blank=True, default="")

    objects: ClassVar[FeatureQuerySet] = FeatureQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "name"],
                condition=Q(version=None),
                name="feature_names_are_unique_in_the_current_list",
            ),
            models.UniqueConstraint(
                fields=["version", "name"],
                condition=Q(version__isnull=False),
                name="feature_names_are_unique_in_a_version",
            ),
            models.CheckConstraint(
                condition=Q(allowed_min=None) | Q(allowed_max=None) | Q(allowed_min__lte=F("allowed_max")),
                name="feature_range_is_ordered",
            ),
        ]
        indexes = [
            models.Index(fields=["source", "model"], condition=Q(version=None), name="current_features_by_source")
        ]
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name
