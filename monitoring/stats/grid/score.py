"""The fixed grid of classifier scores: half linear, half logit, the same for all models."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid.headline import headline
from monitoring.stats.grid.labels import bin_labels

SCORE_CELLS = 4096
_CLIP = 2.0**-24
_HALVINGS = 80  # down to neighbouring floats at the smallest edge, 2**-24


def score_place(scores: FloatArray | float) -> FloatArray:
    """Return where each score in [0, 1] stands on the grid, in cells: the whole part is its cell.

    Scores outside stand at the ends. Raises ValueError for NaN.

    >>> score_place(np.array([0.01, 0.5, 0.9])).round(1).tolist()
    [762.7, 2048.0, 3001.9]
    """
    inside = np.clip(scores, 0.0, 1.0)
    place = logit(np.clip(inside, _CLIP, 1 - _CLIP))
    place += 16.7  # in place: the arrays may be long
    place /= 66.8
    place += inside / 2
    place *= SCORE_CELLS
    if np.isnan(place).any():
        raise ValueError("a score is no number")
    return np.asarray(place)


def score_cell(scores: FloatArray | float) -> NDArray[np.int64]:
    """Return the cell of each score in [0, 1]; those outside fall into the first and the last cell.

    Raises ValueError for NaN.

    >>> score_cell(np.array([0.01, 0.5, 0.9, 1.0])).tolist()
    [762, 2048, 3001, 4092]
    """
    return score_place(scores).astype(np.int64)  # at most 4092: places are not negative, so this rounds down


def _edges() -> FloatArray:
    """Find by bisection the smallest score of each cell; cells that no score reaches are empty."""
    cells = np.arange(SCORE_CELLS)
    low, high = np.zeros(SCORE_CELLS), np.ones(SCORE_CELLS)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = score_cell(middle) >= cells
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.append(np.where(score_cell(low) >= cells, low, high), 1.0)


SCORE_EDGES = _edges()


@dataclass(frozen=True)
class ScoreGrid:
    """Headline bins of a classifier's score over the fixed cells."""

    groups: NDArray[np.int16]
    labels: tuple[str, ...]
    n: int = 0

    @property
    def cells(self) -> int:
        return SCORE_CELLS

    def group_of(self, scores: FloatArray) -> NDArray[np.int16]:
        """Return the headline bin of each score; a score outside of [0, 1] falls into an end."""
        return self.groups[score_cell(np.nan_to_num(np.clip(scores, 0, 1)))]

    def is_counted(self, scores: FloatArray) -> NDArray[np.bool_]:
        """Tell which scores enter a cell: those in [0, 1]."""
        return (scores >= 0) & (scores <= 1)


def score_grid(counts: IntArray) -> ScoreGrid:
    """Freeze the headline bins of a classifier's score from its reference counts per cell.

    Without reference scores the bins are tenths of the scale.

    >>> grid = score_grid(np.zeros(SCORE_CELLS, dtype=np.int64))
    >>> len(grid.labels), grid.group_of(np.array([0.05, 0.95])).tolist()
    (10, [0, 9])
    """
    n = int(counts.sum())
    groups = headline(counts) if n else np.minimum(9, 10 * SCORE_EDGES[:-1]).astype(np.int16)
    starts = np.flatnonzero(np.diff(groups)) + 1
    return ScoreGrid(groups=groups, labels=bin_labels(SCORE_EDGES[starts]), n=n)
