"""A tag: a word and a text that a team hangs on a model or a version."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.db.models.functions import Left

from registry.models.registered_model import RegisteredModel
from registry.models.viewer import Viewer

INDEXED = 200  # leading characters of a value that the index holds; PostgreSQL takes no longer rows


class TagQuerySet(models.QuerySet["Tag"]):
    """Chains over tags."""

    def visible_to(self, user: Viewer) -> Self:
        """Tags of models the viewer may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user).live())

    def of_models(self) -> Self:
        """Tags of models, not of their versions."""
        return self.filter(version=None)


class Tag(models.Model):
    """One row is one tag of a model (version null) or of one of its versions."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="tags")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, null=True, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True, default="")

    objects: ClassVar[TagQuerySet] = TagQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "key"], condition=Q(version=None), name="one_value_per_model_tag"),
            models.UniqueConstraint(
                fields=["version", "key"], condition=Q(version__isnull=False), name="one_value_per_version_tag"
            ),
        ]
        indexes = [models.Index("key", Left("value", INDEXED), name="tag_by_key_and_value")]
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key
