"""What one compaction takes from the inbox: the oldest rows of a model, as frames."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import numpy as np
import pyarrow as pa
from django.db.models import QuerySet
from numpy.typing import NDArray

from monitoring.models import InboxRow
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import frames, ledger, payload
from monitoring.traffic.frames import Column
from monitoring.traffic.ledger import Draft, Seen, Surprises
from monitoring.traffic.payload import CODEC, PAYLOAD_V, DamagedPayload, Group

logger = logging.getLogger(__name__)

ROWS = 256
PACKED_BYTES = 64 * 1024 * 1024
ITEMS = 262_144  # also the most rows of a chunk that compaction writes
FRAME_BYTES = 64 * 1024 * 1024
UNREADABLE = "unreadable"
_LOADED_AT_ONCE = 16

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """One inbox row of a batch; its place in `Batch.sources` stands in the frames' column `_row`."""

    pk: int
    batch_id: UUID
    via: str
    items: int
    received_at: datetime


@dataclass(slots=True)
class Batch:
    """Inbox rows of one kind and what they hold: a frame per version (outcomes: of none)."""

    kind: Kind
    sources: list[Source] = field(default_factory=list)
    tables: dict[UUID | None, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))
    surprises: dict[UUID | None, list[Surprises]] = field(default_factory=lambda: defaultdict(list))

    def surprises_of(self, version_id: UUID | None) -> Surprises:
        """The surprises of a version (outcomes: of none) added up by code and feature."""
        return ledger.add_surprises(self.surprises[version_id])


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record whose id is known with other content; source: its inbox row, position: its place among the accepted."""

    source: int
    position: int
    request_id: str


@dataclass(slots=True)
class Prepared:
    """What a batch came to: drafts, and per inbox row how many records went where."""

    seen: Seen
    duplicates: Counts
    conflicts: Counts
    parked: Counts
    drafts: list[Draft] = field(default_factory=list)
    conflicting: list[Conflict] = field(default_factory=list)
    grid_ids: dict[UUID, UUID | None] = field(default_factory=dict)
    signals: dict[UUID, dict[str, tuple[str, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: int, seen: Seen) -> "Prepared":
        """Nothing yet of so many inbox rows."""
        duplicates, conflicts, parked = np.zeros((3, sources), dtype=np.int64)
        return cls(seen, duplicates, conflicts, parked)


def waiting(model_id: UUID) -> QuerySet[InboxRow]:
    """The model's inbox rows that this release can read, oldest first."""
    return InboxRow.objects.filter(model=model_id, codec=CODEC, payload_v__lte=PAYLOAD_V).order_by("pk")


def take(model_id: UUID) -> Batch | None:
    """Read the oldest rows: at most 256 rows, 64 MB packed or 64 MB of frames. None if nothing waits.

    One kind at a time: that of the oldest row. Outcomes are taken only as far as no prediction came before them, so
    that an outcome finds a prediction that was sent earlier.
    """
    oldest = waiting(model_id).values_list("kind", flat=True).first()
    if oldest is None:
        return None
    batch = Batch(Kind(oldest))
    of_kind = waiting(model_id).filter(kind=oldest)
    if batch.kind == Kind.OUTCOME:
        barrier = waiting(model_id).filter(kind=Kind.PREDICTION).values_list("pk", flat=True).first()
        of_kind = of_kind.filter(pk__lt=barrier) if barrier else of_kind
    columns: dict[UUID, tuple[Column, ...]] = {}
    frame_bytes = 0
    for row in _loaded(_fitting(of_kind)):
        frame_bytes += _add(batch, row, columns)
        if frame_bytes >= FRAME_BYTES:
            break
    return batch


def _fitting(rows: QuerySet[InboxRow]) -> list[int]:
    """The ids of as many of the oldest rows as one compaction takes; always the first."""
    fitting: list[int] = []
    items = size_bytes = 0
    for pk, more_items, more_bytes in rows.values_list("pk", "items", "size_bytes")[:ROWS]:
        items, size_bytes = items + more_items, size_bytes + more_bytes
        if fitting and (items > ITEMS or size_bytes > PACKED_BYTES):
            break
        fitting.append(pk)
    return fitting


def _loaded(pks: Sequence[int]) -> Iterator[InboxRow]:
    for start in range(0, len(pks), _LOADED_AT_ONCE):
        some = InboxRow.objects.filter(pk__in=pks[start : start + _LOADED_AT_ONCE])
        yield from some.select_related("batch").order_by("pk")


def _add(batch: Batch, row: InboxRow, columns: dict[UUID, tuple[Column, ...]]) -> int:
    """Add what a row holds; returns how many bytes its frames take.

    A row that cannot be read is set aside, so that it stops nobody else; it stays in the inbox for a person.
    """
    try:
        groups = payload.decode(row.payload)
    except DamagedPayload:
        InboxRow.objects.filter(pk=row.pk).update(codec=UNREADABLE)
        logger.exception("inbox row cannot be read", extra={"inbox_row": row.pk, "batch": str(row.batch_id)})
        return 0
    place = len(batch.sources)
    batch.sources.append(Source(row.pk, row.batch_id, row.batch.via, row.items, row.received_at))
    size_bytes = 0
    for group in groups:
        version_id, table = _frame(group, place, columns)
        batch.tables[version_id].append(table)
        batch.surprises[version_id].append(group.surprises)
        size_bytes += table.nbytes
    return size_bytes


def _frame(group: Group, place: int, columns: dict[UUID, tuple[Column, ...]]) -> tuple[UUID | None, pa.Table]:
    if not group.version_id:
        return None, frames.of_outcomes(group, place)
    version_id = UUID(group.version_id)
    if version_id not in columns:
        columns |= frames.columns_of([version_id])
    return version_id, frames.of_predictions(group, columns[version_id], place)
