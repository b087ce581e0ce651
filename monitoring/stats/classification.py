"""Performance of classifiers: from counts per score cell, or exactly from rows.

Undefined is None with a reason, never 0. The `_exact` forms take rows and optional weights; a row without a label or
without a finite score is left out. The metrics of decisions come from `confusions`.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.calibration import cell_scores
from monitoring.stats.confusions import confusion, per_class, rates, rates_exact
from monitoring.stats.intervals import auc_interval, delong, logit_interval, mean_interval
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.profile.scores import PARTS, losses
from monitoring.stats.results import Estimate, Reason

__all__ = [
    "auc",
    "auc_exact",
    "auc_resolution",
    "average_precision",
    "average_precision_exact",
    "brier",
    "brier_exact",
    "confusion",
    "log_loss",
    "log_loss_exact",
    "n_effective",
    "per_class",
    "rates",
    "rates_exact",
]
_TINY = 1e-300


def auc(counts: ScoreCounts) -> Estimate:
    """Return the area under the ROC curve with DeLong's interval; ties count half.

    Of two rows in one cell the counts do not tell which is higher, but on the whole where either class stands in it:
    that is Hajek's projection of the pairs (Annals of Mathematical Statistics 39, 1968). Where `places` are not
    counted such a pair counts half; `auc_resolution` says how far off that may be.

    One class only: `one_class`.

    >>> auc(ScoreCounts.of(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))).value
    0.75
    """
    return _auc(counts.negatives, counts.positives, _lead(counts))


def _lead(counts: ScoreCounts) -> float:
    """Return by how much positives lead negatives inside of cells, as a share of all pairs."""
    if counts.places is None:
        return 0.0
    pairs = counts.negatives.astype(np.float64) * counts.positives
    return float((pairs * _ahead(counts, counts.places)).sum()) / (float(counts.n_negative) * counts.n_positive or 1.0)


def _ahead(counts: ScoreCounts, places: IntArray) -> FloatArray:
    """Return how far the positives of each cell stand ahead of its negatives: from -0.5, all behind, to 0.5.

    A single pair stands right or wrong; of more rows only their mean places are known.
    """
    pairs = counts.negatives.astype(np.float64) * counts.positives
    apart = (places[1] * counts.negatives - places[0] * counts.positives) / PARTS
    ahead: FloatArray = np.where(pairs == 1, np.sign(apart) / 2, np.clip(apart / np.maximum(pairs, 1), -0.5, 0.5))
    return ahead


def auc_resolution(counts: ScoreCounts) -> float | None:
    """Return the standard deviation by which the AUC of cells may miss that of the rows; None without both classes.

    Cells do not tell the order of the rows inside of them. In random order the pairs of p positives and m
    negatives that stand right have variance p m (p + m + 1) / 12 (Mann and Whitney, 1947) around the half that
    counts; once it is known how far both classes stand in the cell, p m / 12.

    >>> round(auc_resolution(ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.5, 0.5]))), 3)
    0.289
    """
    negatives, positives = counts.negatives.astype(np.float64), counts.positives.astype(np.float64)
    pairs = negatives.sum() * positives.sum()
    if not pairs:
        return None
    rows = 1.0 if counts.places is not None else negatives + positives + 1
    return float(np.sqrt((negatives * positives * rows).sum() / 12) / pairs)


def auc_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the AUC of rows; with weights, the interval rests on the effective number of rows.

    labels: 0, 1 or NaN for unknown; scores: any number.

    Raises ValueError for columns of different length, other labels, or a negative weight.

    >>> auc_exact(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).value
    0.75
    """
    rows = _Rows.of(labels, scores, weights)
    if rows.reason:
        return Estimate(None, method="delong", reason=rows.reason)
    negatives, positives = rows.by_score()
    share = 1.0 if weights is None else n_effective(rows.weights) / rows.weights.sum()
    return replace(_auc(negatives * share, positives * share), n=len(rows.labels))


def _auc(negatives: FloatArray | IntArray, positives: FloatArray | IntArray, lead: float = 0.0) -> Estimate:
    n0, n1 = float(negatives.sum()), float(positives.sum())
    n = n0 + n1
    if not (n0 and n1):
        return Estimate(None, n=round(n), n_eff=n, method="delong", reason=_class_reason(n))
    by_cell, se = delong(negatives, positives)
    area = min(max(by_cell + lead, 0.0), 1.0)  # but for rounding it is inside
    low, high = auc_interval(area, se, n1, n0)
    return Estimate(area, low, high, n=round(n), n_eff=n, method="delong")


def _class_reason(n: float) -> Reason:
    return Reason.one_class if n else Reason.empty


def average_precision(counts: ScoreCounts) -> Estimate:
    """Return the average precision, the step-wise area under the precision-recall curve.

    The rows of one cell are taken to lie apart, the positives as far ahead of the negatives as their `places` say;
    as tied where both stand at the same place, or where places are not counted. The interval is on the logit scale.
    Without a positive: `no_positives`.

    >>> average_precision(ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))).value
    1.0
    """
    found = _average_precision(counts.negatives, counts.positives)
    if counts.places is None or found.value is None:
        return found
    precision = _precision_inside(counts, counts.places)
    return _around(found, float((counts.positives[::-1] * precision).sum()) / counts.n_positive)


def _precision_inside(counts: ScoreCounts, places: IntArray) -> FloatArray:
    """Return the mean precision at the positives of each cell, in descending order: that at the middle one of them."""
    negatives, positives = counts.negatives[::-1].astype(np.float64), counts.positives[::-1].astype(np.float64)
    hits, shown = np.cumsum(positives) - positives, np.cumsum(positives + negatives) - positives - negatives
    ahead, middle = _ahead(counts, places)[::-1], (positives + 1) / 2
    apart = (hits + middle) / np.maximum(shown + middle + (0.5 - ahead) * negatives, 1)
    tied = (hits + positives) / np.maximum(shown + positives + negatives, 1)
    precision: FloatArray = np.where((ahead == 0) & (negatives > 0), tied, apart)
    return precision


def _around(found: Estimate, value: float) -> Estimate:
    """Return the estimate with another value and as wide an interval on the logit scale."""
    if found.value is None or found.low is None or found.high is None or not 0 < value < 1 or not 0 < found.value < 1:
        return replace(found, value=value)
    shift = logit(value) - logit(found.value)
    low, high = (float(expit(logit(end) + shift)) for end in (found.low, found.high))
    return replace(found, value=value, low=low, high=high)


def average_precision_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the average precision of rows. Arguments and errors as of `auc_exact`.

    >>> round(average_precision_exact(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).value, 10)
    0.8333333333
    """
    rows = _Rows.of(labels, scores, weights)
    if rows.reason:
        return Estimate(None, method="step", reason=rows.reason)
    negatives, positives = rows.by_score()
    share = 1.0 if weights is None else n_effective(rows.weights) / rows.weights.sum()
    return replace(_average_precision(negatives * share, positives * share), n=len(rows.labels))


def _average_precision(negatives: FloatArray | IntArray, positives: FloatArray | IntArray) -> Estimate:
    hits: FloatArray = np.cumsum(positives[::-1]).astype(np.float64)
    shown = hits + np.cumsum(negatives[::-1])
    n, total = float(shown[-1]), float(hits[-1])
    if not total:
        reason = Reason.no_positives if n else Reason.empty
        return Estimate(None, n=round(n), n_eff=n, method="step", reason=reason)
    size = np.where(shown > 0, shown, 1)
    area = float((positives[::-1] * hits / size).sum() / total)
    se = _step_error(negatives[::-1], positives[::-1], hits, size, area)
    low, high = logit_interval(area, se, total)
    return Estimate(area, low, high, n=round(n), n_eff=n, method="step")


def _step_error(
    negatives: FloatArray | IntArray,
    positives: FloatArray | IntArray,
    hits: FloatArray | IntArray,
    shown: FloatArray | IntArray,
    area: float,
) -> float:
    """Return the standard error of an average precision by the infinitesimal jackknife, descending cells.

    A row more in a cell moves the precision of that cell and of every cell below it.
    """
    lowered = np.cumsum((positives * hits / shown / shown)[::-1])[::-1]
    raised = np.cumsum((positives / shown)[::-1])[::-1]
    of_positive = hits / shown + raised - lowered - area
    return float(np.sqrt((positives * of_positive**2).sum() + (negatives * lowered**2).sum()) / hits[-1])


def log_loss(counts: ScoreCounts) -> Estimate:
    """Return the mean log loss in nats; scores are clipped to [1e-15, 1 - 1e-15].

    The value is exact; the interval takes the spread of losses from the score cells.

    >>> round(log_loss(ScoreCounts.of(np.array([1.0]), np.array([0.5]))).value, 6)
    0.693147
    """
    return _mean(counts, counts.log_loss_sum, 0)


def brier(counts: ScoreCounts) -> Estimate:
    """Return the mean squared distance of score and label, with an interval as that of `log_loss`.

    >>> brier(ScoreCounts.of(np.array([1.0]), np.array([0.5]))).value
    0.25
    """
    return _mean(counts, counts.brier_sum, 1)


def _mean(counts: ScoreCounts, total: float, kind: int) -> Estimate:
    scores = cell_scores(len(counts.negatives))
    by_label = [losses(np.full(len(scores), label), scores)[kind] for label in (0, 1)]
    cells = (counts.negatives, counts.positives)
    first, second = (
        float(sum((c * loss**power).sum() for c, loss in zip(cells, by_label, strict=True))) for power in (1, 2)
    )
    n = counts.n
    spread = second - first * first / n if n else 0.0
    return mean_interval(n, total, (total * total / n if n else 0.0) + max(spread, 0.0))


def log_loss_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the mean log loss of rows with a normal interval; scores outside of [0, 1] are left out.

    Arguments and errors as of `auc_exact`.

    >>> round(log_loss_exact(np.array([1, 0]), np.array([0.5, 0.5])).value, 6)
    0.693147
    """
    return _mean_of_rows(labels, scores, weights, 0)


def brier_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the mean squared distance of score and label, of rows; otherwise as `log_loss_exact`.

    >>> brier_exact(np.array([1, 0]), np.array([0.5, 0.5])).value
    0.25
    """
    return _mean_of_rows(labels, scores, weights, 1)


def _mean_of_rows(labels: FloatArray, scores: FloatArray, weights: FloatArray | None, kind: int) -> Estimate:
    is_probability = (np.asarray(scores) >= 0) & (np.asarray(scores) <= 1)
    rows = _Rows.of(labels, np.where(is_probability, scores, np.nan), weights)
    if rows.reason:
        return Estimate(None, method="normal", reason=rows.reason)
    values, w = losses(rows.labels, rows.scores)[kind], rows.weights
    sums = (float(w.sum()), float((w * values).sum()), float((w * values**2).sum()))
    return replace(mean_interval(*sums, n_effective(w)), n=len(values))


def n_effective(weights: FloatArray) -> float:
    """Return how many equally weighted rows tell as much: (sum w)^2 / sum w^2, of the finite weights above 0.

    >>> n_effective(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    """
    w = weights[np.isfinite(weights) & (weights > 0)]
    if not len(w):
        return 0.0
    w = w / w.max()
    return float(w.sum()) ** 2 / float((w * w).sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows with a known label, a finite score and a weight; reason: why there is none."""

    labels: IntArray
    scores: FloatArray
    weights: FloatArray
    reason: Reason | None

    @classmethod
    def of(cls, labels: FloatArray, scores: FloatArray, weights: FloatArray | None) -> "_Rows":
        if len(labels) != len(scores) or (weights is not None and len(weights) != len(labels)):
            raise ValueError("labels, scores and weights of one length are needed")
        y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
        w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        if not np.isin(y[~np.isnan(y)], (0, 1)).all():
            raise ValueError("labels are 0 or 1, or NaN for unknown")
        if (w < 0).any():
            raise ValueError("a weight is negative")
        used = ~np.isnan(y) & np.isfinite(s) & np.isfinite(w) & (w > 0)
        reason = None if used.any() else Reason.all_null if len(y) else Reason.empty
        return cls(y[used].astype(np.int64), s[used], w[used] / w[used].max(initial=_TINY), reason)

    def by_score(self) -> tuple[FloatArray, FloatArray]:
        """Return negatives and positives per distinct score, ascending."""
        cells, place = np.unique(self.scores, return_inverse=True)
        sides = ((place[self.labels == label], self.weights[self.labels == label]) for label in (0, 1))
        negatives, positives = (np.bincount(where, w, minlength=len(cells)).astype(np.float64) for where, w in sides)
        return negatives, positives
