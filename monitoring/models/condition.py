"""A debounced signal."""

from uuid import uuid4

from django.db import models


class Condition(models.Model):
    """One row is one signal, for ever: its ring of judged windows and the state that follows from it."""

    class State(models.TextChoices):
        QUIET = "quiet", "Quiet"
        PENDING = "pending", "Pending"
        FIRING = "firing", "Firing"
        CLEARING = "clearing", "Clearing"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    fingerprint = models.CharField(max_length=64, unique=True)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="conditions")
    source = models.CharField(max_length=255)  # monitor:<id>:<check>:<metric>
    family = models.CharField(max_length=16)
    scope = models.JSONField()  # {"model", "version", "endpoint", "feature", "segment"}
    state = models.CharField(max_length=16, choices=State, default=State.QUIET)
    severity = models.CharField(max_length=16, default="warning")
    ring = models.JSONField(default=list)  # last 8 judged windows, oldest first
    value = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    verdict = models.CharField(max_length=16, default="")
    measurement = models.ForeignKey("monitoring.Measurement", on_delete=models.SET_NULL, null=True, related_name="+")
    unknown_since = models.DateTimeField(null=True)
    dismissed = models.BooleanField(default=False)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source} {self.state}"
