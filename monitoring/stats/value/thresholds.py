"""Thresholds between score cells: the candidates, and what the rows of each cell are worth."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, SCORE_EDGES
from monitoring.stats.intervals import mean_interval
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Estimate
from monitoring.stats.value.matrix import as_matrix

ALWAYS = 0.0  # every score is decided 1
NEVER = float(np.nextafter(1.0, 2.0))  # no score is


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """What the labelled rows of each ascending score cell are worth, shape (decision, cell).

    n: the labelled rows. total, total_sq: sums of their values, and of the squares, under either decision.
    """

    n: int
    total: FloatArray
    total_sq: FloatArray

    def means(self) -> FloatArray:
        """Return the value per decision of each cut: cells from it on are decided 1. Shape (cells + 1,)."""
        return _by_cut(self.total) / self.n

    def sums(self, cut: int) -> tuple[float, float]:
        """Return the sum of values and of their squares at one cut."""
        total, total_sq = (float(part[0, :cut].sum() + part[1, cut:].sum()) for part in (self.total, self.total_sq))
        return total, total_sq

    def mean_at(self, cut: int) -> Estimate:
        """Return the value per decision at one cut, with a normal interval."""
        return mean_interval(self.n, *self.sums(cut))


def _by_cut(part: FloatArray) -> FloatArray:
    """Return per cut the sum of row 0 below it and of row 1 from it on."""
    gains = np.append(0.0, np.cumsum((part[1] - part[0])[::-1]))[::-1]
    return np.asarray(gains + part[0].sum())


def worth_of(negatives: IntArray, positives: IntArray, matrix: ArrayLike) -> Worth:
    """Return what rows are worth by a matrix v[true][decision].

    >>> worth_of(np.array([2, 0]), np.array([0, 3]), [[0, -1], [-4, 3]]).total.tolist()
    [[0.0, -12.0], [-2.0, 9.0]]
    """
    values = as_matrix(matrix, 2, 2)
    total, total_sq = (np.outer(v[0], negatives) + np.outer(v[1], positives) for v in (values, values**2))
    return Worth(int(negatives.sum() + positives.sum()), total, total_sq)


@cache
def candidates(cells: int) -> tuple[IntArray, FloatArray]:
    """Return the cuts between cells that scores can reach, and the threshold of each, ascending.

    Raises ValueError for a number of cells that no counts have.
    """
    if not cells or SCORE_CELLS % cells:
        raise ValueError(f"there are no counts of {cells} score cells")
    edges = SCORE_EDGES[:: SCORE_CELLS // cells][:-1]
    thresholds, cuts = np.unique(edges[edges < 1], return_index=True)
    found = np.append(cuts, cells), np.append(thresholds, NEVER)
    for shared in found:
        shared.flags.writeable = False
    return found


def snap(threshold: float, cells: int = SCORE_CELLS) -> float:
    """Return the candidate nearest to a threshold; counts in cells can be decided only there.

    >>> round(snap(0.6), 3), snap(-1.0) == ALWAYS, snap(7.0) == NEVER
    (0.6, True, True)
    """
    thresholds = candidates(cells)[1]
    return float(thresholds[nearest(thresholds, threshold)])


def nearest(thresholds: FloatArray, threshold: float) -> int:
    """Return the position of the threshold nearest to one. Raises ValueError if that is no number."""
    if np.isnan(threshold):
        raise ValueError("a threshold is a number")
    if threshold > 1:
        return len(thresholds) - 1
    return int(np.argmin(np.abs(thresholds[:-1] - max(threshold, 0.0))))


def cuts_of(thresholds: FloatArray, counts: ScoreCounts) -> IntArray:
    """Return the cut of the counts nearest to each threshold.

    >>> counts = ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))
    >>> cuts_of(np.array([ALWAYS, 0.5, NEVER]), counts).tolist()
    [0, 2048, 4096]
    """
    cuts, known = candidates(len(counts.negatives))
    return np.array([cuts[nearest(known, float(one))] for one in thresholds], dtype=np.int64)
