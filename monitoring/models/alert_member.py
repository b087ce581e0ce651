"""A condition that belongs to an alert."""

from django.db import models


class AlertMember(models.Model):
    """One row is one condition that fired during the episode."""

    alert = models.ForeignKey("monitoring.Alert", on_delete=models.CASCADE, related_name="members")
    condition = models.ForeignKey("monitoring.Condition", on_delete=models.CASCADE, related_name="memberships")
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "condition"], name="condition_joins_an_alert_once")]

    def __str__(self) -> str:
        return f"{self.condition_id} in {self.alert_id}"
