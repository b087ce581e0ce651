"""The books of traffic: what days consist of, moved by compare-and-swap in the transaction that adds chunks.

Everything here runs inside that transaction and raises `Moved` if the books are not as they were read.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
from django.db import IntegrityError, transaction
from django.db.models import F

from mlops_portal.kit import wiring
from monitoring import windows
from monitoring.models import Chunk, ChunkIds, ChunkProfile, DayManifest, HourProfile, VersionTraffic
from monitoring.models.ingest_batch import Kind
from monitoring.traffic.chunks import ChunkFile, Hour

Day = tuple[UUID, date]  # of a version
Surprises = dict[str, dict[str, int]]


class Moved(Exception):
    """Somebody else changed the day or the grid since it was read: compute again."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A published file on its way to become a chunk.

    profiles (by grid), hours and ids (`ChunkIds`): of predictions only; a file that joins others takes over their ids.
    """

    file: ChunkFile
    kind: Kind
    version_id: UUID | None = None
    day: date | None = None
    shadow: bool = False
    kid: str = ""
    surprises: Surprises = field(default_factory=dict)
    created_at: datetime | None = None
    profiles: Mapping[UUID, bytes] = field(default_factory=dict)
    hours: Sequence[Hour] = ()
    ids: bytes = b""
    frame: pa.Table | None = None  # for the chunk steps


@dataclass(frozen=True, slots=True)
class Seen:
    """The generations of days as they were before their chunks were read; a day without traffic is absent."""

    rows: Mapping[Day, int]
    labels: Mapping[Day, int]


def see(version_ids: Collection[UUID], days: Collection[date]) -> Seen:
    """Read the generations of these versions' days."""
    held = DayManifest.objects.filter(version__in=version_ids, day__in=days)
    found = list(held.values_list("version", "day", "generation", "label_generation"))
    return Seen(
        {(version, day): generation for version, day, generation, _ in found},
        {(version, day): generation for version, day, _, generation in found},
    )


def record(model_id: UUID, drafts: Sequence[Draft], seen: Seen, now: datetime) -> list[Chunk]:
    """Make chunks of the drafts and count them on their days; their windows become dirty. Raises Moved."""
    _count_days(drafts, seen)
    kept = insert(model_id, drafts, now)
    for step in wiring.functions("CHUNK_STEPS"):
        for chunk, draft in zip(kept, drafts, strict=True):
            step(chunk, draft.frame, now)
    _mark_dirty(model_id, drafts, now)
    return kept


def insert(model_id: UUID, drafts: Sequence[Draft], now: datetime) -> list[Chunk]:
    """Make chunks of the drafts, with profiles and hours, and nothing else."""
    kept = [_chunk(model_id, draft, now) for draft in drafts]
    pairs = list(zip(kept, drafts, strict=True))
    Chunk.objects.bulk_create(kept)
    ChunkProfile.objects.bulk_create(
        ChunkProfile(chunk=chunk, grid_id=grid_id, blob=blob)
        for chunk, draft in pairs
        for grid_id, blob in draft.profiles.items()
    )
    ChunkIds.objects.bulk_create(ChunkIds(chunk=chunk, blob=draft.ids) for chunk, draft in pairs if draft.ids)
    HourProfile.objects.bulk_create(
        _hour(chunk, draft.version_id, hour) for chunk, draft in pairs if draft.version_id for hour in draft.hours
    )
    return kept


def count_traffic(drafts: Sequence[Draft], grid_ids: Mapping[UUID, UUID | None], live_at: datetime | None) -> None:
    """Add the predictions of the drafts to what is known of their versions.

    grid_ids: the grid each version's drafts were profiled on. Raises Moved if another is active by now: a chunk
    without a profile on the active grid must never become visible. live_at: when the API last received some of it.
    """
    for version_id, mine in _by_version(drafts).items():
        VersionTraffic.objects.bulk_create([VersionTraffic(version_id=version_id)], ignore_conflicts=True)
        row = VersionTraffic.objects.filter(version=version_id, grid=grid_ids[version_id])
        if not row.update(rows=F("rows") + sum(draft.file.rows for draft in mine)):
            raise Moved(f"version {version_id} is counted on another grid by now")
        held = VersionTraffic.objects.get(version=version_id)
        known = [draft.file for draft in mine]
        held.first_at = min(filter(None, [held.first_at, *(file.first_at for file in known)]))
        held.newest_at = max(filter(None, [held.newest_at, *(file.last_at for file in known)]))
        held.last_live_at = max(filter(None, [held.last_live_at, live_at]), default=None)
        held.save(update_fields=["first_at", "newest_at", "last_live_at"])


def count_signals(version_id: UUID, seen: Mapping[str, tuple[str, int]]) -> None:
    """Add outcomes, {kind: (type, n)}, to the signals of a version; the first type of a kind stays."""
    VersionTraffic.objects.filter(version=version_id).update(rows=F("rows"))  # holds the row until the commit
    held = VersionTraffic.objects.get(version=version_id)
    for kind, (type_name, n) in seen.items():
        signal: dict[str, Any] = held.signals.setdefault(kind, {"type": type_name, "n": 0})
        signal["n"] += n
    held.save(update_fields=["signals"])


def replace(old: Sequence[Chunk], by: Chunk | None, now: datetime) -> None:
    """Let one chunk stand for others. Raises Moved if one of them no longer counts, or is damaged by now."""
    rows = Chunk.objects.filter(pk__in=[chunk.pk for chunk in old], state__in=(Chunk.State.LIVE, Chunk.State.PARKED))
    if rows.update(state=Chunk.State.REPLACED, replaced_by=by, retired_at=now) != len(old):
        raise Moved("a chunk that was to be replaced has changed")
    if by:
        ChunkIds.objects.filter(chunk__in=old).update(chunk=by)


def surprised(draft: Draft, more: Surprises) -> Draft:
    """The draft with these surprises."""
    return replace_fields(draft, surprises=more)


def add_surprises(parts: Iterable[Surprises]) -> Surprises:
    """The sum of surprises by code and feature."""
    total: Surprises = {}
    for part in parts:
        for code, by_feature in part.items():
            counts = total.setdefault(code, {})
            for feature, n in by_feature.items():
                counts[feature] = counts.get(feature, 0) + n
    return total


def _count_days(drafts: Sequence[Draft], seen: Seen) -> None:
    for kind, counted, field_names in (
        (Kind.PREDICTION, seen.rows, ("generation", "rows")),
        (Kind.OUTCOME, seen.labels, ("label_generation", "labels")),
    ):
        added: dict[Day, int] = defaultdict(int)
        for draft in drafts:
            if draft.kind == kind and draft.version_id and draft.day:
                added[draft.version_id, draft.day] += draft.file.rows
        for day, rows in added.items():
            _count_day(day, counted.get(day), rows, *field_names)


def _count_day(day: Day, generation: int | None, rows: int, counter: str, total: str) -> None:
    version_id, on = day
    if generation is None:
        first = DayManifest(version_id=version_id, day=on, **{counter: 1, total: rows})
        try:
            with transaction.atomic():
                first.save(force_insert=True)
        except IntegrityError:
            raise Moved(f"{on} has got its first chunk meanwhile") from None
        return
    held = DayManifest.objects.filter(version=version_id, day=on, **{counter: generation})
    if not held.update(**{counter: generation + 1, total: F(total) + rows}):
        raise Moved(f"{on} has changed since it was read")


def _chunk(model_id: UUID, draft: Draft, now: datetime) -> Chunk:
    file = draft.file
    return Chunk(
        model_id=model_id,
        version_id=draft.version_id,
        day=draft.day,
        kind=draft.kind,
        shadow=draft.shadow,
        state=Chunk.State.LIVE if draft.version_id else Chunk.State.PARKED,
        path=file.path,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        rows=file.rows,
        first_at=file.first_at,
        last_at=file.last_at,
        kid=draft.kid,
        surprises=draft.surprises,
        created_at=draft.created_at or now,
    )


def _hour(chunk: Chunk, version_id: UUID, hour: Hour) -> HourProfile:
    operations = hour.operations
    return HourProfile(
        chunk=chunk,
        version_id=version_id,
        endpoint=hour.endpoint[:63],
        shadow=chunk.shadow,
        hour=hour.hour,
        rows=operations.rows,
        errors=operations.n_error,
        fallbacks=operations.n_fallback,
        calls=hour.calls,
        amount=hour.amount,
        amount_missing=operations.cost.n_missing,
        blob=operations.dumps(),
    )


def _mark_dirty(model_id: UUID, drafts: Iterable[Draft], now: datetime) -> None:
    """Once per day and kind, whatever the number of versions."""
    rows: dict[tuple[date, bool], int] = defaultdict(int)
    for draft in drafts:
        if draft.day and not draft.shadow:
            rows[draft.day, draft.kind == Kind.OUTCOME] += draft.file.rows
    for (day, are_labels), n in sorted(rows.items()):
        windows.mark_dirty(model_id, day, n, now, labels=are_labels)


def _by_version(drafts: Iterable[Draft]) -> dict[UUID, list[Draft]]:
    found: dict[UUID, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.version_id:
            found[draft.version_id].append(draft)
    return found
