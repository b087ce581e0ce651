"""Parked outcomes: once an hour they look for their prediction again; after 30 days they are given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pyarrow as pa

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from mlops_portal.kit.faults import fault
from monitoring.models import Chunk
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import chunks, frames, ledger
from monitoring.traffic.batches import Prepared
from monitoring.traffic.chunks import DamagedChunk
from monitoring.traffic.ledger import Draft, Moved
from monitoring.traffic.outcomes import placing

EVERY = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=30)
ROWS_AT_ONCE = 1_000_000
_ATTEMPTS = 3


def match_parked(model_id: UUID, lease: Lease) -> None:
    """Move parked outcomes whose prediction has come, wherever it lies, to its day; give up those over 30 days old.

    One pass over the id hashes of all retained predictions of the model. All of it commits together with the end of
    the job. Raises LostLease if another worker has the job by now.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _match(model_id, lease, clock.now())
        except Moved:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def sweep(now: datetime) -> None:
    """Order a last look for outcomes about to be given up."""
    old = Chunk.objects.filter(state=Chunk.State.PARKED, created_at__lte=now - GIVEN_UP_AFTER)
    for model_id, team_id in old.values_list("model", "model__team").distinct():
        order(model_id, team=team_id)


def order(model_id: UUID, *, team: UUID, not_before: datetime | None = None) -> None:
    """Have the parked outcomes of a model look for their predictions."""
    queue.enqueue(
        "monitoring.match_parked",
        str(model_id),
        payload={"model": str(model_id)},
        queue=Job.Queue.MAINTAIN,
        team=team,
        not_before=not_before,
    )


def order_later(model_id: UUID, *, team: UUID, now: datetime) -> None:
    """Have them look within the hour. One that is looking now is left alone: it would begin again at once, for ever."""
    if not Job.objects.filter(kind="monitoring.match_parked", key=str(model_id), state=Job.State.RUNNING).exists():
        order(model_id, team=team, not_before=now + EVERY)


def _match(model_id: UUID, lease: Lease, now: datetime) -> None:
    parked, table = _read(model_id)
    prepared = Prepared.of(0, placing.see(()))
    moved = np.zeros(len(table), dtype=bool)
    if parked:
        predictions = Chunk.objects.known().filter(model=model_id, kind=Kind.PREDICTION).order_by("day")
        places = placing.find(table, predictions, anywhere_else=True)
        prepared = Prepared.of(0, placing.see(places))
        moved = placing.anywhere(places, len(table))
        for day, rows in places.items():
            placing.add(prepared, table, rows, day, model_id)
    remaining = _remaining(parked, table, moved)
    with queue.finishing(lease, {"matched": int(moved.sum()), "waiting": int((~moved).sum())}):
        found = ledger.record(model_id, prepared.drafts, prepared.seen, now)
        for version_id, signals in prepared.signals.items():
            ledger.count_signals(version_id, signals)
        for chunk, rest in remaining:
            kept = ledger.insert(model_id, [rest], now) if rest else found
            ledger.replace([chunk], by=kept[0] if kept else None, now=now)
        _give_up(model_id, now)
        fault("match.in_txn")


def _read(model_id: UUID) -> tuple[list[Chunk], pa.Table]:
    """The parked chunks, newest first, as far as a million rows, and what they hold; `_row` names the chunk."""
    parked: list[Chunk] = []
    tables: list[pa.Table] = [frames.OUTCOME_SCHEMA.empty_table().append_column(frames.ROW, pa.array([], pa.int32()))]
    rows = 0
    for chunk in Chunk.objects.filter(model=model_id, state=Chunk.State.PARKED).order_by("-created_at", "sha256"):
        try:
            table = chunks.read(chunk)
        except DamagedChunk:
            continue
        tables.append(table.append_column(frames.ROW, pa.repeat(pa.scalar(len(parked), pa.int32()), len(table))))
        parked.append(chunk)
        rows += len(table)
        if rows >= ROWS_AT_ONCE:
            break
    return parked, frames.joined(tables)


def _remaining(parked: Sequence[Chunk], table: pa.Table, moved: placing.Mask) -> list[tuple[Chunk, Draft | None]]:
    """For each parked chunk that lost rows, what is left of it; it has waited as long as the chunk has."""
    of_chunk = table[frames.ROW].to_numpy()
    remaining: list[tuple[Chunk, Draft | None]] = []
    for place in np.unique(of_chunk[moved]):
        chunk, rest = parked[place], np.flatnonzero((of_chunk == place) & ~moved)
        left = table.take(pa.array(rest))
        remaining.append((chunk, placing.park(left, chunk.model_id, since=chunk.created_at) if len(rest) else None))
    return remaining


def _give_up(model_id: UUID, now: datetime) -> None:
    orphans = Chunk.objects.filter(model=model_id, state=Chunk.State.PARKED, created_at__lte=now - GIVEN_UP_AFTER)
    orphans.update(state=Chunk.State.EXPIRED, retired_at=now)
