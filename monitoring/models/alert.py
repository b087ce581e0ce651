"""An episode that people handle."""

import re
from typing import ClassVar, Self
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Case, Q, Value, When

from registry.models import RegisteredModel, Viewer

_SHORT_ID = re.compile(r"[0-9a-f]{6,32}")


class AlertQuerySet(models.QuerySet["Alert"]):
    """Chains over alerts."""

    def visible_to(self, user: Viewer) -> Self:
        """Alerts of models the person may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))

    def open(self) -> Self:
        """Not closed."""
        return self.filter(closed_at=None)

    def unacknowledged(self) -> Self:
        """Open, and nobody has said they look at it."""
        return self.open().filter(acknowledged_at=None)

    def matching(self, text: str) -> Self:
        """Those whose sentence or model holds the text, or whose id begins with six hex digits or more."""
        found = Q(summary__icontains=text) | Q(model__name__icontains=text) | Q(model__slug__icontains=text)
        if _SHORT_ID.fullmatch(text):
            found |= Q(pk__range=(UUID(text.ljust(32, "0")), UUID(text.ljust(32, "f"))))
        return self.filter(found)

    def by_urgency(self) -> Self:
        """What nobody answers for before what somebody does, critical first, then the newest; closed ones last."""
        severities = {Alert.Severity.INFO: 1, Alert.Severity.WARNING: 2, Alert.Severity.CRITICAL: 3}
        whens = [When(closed_at__isnull=False, then=Value(0))]
        for severity, rank in severities.items():
            whens.append(When(severity=severity, acknowledged_at__isnull=False, then=Value(rank)))
            whens.append(When(severity=severity, then=Value(rank + len(severities))))
        urgency = Case(*whens, output_field=models.IntegerField())
        return self.annotate(urgency=urgency).order_by("-urgency", "-opened_at", "-pk")

    def for_list(self) -> Self:
        """Everything one row of the alert list shows, in a constant number of queries."""
        return self.select_related("model", "model__team", "acknowledged_by").order_by("-opened_at", "-pk")


class Alert(models.Model):
    """One row is one episode of one group (model, endpoint, family); never deleted."""

    class Severity(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    class Family(models.TextChoices):
        QUALITY = "quality", "Data quality"
        DRIFT = "drift", "Drift"
        PERFORMANCE = "performance", "Performance"
        OPERATIONS = "operations", "Operations"
        BUDGET = "budget", "Budget"
        REVIEW = "review", "Review"
        CONTROL = "control", "The portal itself"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="alerts")
    endpoint = models.CharField(max_length=63, default="")
    family = models.CharField(max_length=16, choices=Family)
    severity = models.CharField(max_length=16, choices=Severity)
    summary = models.CharField(max_length=512)
    opened_at = models.DateTimeField()  # event time: end of the window that opened it
    since_at = models.DateTimeField()  # end of the first breaching window of the episode
    detected_at = models.DateTimeField()  # when the portal noticed
    last_breach_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=16, default="")  # cleared, recomputed, closed
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey("registry.User", on_delete=models.SET_NULL, null=True, related_name="+")
    acknowledged_until = models.DateTimeField(null=True)
    acknowledged_note = models.CharField(max_length=512, default="")
    announced_at = models.DateTimeField(null=True)  # null: opened in history, no message was written
    reopen_count = models.PositiveIntegerField(default=0)
    sequence = models.PositiveIntegerField(default=1)

    objects: ClassVar[AlertQuerySet] = AlertQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "endpoint", "family"],
                condition=Q(closed_at=None),
                name="one_open_alert_per_group",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None) | Q(acknowledged_at__isnull=False),
                name="acknowledgement_has_a_time",
            ),
        ]
        indexes = [models.Index(fields=["model", "-opened_at"])]

    def __str__(self) -> str:
        return self.summary

    @property
    def state(self) -> str:
        """`open`, `acked` or `closed`."""
        if self.closed_at:
            return "closed"
        return "acked" if self.acknowledged_at else "open"
