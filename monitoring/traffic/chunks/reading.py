"""Reading traffic without its rows: what a stretch of days comes to is the sum of its chunks' profiles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

from monitoring.models import Chunk, ChunkProfile, DayManifest, HourProfile
from monitoring.models.ingest_batch import Kind
from monitoring.stats.grid import Grid
from monitoring.stats.profile import Profile, loads, merge_all
from monitoring.traffic.chunks import grids
from registry.models import ModelVersion, RegisteredModel

# A profile outlives its file: what was damaged later, or has expired, was counted while it was whole.
COUNTED = (Chunk.State.LIVE, Chunk.State.DAMAGED, Chunk.State.EXPIRED)
_MIDNIGHT = time(0, tzinfo=UTC)


class NotProfiled(Exception):
    """A chunk lacks a profile on the version's grid; nothing but an interrupted upgrade can cause it."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a stretch of days held, and exactly which files and generations say so.

    profile: None without rows, or without a grid (before the first reference). damaged: hashes of those chunks whose
    file is damaged (they count all the same), or was gone before the grid was frozen (they do not); whoever uses the
    numbers says so.
    """

    profile: Profile | None
    grid: Grid | None
    rows: int = 0
    chunks: list[str] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hour:
    """What one chunk holds of one hour at one endpoint: a HourProfile without the cost of a model instance."""

    version_id: UUID
    endpoint: str
    hour: datetime
    rows: int
    errors: int
    fallbacks: int
    calls: int
    amount: Decimal
    amount_missing: int
    blob: bytes


def profile(version: ModelVersion, start: datetime, end: datetime, *, shadow: bool = False) -> Pinned:
    """The merged profile of a version's predictions in `[start, end)`, both at midnight UTC.

    Generations are read before the chunks: a chunk that arrives in between shows as a generation that moved.
    """
    first, after = _days(start, end)
    grid_id = grids.active(version.pk)
    held = DayManifest.objects.filter(version=version, day__gte=first, day__lt=after)
    generations = {day.isoformat(): n for day, n in held.values_list("day", "generation").order_by("day")}
    counted = Chunk.objects.filter(
        version=version, day__gte=first, day__lt=after, kind=Kind.PREDICTION, shadow=shadow, state__in=COUNTED
    )
    chunks = list(counted.order_by("day", "sha256").values_list("pk", "sha256", "rows", "state"))
    damaged = [sha256 for _, sha256, _, state in chunks if state == Chunk.State.DAMAGED]
    merged = grid = None
    if grid_id:
        grid = grids.load(grid_id)
        merged, lost = _merged({pk: state for pk, _, _, state in chunks}, grid_id, grid)
        damaged += [sha256 for pk, sha256, _, state in chunks if pk in lost and state != Chunk.State.DAMAGED]
        chunks = [chunk for chunk in chunks if chunk[0] not in lost]
    return Pinned(
        profile=merged,
        grid=grid,
        rows=sum(rows for _, _, rows, _ in chunks),
        chunks=[sha256 for _, sha256, _, _ in chunks],
        generations=generations,
        damaged=damaged,
    )


def days(version: ModelVersion, start: datetime, end: datetime) -> dict[date, int]:
    """How many predictions each day with traffic holds."""
    first, after = _days(start, end)
    held = DayManifest.objects.filter(version=version, day__gte=first, day__lt=after, rows__gt=0)
    return dict(held.order_by("day").values_list("day", "rows"))


def hours(model: RegisteredModel, start: datetime, end: datetime) -> list[Hour]:
    """Latency and cost of a model's predictions by chunk, hour and endpoint, in the order of time."""
    found = HourProfile.objects.filter(version__model=model, hour__gte=start, hour__lt=end)
    rows = found.filter(chunk__state__in=COUNTED).order_by("hour", "endpoint", "pk")
    return [Hour(*row) for row in rows.values_list(*Hour.__slots__)]


def _merged(chunks: Mapping[UUID, str], grid_id: UUID, grid: Grid) -> tuple[Profile | None, set[UUID]]:
    """The sum of the chunks on a grid, and those whose rows were gone before they could be counted on it."""
    stored = ChunkProfile.objects.filter(chunk__in=chunks, grid=grid_id).order_by("chunk__day", "chunk__sha256")
    blobs = dict(stored.values_list("chunk", "blob"))
    lost = chunks.keys() - blobs.keys()
    if any(chunks[pk] == Chunk.State.LIVE for pk in lost):
        raise NotProfiled(f"{len(lost)} chunks are not counted on grid {grid_id}")
    return merge_all(loads(bytes(blob), grid) for blob in blobs.values()) if blobs else None, lost


def _days(start: datetime, end: datetime) -> tuple[date, date]:
    if start.astimezone(UTC).timetz() != _MIDNIGHT or end.astimezone(UTC).timetz() != _MIDNIGHT:
        raise ValueError("a stretch of days begins and ends at midnight UTC")
    return start.astimezone(UTC).date(), end.astimezone(UTC).date()
