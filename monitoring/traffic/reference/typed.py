"""Columns of a file as a feature declares them, after its privacy rule; or what is wrong with them, and the remedy."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring.stats.columns import CodedColumn, Column, as_floats
from monitoring.traffic import cells, frames, privacy, rankings, surprises, times
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Task

US = 1_000_000
_SHOWN = 64
_TRUTHS = ("true", "false")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file cannot be used: the column, what stands there, what to do; detail is the sentence for people."""

    field: str
    found: str
    remedy: str

    @property
    def detail(self) -> str:
        return f"{self.field}: found {self.found}. {self.remedy}" if self.field else f"{self.found} {self.remedy}"

    def as_json(self) -> dict[str, str]:
        return {**asdict(self), "detail": self.detail}


class Mistyped(Exception):
    """A column does not hold what it should."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy

    def problem(self, field: str) -> Problem:
        return Problem(field, self.found, self.remedy)


def feature(column: pa.ChunkedArray, spec: FeatureSpec, team_id: UUID, kid: str) -> Column:
    """The values of a feature as traffic stores them. Raises Mistyped."""
    typed = _READERS.get(spec.dtype, texts)(column)
    if isinstance(typed, CodedColumn):
        return _kept_texts(typed, spec, team_id, kid)
    return _kept_numbers(as_floats(typed), spec, team_id, kid)


def numbers(column: pa.ChunkedArray) -> Floats:
    """Numbers; texts are read as such. Raises Mistyped."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if cells.is_text(column.type):
        column = _as_doubles(column)
    elif not cells.is_number(column.type):
        raise Mistyped(f"values of type {column.type}", "Write numbers, or register the feature with another type.")
    return frames.floats(pc.cast(column, pa.float64(), safe=False))


def moments_us(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Times as microseconds since 1970, 0 for none. Raises Mistyped."""
    if pa.types.is_null(column.type):
        return np.zeros(len(column), dtype=np.int64)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return frames.micros(pc.cast(column, pa.timestamp("us", "UTC"), safe=False))
    if not cells.is_text(column.type):
        raise Mistyped(f"values of type {column.type}", "Write times as 2025-11-20T09:31:07Z, with their offset.")
    coded = frames.coded(pc.cast(column, pa.string()))
    parsed = times.parse_column(coded.values) if coded.values else []
    for text, at in zip(coded.values, parsed, strict=True):
        if isinstance(at, times.BadTime):
            raise Mistyped(repr(text[:_SHOWN]), at.detail)
    by_code: NDArray[np.int64] = np.array([*parsed, 0], dtype=np.int64)
    return np.asarray(by_code[coded.codes])


def texts(column: pa.ChunkedArray) -> CodedColumn:
    """Texts; whole numbers and truth values count as their text. Raises Mistyped."""
    if pa.types.is_null(column.type):
        return CodedColumn(np.full(len(column), -1, dtype=np.int32), ())
    if pa.types.is_floating(column.type):
        whole = pc.all(pc.equal(column, pc.floor(column)), skip_nulls=True).as_py()
        if whole is False:
            raise Mistyped("numbers with fractions", "Write texts, or register the feature as a number.")
        column = pc.cast(column, pa.int64())
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.string())
    if not cells.is_text(column.type):
        raise Mistyped(f"values of type {column.type}", "Write texts, or register the feature with another type.")
    return frames.coded(pc.cast(column, pa.string()))


def truths(column: pa.ChunkedArray) -> CodedColumn:
    """Truth values as `true` and `false`. Raises Mistyped."""
    if cells.is_number(column.type):
        raise Mistyped("numbers", "Write true or false, or register the feature as a number.")
    coded = texts(column)
    odd = [value for value in coded.values if value not in _TRUTHS]
    if odd:
        raise Mistyped(repr(odd[0][:_SHOWN]), "Write true or false, or register the feature as a category.")
    return coded


def seconds(column: pa.ChunkedArray) -> Floats:
    """Times as seconds since 1970, NaN for none. Raises Mistyped."""
    us = moments_us(column)
    missing = column.is_null().to_numpy() if column.null_count else np.zeros(len(column), dtype=bool)
    return np.where(missing, np.nan, us / US)


def labels(column: pa.ChunkedArray, model: ModelSpec) -> Column:
    """The truth of each row: binary 1 or 0, a class, a number, or relevances as text. Raises Mistyped."""
    if model.task == Task.REGRESSION:
        return numbers(column)
    if model.task == Task.RANKING:
        return _documents(column, rankings.relevances, 'Write relevances of 0 or more by item id, as {"i7": 1}.')
    coded = texts(column)
    if model.task == Task.BINARY and set(coded.values) <= set(_TRUTHS) and not set(coded.values) & set(model.classes):
        coded = CodedColumn(coded.codes, tuple(_class_of(value, model) for value in coded.values))
    odd = [value for value in coded.values if model.classes and value not in model.classes]
    if odd:
        raise Mistyped(repr(odd[0][:_SHOWN]), f"The classes of this model are {', '.join(model.classes[:10])}.")
    if model.task != Task.BINARY:
        return coded
    by_code = np.array([*(float(value == model.positive) for value in coded.values), np.nan])
    return np.asarray(by_code[coded.codes])


def shown_ids(column: pa.ChunkedArray) -> CodedColumn:
    """The list of shown ids of each row, as text. Raises Mistyped."""
    return _documents(column, rankings.shown_ids, 'Write the shown ids in order, as ["i7", "i9"].')


def _documents(column: pa.ChunkedArray, read: Callable[[str], object], remedy: str) -> CodedColumn:
    coded = texts(column)
    odd = next((value for value in coded.values if read(value) is None), None)
    if odd is not None:
        raise Mistyped(repr(odd[:_SHOWN]), remedy)
    return coded


_READERS: dict[str, Callable[[pa.ChunkedArray], Column]] = {
    "number": numbers,
    "integer": numbers,
    "timestamp": seconds,
    "boolean": truths,
}


def _class_of(truth: str, model: ModelSpec) -> str:
    return model.positive if truth == _TRUTHS[0] else model.negative


def _as_doubles(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts that are numbers as numbers; an empty text is null."""
    trimmed = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    filled = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    try:
        return pc.cast(filled, pa.float64())
    except pa.ArrowInvalid as error:
        odd = next(text for text in filled.to_pylist() if text is not None and not _is_number(text))
        remedy = "Write numbers with a point, or register the feature as a category."
        raise Mistyped(repr(odd[:_SHOWN]), remedy) from error


def _is_number(text: str) -> bool:
    try:
        pc.cast(pa.array([text]), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _kept_texts(column: CodedColumn, spec: FeatureSpec, team_id: UUID, kid: str) -> CodedColumn:
    is_kept = spec.privacy == "keep"
    values = surprises.shortened(column.values) if is_kept else privacy.apply_column(spec, column.values, team_id, kid)
    return CodedColumn(column.codes, tuple(values))


def _kept_numbers(column: Floats, spec: FeatureSpec, team_id: UUID, kid: str) -> Floats:
    if spec.privacy == "keep":
        return column
    distinct, places = np.unique(column, return_inverse=True)
    given = [None if np.isnan(value) else float(value) for value in distinct]
    kept = privacy.apply_column(spec, given, team_id, kid)
    return np.asarray(np.array([np.nan if value is None else value for value in kept])[places])
