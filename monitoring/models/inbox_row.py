"""Traffic that waits for compaction: the row is the work order."""

from django.db import models

from monitoring.models.ingest_batch import Kind


class InboxRow(models.Model):
    """One row holds the accepted items of one batch, compressed. It leaves with the chunk that holds them."""

    batch = models.OneToOneField("monitoring.IngestBatch", on_delete=models.CASCADE, related_name="inbox")
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)
    items = models.PositiveIntegerField()
    codec = models.CharField(max_length=16)
    payload_v = models.PositiveSmallIntegerField()
    payload = models.BinaryField()
    size_bytes = models.PositiveIntegerField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["model", "id"])]

    def __str__(self) -> str:
        return f"inbox row {self.pk}"
