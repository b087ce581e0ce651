"""Numbers counted on fine cells, and their moments."""

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, NumericGrid, ScoreGrid, score_cell
from monitoring.stats.profile.kernel import blocks, count_cells

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
    scores outside of [0, 1] on a score grid. Every count is independent of the order of the rows.

    >>> from monitoring.stats.grid import numeric_edges
    >>> profile = count_numeric(np.array([1.0, 3.0, np.nan]), numeric_edges(np.array([1.0, 2.0])))
    >>> profile.counts.tolist(), profile.n_null, profile.mean
    ([0, 1, 0, 0, 1], 1, 2.0)
    """
    low, high = _ends(values)
    finite, n_null = (values, 0) if isfinite(low) and isfinite(high) else _finite(values)
    inside = finite
    if isinstance(grid, ScoreGrid):
        inside = finite[grid.is_counted(finite)]
        counts = np.bincount(score_cell(inside), minlength=SCORE_CELLS)
    else:
        counts = count_cells(finite, grid)
    if len(inside) < len(values):
        low, high = _ends(inside)
    mean, m2 = _moments(inside, max(abs(low), abs(high)))
    return NumericProfile(
        counts=counts,
        n=len(inside),
        n_null=n_null,
        n_nonfinite=len(values) - n_null - len(finite),
        n_invalid=len(finite) - len(inside),
        minimum=low if len(inside) else None,
        maximum=high if len(inside) else None,
        mean=mean,
        m2=m2,
    )


def _ends(values: FloatArray) -> tuple[float, float]:
    """Return minimum and maximum; NaN if one of the values is, or if there are none."""
    if not len(values):
        return nan, nan
    with np.errstate(invalid="ignore"):
        return float(values.min()), float(values.max())


def _finite(values: FloatArray) -> tuple[FloatArray, int]:
    """Return the finite values, and how many are null."""
    is_finite = np.isfinite(values)
    return values[is_finite], int(np.count_nonzero(np.isnan(values)))


def _moments(finite: FloatArray, largest: float) -> tuple[float | None, float]:
    """Return mean and sum of squared deviations; a sum beyond the largest float is capped there."""
    if not len(finite):
        return None, 0.0
    unit = largest if largest > _SAFE else 1.0
    mean = float((finite / unit).mean()) if unit != 1.0 else float(finite.sum() / len(finite))
    deviations = (block / unit - mean if unit != 1.0 else block - mean for block in blocks(finite))
    # Not np.dot: BLAS may split it over threads, which costs more than it saves and sums in an order of its own.
    squares = sum(float(np.square(part, out=part).sum()) for part in deviations)
    return mean * unit, min(squares * unit * unit, _LARGEST)


def capped(values: FloatArray) -> FloatArray:
    """Return values with overflow replaced by the largest float."""
    return np.clip(np.nan_to_num(values, posinf=_LARGEST, neginf=-_LARGEST), -_LARGEST, _LARGEST)
