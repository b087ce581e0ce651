"""The mergeable profile of a chunk."""

from django.db import models


class ChunkProfile(models.Model):
    """One row is `stats.profile.dumps` of one prediction chunk against one grid.

    Without a reference there is no grid: then only hours, latency and cost are known (HourProfile).
    """

    chunk = models.ForeignKey("monitoring.Chunk", on_delete=models.CASCADE, related_name="profiles")
    grid = models.ForeignKey("monitoring.Grid", on_delete=models.CASCADE, related_name="+")
    blob = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chunk", "grid"], name="one_profile_per_chunk_and_grid")]

    def __str__(self) -> str:
        return f"profile of {self.chunk_id}"
