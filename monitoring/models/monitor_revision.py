"""The content of a monitor."""

from django.db import models


class MonitorRevision(models.Model):
    """One row is one immutable configuration of a monitor (`monitoring.checks.config.MonitorConfig` as JSON)."""

    monitor = models.ForeignKey("monitoring.Monitor", on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    config = models.JSONField()
    sha256 = models.CharField(max_length=64)
    reason = models.TextField(default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["monitor", "number"], name="monitor_revisions_are_numbered")]

    def __str__(self) -> str:
        return f"revision {self.number}"
