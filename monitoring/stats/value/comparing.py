"""Uplift: what one rule is worth above another on the same rows, and how much of that may be luck."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.intervals import percentile_interval, poisson_bootstrap
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Estimate, Reason
from monitoring.stats.value.matrix import Amounts, as_matrix, mean_of, row_values
from monitoring.stats.value.thresholds import cuts_of

REPS = 1000
_METHOD = "paired_bootstrap"
Resampled = Callable[[FloatArray], FloatArray]  # resamples to one row of differences each


def uplift(
    counts: ScoreCounts, new: float, current: float, matrix: ArrayLike, seed: int = 0, *, reps: int = REPS
) -> Estimate:
    """Return the value per decision of threshold `new` minus that of threshold `current`, on the same rows.

    new, current: thresholds, taken at the nearest candidate (`value.snap`); ALWAYS and NEVER stand for the
    constant decisions 1 and 0. matrix: v[true][decision].
    The interval is that of a paired bootstrap: both rules on the same resampled cells, middle 95 %.

    Raises ValueError unless the matrix is finite and 2 x 2.

    >>> counts = ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))
    >>> uplift(counts, 0.5, 0.0, [[0, -1], [-4, 3]]).value
    0.5
    """
    return uplifts(counts, np.array([new]), current, matrix, seed, reps=reps)[0]


def uplifts(
    counts: ScoreCounts, new: FloatArray, current: float, matrix: ArrayLike, seed: int = 0, *, reps: int = REPS
) -> list[Estimate]:
    """Return the uplift of each of many thresholds over the current one, all on the same resampled cells.

    >>> counts = ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))
    >>> [one.value for one in uplifts(counts, np.array([0.1, 0.5]), 0.5, [[0, -1], [-4, 3]])]
    [-0.5, 0.0]
    """
    values = as_matrix(matrix, 2, 2)
    cuts = cuts_of(np.append(new, current), counts)
    between, place = np.unique(cuts, return_inverse=True)
    labelled = np.stack((counts.negatives, counts.positives))
    groups = np.stack([part.sum(axis=1) for part in np.split(labelled, between, axis=1)], axis=1)
    gain = values[:, 1] - values[:, 0]

    def differences(resampled: FloatArray) -> FloatArray:
        """Return the value of each cut minus that of the current one, a row per resample."""
        steps = np.einsum("rlg,l->rg", resampled[:, :, 1:], gain)
        decided_1 = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1][:, place]
        size = np.maximum(resampled.sum(axis=(1, 2)), 1)
        return np.asarray((decided_1[:, :-1] - decided_1[:, -1:]) / size[:, None])

    return _estimates(groups, differences, reps, seed)


def uplift_of_pairs(counts: IntArray, matrix: ArrayLike, seed: int = 0, *, reps: int = REPS) -> Estimate:
    """Return the uplift of one rule over another, such as a version over its predecessor, from both decisions.

    counts: labelled rows by label, decision of the new rule and decision of the old one.

    Raises ValueError unless the matrix is finite and fits the counts.

    >>> uplift_of_pairs(np.array([[[5, 2], [0, 0]], [[0, 0], [3, 0]]]), [[0, -1], [-4, 3]]).value
    2.3
    """
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2]:
        raise ValueError("counts by label, new and old decision are needed")
    values = as_matrix(matrix, *counts.shape[:2])
    gain = values[:, :, None] - values[:, None, :]

    def differences(resampled: FloatArray) -> FloatArray:
        size = np.maximum(resampled.sum(axis=(1, 2, 3)), 1)
        return np.asarray(np.einsum("rlno,lno->r", resampled, gain) / size)[:, None]

    return _estimates(counts, differences, reps, seed)[0]


def _estimates(cells: IntArray, differences: Resampled, reps: int, seed: int) -> list[Estimate]:
    n = int(cells.sum())
    found = differences(cells[None].astype(np.float64))[0]
    if not n:
        return [Estimate(None, method=_METHOD, reason=Reason.empty) for _ in found]
    low, high = percentile_interval(poisson_bootstrap(cells, differences, reps, seed))
    return [
        Estimate(float(value), float(least), float(most), n, n, _METHOD)
        for value, least, most in zip(found, low, high, strict=True)
    ]


def uplift_of_rows(true: FloatArray, new: FloatArray, old: FloatArray, amounts: Amounts) -> Estimate:
    """Return the uplift of decisions over other ones from amounts per row, with a normal interval of the pairs.

    true, new, old: positions of each row's label and decisions, NaN for unknown. amounts: see `value.row_values`.
    Rows without a finite difference are left out; n says how many remain.

    >>> amounts = [[np.array([3.0, 5.0]), 0.0], [0.0, 0.0]]
    >>> uplift_of_rows(np.zeros(2), np.array([0.0, 0.0]), np.array([1.0, 0.0]), amounts).value
    1.5
    """
    return mean_of(row_values(true, new, amounts) - row_values(true, old, amounts))


def bounds(counts: ScoreCounts, threshold: float, matrix: ArrayLike, current: float | None = None) -> Estimate:
    """Return between which values a threshold's value per decision lies, whatever the withheld outcomes are.

    counts: mature rows; the ones without a label are those whose outcome a policy withheld, such as declined
    loans. With current: the bounds of the uplift over that threshold; a row that both decide alike adds nothing.
    Without withheld outcomes both bounds are the value. They hold for these rows: no sampling error is in them.

    Raises ValueError unless the matrix is finite and 2 x 2.

    >>> counts = ScoreCounts.of(np.array([0.0, np.nan]), np.array([0.2, 0.7]))
    >>> found = bounds(counts, 0.5, [[0, -1], [-4, 3]])
    >>> found.low, found.high, found.value
    (-0.5, 1.5, None)
    """
    values = as_matrix(matrix, 2, 2)
    cut, base = cuts_of(np.array([threshold, threshold if current is None else current]), counts)
    cells = np.arange(len(counts.negatives))
    worth = values[:, (cells >= cut).astype(np.int64)]
    if current is not None:
        worth = worth - values[:, (cells >= base).astype(np.int64)]
    known = float(counts.negatives @ worth[0] + counts.positives @ worth[1])
    n, withheld = counts.n + int(counts.unknown.sum()), int(counts.unknown.sum())
    if not n:
        return Estimate(None, method="bounds", reason=Reason.empty)
    low, high = (float(known + counts.unknown @ end) / n for end in (worth.min(axis=0), worth.max(axis=0)))
    if withheld:
        return Estimate(None, low, high, n, n, "bounds", Reason.undefined)
    return Estimate(low, low, high, n, n, "bounds")
