"""An immutable file of traffic."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q

from monitoring.models.ingest_batch import Kind


class ChunkQuerySet(models.QuerySet["Chunk"]):
    """Chains over chunks."""

    def live(self) -> Self:
        """Those that count."""
        return self.filter(state=Chunk.State.LIVE)

    def known(self) -> Self:
        """Those whose records are known one by one: live, or damaged since."""
        return self.filter(state__in=(Chunk.State.LIVE, Chunk.State.DAMAGED))


class Chunk(models.Model):
    """One row is one Parquet file of one version, day, kind and shadow flag; a file without a row does not exist."""

    class State(models.TextChoices):
        LIVE = "live", "Live"
        PARKED = "parked", "Parked"
        REPLACED = "replaced", "Replaced"
        DAMAGED = "damaged", "Damaged"
        EXPIRED = "expired", "Expired"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="chunks")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, null=True, related_name="chunks")
    day = models.DateField(null=True)  # UTC day of the predictions; parked outcomes have none
    kind = models.CharField(max_length=16, choices=Kind)
    shadow = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=State, default=State.LIVE)
    path = models.CharField(max_length=512)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    rows = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    kid = models.CharField(max_length=16, default="")  # key of the hash privacy rule
    surprises = models.JSONField(default=dict)
    replaced_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="replaces")
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)  # when it was replaced or expired; its file goes a day later

    objects: ClassVar[ChunkQuerySet] = ChunkQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "version", "day", "kind", "shadow", "sha256"],
                condition=Q(state="live"),
                name="one_live_file_per_content",
            ),
            models.CheckConstraint(
                condition=Q(version__isnull=False) | Q(state__in=["parked", "replaced", "expired", "damaged"]),
                name="only_parked_chunks_lack_a_version",
            ),
        ]
        indexes = [
            models.Index(fields=["version", "day", "kind"], condition=Q(state="live"), name="live_chunks"),
            models.Index(fields=["model", "day"]),
        ]

    def __str__(self) -> str:
        return self.path
