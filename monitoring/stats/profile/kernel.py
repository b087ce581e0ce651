"""The innermost loop: how many values lie in each cell.

Sorting a column and searching the edges in it is exact and simple, but costs 10 ns a value where numpy's vector sort is
built in, and 50 where it is not. Large columns therefore go through the buckets of their grid: only the few values that
share a bucket with an edge are sorted. The result is the same to the last row.
"""

from collections.abc import Iterator

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import NumericGrid
from monitoring.stats.grid.buckets import BUCKETS, Buckets
from monitoring.stats.ordering import ascending

SMALL = 1 << 13
_BLOCK = 1 << 17


def count_cells(finite: FloatArray, grid: NumericGrid) -> IntArray:
    """Return the count of each cell of the grid; the values are finite and in any order."""
    buckets = grid.buckets if len(finite) > SMALL else None
    if buckets is None:
        return _by_sorting(finite, grid.edges)
    return _by_buckets(finite, grid.edges, buckets)


def _by_sorting(finite: FloatArray, edges: FloatArray) -> IntArray:
    below = np.empty(len(edges) + 2, dtype=np.int64)
    below[0], below[-1] = 0, len(finite)
    below[1:-1] = np.searchsorted(ascending(finite), edges, "left")
    return below[1:] - below[:-1]


def _by_buckets(finite: FloatArray, edges: FloatArray, buckets: Buckets) -> IntArray:
    per_bucket, rest = _rough(finite, buckets)
    is_below, is_above = rest < edges[0], rest >= edges[-1]  # where a column has drifted, many are
    cells = _by_sorting(np.compress(~(is_below | is_above), rest), edges)
    cells[0] += np.count_nonzero(is_below)
    cells[-1] += np.count_nonzero(is_above)
    if buckets.atoms:
        equal = per_bucket - np.bincount(buckets.places.of(rest), minlength=BUCKETS)
        cells[buckets.atoms.cells] += equal[buckets.atoms.buckets]
    per_bucket[buckets.in_doubt] = 0
    cells += np.add.reduceat(per_bucket, buckets.starts)
    return cells


def _rough(finite: FloatArray, buckets: Buckets) -> tuple[IntArray, FloatArray]:
    """Return how many values fall into each bucket, and those among them whose cell that does not tell."""
    in_doubt = buckets.table()
    atom_of = buckets.atoms.table() if buckets.atoms else None
    per_bucket = np.zeros(0, dtype=np.int64)
    rest = []
    for block in blocks(finite):
        places = buckets.places.of(block)
        counts = np.bincount(places, minlength=BUCKETS)
        per_bucket = per_bucket + counts if len(per_bucket) else counts
        is_doubtful = np.take(in_doubt, places)
        if atom_of is not None:
            is_doubtful &= np.take(atom_of, places) != block
        rest.append(np.compress(is_doubtful, block))
    return per_bucket, np.concatenate(rest)


def blocks(values: FloatArray) -> Iterator[FloatArray]:
    """Cut a column into pieces whose intermediate results stay in the processor's cache."""
    for start in range(0, len(values), _BLOCK):
        yield values[start : start + _BLOCK]
