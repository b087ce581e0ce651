"""An alias: a name that points at one version of a model, and where it pointed before."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import F, Q

from registry.models.registered_model import RegisteredModel
from registry.models.viewer import Viewer


class AliasQuerySet(models.QuerySet["Alias"]):
    """Chains over aliases."""

    def visible_to(self, user: Viewer) -> Self:
        """Aliases of models the viewer may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user).live())

    def open(self) -> Self:
        """Where the names point now; the other rows are their history."""
        return self.filter(ended_at=None)


class Alias(models.Model):
    """One row says that a name pointed at one version from `set_at` until `ended_at`; the open row is the alias."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="aliases")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)
    set_at = models.DateTimeField()
    set_by = models.CharField(max_length=128)
    ended_at = models.DateTimeField(null=True)
    # The revision that moved it, of an alias that mirrors what an endpoint serves.
    deployment = models.ForeignKey("registry.Deployment", on_delete=models.PROTECT, null=True, related_name="+")

    objects: ClassVar[AliasQuerySet] = AliasQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "name"], condition=Q(ended_at=None), name="one_open_row_per_alias"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("set_at")), name="alias_ends_after_it_starts"
            ),
        ]
        indexes = [models.Index(fields=["version"], condition=Q(ended_at=None), name="open_aliases_by_version")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
