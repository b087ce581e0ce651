"""The receipt of a POST."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import F, Q

from registry.models import RegisteredModel, Viewer


class Kind(models.TextChoices):
    """What a record is."""

    PREDICTION = "prediction", "Predictions"
    OUTCOME = "outcome", "Outcomes"


class IngestBatchQuerySet(models.QuerySet["IngestBatch"]):
    """Chains over receipts."""

    def visible_to(self, user: Viewer) -> Self:
        """Receipts of models the person may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))


class IngestBatch(models.Model):
    """One row is one accepted body: what was answered, and what became of its items. Kept for seven days."""

    class Via(models.TextChoices):
        API = "api", "API"
        BACKFILL = "backfill", "Backfill"
        REVIEW = "review", "Review"
        REPLAY = "replay", "Replay of items set aside"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    team = models.ForeignKey("registry.Team", on_delete=models.CASCADE, related_name="+")
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    via = models.CharField(max_length=16, choices=Via)
    answer = models.JSONField()
    received = models.PositiveIntegerField()
    accepted = models.PositiveIntegerField()
    rejected = models.PositiveIntegerField()
    stored = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    conflicts = models.PositiveIntegerField(default=0)
    parked = models.PositiveIntegerField(default=0)  # of the stored: outcomes that wait for their prediction
    erased = models.PositiveIntegerField(default=0, db_default=0)  # of subjects that were forgotten
    surprises = models.JSONField(default=dict)
    received_at = models.DateTimeField()
    stored_at = models.DateTimeField(null=True)

    objects: ClassVar[IngestBatchQuerySet] = IngestBatchQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "model", "kind", "key"], name="batch_key_is_used_once"),
            models.CheckConstraint(
                condition=Q(received=F("accepted") + F("rejected"))
                & (Q(stored_at=None) | Q(accepted=F("stored") + F("duplicates") + F("conflicts") + F("erased"))),
                name="batch_counts_add_up",
            ),
        ]
        indexes = [models.Index(fields=["received_at"])]

    def __str__(self) -> str:
        return f"batch {self.id}"

    @property
    def state(self) -> str:
        """`accepted` until compaction has stored the items, then `stored`."""
        return "stored" if self.stored_at or not self.accepted else "accepted"
