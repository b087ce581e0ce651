"""Frames: accepted records as Arrow tables, the flat form of a chunk. Features stand in columns `f.<name>`.

`id_hash` finds a request id without reading texts; `content_hash` tells a repeated record from a changed one. Both are
64 bits: the full id decides in the end, and two contents of one id meet by chance once in 10^19.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import chain, product
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring.stats.columns import CodedColumn
from monitoring.traffic import payload
from monitoring.traffic.payload import OUTCOME_DEFAULTS, PREDICTION_DEFAULTS, Unpacked
from registry.models import Feature

FEATURE = "f."
ROW = "_row"  # which inbox row a record came with; never written, like
KID = "_kid"  # the key of its hashed values
HASH_BYTES = 8
DAY_US = 86_400_000_000
EPOCH = date(1970, 1, 1)
_LONG = 64  # rows of a part from which on it is worth while to convert it by itself

TIME = pa.timestamp("us", tz="UTC")
LABEL = pa.dictionary(pa.int32(), pa.string())
_ENVELOPE: tuple[tuple[str, pa.DataType], ...] = (
    ("request_id", pa.string()),
    ("predicted_at", TIME),
    ("endpoint", LABEL),
    ("revision", pa.int32()),
    ("score", pa.float64()),
    ("scores", pa.string()),
    ("prediction", LABEL),
    ("prediction_number", pa.float64()),
    ("action", LABEL),
    ("latency_ms", pa.float64()),
    ("cost", pa.float64()),
    ("stages", LABEL),
    ("calls", pa.int32()),
    ("fallback", pa.bool_()),
    ("error", LABEL),
    ("subject_ref", pa.string()),
    ("trace_id", pa.string()),
    ("shadow", pa.bool_()),
    ("received_at", TIME),
)
_OUTCOME: tuple[tuple[str, pa.DataType], ...] = (
    ("request_id", pa.string()),
    ("kind", LABEL),
    ("value_number", pa.float64()),
    ("value_text", pa.string()),
    ("weight", pa.float64()),
    ("observed_at", TIME),
    ("predicted_at", TIME),
    ("received_at", TIME),
)
HASHES = (("id_hash", pa.uint64()), ("content_hash", pa.uint64()))
DEFAULTS = PREDICTION_DEFAULTS | OUTCOME_DEFAULTS
OUTCOME_SCHEMA = pa.schema([*_OUTCOME, *HASHES])


@dataclass(frozen=True, slots=True)
class Column:
    """A stored feature: its name and whether its values are numbers."""

    name: str
    is_number: bool

    @property
    def field(self) -> tuple[str, pa.DataType]:
        return FEATURE + self.name, pa.float64() if self.is_number else LABEL


Part = tuple[int, Unpacked]  # a group, and the place of its inbox row in the batch


def columns_of(version_ids: Iterable[UUID]) -> dict[UUID, tuple[Column, ...]]:
    """The stored features of each version, in the order of its list; dropped ones have no column."""
    found: dict[UUID, tuple[Column, ...]] = dict.fromkeys(version_ids, ())
    rows = Feature.objects.filter(version__in=found).exclude(privacy=Feature.Privacy.DROP)
    numeric = (Feature.Dtype.NUMBER, Feature.Dtype.INTEGER, Feature.Dtype.TIMESTAMP)
    for version_id, name, dtype in rows.order_by("position", "name").values_list("version", "name", "dtype"):
        found[version_id] = (*found[version_id], Column(name, dtype in numeric))
    return found


def prediction_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a version's prediction chunks."""
    return pa.schema([*_ENVELOPE, *HASHES, *(column.field for column in columns)])


def of_predictions(parts: Sequence[Part], columns: Sequence[Column]) -> pa.Table:
    """The predictions of some inbox rows; what the version does not declare is left out, what lacks is null."""
    rows = sum(group.rows for _, group in parts)
    arrays = _envelope(parts, _ENVELOPE)
    if not arrays["prediction_number"].null_count:
        arrays["prediction"] = pa.nulls(rows, pa.string())  # it would repeat the number as text
    for column in columns:
        name, kind = column.field
        arrays[name] = _array([(group.features.get(column.name), group.rows) for _, group in parts], None, _raw(kind))
    return pa.table(arrays)


def of_outcomes(parts: Sequence[Part]) -> pa.Table:
    """The outcomes of some inbox rows."""
    return pa.table(_envelope(parts, _OUTCOME))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The tables one below the other, without copying them; labels of one column share one dictionary."""
    return pa.concat_tables(tables).unify_dictionaries()


def finished(table: pa.Table, schema: pa.Schema, order: str) -> pa.Table:
    """The table as a chunk holds it: in the order of a time, texts that repeat coded, without what is only ours."""
    table = table.select(schema.names)
    moments = micros(table[order])
    if (moments[1:] < moments[:-1]).any():
        table = table.combine_chunks().take(pa.array(np.argsort(moments, kind="stable")))
    return pa.table([_coded(table[field.name], field.type) for field in schema], schema=schema)


def _coded(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_floating(kind):
        return column.combine_chunks()  # it is looked at more than once
    if kind != LABEL or column.type == LABEL:
        return column
    return column.dictionary_encode().combine_chunks()


def days_of(table: pa.Table) -> NDArray[np.int64]:
    """The UTC day of each prediction, as days since 1970."""
    return micros(table["predicted_at"]) // DAY_US


def split(table: pa.Table) -> Iterator[tuple[date, bool, str, pa.Table]]:
    """The rows of each UTC day of prediction, shadow flag and hash key, in the order they came."""
    for day, of_day in _by_day(table).items():
        shadows, kids = of_day["shadow"].unique(), of_day[KID].unique()
        for shadow, kid in product(shadows.to_pylist(), sorted(kids.to_pylist())):
            part = of_day
            if len(shadows) > 1 or len(kids) > 1:
                part = of_day.filter(pc.and_(pc.equal(of_day["shadow"], shadow), pc.equal(of_day[KID], kid)))
            if len(part):
                yield day, shadow, kid, part


def _by_day(table: pa.Table) -> dict[date, pa.Table]:
    days = days_of(table)
    present = np.unique(days)
    if len(present) == 1:
        return {as_date(present[0]): table}
    return {as_date(day): table.take(pa.array(np.flatnonzero(days == day))) for day in present}


def as_date(day: int) -> date:
    """The date of a day counted from 1970."""
    return EPOCH + timedelta(days=int(day))


def as_day(day: date) -> int:
    """How many days after 1970 a date lies."""
    return (day - EPOCH).days


def micros(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A column of times as microseconds since 1970; null is 0."""
    whole = column.cast(pa.int64())
    return np.asarray((pc.fill_null(whole, 0) if whole.null_count else whole).to_numpy(), dtype=np.int64)


def moment(us: int) -> datetime:
    """The aware moment of microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(us))


def hashes(table: pa.Table, name: str = "id_hash") -> NDArray[np.uint64]:
    """A hash column as uint64."""
    return np.asarray(table[name].to_numpy(), dtype=np.uint64)


def id_hashes(ids: Sequence[str]) -> NDArray[np.uint64]:
    """The 64-bit hash of each request id."""
    fresh = blake2b(digest_size=HASH_BYTES).copy  # a copy costs a third of what a new one does
    digests = []
    for one in ids:
        state = fresh()
        state.update(one.encode())
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8")


def floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of numbers as float64, NaN for null; read-only, and no copy where there is neither null nor seam."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)


def coded(column: pa.ChunkedArray) -> CodedColumn:
    """A column of text as codes and values."""
    array = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    array = array.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no row at all
        return CodedColumn(np.zeros(0, dtype=np.int32), ())
    indices = pc.fill_null(array.indices, -1) if array.null_count else array.indices
    codes = indices.to_numpy(zero_copy_only=False)
    return CodedColumn(codes, tuple(array.dictionary.to_pylist()))


def feature_columns(table: pa.Table) -> Mapping[str, Any]:
    """The features of a frame as `stats.profile.build` reads them."""
    return {
        name.removeprefix(FEATURE): coded(table[name])
        if pa.types.is_dictionary(table.schema.field(name).type)
        else floats(table[name])
        for name in table.column_names
        if name.startswith(FEATURE)
    }


def _envelope(parts: Sequence[Part], schema: Iterable[tuple[str, pa.DataType]]) -> dict[str, pa.Array]:
    arrays = {
        name: _array([(group.columns.get(name), group.rows) for _, group in parts], DEFAULTS.get(name), _raw(kind))
        for name, kind in schema
    }
    ids = list(chain.from_iterable(payload.listed(group.columns["request_id"], group.rows) for _, group in parts))
    sources, lengths = [source for source, _ in parts], [group.rows for _, group in parts]
    return arrays | {
        "id_hash": pa.array(id_hashes(ids)),
        "content_hash": pa.array(
            np.concatenate([_short(group.columns["content_hash"], group.rows) for _, group in parts])
        ),
        ROW: pa.array(np.repeat(np.array(sources, dtype=np.int32), lengths)),
        KID: pa.array([group.kid for _, group in parts]).take(pa.array(np.repeat(np.arange(len(parts)), lengths))),
    }


def _short(digests: payload.Column, rows: int) -> NDArray[np.uint64]:
    """The first bytes of each hash, as a number."""
    if isinstance(digests, list):
        return np.frombuffer(b"".join([digest[:HASH_BYTES] for digest in payload.listed(digests, rows)]), dtype="<u8")
    return np.ascontiguousarray(np.asarray(digests)[:, :HASH_BYTES]).view("<u8").ravel()


def _raw(kind: pa.DataType) -> pa.DataType:
    """Text is coded once for the whole chunk, not once per inbox row."""
    return pa.string() if kind == LABEL else kind


def _array(given: Sequence[tuple[payload.Column | None, int]], default: Any, kind: pa.DataType) -> pa.Array:
    """A column over all parts, each with its number of rows; the default where a part does not have it."""
    rows = sum(rows for _, rows in given)
    if all(values is None for values, _ in given):
        return _repeated(default, rows, kind)
    held = [([default] if values is None else values, rows) for values, rows in given]
    if rows >= _LONG * len(held):
        return pa.concat_arrays([_part(values, rows, kind) for values, rows in held])
    return _typed(list(chain.from_iterable(payload.listed(values, rows) for values, rows in held)), kind)


def _part(values: payload.Column, rows: int, kind: pa.DataType) -> pa.Array:
    if isinstance(values, memoryview):
        return pa.array(np.asarray(values), kind)
    return _typed(values, kind) if len(values) == rows else _repeated(values[0], rows, kind)


def _repeated(value: Any, rows: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(rows, kind) if value is None else pa.repeat(pa.scalar(value, kind), rows)


def _typed(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int64()).cast(TIME) if kind == TIME else pa.array(values, kind)
