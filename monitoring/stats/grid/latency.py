"""The grid of latencies: the upper half of a float32, 128 cells per octave, 0.79 % wide at most."""

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray


def latency_key(values: FloatArray) -> NDArray[np.uint16]:
    """Return the latency cell of each non-negative value: the upper half of its float32.

    128 cells per octave. 0 has cell 0 to itself, apart from values below 1e-40; from 3.4e38 on all are one cell.

    >>> latency_key(np.array([0.0, 1.0, 1.005, 2.0])).tolist()
    [0, 16256, 16256, 16384]
    """
    with np.errstate(over="ignore"):
        return (np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)


def latency_edges(keys: NDArray[np.uint16]) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper edge of cells.

    >>> [edge.tolist() for edge in latency_edges(np.array([16256], dtype=np.uint16))]
    [[1.0], [1.0078125]]
    """
    low = keys.astype(np.uint32)
    return _edge(low), _edge(low + 1)


def _edge(keys: NDArray[np.uint32]) -> FloatArray:
    return (keys << 16).view(np.float32).astype(np.float64)
