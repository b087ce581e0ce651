"""Compaction: waiting inbox rows of one model become chunks, each record once, in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import msgspec
import pyarrow as pa
from django.db.models import F, Min, Sum
from django.db.models.functions import Length

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from mlops_portal.kit.faults import fault
from monitoring.models import Chunk, InboxRow, IngestBatch, QuarantinedItem
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import batches, ledger, payload
from monitoring.traffic.batches import Batch, Prepared
from monitoring.traffic.compaction import consolidation, preparing
from monitoring.traffic.ledger import Moved
from monitoring.traffic.outcomes import parked, placing
from monitoring.traffic.specs import ModelSpec
from registry.models import RegisteredModel

AGE = timedelta(seconds=10)
WAITING_BYTES = 32 * 1024 * 1024
QUARANTINED_PER_BATCH = 100
_ATTEMPTS = 3


class InboxMoved(Exception):
    """Inbox rows that this compaction read are gone: somebody else has stored them."""


def compact(model_id: UUID, lease: Lease) -> None:
    """Store the model's oldest waiting records as chunks, with profiles, receipts and dirty windows.

    All of it commits together with the end of the job, or nothing does; a retry writes the same files again. Records
    that are stored already are counted as duplicates, other contents under a known id as conflicts. Orders itself
    again while rows wait. Raises LostLease if another worker has the job by now.
    """
    model = RegisteredModel.objects.select_related("team").get(pk=model_id)
    for attempt in range(1, _ATTEMPTS + 1):
        batch = batches.take(model_id)
        if batch is None:
            return
        fault("compact.read")
        try:
            _store(model, batch, lease, clock.now())
        except Moved:
            if attempt == _ATTEMPTS:
                raise
        else:
            fault("compact.committed")
            return
        finally:
            pa.default_memory_pool().release_unused()  # else a worker keeps what its largest batch took


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order what is due: compaction of inboxes, consolidation of days, matching of outcomes about to be given up.

    An inbox is due when its oldest row is 10 seconds old or 32 MB wait; drain: as soon as it holds a row.
    """
    readable = InboxRow.objects.filter(codec=payload.CODEC, payload_v__lte=payload.PAYLOAD_V)
    inboxes = readable.values("model").annotate(oldest=Min("pk"), waiting=Sum(Length("payload"))).order_by()
    waiting_bytes = dict(inboxes.values_list("oldest", "waiting"))
    # Asked of one row per model: what stands behind the payload SQLite reaches only by reading all of it.
    oldest = InboxRow.objects.filter(pk__in=waiting_bytes).order_by("pk")
    for pk, received_at, model_id, team_id in oldest.values_list("pk", "received_at", "model", "model__team"):
        if drain or received_at <= now - AGE or waiting_bytes[pk] >= WAITING_BYTES:
            order(model_id, team_id)
    consolidation.sweep(now)
    parked.sweep(now)


def order(model_id: UUID, team_id: UUID) -> None:
    """Have a worker store what waits in the model's inbox."""
    queue.enqueue(
        "monitoring.compact", str(model_id), payload={"model": str(model_id)}, queue=Job.Queue.INGEST, team=team_id
    )


def _store(model: RegisteredModel, batch: Batch, lease: Lease, now: datetime) -> None:
    spec = ModelSpec.of(model)
    prepared = (preparing.predictions if batch.kind == Kind.PREDICTION else placing.outcomes)(batch, spec)
    batch.tables.clear()
    result = {"rows": sum(draft.file.rows for draft in prepared.drafts), "chunks": len(prepared.drafts)}
    with queue.finishing(lease, result):
        kept = ledger.record(model.pk, prepared.drafts, prepared.seen, now)
        if batch.kind == Kind.PREDICTION:
            ledger.count_traffic(prepared.drafts, prepared.grid_ids, _live_at(batch))
        for version_id, signals in prepared.signals.items():
            ledger.count_signals(version_id, signals)
        _write_receipts(batch, prepared, now)
        _quarantine(model.pk, batch, prepared, now)
        _empty_inbox(batch)
        _order_what_follows(model, kept, now)
        fault("compact.in_txn")


def _live_at(batch: Batch) -> datetime | None:
    """When the API last received some of it; history that is filled in does not make a model live."""
    return max((source.received_at for source in batch.sources if source.via == IngestBatch.Via.API), default=None)


def _write_receipts(batch: Batch, prepared: Prepared, now: datetime) -> None:
    """Say what became of the records of each batch; the many that went through whole take one statement."""
    columns = (prepared.duplicates, prepared.conflicts, prepared.parked, prepared.erased)
    by_counts: dict[tuple[int, ...], list[UUID]] = defaultdict(list)
    for source, *counts in zip(batch.sources, *(column.tolist() for column in columns), strict=True):
        by_counts[tuple(counts)].append(source.batch_id)
    for (duplicates, conflicts, waiting, erased), batch_ids in by_counts.items():
        IngestBatch.objects.filter(pk__in=batch_ids).update(
            stored=F("accepted") - duplicates - conflicts - erased,
            duplicates=duplicates,
            conflicts=conflicts,
            parked=waiting,
            erased=erased,
            stored_at=now,
        )


def _quarantine(model_id: UUID, batch: Batch, prepared: Prepared, now: datetime) -> None:
    """Set conflicting records aside by name, at most a hundred per compaction; the receipt has counted all."""
    QuarantinedItem.objects.bulk_create(
        QuarantinedItem(
            batch_id=batch.sources[conflict.source].batch_id,
            model_id=model_id,
            index=conflict.position,
            code="request_id_conflict",
            pointer=f"/items/{conflict.position}/request_id",
            detail="Another record with this request id is stored already; the first one stays.",
            item=msgspec.json.encode({"request_id": conflict.request_id}).decode(),
            created_at=now,
        )
        for conflict in islice(prepared.conflicting, QUARANTINED_PER_BATCH)
    )


def _empty_inbox(batch: Batch) -> None:
    gone, _ = InboxRow.objects.filter(pk__in=[source.pk for source in batch.sources]).delete()
    if gone != len(batch.sources):
        raise InboxMoved(f"{len(batch.sources) - gone} inbox rows were stored by somebody else")


def _order_what_follows(model: RegisteredModel, kept: Sequence[Chunk], now: datetime) -> None:
    if batches.waiting(model.pk).exists():
        order(model.pk, model.team_id)
    consolidation.order_full_days(kept, team=model.team_id)
    if Chunk.objects.filter(model=model, state=Chunk.State.PARKED).exists():
        parked.order_later(model.pk, team=model.team_id, now=now)
