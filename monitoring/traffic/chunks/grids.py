"""Grids as rows: stored once under the hash of their bytes, read once per process."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from monitoring.models import Grid as GridRow
from monitoring.models import VersionTraffic
from monitoring.stats.grid import Grid

_KEPT = 32


def keep(grid: Grid, version_id: UUID, now: datetime) -> UUID:
    """Store a grid unless it is stored already; returns the id of its row."""
    row = GridRow(sha256=grid.id, version_id=version_id, blob=grid.dumps(), created_at=now)
    GridRow.objects.bulk_create([row], ignore_conflicts=True)
    return GridRow.objects.values_list("pk", flat=True).get(sha256=grid.id)


@lru_cache(maxsize=_KEPT)
def load(grid_id: UUID) -> Grid:
    """The grid of a row; rows never change. Raises Grid.DoesNotExist if there is none."""
    return Grid.loads(bytes(GridRow.objects.values_list("blob", flat=True).get(pk=grid_id)))


def active(version_id: UUID) -> UUID | None:
    """The grid that the version's traffic is counted on now; None before its first reference."""
    return VersionTraffic.objects.filter(version=version_id).values_list("grid", flat=True).first()
