"""Columns of text as codes: counting codes costs a fraction of counting strings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CodedColumn:
    """A column of text as an Arrow dictionary array holds it.

    codes: index into values per row, -1 for null.
    """

    codes: NDArray[np.integer]
    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)


@runtime_checkable
class Series(Protocol):
    """A Series of pandas, which takes 30 MB and is therefore not imported here."""

    def factorize(self) -> tuple[NDArray[np.integer], Iterable[object]]:
        """Codes, -1 for null, and the values they stand for."""

    def __array__(self) -> NDArray[Any]: ...

    def __len__(self) -> int: ...


Column = NDArray[np.generic] | CodedColumn | Series | Sequence[object]


def as_text(value: object) -> str:
    """Return the text under which a category value is counted.

    >>> as_text(True), as_text("mist"), as_text(3)
    ('true', 'mist', '3')
    """
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(value)


def encode(column: Column) -> CodedColumn:
    """Give each distinct text of a column a code; None and NaN become -1.

    >>> encode(["mist", None, "clear", "mist"]).codes.tolist()
    [0, -1, 1, 0]
    """
    if isinstance(column, CodedColumn):
        return column
    if isinstance(column, Series):
        codes, values = column.factorize()
    else:
        codes, values = _factorized(column.tolist() if isinstance(column, np.ndarray) else column)
    return CodedColumn(codes, tuple(as_text(value) for value in values))


def _factorized(values: Sequence[object]) -> tuple[NDArray[np.integer], Iterable[object]]:
    found: dict[object, int] = {}
    codes = [-1 if value is None or value != value else found.setdefault(value, len(found)) for value in values]
    return np.array(codes, dtype=np.int64), found


def as_floats(column: Column) -> FloatArray:
    """Return a column of numbers as float64, with NaN for null.

    >>> as_floats([1, None, 2.5]).tolist()
    [1.0, nan, 2.5]
    """
    if isinstance(column, CodedColumn):
        raise ValueError("a column of numbers cannot be dictionary-coded")
    return np.asarray(column, dtype=np.float64)


def value_hash(value: str) -> int:
    """Return the stable 64-bit hash by which a reference value is remembered.

    >>> value_hash("mist") == value_hash("mist") != value_hash("clear")
    True
    """
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
