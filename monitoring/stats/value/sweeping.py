"""The threshold sweep: what every threshold would have been worth on the same rows.

The best threshold of a sample looks better on that sample than it is. Its value is therefore cross-fitted: chosen
on one half of the rows, taken from the other, and the other way round.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, score_cell
from monitoring.stats.intervals import mean_interval
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Estimate, Reason, Sweep
from monitoring.stats.value.matrix import Amounts, as_matrix, mean_value, row_values, value_of_rows
from monitoring.stats.value.thresholds import Worth, candidates, nearest, worth_of

_SLACK = 1e-12  # of the largest value: what only rounding tells apart is equal
_LABELS = 2
_NOTHING_LOGGED = Estimate(None, reason=Reason.empty)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows of a sweep by score cell: all scored ones, then the labelled ones, whole and in two halves."""

    scored: IntArray
    negatives: IntArray
    positives: IntArray
    worth: Worth
    halves: tuple[Worth, Worth]


def sweep(
    counts: ScoreCounts, matrix: ArrayLike, current: float, *, folds: IntArray | None = None, seed: int = 0
) -> Sweep:
    """Return what each threshold between score cells is worth per decision; only mature rows belong in counts.

    matrix: v[true][decision]. current: today's threshold; its value is that of the logged decisions where there
    are any, else that of the nearest candidate.
    folds: counts by fold and label, shape (2, 2 or more, cells), as a label profile's array `cells`; without it
    the rows are halved at random by seed.

    Without labelled rows there is no value, and the estimates say `empty`.
    Raises ValueError unless the matrix is finite and 2 x 2, and for folds of other cells.

    >>> counts = ScoreCounts.of(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    >>> found = sweep(counts, [[0, -1], [-4, 3]], 0.7)
    >>> found.current.value, float(found.value.max()), round(found.best, 2)
    (-0.25, 1.25, 0.4)
    """
    values = as_matrix(matrix, 2, 2)
    first, second = _halved(counts, seed) if folds is None else _folded(folds, len(counts.negatives))
    rows = _Rows(
        counts.negatives + counts.positives + counts.unknown,
        counts.negatives,
        counts.positives,
        worth_of(counts.negatives, counts.positives, values),
        (worth_of(first[0], first[1], values), worth_of(second[0], second[1], values)),
    )
    return _swept(rows, current, mean_value(counts.decided[:_LABELS], values))


def sweep_of_rows(
    labels: FloatArray,
    scores: FloatArray,
    amounts: Amounts,
    current: float,
    *,
    decided: FloatArray | None = None,
    fold: IntArray | None = None,
) -> Sweep:
    """Return the sweep of rows that have amounts of their own (see `value.row_values`).

    labels: 0, 1 or NaN for unknown. decided: the logged decisions. fold: 0 or 1 per row; without it every other
    row is 1. Rows with a score outside of [0, 1] are left out; without a finite amount a row counts as unlabelled.

    Raises ValueError for columns of different length, or amounts that are not 2 x 2.

    >>> loans = np.array([100.0, 200.0])
    >>> found = sweep_of_rows(np.array([0.0, 1.0]), np.array([0.2, 0.7]), [[0.1 * loans, 0], [-loans, 0]], 0.9)
    >>> found.current.value, float(found.value.max())
    (-95.0, 5.0)
    """
    n = len(labels)
    if any(len(column) != n for column in (scores, decided, fold) if column is not None):
        raise ValueError("columns of one length are needed")
    if [len(entries) for entries in amounts] != [2, 2]:
        raise ValueError("amounts v[true][decision] of two labels and two decisions are needed")
    logged = _NOTHING_LOGGED if decided is None else value_of_rows(labels, decided, amounts)
    inside = (scores >= 0) & (scores <= 1)
    either = np.stack([row_values(labels, np.full(n, decision), amounts) for decision in (0, 1)])
    known = inside & np.isfinite(either).all(axis=0)
    cells, half = score_cell(np.where(inside, scores, 0)), np.arange(n) % 2 if fold is None else fold & 1
    rows = _Rows(
        _counted(cells[inside]),
        _counted(cells[known & (labels == 0)]),
        _counted(cells[known & (labels == 1)]),
        _worth_by_cell(cells[known], either[:, known]),
        (
            _worth_by_cell(cells[known & (half == 0)], either[:, known & (half == 0)]),
            _worth_by_cell(cells[known & (half == 1)], either[:, known & (half == 1)]),
        ),
    )
    return _swept(rows, current, logged)


def _counted(cells: IntArray) -> IntArray:
    return np.bincount(cells, minlength=SCORE_CELLS)


def _worth_by_cell(cells: IntArray, either: FloatArray) -> Worth:
    total, total_sq = np.zeros((2, 2, SCORE_CELLS))
    for decision, values in enumerate(either):
        total[decision] = np.bincount(cells, values, minlength=SCORE_CELLS)
        total_sq[decision] = np.bincount(cells, values**2, minlength=SCORE_CELLS)
    return Worth(len(cells), total, total_sq)


def _halved(counts: ScoreCounts, seed: int) -> tuple[IntArray, IntArray]:
    """Toss a coin for each labelled row; rows of one cell and label are alike, so their number says it all."""
    both = np.stack((counts.negatives, counts.positives))
    first = np.random.default_rng(seed).binomial(both, 0.5)
    return first, both - first


def _folded(folds: IntArray, cells: int) -> tuple[IntArray, IntArray]:
    if folds.ndim != 3 or len(folds) != 2 or folds.shape[1] < _LABELS or folds.shape[2] != cells:
        raise ValueError(f"folds are counts of shape (2, labels, {cells})")
    return folds[0, :_LABELS], folds[1, :_LABELS]


def _swept(rows: _Rows, current: float, logged: Estimate) -> Sweep:
    cuts, thresholds = candidates(len(rows.scored))
    today = nearest(thresholds, current)
    n_scored, n = int(rows.scored.sum()), rows.worth.n
    value = rows.worth.means()[cuts] if n else None
    return Sweep(
        thresholds=thresholds,
        value=value,
        approval=_from_cut(rows.scored)[cuts] / n_scored if n_scored else None,
        fp=_from_cut(rows.negatives)[cuts],
        fn=rows.positives.sum() - _from_cut(rows.positives)[cuts],
        current=logged if logged.n else rows.worth.mean_at(int(cuts[today])),
        best=None if value is None else float(thresholds[_best(value, today)]),
        best_value=_cross_fitted(rows.halves, cuts, today),
        snapped=float(thresholds[today]),
    )


def _from_cut(cells: IntArray) -> IntArray:
    """Return how many rows stand in the cells from each cut on, shape (cells + 1,)."""
    return np.append(np.cumsum(cells[::-1])[::-1], 0)


def _best(value: FloatArray, today: int) -> int:
    """Return the best position; of equal ones the nearest to today's: no change without a gain."""
    best = np.flatnonzero(value >= value.max() - _SLACK * np.abs(value).max())
    return int(best[np.argmin(np.abs(best - today))])


def _cross_fitted(halves: tuple[Worth, Worth], cuts: IntArray, today: int) -> Estimate:
    n = sum(half.n for half in halves)
    if not (halves[0].n and halves[1].n):
        return Estimate(None, n=n, n_eff=n, method="cross_fit", reason=Reason.too_few if n else Reason.empty)
    sums = np.zeros(2)
    for chosen_on, valued_on in (halves, halves[::-1]):
        sums += valued_on.sums(int(cuts[_best(chosen_on.means()[cuts], today)]))
    return replace(mean_interval(n, float(sums[0]), float(sums[1])), method="cross_fit")
