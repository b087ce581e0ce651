"""The history of an alert."""

from django.db import models


class AlertTransition(models.Model):
    """One row is one change of an alert."""

    alert = models.ForeignKey("monitoring.Alert", on_delete=models.CASCADE, related_name="transitions")
    at = models.DateTimeField()  # when it was noted
    event_at = models.DateTimeField()  # window end it belongs to
    verb = models.CharField(max_length=32)  # opened, joined, left, raised, acknowledged, reopened, closed, reminded
    by = models.CharField(max_length=128, default="")
    note = models.CharField(max_length=512, default="")
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several changes without a key)
    client_body_sha = models.CharField(max_length=64, default="")

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["alert", "client_key"], name="one_transition_per_client_key"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} at {self.at}"
