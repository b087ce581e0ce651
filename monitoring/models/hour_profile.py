"""Counts, latency and cost of one hour."""

from django.db import models


class HourProfile(models.Model):
    """One row is what one chunk holds of one hour at one endpoint; blob: `stats.profile.Operations`."""

    chunk = models.ForeignKey("monitoring.Chunk", on_delete=models.CASCADE, related_name="hours")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="+", db_index=False)
    endpoint = models.CharField(max_length=63, default="")
    shadow = models.BooleanField(default=False)
    hour = models.DateTimeField()
    rows = models.PositiveIntegerField()
    errors = models.PositiveIntegerField(default=0)
    fallbacks = models.PositiveIntegerField(default=0)
    calls = models.PositiveBigIntegerField(default=0)
    amount = models.DecimalField(max_digits=24, decimal_places=12, default=0)
    amount_missing = models.PositiveIntegerField(default=0)  # rows without a cost
    blob = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chunk", "hour", "endpoint"], name="one_profile_per_chunk_hour_and_endpoint"
            )
        ]
        indexes = [models.Index(fields=["version", "hour"])]

    def __str__(self) -> str:
        return f"{self.rows} rows at {self.hour:%Y-%m-%d %H}"
