"""Confidence-based performance estimation: what the metrics will be if calibrated scores keep what they say.

It sees a change of the inputs, not a change of what they mean: the latter only labels can tell.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from monitoring.stats.arrays import FloatArray
from monitoring.stats.calibration import cell_scores
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Estimate, Reason
from monitoring.stats.value.matrix import as_matrix
from monitoring.stats.value.thresholds import cuts_of

_Z = 1.959963984540054
_METHOD = "cbpe"


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """Groups of rows with one score, ascending: expected positives and negatives, and the variance of their number.

    decided: whether a group is decided 1, as 0.0 or 1.0.
    """

    n: int
    positives: FloatArray
    negatives: FloatArray
    variance: FloatArray
    decided: FloatArray

    def cell(self, *, label: int, decision: int) -> float:
        """Return the expected number of rows with this label and decision."""
        side = self.positives if label else self.negatives
        return float(side @ (self.decided if decision else 1 - self.decided))

    def estimate(self, value: float, slope: FloatArray, low: float = 0.0, high: float = 1.0) -> Estimate:
        """Return a metric with the interval of its realised value: labels come by chance, each by its own.

        slope: by how much the metric rises per additional positive of a group (delta method).
        """
        half = _Z * float(np.sqrt((self.variance * slope**2).sum()))
        return Estimate(value, max(value - half, low), min(value + half, high), self.n, self.n, _METHOD)

    def share(self, part: float, whole: float, part_slope: FloatArray, whole_slope: float, reason: Reason) -> Estimate:
        """Return part / whole; the slopes say by how much each rises per additional positive of a group."""
        if whole <= 0:
            return self.without(reason)
        return self.estimate(part / whole, (part_slope - part / whole * whole_slope) / whole)

    def without(self, reason: Reason) -> Estimate:
        return Estimate(None, n=self.n, n_eff=self.n, method=_METHOD, reason=reason if self.n else Reason.empty)


def cbpe(
    counts: ScoreCounts,
    mapping: Callable[[FloatArray], FloatArray],
    threshold: float,
    matrix: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Estimate the metrics of all scored rows, labelled or not, from their scores alone.

    mapping: from score to the chance of a positive (`calibration.isotonic` of the reference).
    threshold: taken at the nearest edge of a score cell. matrix: v[true][decision], for `value`.

    Returns tp, fp, fn, tn (expected rows), accuracy, precision, recall, specificity, f1, auc and, with a matrix,
    value (mean per decision). An interval holds the metric's realised value in 95 % of windows if the map is right.

    Raises ValueError for a matrix that is not finite and 2 x 2.

    Kivimäki et al., arXiv 2407.08649 (2024).

    >>> counts = ScoreCounts.of(np.full(4, np.nan), np.array([0.25, 0.25, 0.75, 0.75]))
    >>> round(cbpe(counts, lambda scores: scores, 0.5)["accuracy"].value, 3)
    0.75
    """
    rows = counts.negatives + counts.positives + counts.unknown
    chances = np.clip(mapping(cell_scores(len(rows))), 0.0, 1.0)
    decided = np.arange(len(rows)) >= cuts_of(np.array([threshold]), counts)[0]
    expected = _Expected(
        int(rows.sum()),
        rows * chances,
        rows * (1 - chances),
        rows * chances * (1 - chances),
        decided.astype(np.float64),
    )
    return _metrics(expected, matrix)


def cbpe_exact(
    chances: FloatArray, scores: FloatArray, threshold: float, matrix: ArrayLike | None = None
) -> dict[str, Estimate]:
    """Estimate the metrics of rows; see `cbpe`.

    chances: of a positive, in [0, 1]. scores: raw, they decide and give the order; ties count half. A row whose
    chance or score is not finite is left out.

    Raises ValueError for columns of different length, chances beyond [0, 1], or a matrix that is not finite and 2 x 2.

    >>> found = cbpe_exact(np.array([0.2, 0.9]), np.array([0.1, 0.8]), 0.5)
    >>> found["tp"].value, round(found["f1"].value, 6)
    (0.9, 0.857143)
    """
    chances, scores = np.asarray(chances, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if len(chances) != len(scores):
        raise ValueError("as many chances as scores are needed")
    known = np.isfinite(chances) & np.isfinite(scores)
    chances, scores = chances[known], scores[known]
    if ((chances < 0) | (chances > 1)).any():
        raise ValueError("a chance lies in [0, 1]")
    distinct, place = np.unique(scores, return_inverse=True)
    sums = np.zeros((3, len(distinct)))
    for row, part in zip(sums, (chances, 1 - chances, chances * (1 - chances)), strict=True):
        row[:] = np.bincount(place, part, minlength=len(distinct))
    decided = (distinct >= threshold).astype(np.float64)
    return _metrics(_Expected(len(scores), sums[0], sums[1], sums[2], decided), matrix)


def _metrics(rows: _Expected, matrix: ArrayLike | None) -> dict[str, Estimate]:
    found = _table(rows) | _rates(rows) | {"auc": _area(rows)}
    return found if matrix is None else found | {"value": _value(rows, as_matrix(matrix, 2, 2))}


def _table(rows: _Expected) -> dict[str, Estimate]:
    cells = {"tp": (1, 1), "fp": (0, 1), "fn": (1, 0), "tn": (0, 0)}
    if not rows.n:
        return {name: rows.without(Reason.empty) for name in cells}
    return {
        name: rows.estimate(
            rows.cell(label=label, decision=decision),
            rows.decided if decision else 1 - rows.decided,
            high=float(rows.n),
        )
        for name, (label, decision) in cells.items()
    }


def _rates(rows: _Expected) -> dict[str, Estimate]:
    tp, fp = rows.cell(label=1, decision=1), rows.cell(label=0, decision=1)
    fn, tn = rows.cell(label=1, decision=0), rows.cell(label=0, decision=0)
    yes, no = rows.decided, 1 - rows.decided
    share = rows.share
    return {
        "accuracy": share(tp + tn, float(rows.n), yes - no, 0.0, Reason.empty),
        "precision": share(tp, tp + fp, yes, 0.0, Reason.no_predicted_positives),
        "recall": share(tp, tp + fn, yes, 1.0, Reason.no_positives),
        "specificity": share(tn, tn + fp, -no, -1.0, Reason.no_negatives),
        "f1": share(2 * tp, 2 * tp + fp + fn, 2 * yes, 1.0, Reason.zero_denominator),
    }


def _area(rows: _Expected) -> Estimate:
    n1, n0 = float(rows.positives.sum()), float(rows.negatives.sum())
    if n1 <= 0 or n0 <= 0:
        return rows.without(Reason.one_class)
    below = np.cumsum(rows.negatives) - rows.negatives / 2  # expected negatives under a row, ties half
    above = n1 - np.cumsum(rows.positives) + rows.positives / 2  # expected positives over a row
    area = float(rows.positives @ below) / (n1 * n0)
    return rows.estimate(area, (below - above) / (n1 * n0) - area / n1 + area / n0)


def _value(rows: _Expected, matrix: FloatArray) -> Estimate:
    if not rows.n:
        return rows.without(Reason.empty)
    negative, positive = (np.where(rows.decided > 0, matrix[label, 1], matrix[label, 0]) for label in (0, 1))
    mean = float(rows.negatives @ negative + rows.positives @ positive) / rows.n
    return rows.estimate(mean, (positive - negative) / rows.n, -np.inf, np.inf)
