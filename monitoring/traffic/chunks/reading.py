"""Reading traffic without its rows: what a stretch of days comes to is the sum of its chunks' profiles."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import FilteredRelation, Q

from monitoring.models import Chunk, DayManifest, HourProfile
from monitoring.models.ingest_batch import Kind
from monitoring.stats.grid import Grid
from monitoring.stats.profile import Profile, loads, merge_all
from monitoring.traffic.chunks import grids
from registry.models import ModelVersion, RegisteredModel

# A profile outlives its file: what was damaged later, or has expired, was counted while it was whole.
COUNTED = (Chunk.State.LIVE, Chunk.State.DAMAGED, Chunk.State.EXPIRED)
_MIDNIGHT = time(0, tzinfo=UTC)
_NO_GRID = UUID(int=0)  # to compare with where there is none: Django answers nothing at all for an empty list


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


@dataclass(frozen=True, slots=True)
class _Held:
    """One chunk that counts; blob: its profile on the grid that is active, if it has one."""

    blob: bytes | None
    day: date
    sha256: str
    rows: int
    state: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """The chunks that count of some versions' days, read at once; what they come to is added up when asked for."""

    grid_ids: Mapping[UUID, UUID | None]
    held: Mapping[UUID, Sequence[_Held]]

    def pinned(self, version_id: UUID, start: datetime, end: datetime) -> Pinned:
        """What a version's predictions in `[start, end)` come to, both at midnight UTC and within what was read.

        Without generations: those are to be read before the chunks. Raises NotProfiled.
        """
        first, after = _days(start, end)
        held = [one for one in self.held.get(version_id, ()) if first <= one.day < after]
        grid_id = self.grid_ids[version_id]
        grid = grids.load(grid_id) if grid_id else None
        lost = [one for one in held if one.blob is None] if grid else []
        if any(one.state == Chunk.State.LIVE for one in lost):
            raise NotProfiled(f"{len(lost)} chunks are not counted on grid {grid_id}")
        counted = [one for one in held if one not in lost]
        blobs = [one.blob for one in counted if one.blob is not None]
        return Pinned(
            profile=merge_all(loads(blob, grid) for blob in blobs) if grid and blobs else None,
            grid=grid,
            rows=sum(one.rows for one in counted),
            chunks=[one.sha256 for one in counted],
            damaged=[one.sha256 for one in held if one.state == Chunk.State.DAMAGED or one in lost],
        )


def stretch(grid_ids: Mapping[UUID, UUID | None], start: datetime, end: datetime, *, shadow: bool = False) -> Stretch:
    """Read the chunks of versions, given with their active grids, in `[start, end)`, both at midnight UTC; one query.

    A grid that has been replaced meanwhile is as good: what was counted on it still is.
    """
    first, after = _days(start, end)
    active = [grid_id for grid_id in grid_ids.values() if grid_id] or [_NO_GRID]
    counted = Chunk.objects.filter(
        version__in=grid_ids, day__gte=first, day__lt=after, kind=Kind.PREDICTION, shadow=shadow, state__in=COUNTED
    ).annotate(on_grid=FilteredRelation("profiles", condition=Q(profiles__grid__in=active)))
    found: dict[UUID, dict[UUID, _Held]] = defaultdict(dict)
    fields = ("version", "pk", "day", "sha256", "rows", "state", "on_grid__grid", "on_grid__blob")
    rows: Iterable[tuple[Any, ...]] = counted.order_by("day", "sha256", "pk").values_list(*fields)
    for version, pk, *chunk, grid_id, blob in rows:
        is_active = blob is not None and grid_id == grid_ids[version]
        if is_active or pk not in found[version]:  # versions may share grids: a chunk can stand on two of them
            found[version][pk] = _Held(bytes(blob) if is_active else None, *chunk)
    return Stretch(grid_ids, {version: list(chunks.values()) for version, chunks in found.items()})


def profile(version: ModelVersion, start: datetime, end: datetime, *, shadow: bool = False) -> Pinned:
    """The merged profile of a version's predictions in `[start, end)`, both at midnight UTC.

    Generations are read before the chunks: a chunk that arrives in between shows as a generation that moved.
    """
    first, after = _days(start, end)
    grid_ids = {version.pk: grids.active(version.pk)}
    held = DayManifest.objects.filter(version=version, day__gte=first, day__lt=after)
    generations = {day.isoformat(): n for day, n in held.values_list("day", "generation").order_by("day")}
    return replace(stretch(grid_ids, start, end, shadow=shadow).pinned(version.pk, start, end), generations=generations)


def days(version: ModelVersion, start: datetime, end: datetime) -> dict[date, int]:
    """How many predictions each day with traffic holds."""
    first, after = _days(start, end)
    held = DayManifest.objects.filter(version=version, day__gte=first, day__lt=after, rows__gt=0)
    return dict(held.order_by("day").values_list("day", "rows"))


def hours(
    model: RegisteredModel,
    start: datetime,
    end: datetime,
    *,
    also: Mapping[UUID, tuple[datetime, datetime]] | None = None,
) -> list[Hour]:
    """Latency and cost of a model's predictions by chunk, hour and endpoint, in the order of time.

    also: further stretches, one of each version named.
    """
    wanted = Q(hour__gte=start, hour__lt=end)
    for version, (first, last) in (also or {}).items():
        wanted |= Q(version=version, hour__gte=first, hour__lt=last)
    found = HourProfile.objects.filter(wanted, version__model=model, chunk__state__in=COUNTED)
    rows = found.order_by("hour", "endpoint", "pk").values_list(*Hour.__slots__)
    return [Hour(*row) for row in rows]


def _days(start: datetime, end: datetime) -> tuple[date, date]:
    if start.astimezone(UTC).timetz() != _MIDNIGHT or end.astimezone(UTC).timetz() != _MIDNIGHT:
        raise ValueError("a stretch of days begins and ends at midnight UTC")
    return start.astimezone(UTC).date(), end.astimezone(UTC).date()
