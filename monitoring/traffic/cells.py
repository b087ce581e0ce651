"""Arrow columns as plain Python values, converted whole; what does not fit its purpose is left as it is."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mlops_portal.kit.errors import Fault, Invalid

US = pa.timestamp("us")
_EXTENSION = b"ARROW:extension:name"


def require_types(table_schema: pa.Schema) -> None:
    """Raise Invalid (`unsupported_column`), naming each, if a column has a type that is not taken."""
    faults = [
        Fault("unsupported_column", f"{field.name[:64]} has the type {str(field.type)[:64]}.", f"/{field.name[:128]}")
        for field in table_schema
        if not _is_taken(field.type) or _EXTENSION in (field.metadata or {})
    ]
    if faults:
        detail = "Columns are truth values, numbers, texts or times (timestamp in UTC)."
        raise Invalid(detail, code="unsupported_column", faults=faults)


def _is_taken(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    plain = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp, pa.types.is_null)
    return is_text(kind) or any(test(kind) for test in plain)


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether values are numbers; truth values are none."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def raw(column: pa.ChunkedArray) -> list[Any]:
    """The values as they are; of a dictionary each text is made once."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    values: list[Any] = []
    for chunk in column.chunks:
        words = chunk.dictionary.to_pylist()
        values += [None if i is None else words[i] for i in chunk.indices.to_pylist()]
    return values


def texts(column: pa.ChunkedArray) -> list[Any]:
    """Values of labels and categories as text: whole numbers without a point, truth values as true and false."""
    kind = column.type
    if pa.types.is_floating(kind) and _is_whole(column):
        column = pc.cast(column, pa.int64())
    if pa.types.is_integer(column.type) or pa.types.is_boolean(kind):
        column = pc.cast(column, pa.string())
    return raw(column)


def labels(column: pa.ChunkedArray) -> list[Any]:
    """As `texts`, but truth values stay: which label they stand for depends on the classes."""
    return raw(column) if pa.types.is_boolean(column.type) else texts(column)


def numbers(column: pa.ChunkedArray) -> tuple[list[Any], set[int]]:
    """Numbers as doubles, and the rows that hold no finite number."""
    if not is_number(column.type):
        return raw(column), set()
    doubles = pc.cast(column, pa.float64(), safe=False)
    odd: set[int] = set()
    if pa.types.is_floating(column.type):
        endless = pc.fill_null(pc.invert(pc.is_finite(doubles)), fill_value=False)
        if pc.any(endless).as_py():
            odd = set(pc.indices_nonzero(endless).to_pylist())
    return (doubles.to_pylist() if doubles.null_count else doubles.to_numpy().tolist()), odd


def whole_numbers(column: pa.ChunkedArray) -> list[Any]:
    """Whole numbers as int, also where a table keeps them as doubles because some are null."""
    if pa.types.is_floating(column.type) and _is_whole(column):
        column = pc.cast(column, pa.int64())
    return raw(column)


def micros(column: pa.ChunkedArray) -> list[Any]:
    """Times as microseconds since 1970; a time without zone as its text, which no rule takes."""
    if not pa.types.is_timestamp(column.type):
        return raw(column)
    if column.type.tz is None:
        return [None if value is None else value.isoformat() for value in pc.cast(column, US, safe=False).to_pylist()]
    return list(pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz), safe=False), pa.int64()).to_pylist())


def seconds(column: pa.ChunkedArray) -> list[Any]:
    """Times of a feature as seconds since 1970."""
    if not pa.types.is_timestamp(column.type):
        return raw(column)
    return [value / 1_000_000 if isinstance(value, int) else value for value in micros(column)]


def documents(column: pa.ChunkedArray, kind: type) -> list[Any]:
    """Texts that hold JSON of one kind (list, dict) as that; others as they are."""
    decode: Callable[[str], Any] = msgspec.json.Decoder(kind).decode
    return [_document(value, decode) for value in raw(column)]


def longer(column: pa.ChunkedArray, size_bytes: int) -> set[int]:
    """The rows whose text is longer than this."""
    if not is_text(column.type):
        return set()
    found: set[int] = set()
    first = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk)
        if (pc.max(lengths).as_py() or 0) > size_bytes:
            lengths = lengths.take(chunk.indices) if pa.types.is_dictionary(chunk.type) else lengths
            found |= {first + i for i in pc.indices_nonzero(pc.greater(lengths, size_bytes)).to_pylist()}
        first += len(chunk)
    return found


def _document(value: Any, decode: Callable[[str], Any]) -> Any:
    try:
        return decode(value) if isinstance(value, str) else value
    except (msgspec.MsgspecError, RecursionError):
        return value


def _is_whole(column: pa.ChunkedArray) -> bool:
    """Whether all numbers of a double column are whole and small enough to be exact."""
    finite = pc.all(pc.is_finite(column)).as_py() is not False
    if not finite or pc.all(pc.less(pc.abs(column), 2.0**53)).as_py() is False:
        return False
    return pc.all(pc.equal(column, pc.floor(column))).as_py() is not False
