"""An upstream source of features."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models.team import SLUG, Team
from registry.models.viewer import Viewer


class SourceQuerySet(models.QuerySet["Source"]):
    """Chains over sources."""

    def visible_to(self, user: Viewer) -> Self:
        """Sources of the viewer's teams. A key that is bound to one model reads its team's sources too."""
        return self.filter(team__in=Team.objects.visible_to(user))

    def active(self) -> Self:
        """Not retired."""
        return self.filter(retired_at=None)


class Source(models.Model):
    """One row is one system whose data features are made of."""

    class Kind(models.TextChoices):
        LOG = "log", "Log"
        STREAM = "stream", "Stream"
        TABLE = "table", "Table"
        API = "api", "API"
        FEATURE_STORE = "feature_store", "Feature store"
        FILE = "file", "File"

    class Latency(models.TextChoices):
        BATCH = "batch", "Batch"
        MICRO_BATCH = "micro_batch", "Micro-batch"
        REAL_TIME = "real_time", "Real time"

    class Stability(models.TextChoices):
        STABLE = "stable", "Stable"
        EVOLVING = "evolving", "Evolving"
        FRAGILE = "fragile", "Fragile"

    class Volatility(models.TextChoices):
        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    team = models.ForeignKey("registry.Team", on_delete=models.PROTECT, related_name="sources")
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=Kind)
    # How the data comes, how often its shape changes, how fast its values change; empty: not said yet.
    latency = models.CharField(max_length=16, choices=Latency, blank=True, default="")
    stability = models.CharField(max_length=16, choices=Stability, blank=True, default="")
    volatility = models.CharField(max_length=16, choices=Volatility, blank=True, default="")
    expected_lag_s = models.PositiveIntegerField(null=True)
    contract_url = models.CharField(max_length=2048, blank=True, default="")
    schema_version = models.CharField(max_length=64, blank=True, default="")
    description = models.TextField(blank=True, default="")
    fed_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="feeds")
    managed_by = models.CharField(max_length=128, blank=True, default="")
    lock_version = models.PositiveIntegerField(default=1)
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several rows without a key)
    client_body_sha = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    objects: ClassVar[SourceQuerySet] = SourceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "client_key"], name="one_source_per_client_key")]

    def __str__(self) -> str:
        return self.slug
