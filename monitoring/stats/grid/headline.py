"""Headline bins: about ten groups of fine cells with about equal reference mass."""

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import IntArray

GROUPS = 10


def headline(counts: IntArray) -> NDArray[np.int16]:
    """Return the group of each cell, by the tenth in which the middle of its mass lies.

    counts: reference counts per cell, shape (cells,). A heavy cell gets a group of its own. A cell without
    mass takes the group of its lower neighbour, a leading one that of the first cell with mass.

    >>> headline(np.array([5, 5, 80, 5, 5])).tolist()
    [0, 0, 1, 2, 2]
    """
    total = int(counts.sum())
    if not total:
        return np.zeros(len(counts), dtype=np.int16)
    middle = np.cumsum(counts) - counts / 2
    groups = np.minimum(GROUPS - 1, np.floor(GROUPS * middle / total + 1e-9)).astype(np.int64)
    with_mass = np.flatnonzero(counts)
    neighbour = np.maximum(np.searchsorted(with_mass, np.arange(len(counts)), "right") - 1, 0)
    dense = np.unique(groups[with_mass], return_inverse=True)[1]
    return dense[neighbour].astype(np.int16)
