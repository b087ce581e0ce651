"""Finding rows by 64-bit hashes: a few memory accesses each, whole columns at a time."""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

_FEWEST_BITS = 4
_BLOCK = 1 << 16  # rows at once, so that the steps between take little memory
_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that mixing loses nothing; 2^64 divided by the golden ratio


class HashIndex:
    """Tells where a hash stands in a column; of equal ones the last. has_repeats: whether there are equal ones.

    The upper bits of a hash are its slot in a table of rows. Where two hashes want the same slot, one of them gets it
    and the other a slot in a further, smaller table, after mixing.
    """

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._tables: list[NDArray[np.int32]] = []
        self.has_repeats = False
        rows = np.arange(len(hashes), dtype=np.int32)
        while len(rows):
            rows = self._add(rows)

    def find(self, sought: Hashes) -> Rows:
        """The row of each hash sought, -1 where it does not occur."""
        found = np.full(len(sought), -1, dtype=np.int64)
        places, left = None, sought
        for i, table in enumerate(self._tables):
            row = table[_slots(left, i, len(table))]
            taken = np.flatnonzero(row >= 0)
            row, left = row[taken], left[taken]
            places = taken if places is None else places[taken]
            is_it = self._hashes[row] == left
            found[places[is_it]] = row[is_it]
            places, left = places[~is_it], left[~is_it]
        return found

    def _add(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give the rows a table; returns those that found their slot taken by another hash."""
        i, size = len(self._tables), 1 << max(_FEWEST_BITS, (4 * len(rows)).bit_length())
        table = np.full(size, -1, dtype=np.int32)
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        for block in blocks:
            self._take_slots(table, block, _slots(self._hashes[block], i, size))
        self._tables.append(table)
        return np.concatenate([self._losers(table, block, i) for block in blocks])

    def _take_slots(self, table: NDArray[np.int32], rows: NDArray[np.int32], slots: Rows) -> None:
        later = np.ones(len(rows), dtype=bool)
        while later.any():  # numpy does not promise that of several rows for one slot the last gets it
            table[slots[later]] = rows[later]
            later = rows > table[slots]

    def _losers(self, table: NDArray[np.int32], rows: NDArray[np.int32], i: int) -> NDArray[np.int32]:
        hashes = self._hashes[rows]
        holders = table[_slots(hashes, i, len(table))]
        is_held = self._hashes[holders] == hashes
        self.has_repeats |= bool((holders[is_held] != rows[is_held]).any())
        losers: NDArray[np.int32] = rows[~is_held]
        return losers


def _slots(hashes: Hashes, table: int, size: int) -> NDArray[np.int64]:
    mixed = hashes * np.uint64(pow(int(_MIX), table, 1 << 64)) if table else hashes
    return (mixed >> np.uint64(65 - size.bit_length())).view(np.int64)
