"""Consolidation: the many small chunks of a day become few, with the same rows and the same profile."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import pyarrow as pa
from django.db.models import Count, Max

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from mlops_portal.kit.faults import fault
from monitoring.models import Chunk, ChunkProfile, HourProfile
from monitoring.models.ingest_batch import Kind
from monitoring.stats.profile import Operations, dumps, loads, merge_all
from monitoring.traffic import chunks, frames, ledger
from monitoring.traffic.chunks import Hour, NotWritten
from monitoring.traffic.chunks.files import ROW_GROUP_ROWS
from monitoring.traffic.ledger import Draft

FULL = 32  # live chunks of one day
QUIET = timedelta(hours=2)  # after the end of a day, and after its last chunk
_ALIKE = ("version", "day", "kind", "shadow", "kid")
_ORDER = {Kind.PREDICTION: "predicted_at", Kind.OUTCOME: "observed_at"}


def consolidate(version_id: UUID, day: date, lease: Lease) -> None:
    """Merge chunks of a version's day that are alike, row group by row group; every count stays what it was.

    While the day goes on, only small chunks are merged, so that no row is rewritten more than a few times; once it is
    over, all. Old files stay for a day, and old rows name the chunk that replaced them.
    Raises Moved if a chunk changed meanwhile, DamagedChunk (after marking it) if one cannot be read.
    """
    now = clock.now()
    is_over = _is_over(day, now)
    groups = [some if is_over else _small(some) for some in _alike(version_id, day)]
    merged = [(_merged(some), some) for some in groups if len(some) > 1]
    with queue.finishing(lease, {"merged": sum(len(old) for _, old in merged), "into": len(merged)}):
        for draft, old in merged:
            [kept] = ledger.insert(old[0].model_id, [draft], now)
            ledger.replace(old, by=kept, now=now)
        fault("consolidate.in_txn")
    fault("consolidate.committed")


def sweep(now: datetime) -> None:
    """Order the consolidation of days that have been over, and without a new chunk, for two hours."""
    live = Chunk.objects.live().filter(day__lt=(now - QUIET).date())
    alike = live.values_list(*_ALIKE, "model__team").annotate(n=Count("pk"), newest=Max("created_at"))
    for version_id, day, *_, team_id, _, _ in alike.filter(n__gt=1, newest__lte=now - QUIET).order_by():
        _order(version_id, day, team_id)


def order_full_days(kept: Sequence[Chunk], *, team: UUID) -> None:
    """Order the consolidation of those days of new chunks that hold 32 by now."""
    days = {(chunk.version_id, chunk.day) for chunk in kept if chunk.version_id and chunk.day}
    live = Chunk.objects.live().filter(version__in={one for one, _ in days}, day__in={day for _, day in days})
    full = live.values_list(*_ALIKE).annotate(n=Count("pk")).filter(n__gte=FULL).order_by()
    for version_id, day, *_ in full:
        if (version_id, day) in days:
            _order(version_id, day, team)


def _order(version_id: UUID, day: date, team_id: UUID) -> None:
    queue.enqueue(
        "monitoring.consolidate",
        f"{version_id}:{day}",
        payload={"version": str(version_id), "day": day.isoformat()},
        queue=Job.Queue.MAINTAIN,
        team=team_id,
    )


def _is_over(day: date, now: datetime) -> bool:
    return day < (now - QUIET).date()


def _alike(version_id: UUID, day: date) -> list[list[Chunk]]:
    groups: dict[tuple[object, ...], list[Chunk]] = defaultdict(list)
    for chunk in Chunk.objects.live().filter(version=version_id, day=day).order_by("first_at", "sha256"):
        groups[chunk.kind, chunk.shadow, chunk.kid].append(chunk)
    return list(groups.values())


def _small(some: Sequence[Chunk]) -> list[Chunk]:
    """The smallest chunks, up to the first that is larger than those before it together."""
    small: list[Chunk] = []
    rows = 0
    for chunk in sorted(some, key=lambda chunk: chunk.rows):
        if len(small) > 1 and chunk.rows > rows:
            break
        small.append(chunk)
        rows += chunk.rows
    return sorted(small, key=lambda chunk: (chunk.first_at, chunk.sha256))


def _merged(old: Sequence[Chunk]) -> Draft:
    first = old[0]
    kind = Kind(first.kind)
    folder = chunks.folder(first.model_id, first.version_id, first.day)
    file = chunks.write(_row_groups(old, _ORDER[kind]), folder, order=_ORDER[kind])
    if file.rows != sum(chunk.rows for chunk in old):
        raise NotWritten(f"{file.path} does not hold the rows of the {len(old)} chunks it is made of")
    return Draft(
        file,
        kind,
        first.version_id,
        first.day,
        shadow=first.shadow,
        kid=first.kid,
        surprises=ledger.add_surprises(chunk.surprises for chunk in old),
        created_at=max(chunk.created_at for chunk in old),
        profiles=_profiles(old),
        hours=_hours(old),
    )


def _row_groups(old: Sequence[Chunk], order: str) -> Iterator[pa.Table]:
    """The rows of the chunks in tables of one row group each, so that memory stays small."""
    schema = pa.unify_schemas([_schema(chunk) for chunk in old])
    held: list[pa.Table] = []
    for chunk in old:
        with chunks.opened(chunk) as file:
            for part in file.iter_batches(batch_size=ROW_GROUP_ROWS):
                held.append(pa.Table.from_batches([part]))
                if sum(map(len, held)) >= ROW_GROUP_ROWS:
                    yield frames.finished(frames.joined(held), schema, order)
                    held = []
    if held:
        yield frames.finished(frames.joined(held), schema, order)


def _schema(chunk: Chunk) -> pa.Schema:
    with chunks.opened(chunk) as file:
        return file.schema_arrow.remove_metadata()


def _profiles(old: Sequence[Chunk]) -> dict[UUID, bytes]:
    """The merged profile on each grid that all of the chunks are counted on."""
    blobs: dict[UUID, list[bytes]] = defaultdict(list)
    stored = ChunkProfile.objects.filter(chunk__in=old).order_by("chunk__sha256")
    for grid_id, blob in stored.values_list("grid", "blob"):
        blobs[grid_id].append(bytes(blob))
    grids = {grid_id: chunks.grids.load(grid_id) for grid_id, held in blobs.items() if len(held) == len(old)}
    return {grid_id: dumps(merge_all(loads(blob, grid) for blob in blobs[grid_id])) for grid_id, grid in grids.items()}


def _hours(old: Sequence[Chunk]) -> list[Hour]:
    held: dict[tuple[datetime, str], Hour] = {}
    for row in HourProfile.objects.filter(chunk__in=old).order_by("hour", "endpoint", "chunk__sha256"):
        more = Hour(row.hour, row.endpoint, Operations.loads(bytes(row.blob)), row.calls, row.amount)
        held[row.hour, row.endpoint] = (
            more if (row.hour, row.endpoint) not in held else held[row.hour, row.endpoint] + more
        )
    return list(held.values())
