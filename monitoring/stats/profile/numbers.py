"""Numbers counted on fine cells, and their moments."""

from dataclasses import dataclass

import numpy as np

from monitoring.stats.columns import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, NumericGrid, ScoreGrid, score_cell

_LARGEST = float(np.finfo(np.float64).max)
_SAFE = 1e150


@dataclass(frozen=True, slots=True, eq=False)
class NumericProfile:
    """The values of one numeric column.

    counts: per fine cell; n: their sum, the finite valid values. n_invalid: values that could not be read, or
    scores outside of [0, 1]. n_missing: how many of the nulls come from rows without the column.
    minimum, maximum, mean: None without a value; m2: sum of squared deviations from the mean.
    """

    counts: IntArray
    n: int
    n_null: int = 0
    n_nonfinite: int = 0
    n_invalid: int = 0
    n_missing: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    m2: float = 0.0

    @property
    def std(self) -> float | None:
        """The standard deviation (n - 1), None below two values."""
        return float(np.sqrt(self.m2 / (self.n - 1))) if self.n > 1 else None


def count_numeric(values: FloatArray, grid: NumericGrid | ScoreGrid) -> NumericProfile:
    """Count values on the cells of a grid.

    values: shape (rows,), NaN for null. Infinities are counted apart and enter no cell and no moment, so do
    scores outside of [0, 1] on a score grid. The result does not depend on the order of the rows.

    >>> from monitoring.stats.grid import numeric_edges
    >>> profile = count_numeric(np.array([1.0, 3.0, np.nan]), numeric_edges(np.array([1.0, 2.0])))
    >>> profile.counts.tolist(), profile.n_null, profile.mean
    ([0, 1, 0, 0, 1], 1, 2.0)
    """
    ordered = np.sort(values)
    low, high, known = np.searchsorted(ordered, (-np.inf, np.inf, np.nan), "left")
    low = np.searchsorted(ordered, -np.inf, "right")
    finite, n_null = ordered[low:high], len(ordered) - known
    n_nonfinite = len(ordered) - n_null - len(finite)
    if isinstance(grid, ScoreGrid):
        inside = finite[np.searchsorted(finite, 0.0, "left") : np.searchsorted(finite, 1.0, "right")]
        counts = np.bincount(score_cell(inside), minlength=SCORE_CELLS)
    else:
        inside = finite
        counts = np.diff(np.searchsorted(finite, grid.edges, "left"), prepend=0, append=len(finite))
    mean, m2 = _moments(inside)
    return NumericProfile(
        counts=counts,
        n=len(inside),
        n_null=int(n_null),
        n_nonfinite=int(n_nonfinite),
        n_invalid=len(finite) - len(inside),
        minimum=float(inside[0]) if len(inside) else None,
        maximum=float(inside[-1]) if len(inside) else None,
        mean=mean,
        m2=m2,
    )


def _moments(ordered: FloatArray) -> tuple[float | None, float]:
    """Return mean and sum of squared deviations; a sum beyond the largest float is capped there."""
    if not len(ordered):
        return None, 0.0
    largest = max(-ordered[0], ordered[-1])
    if largest < _SAFE:
        mean = float(ordered.mean())
        deviations = ordered - mean
        return mean, float(np.dot(deviations, deviations))
    mean = float((ordered / largest).mean())
    deviations = ordered / largest - mean
    with np.errstate(over="ignore"):
        return mean * largest, float(min(np.dot(deviations, deviations) * largest * largest, _LARGEST))


def capped(values: FloatArray) -> FloatArray:
    """Return values with overflow replaced by the largest float."""
    return np.clip(np.nan_to_num(values, posinf=_LARGEST, neginf=-_LARGEST), -_LARGEST, _LARGEST)
