"""The grid of a text feature: a bin for each common reference value, and one for all others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import IntArray
from monitoring.stats.columns import CodedColumn, Column, encode, value_hash

MIN_SHARE = 0.01
MAX_KEPT = 50
MAX_KNOWN = 10_000
OTHER = "other"
_OTHER_BESIDE_IT = "(any other)"


@dataclass(frozen=True)
class CategoryGrid:
    """Bins of one boolean, category or text feature: its kept values, then OTHER.

    known: sorted hashes of all reference values, or None if there were more than 10 000 of them;
    a value outside of it is *unseen*, one inside of it but not kept is merely *rare*.
    """

    values: tuple[str, ...]
    known: NDArray[np.uint64] | None = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    n: int = 0

    @property
    def cells(self) -> int:
        return len(self.values) + 1

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.values, _OTHER_BESIDE_IT if OTHER in self.values else OTHER)

    @cached_property
    def groups(self) -> NDArray[np.int16]:
        """The headline bin of each cell: every cell is one."""
        return np.arange(self.cells, dtype=np.int16)

    @cached_property
    def positions(self) -> dict[str, int]:
        return {value: position for position, value in enumerate(self.values)}

    def bins_of(self, values: Sequence[str]) -> IntArray:
        """Return the bin of each value."""
        other = len(self.values)
        return np.array([self.positions.get(value, other) for value in values], dtype=np.int64)

    def group_of(self, column: CodedColumn) -> IntArray:
        """Return the headline bin of each row; null falls into OTHER."""
        bins = np.append(self.bins_of(column.values), len(self.values))
        return np.asarray(bins[column.codes], dtype=np.int64)

    def is_unseen(self, values: Sequence[str]) -> NDArray[np.bool_]:
        """Tell which values the reference did not have; none if it had too many to remember."""
        if self.known is None:
            return np.zeros(len(values), dtype=bool)
        hashes = np.array([value_hash(value) for value in values], dtype=np.uint64)
        place = np.searchsorted(self.known, hashes)
        return np.asarray(np.append(self.known, np.uint64(0))[place] != hashes)


def category_grid(column: Column, declared: Sequence[str] = ()) -> CategoryGrid:
    """Freeze the bins of a text feature from its reference values.

    A value is kept with a share of at least 1 %, or if it is declared; at most 50, the most frequent first.

    >>> category_grid(["mist"] * 99 + ["clear"] * 200 + ["hail"]).labels
    ('clear', 'mist', 'other')
    """
    coded = encode(column)
    counts = value_counts(coded)
    n = sum(counts.values())
    wanted = {value for value, count in counts.items() if count >= MIN_SHARE * n - 1e-12} | set(declared)
    kept = sorted(wanted, key=lambda value: (-counts.get(value, 0), value))[:MAX_KEPT]
    hashes = np.array([value_hash(value) for value in counts], dtype=np.uint64)
    known = np.unique(hashes) if len(counts) <= MAX_KNOWN else None
    return CategoryGrid(values=tuple(kept), known=known, n=n)


def value_counts(coded: CodedColumn) -> dict[str, int]:
    """Return how often each text occurs; texts that do not occur are left out.

    >>> value_counts(encode(["b", "a", None, "b"]))
    {'b': 2, 'a': 1}
    """
    counts: dict[str, int] = {}
    for value, count in zip(coded.values, code_counts(coded).tolist(), strict=True):
        if count:
            counts[value] = counts.get(value, 0) + count
    return counts


def code_counts(coded: CodedColumn) -> IntArray:
    """Return how many rows carry each code, null left out; shape (values,).

    Raises ValueError if a code has no value.
    """
    codes, size = np.asarray(coded.codes, dtype=np.int64), len(coded.values)
    has_null = len(codes) > 0 and codes.min() < 0
    counts = np.bincount(codes + 1, minlength=size + 1)[1:] if has_null else np.bincount(codes, minlength=size)
    if len(counts) > size:
        raise ValueError("a code points past the last value")
    return counts
