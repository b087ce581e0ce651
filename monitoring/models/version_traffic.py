"""What is known about the traffic of a version."""

from django.db import models


class VersionTraffic(models.Model):
    """One row sums up one version: since when, until when, how much; which grid is active; which signals exist."""

    version = models.OneToOneField("registry.ModelVersion", on_delete=models.CASCADE, related_name="traffic")
    grid = models.ForeignKey("monitoring.Grid", on_delete=models.SET_NULL, null=True, related_name="+")
    first_at = models.DateTimeField(null=True)
    newest_at = models.DateTimeField(null=True)
    last_live_at = models.DateTimeField(null=True)  # received by API, not by backfill
    rows = models.PositiveBigIntegerField(default=0)
    signals = models.JSONField(default=dict)  # {kind: {"type": "number" | "text" | "boolean", "n": 12}}

    def __str__(self) -> str:
        return f"{self.rows} rows"
