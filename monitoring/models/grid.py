"""The frozen bins of a version."""

from uuid import uuid4

from django.db import models


class Grid(models.Model):
    """One row is one immutable grid (`stats.grid.Grid.dumps`), named by its SHA-256."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    sha256 = models.CharField(max_length=64, unique=True)
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="+")
    blob = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.sha256[:8]
