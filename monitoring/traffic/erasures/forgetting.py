"""Forgetting a subject: every record of theirs goes, in all models of the team, and none comes in again.

The row of the erasure is there first: from its commit on, compaction leaves the subject's records out. What is stored
already is found by reading one column of each file; files that hold some are written anew without them. Numbers that
were measured stay what they were: they are sums, and name nobody.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction
from django.db.models import F

from mlops_portal.jobs import database, queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease, LostLease
from mlops_portal.kit.faults import fault
from monitoring.models import (
    Chunk,
    ChunkIds,
    ChunkProfile,
    DayManifest,
    Erasure,
    HourProfile,
    InboxRow,
    QuarantinedItem,
    VersionTraffic,
)
from monitoring.models.ingest_batch import Kind
from monitoring.stats.profile import dumps
from monitoring.traffic import batches, chunks, compaction, frames, ledger, storage
from monitoring.traffic.chunks import DamagedChunk, Hour
from monitoring.traffic.erasures.ordering import order
from monitoring.traffic.ledger import Draft, Moved
from monitoring.traffic.specs import ModelSpec

COUNTED = ("records", "outcomes", "items")
LOOK_AGAIN = timedelta(seconds=30)
AT_ONCE = 500
_ORDER = {Kind.PREDICTION: "predicted_at", Kind.OUTCOME: "observed_at"}
_HOLDING = ("monitoring_inboxrow", "monitoring_quarantineditem", "monitoring_ingestbatch", "monitoring_chunkprofile")

Days = dict[tuple[UUID | None, date | None], set[str]]  # request ids by version and day


def erase(erasure_id: UUID, lease: Lease, now: datetime) -> None:
    """Take the subject out of files, inbox, quarantine and receipts; safe to call again at any time.

    Waits until what had come before the order is stored. Each file is replaced in a transaction of its own; the ids of
    a file's records are used for their outcomes before they go. Raises LostLease when overtaken, Moved if a file was
    joined meanwhile: the next attempt begins anew.
    """
    erasure = Erasure.objects.select_related("team").get(pk=erasure_id)
    with transaction.atomic():
        _require_held(lease)
        Erasure.objects.filter(pk=erasure_id).update(state=Erasure.State.REWRITING)
    fault("erase.tombstoned")
    if _still_waits(erasure):
        with queue.finishing(lease, {"waits": True}):
            order(erasure, not_before=now + LOOK_AGAIN)
        return
    work = _Work(erasure, lease, now)
    held = Chunk.objects.filter(model__team=erasure.team).exclude(path="").select_related("model").order_by("pk")
    ids = work.find(held.filter(kind=Kind.PREDICTION))
    work.forget(held.filter(kind=Kind.OUTCOME), lambda chunk: _outcomes_of(chunk, ids))
    _forget_items(erasure, work)
    work.forget(held.filter(kind=Kind.PREDICTION), lambda chunk: _subjects(work.refs))
    database.forget_freed(_HOLDING)
    with queue.finishing(lease, {**work.counts, "unreadable": len(work.unreadable)}):
        work.note()
        Erasure.objects.filter(pk=erasure_id).update(state=Erasure.State.DONE, finished_at=now)


def _require_held(lease: Lease) -> None:
    if not queue.renew(lease):
        raise LostLease(f"job {lease.job_id}: fence {lease.fence} is over")


def _still_waits(erasure: Erasure) -> bool:
    """Whether records that came before the order are still on their way into files, which is speeded up then.

    Compaction reads the orders after it has taken its rows, and rows leave the inbox with the commit of their files: so
    once these are gone, no file without the subject's records filtered out can appear any more.
    """
    before = InboxRow.objects.filter(model__team=erasure.team, received_at__lte=erasure.requested_at)
    waiting = set(before.exclude(codec=batches.UNREADABLE).values_list("model", flat=True).distinct())
    stuck = Job.objects.filter(kind="monitoring.compact", key__in=map(str, waiting), state=Job.State.QUARANTINED)
    if waiting and stuck.exists():
        raise TrafficStuck("What came before the order cannot be stored; repair the compaction, then run this again.")
    for model_id in waiting:
        compaction.order(model_id, erasure.team_id)
    return bool(waiting)


class TrafficStuck(Exception):
    """Records that came before the order wait, and nothing is going to store them."""


@dataclass(slots=True)
class _Work:
    """One pass over the files of a team, and what it and those before it came to."""

    erasure: Erasure
    lease: Lease
    now: datetime
    refs: set[str] = field(init=False)
    counts: dict[str, int] = field(init=False)
    unreadable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.refs = set(self.erasure.refs.values())
        self.counts = {name: self.erasure.receipt.get(name, 0) for name in COUNTED}

    def note(self) -> None:
        """Write down what went, and which files could not be read: one that is put back is gone through again."""
        receipt = {**self.counts, "unreadable": sorted(self.unreadable)}
        Erasure.objects.filter(pk=self.erasure.pk).update(receipt=receipt)

    def find(self, held: Iterable[Chunk]) -> Days:
        """The request ids of the subject's records in these files."""
        found: Days = defaultdict(set)
        for chunk in held:
            for table in self._groups(chunk, ["request_id", "subject_ref"]):
                mine = table.filter(_is_in(table["subject_ref"], self.refs))
                found[chunk.version_id, chunk.day].update(mine["request_id"].to_pylist())
        return {place: ids for place, ids in found.items() if ids}

    def forget(self, held: Iterable[Chunk], sought: Callable[[Chunk], "_Sought"]) -> None:
        """Take what is sought out of these files. One that counts is replaced; of others the file goes."""
        for chunk in held:
            what = sought(chunk)
            n = sum(int(pc.sum(what.mask(table)).as_py() or 0) for table in self._groups(chunk, [what.column]))
            if not n:
                continue
            if chunk.state in {Chunk.State.LIVE, Chunk.State.PARKED} and chunk.sha256 not in self.unreadable:
                self._replace(chunk, what, n)
                fault("erase.committed")
            _delete_file(chunk)

    def _groups(self, chunk: Chunk, columns: list[str]) -> Iterator[pa.Table]:
        try:
            with chunks.opened(chunk) as file:
                for i in range(file.num_row_groups):
                    yield file.read_row_group(i, columns, use_threads=False)
        except DamagedChunk:
            self.unreadable.add(chunk.sha256)

    def _replace(self, chunk: Chunk, what: "_Sought", n: int) -> None:
        draft = _without(chunk, what) if n < chunk.rows else None
        fault("erase.rewritten")
        with transaction.atomic():
            _require_held(self.lease)
            for kept in (ChunkIds, ChunkProfile, HourProfile):
                kept.objects.filter(chunk=chunk).delete()
            new = ledger.insert(chunk.model_id, [draft], self.now)[0] if draft else None
            ledger.replace([chunk], by=new, now=self.now)
            if chunk.version_id and chunk.day:
                _count_down(chunk, chunk.day, draft, n)
            self.counts["records" if chunk.kind == Kind.PREDICTION else "outcomes"] += n
            self.note()


@dataclass(frozen=True, slots=True)
class _Sought:
    """Which rows of a file go: those whose column holds one of the values."""

    column: str
    values: frozenset[str]

    def mask(self, table: pa.Table) -> pa.ChunkedArray:
        """For each row whether it goes."""
        return _is_in(table[self.column], self.values)


def _subjects(refs: Iterable[str]) -> _Sought:
    return _Sought("subject_ref", frozenset(refs))


def _outcomes_of(chunk: Chunk, ids: Days) -> _Sought:
    """Outcomes lie with their prediction; those that have not found one may belong to any."""
    if chunk.version_id is None:
        return _Sought("request_id", frozenset().union(*ids.values()))
    return _Sought("request_id", frozenset(ids.get((chunk.version_id, chunk.day), ())))


def _is_in(column: pa.ChunkedArray, wanted: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(column.cast(pa.string()), value_set=pa.array(sorted(wanted), pa.string()))


def _without(chunk: Chunk, what: _Sought) -> Draft:
    """The file once more without what goes, counted anew: profiles hold texts that occurred in it."""
    kind, folder = Kind(chunk.kind), chunks.folder(chunk.model_id, chunk.version_id, chunk.day)
    file = chunks.write(_remaining(chunk, what), folder, order=_ORDER[kind])
    return Draft(
        file,
        kind,
        chunk.version_id,
        chunk.day,
        shadow=chunk.shadow,
        kid=chunk.kid,
        surprises=chunk.surprises,
        created_at=chunk.created_at,
        **_counted(chunk, Chunk(path=file.path, sha256=file.sha256, rows=file.rows)),
    )


def _counted(chunk: Chunk, written: Chunk) -> dict[str, Any]:
    """What stands for the rows of a file of predictions."""
    if chunk.kind == Kind.OUTCOME or chunk.version_id is None:
        return {}
    grid_id, model = chunks.grids.active(chunk.version_id), ModelSpec.of(chunk.model)
    profiles = {grid_id: dumps(chunks.recounted(written, chunks.grids.load(grid_id), model))} if grid_id else {}
    ids = frames.hashes(chunks.read(written, ["id_hash"])).astype("<u8", copy=False).tobytes()
    return {"profiles": profiles, "hours": _hours(written), "ids": ids}


def _remaining(chunk: Chunk, what: _Sought) -> Iterator[pa.Table]:
    """The rows that stay; their texts are coded anew, for a dictionary keeps what no row names any more."""
    with chunks.opened(chunk) as file:
        for i in range(file.num_row_groups):
            table = file.read_row_group(i, use_threads=False)
            kept = table.filter(pc.invert(what.mask(table)))
            if len(kept):
                yield frames.finished(_spelled_out(kept), kept.schema, _ORDER[Kind(chunk.kind)])


def _spelled_out(table: pa.Table) -> pa.Table:
    columns = [column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _hours(written: Chunk) -> list[Hour]:
    held: dict[tuple[datetime, str], Hour] = {}
    with chunks.opened(written) as file:
        for i in range(file.num_row_groups):
            table = file.read_row_group(i, use_threads=False)
            for hour in chunks.hours_of(table, chunks.costs_of(table)):
                key = (hour.hour, hour.endpoint)
                held[key] = held[key] + hour if key in held else hour
    return list(held.values())


def _count_down(chunk: Chunk, day: date, draft: Draft | None, n: int) -> None:
    """Take the rows off the books. Raises Moved if another grid is active than the new file was counted on."""
    books = DayManifest.objects.filter(version=chunk.version_id, day=day)
    if chunk.kind == Kind.OUTCOME:
        books.update(labels=F("labels") - n, label_generation=F("label_generation") + 1)
        return
    traffic = VersionTraffic.objects.filter(version=chunk.version_id)
    if draft:
        traffic = traffic.filter(grid=next(iter(draft.profiles), None))
    if not traffic.update(rows=F("rows") - n):
        raise Moved(f"version {chunk.version_id} is counted on another grid by now")
    books.update(rows=F("rows") - n, generation=F("generation") + 1)


def _delete_file(chunk: Chunk) -> None:
    """At once, unlike other files that were replaced: whoever still reads it has to begin again."""
    readable = (Chunk.State.LIVE, Chunk.State.PARKED, Chunk.State.DAMAGED)
    if not Chunk.objects.filter(path=chunk.path, state__in=readable).exclude(pk=chunk.pk).exists():
        storage.store().delete(chunk.path)
    Chunk.objects.filter(pk=chunk.pk).exclude(state=Chunk.State.DAMAGED).update(path="")


def _forget_items(erasure: Erasure, work: _Work) -> None:
    """Delete what was set aside of the subject, and what receipts say of it."""
    mine = QuarantinedItem.objects.filter(model__team=erasure.team, subject_ref__in=work.refs)
    while rows := list(mine.select_related("batch")[:AT_ONCE]):
        with transaction.atomic():
            _require_held(work.lease)
            for row in rows:
                _forget_fault(row)
            QuarantinedItem.objects.filter(pk__in=[row.pk for row in rows]).delete()
            work.counts["items"] += len(rows)
            work.note()


def _forget_fault(row: QuarantinedItem) -> None:
    """Take the value that was refused out of the receipt's answer."""
    batch = row.batch
    batch.refresh_from_db(fields=["answer"])
    errors = [
        {name: value for name, value in one.items() if name != "received"} if one.get("index") == row.index else one
        for one in batch.answer.get("errors", ())
    ]
    if errors != batch.answer.get("errors"):
        batch.answer = batch.answer | {"errors": errors}
        batch.save(update_fields=["answer"])
