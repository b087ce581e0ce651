"""One number with its certainty."""

from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from monitoring.stats.results import Verdict
from registry.models import RegisteredModel, Viewer


class MeasurementQuerySet(models.QuerySet["Measurement"]):
    """Chains over measurements."""

    def visible_to(self, user: Viewer) -> Self:
        """Measurements of models the person may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))

    def current(self) -> Self:
        """Those of the newest revision of each window."""
        return self.filter(is_latest=True)


class Measurement(models.Model):
    """One row is one metric of one window, feature and segment, with n, interval where there is one, and verdict."""

    run = models.ForeignKey("monitoring.Run", on_delete=models.CASCADE, related_name="measurements")
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="+", db_index=False)
    check_key = models.CharField(max_length=32)
    metric = models.CharField(max_length=64)  # metric-definition id: psi.1
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, null=True, related_name="+")
    endpoint = models.CharField(max_length=63, default="")
    signal = models.CharField(max_length=32, default="")
    feature = models.CharField(max_length=128, default="")
    segment = models.CharField(max_length=400, default="")  # "region=EU"; empty: all traffic
    value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    n = models.PositiveBigIntegerField(default=0)
    base_value = models.FloatField(null=True)
    base_n = models.PositiveBigIntegerField(default=0)
    threshold = models.FloatField(null=True)
    gap = models.FloatField(null=True)  # distance from the baseline in the worse direction
    verdict = models.CharField(max_length=16, choices=[(v.value, v.value) for v in Verdict])
    reason = models.CharField(max_length=64, default="")
    hard = models.BooleanField(default=False)  # a hard break opens its alert at once
    provisional = models.BooleanField(default=False)
    rank = models.PositiveSmallIntegerField(null=True)  # 1 to 5: the features with the largest excess drift
    details = models.JSONField(default=dict)  # at most 4 KB: p_value, floor, bins, evidence {ks.1: …}, counts
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    is_latest = models.BooleanField(default=True)

    objects: ClassVar[MeasurementQuerySet] = MeasurementQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "check_key", "metric", "version", "endpoint", "signal", "feature", "segment"],
                condition=Q(version__isnull=False),
                name="one_measurement_per_key",
            ),
            models.UniqueConstraint(
                fields=["run", "check_key", "metric", "endpoint", "signal", "feature", "segment"],
                condition=Q(version=None),
                name="one_measurement_per_key_of_the_whole_model",
            ),
            models.CheckConstraint(condition=Q(value__isnull=False) | ~Q(reason=""), name="missing_value_has_a_reason"),
            models.CheckConstraint(
                condition=Q(low=None) | Q(high=None) | Q(low__lte=F("high")), name="interval_is_ordered"
            ),
        ]
        indexes = [
            models.Index(
                fields=["model", "metric", "feature", "segment", "window_start"],
                condition=Q(is_latest=True),
                name="latest_measurements",
            ),
            models.Index(
                fields=["model", "-window_end", "-id"],
                condition=Q(is_latest=True),
                name="newest_measurements",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.feature} {self.segment}".strip()


class MeasurementRow(NamedTuple):
    """The columns of a measurement that is on its way into the table: a run has a hundred, most of them all well."""

    run_id: UUID
    model_id: UUID
    check_key: str
    metric: str
    version_id: UUID | None
    endpoint: str
    signal: str
    feature: str
    segment: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    base_value: float | None
    base_n: int
    threshold: float | None
    gap: float | None
    verdict: str
    reason: str
    hard: bool
    provisional: bool
    rank: int | None
    details: dict[str, Any]
    window_start: datetime
    window_end: datetime
    is_latest: bool
