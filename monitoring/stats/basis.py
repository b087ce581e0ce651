"""A basis that sees dependence: ranks as normal scores, their squares and pairwise products."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from monitoring.stats.arrays import FloatArray

MAX_FEATURES = 40


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The fitted form: it places new rows among the ones it was fitted on.

    ordered: per feature its known values, ascending. with_null: the features that had nulls among them.
    """

    ordered: tuple[FloatArray, ...]
    with_null: tuple[int, ...]

    @property
    def width(self) -> int:
        """The number of columns: k scores, k squares, k (k - 1) / 2 products, an indicator per feature with nulls."""
        k = len(self.ordered)
        return k + k * (k + 1) // 2 + len(self.with_null)

    def apply(self, columns: FloatArray) -> FloatArray:
        """Return the basis of rows, shape (rows, width); a value beyond the fitted ones takes the place of the last.

        columns: shape (rows, features), NaN for null; a null scores 0, the middle, and is told by its indicator.

        Raises ValueError for another number of features.
        """
        if columns.ndim != 2 or columns.shape[1] != len(self.ordered):
            raise ValueError(f"a table of {len(self.ordered)} features is needed")
        k = len(self.ordered)
        found = np.empty((len(columns), self.width))
        for place, (known, column) in enumerate(zip(self.ordered, columns.T, strict=True)):
            found[:, place] = _normal_scores(known, column)
        first, second = np.triu_indices(k)
        np.multiply(found[:, first], found[:, second], out=found[:, k : k + len(first)])
        found[:, k + len(first) :] = np.isnan(columns[:, list(self.with_null)])
        return found


def fit(columns: FloatArray) -> Basis:
    """Fit the basis to rows: shape (rows, features), at most 40 features, NaN for null.

    Raises ValueError for another shape or more features.

    >>> fit(np.array([[1.0, np.nan], [2.0, 5.0]])).width
    6
    """
    if columns.ndim != 2 or columns.shape[1] > MAX_FEATURES:
        raise ValueError(f"a table of at most {MAX_FEATURES} features is needed")
    nulls = np.isnan(columns)
    ordered = tuple(np.sort(column[~null]) for column, null in zip(columns.T, nulls.T, strict=True))
    return Basis(ordered, tuple(np.flatnonzero(nulls.any(axis=0)).tolist()))


def basis(columns: FloatArray) -> FloatArray:
    """Return the basis of rows fitted on themselves, shape (rows, width); see `Basis`.

    With ranks instead of values no outlier and no monotone transform of a feature matters; squares and products
    see changes of spread and of dependence that each feature for itself hides.

    >>> basis(np.array([[10.0], [30.0], [20.0], [1e6]])).round(3).tolist()
    [[-1.15, 1.323], [0.319, 0.102], [-0.319, 0.102], [1.15, 1.323]]
    """
    return fit(columns).apply(columns)


def _normal_scores(known: FloatArray, column: FloatArray) -> FloatArray:
    """Return the normal quantile of each value's mid-rank (ties share theirs)."""
    n = len(known)
    if not n:
        return np.zeros(len(column))
    middle = (np.searchsorted(known, column, "left") + np.searchsorted(known, column, "right")) / (2 * n)
    scores = np.asarray(ndtri(np.clip(middle, 0.5 / n, 1 - 0.5 / n)))
    return np.where(np.isnan(column), 0.0, scores)
