"""Files into the inbox, batch by batch, resumable: the key of a batch is its content and place."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Sum

from mlops_portal.jobs import worker
from mlops_portal.jobs.models import Job
from mlops_portal.kit.errors import Fault
from monitoring.backfill.columns import Layout
from monitoring.backfill.files import HistoryFile, plain
from monitoring.models import InboxRow
from monitoring.models.ingest_batch import IngestBatch, Kind
from monitoring.traffic import flat, inbox, schema
from registry.models import RegisteredModel

BATCH_ROWS = 5_000
WAITING_BYTES = 256 * 1024 * 1024
SHOWN_REJECTS = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What changes the records that a file gives."""

    naive_times_are_utc: bool = False
    version: str = ""  # for files without a version column
    kind: str = "truth"  # for outcomes without a kind column
    since: datetime | None = None
    until: datetime | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)  # version texts of the files

    def digest(self) -> str:
        """Names the options, so that another mapping of the same file is another batch."""
        content = [
            self.naive_times_are_utc,
            self.version,
            self.kind,
            str(self.since),
            str(self.until),
            sorted(self.numbers.items()),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(slots=True)
class Tally:
    """How far it is."""

    read: int = 0
    accepted: int = 0
    filtered: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    examples: list[Fault] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Records that were not taken."""
        return self.rejects.total()

    @property
    def reject_share(self) -> float:
        """Rejected among those offered."""
        offered = self.accepted + self.rejected
        return self.rejected / offered if offered else 0.0


def load(
    file: HistoryFile,
    layout: Layout,
    kind: Kind,
    model: RegisteredModel,
    options: Options,
    *,
    tally: Tally,
    now: Callable[[], datetime],
    report: Callable[[Tally], None],
    is_dry: bool = False,
) -> None:
    """Send every record of the file through the inbox, as the API would but for the limit on age.

    A batch that was stored before (same file, rows and options) is answered from its receipt. Compaction is done
    here whenever too much waits, so that it works without a worker too. is_dry: only count and check.
    """
    for first, table in file.batches(BATCH_ROWS):
        tally.read += table.num_rows
        prepared = _filtered(canonical(table, layout, kind, options), kind, options, tally)
        if prepared.num_rows:
            decoded = flat.decode(prepared, kind, schema.start(model, now(), too_old_ok=True))
            if not is_dry:
                key = f"{file.sha256}:{first}:{table.num_rows}:{kind.value}:{options.digest()}:{_layout_digest(layout)}"
                digest = hashlib.sha256(key.encode()).hexdigest()
                inbox.accept(
                    model, kind, decoded, key=digest, body_sha256=digest, via=IngestBatch.Via.BACKFILL, now=now()
                )
                _make_room()
            tally.accepted += decoded.accepted
            tally.rejects.update(fault.code for fault in decoded.errors)
            space = SHOWN_REJECTS - len(tally.examples)
            tally.examples += [_at_row(fault, first) for fault in decoded.errors[:space]]
        report(tally)


def canonical(table: pa.Table, layout: Layout, kind: str, options: Options) -> pa.Table:
    """The table with the names of the flat form: fields by their name, features as `feature.<name>`."""
    columns: dict[str, pa.ChunkedArray] = {}
    for name, column in layout.fields.items():
        columns[name] = _field(name, plain(table[column]), options)
    for name, column in layout.features.items():
        columns[f"feature.{name}"] = plain(table[column])
    rows = table.num_rows
    if kind == Kind.PREDICTION and "version" not in columns:
        columns["version"] = pa.chunked_array([pa.repeat(options.version or "1", rows)])
    if kind == Kind.OUTCOME and "kind" not in columns:
        columns["kind"] = pa.chunked_array([pa.repeat(options.kind, rows)])
    return pa.table(columns)


def _field(name: str, column: pa.ChunkedArray, options: Options) -> pa.ChunkedArray:
    if name == "version":
        texts = pc.cast(column, pa.string())
        table = pa.array(list(options.numbers) or [""]), pa.array([str(n) for n in options.numbers.values()] or [""])
        places = pc.index_in(texts, value_set=table[0])
        return pc.coalesce(pc.take(table[1], places), texts)
    if name in {"request_id", "trace_id", "subject_id"}:
        return pc.cast(column, pa.string())
    if pa.types.is_timestamp(column.type) and column.type.tz is None and options.naive_times_are_utc:
        return pc.assume_timezone(pc.cast(column, pa.timestamp("us")), "UTC")
    if name.endswith("_at") and pa.types.is_string(column.type) and options.naive_times_are_utc:
        return _with_zone(column)
    return column


def _with_zone(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts of times, with Z appended where no offset stands."""
    has_zone = pc.match_substring_regex(column, r"([Zz]|[+-]\d\d:\d\d)$")
    spaced = pc.replace_substring_regex(column, r"^(\d{4}-\d\d-\d\d) ", r"\1T")
    return pc.if_else(has_zone, spaced, pc.binary_join_element_wise(spaced, "Z", ""))


def _filtered(table: pa.Table, kind: str, options: Options, tally: Tally) -> pa.Table:
    """Without predictions before `since` or from `until` on; unreadable times stay, to be rejected by name."""
    if kind != Kind.PREDICTION or not (options.since or options.until) or "predicted_at" not in table.column_names:
        return table
    at = table["predicted_at"]
    if pa.types.is_string(at.type):
        at = pc.cast(pc.replace_substring_regex(at, r"[Zz]$", "+00:00"), pa.timestamp("us", "UTC"))
    keep = pa.chunked_array([pa.repeat(True, table.num_rows)])  # noqa: FBT003
    if options.since:
        keep = pc.and_(keep, pc.greater_equal(at, pa.scalar(options.since, pa.timestamp("us", "UTC"))))
    if options.until:
        keep = pc.and_(keep, pc.less(at, pa.scalar(options.until, pa.timestamp("us", "UTC"))))
    kept = table.filter(keep)
    tally.filtered += table.num_rows - kept.num_rows
    return kept


def _make_room() -> None:
    """Compact here until less than 256 MB wait; another worker may be doing the same."""
    while (InboxRow.objects.aggregate(waiting=Sum("size_bytes"))["waiting"] or 0) > WAITING_BYTES:
        worker.drain([Job.Queue.INGEST])


def _at_row(fault: Fault, first: int) -> Fault:
    index = first + (fault.index or 0)
    return Fault(fault.code, fault.detail, f"row {index + 1}", index, fault.received)


def _layout_digest(layout: Layout) -> str:
    return hashlib.sha256(
        json.dumps([sorted(layout.fields.items()), sorted(layout.features.items())]).encode()
    ).hexdigest()


def label_column(files: Iterator[tuple[pa.Table, Layout]]) -> pa.ChunkedArray | None:
    """The truth in the first file that holds it: the label of a reference, the value of outcomes."""
    for table, layout in files:
        for name in ("label", "value"):
            if name in layout.fields:
                return plain(table[layout.fields[name]])
    return None
