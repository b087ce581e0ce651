"""The request ids of a chunk, beside its file."""

from django.db import models


class ChunkIds(models.Model):
    """One row is the 64-bit hashes of request ids that one prediction chunk holds, little-endian, in no order.

    With them a record that is sent again is known although the file of the first one is damaged. A chunk that joins
    others takes over their rows. Kept for 35 days: longer than a record may be late.
    """

    chunk = models.ForeignKey("monitoring.Chunk", on_delete=models.CASCADE, related_name="ids")
    blob = models.BinaryField()

    def __str__(self) -> str:
        return f"ids of {self.chunk_id}"
