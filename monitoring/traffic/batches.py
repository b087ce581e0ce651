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
from django.db.models.functions import Length
from numpy.typing import NDArray

from monitoring.models import InboxRow
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import frames, ledger, payload
from monitoring.traffic.frames import Column
from monitoring.traffic.ledger import Draft, Seen, Surprises
from monitoring.traffic.payload import CODEC, PAYLOAD_V, DamagedPayload

logger = logging.getLogger(__name__)

ROWS = 2048
PACKED_BYTES = 64 * 1024 * 1024
ITEMS = 262_144  # also the most rows of a chunk that compaction writes
FRAME_BYTES = 40 * 1024 * 1024
UNREADABLE = "unreadable"
_LOADED_BYTES = 8 * 1024 * 1024
_MUCH_PENDING = 32_768
_TOGETHER = 8192  # records that are turned into columns at once; small bodies cost no more than large ones

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
    pending: dict[UUID | None, list[frames.Part]] = field(default_factory=lambda: defaultdict(list))
    pending_rows: dict[UUID | None, int] = field(default_factory=lambda: defaultdict(int))
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
    erased: Counts  # of subjects that were forgotten
    drafts: list[Draft] = field(default_factory=list)
    conflicting: list[Conflict] = field(default_factory=list)
    grid_ids: dict[UUID, UUID | None] = field(default_factory=dict)
    signals: dict[UUID, dict[str, tuple[str, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: int, seen: Seen) -> "Prepared":
        """Nothing yet of so many inbox rows."""
        return cls(seen, *np.zeros((4, sources), dtype=np.int64))


def waiting(model_id: UUID) -> QuerySet[InboxRow]:
    """The model's inbox rows that this release can read, oldest first."""
    return InboxRow.objects.filter(model=model_id, codec=CODEC, payload_v__lte=PAYLOAD_V).order_by("pk")


def take(model_id: UUID) -> Batch | None:
    """Read the oldest rows: at most 2,048 rows, 64 MB packed or 40 MB of frames. None if nothing waits.

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
    for source, packed in _loaded(_fitting(of_kind)):
        _add(batch, source, packed)
        is_much = sum(batch.pending_rows.values()) >= _MUCH_PENDING
        frame_bytes += _convert(batch, columns, at_least=1 if is_much else _TOGETHER)
        if frame_bytes >= FRAME_BYTES:
            break
    _convert(batch, columns, at_least=1)
    return batch


def _fitting(rows: QuerySet[InboxRow]) -> list[list[int]]:
    """The ids of as many of the oldest rows as one compaction takes, in groups to be loaded together.

    Always at least the first row. `size_bytes` stands behind the payload, which SQLite would have to read to get there;
    how long it is stands in front.
    """
    groups: list[list[int]] = [[]]
    items = size_bytes = loaded_bytes = 0
    for pk, more_items, more_bytes in rows.values_list("pk", "items", Length("payload"))[:ROWS]:
        items, size_bytes, loaded_bytes = items + more_items, size_bytes + more_bytes, loaded_bytes + more_bytes
        if groups[0] and (items > ITEMS or size_bytes > PACKED_BYTES):
            break
        if groups[-1] and loaded_bytes > _LOADED_BYTES:
            groups.append([])
            loaded_bytes = more_bytes
        groups[-1].append(pk)
    return groups


def _loaded(groups: Sequence[Sequence[int]]) -> Iterator[tuple[Source, bytes]]:
    """The rows with their payloads. Plain values: a model instance would keep its payload alive in a cycle."""
    fields = ("pk", "batch_id", "batch__via", "items", "received_at", "payload")
    for pks in groups:
        for *source, packed in InboxRow.objects.filter(pk__in=pks).order_by("pk").values_list(*fields):
            yield Source(*source), packed


def _add(batch: Batch, source: Source, packed: bytes) -> None:
    """Add what a row holds.

    A row that cannot be read is set aside, so that it stops nobody else; it stays in the inbox for a person.
    """
    try:
        groups = payload.decode(packed)
    except DamagedPayload:
        InboxRow.objects.filter(pk=source.pk).update(codec=UNREADABLE)
        logger.exception("inbox row cannot be read", extra={"inbox_row": source.pk, "batch": str(source.batch_id)})
        return
    place = len(batch.sources)
    batch.sources.append(source)
    for group in groups:
        version_id = UUID(group.version_id) if group.version_id else None
        batch.pending[version_id].append((place, group))
        batch.pending_rows[version_id] += group.rows
        batch.surprises[version_id].append(group.surprises)


def _convert(batch: Batch, columns: dict[UUID, tuple[Column, ...]], *, at_least: int) -> int:
    """Turn pending records into frames, where a version has enough of them; returns how many bytes these take."""
    size_bytes = 0
    for version_id, parts in batch.pending.items():
        if batch.pending_rows[version_id] < at_least:
            continue
        if version_id is not None and version_id not in columns:
            columns |= frames.columns_of([version_id])
        table = frames.of_predictions(parts, columns[version_id]) if version_id else frames.of_outcomes(parts)
        batch.tables[version_id].append(table)
        batch.pending[version_id], batch.pending_rows[version_id] = [], 0
        size_bytes += table.nbytes
    return size_bytes
