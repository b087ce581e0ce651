"""The innermost loop: how many values lie below each edge.

Sorting a column and searching the edges in it is exact and simple, but numpy's sort is slow wherever its
vector version is not built in (50 ns a value). Large columns therefore go through 65 536 buckets over the
bulk of the reference, of equal width or, for skewed columns, of equal ratio. The bucket of a value never
decreases with the value, even with rounding, so only the values that share a bucket with an edge are in
doubt; they alone are compared with the atom of their bucket, or sorted. The result is the same to the last row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray
from monitoring.stats.grid import NumericGrid
from monitoring.stats.grid.numeric import following_float
from monitoring.stats.ordering import ascending

SMALL = 1 << 14
_BUCKETS = 1 << 16
_BLOCK = 1 << 17
_FEW_IN_DOUBT = 0.2
_SIGN = np.int64(63)
_MAGNITUDE = np.int64(2**63 - 1)

Placing = Callable[[FloatArray], FloatArray]


def count_cells(finite: FloatArray, grid: NumericGrid) -> IntArray:
    """Return the count of each cell of the grid; the values are finite and in any order."""
    below = _below_in_buckets(finite, grid) if len(finite) > SMALL else None
    if below is None:
        below = np.searchsorted(ascending(finite), grid.edges, "left")
    return np.diff(below, prepend=0, append=len(finite))


def _below_in_buckets(finite: FloatArray, grid: NumericGrid) -> IntArray | None:
    """Return how many values lie below each edge, or None where the grid has no width to divide."""
    if grid.clip_low is None or grid.clip_high is None:
        return None
    bulk = np.array([grid.clip_low, grid.clip_high])
    with np.errstate(over="ignore"):
        divisible = 0 < bulk[1] - bulk[0] < np.inf and np.isfinite(_BUCKETS / (bulk[1] - bulk[0]))
    if not divisible:
        return None
    placing = _placing(bulk, grid.edges)
    edge_buckets = _bucket(grid.edges, bulk, placing)
    in_doubt = np.zeros(_BUCKETS, dtype=bool)
    in_doubt[edge_buckets] = True
    atoms = _Atoms.of(grid.edges, edge_buckets)
    counts, doubtful = np.zeros(_BUCKETS, dtype=np.int64), []
    for block in blocks(finite):
        buckets = _bucket(block, bulk, placing)
        counts += np.bincount(buckets, minlength=_BUCKETS)
        is_doubtful = np.take(in_doubt, buckets)
        doubtful.append(block[is_doubtful if atoms is None else atoms.is_other(block, buckets, is_doubtful)])
    rest = np.concatenate(doubtful)
    below = np.searchsorted(ascending(rest), grid.edges, "left")
    if atoms is not None:
        below += atoms.below(grid.edges, counts - np.bincount(_bucket(rest, bulk, placing), minlength=_BUCKETS))
    counts[in_doubt] = 0
    return np.asarray(below + (np.cumsum(counts) - counts)[edge_buckets], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Atoms:
    """The values that the grid gives a cell of their own: rows that equal one are certain without being sorted.

    held: the atom of each bucket, NaN where it has none; of two in one bucket the larger.
    """

    values: FloatArray
    buckets: IntArray
    held: FloatArray

    @classmethod
    def of(cls, edges: FloatArray, edge_buckets: IntArray) -> "_Atoms | None":
        """The atoms of a grid; None if it has none."""
        is_atom = edges[1:] == following_float(edges[:-1])
        if not is_atom.any():
            return None
        values, buckets = edges[:-1][is_atom], edge_buckets[:-1][is_atom]
        held = np.full(_BUCKETS, np.nan)
        held[buckets] = values
        kept = held[buckets] == values
        return cls(values[kept], buckets[kept], held)

    def is_other(self, block: FloatArray, buckets: IntArray, is_doubtful: BoolArray) -> BoolArray:
        """Tell which of the values that share a bucket with an edge are not the bucket's atom."""
        return np.asarray(is_doubtful & (np.take(self.held, buckets) != block))

    def below(self, edges: FloatArray, counts: IntArray) -> IntArray:
        """Return how many rows that equal an atom lie below each edge; counts: rows per bucket, the others left out."""
        summed = np.concatenate(([0], np.cumsum(counts[self.buckets])))
        return np.asarray(summed[np.searchsorted(self.values, edges, "left")], dtype=np.int64)


def blocks(values: FloatArray) -> Iterator[FloatArray]:
    """Cut a column into pieces whose intermediate results stay in the processor's cache."""
    for start in range(0, len(values), _BLOCK):
        yield values[start : start + _BLOCK]


def _placing(bulk: FloatArray, edges: FloatArray) -> Placing:
    """Choose the buckets that leave fewer values in doubt; edges are about equal shares of the rows apart."""
    even = _in_doubt(bulk, edges, _even)
    low, high = _by_ratio(bulk)
    if low == high:  # closer together than their places can tell
        return _even
    return _by_ratio if even > _FEW_IN_DOUBT and _in_doubt(bulk, edges, _by_ratio) < even else _even


def _in_doubt(bulk: FloatArray, edges: FloatArray, placing: Placing) -> float:
    gaps = np.diff(_bucket(edges, bulk, placing))
    return float((1 / np.maximum(gaps, 1)).mean()) if len(gaps) else 0.0


def _even(values: FloatArray) -> FloatArray:
    return values


def _by_ratio(values: FloatArray) -> FloatArray:
    """Return places that grow with the values about as their logarithm does: the bits of a float, in order."""
    bits = (values + 0.0).view(np.int64)  # adding zero turns -0.0 into 0.0, whose bits are next to it
    return np.asarray(bits ^ ((bits >> _SIGN) & _MAGNITUDE), dtype=np.float64)


def _bucket(values: FloatArray, bulk: FloatArray, placing: Placing) -> IntArray:
    low, high = placing(bulk)
    with np.errstate(over="ignore"):
        place = placing(values) - low
        place *= _BUCKETS / (high - low)
    np.clip(place, 0, _BUCKETS - 1, out=place)
    return np.asarray(place, dtype=np.int64)
