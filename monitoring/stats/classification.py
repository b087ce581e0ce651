"""Performance of classifiers: from counts per score cell, or exactly from rows.

Undefined is None with a reason, never 0. The `_exact` forms take rows and optional weights.
"""

from collections.abc import Sequence

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.columns import as_text
from monitoring.stats.intervals import auc_interval, delong, mean_interval, rate
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.profile.scores import losses
from monitoring.stats.results import Confusion, Estimate, Reason


def auc(counts: ScoreCounts) -> Estimate:
    """Return the area under the ROC curve with DeLong's interval; ties within a score cell count half.

    One class only: `one_class`.

    >>> auc(ScoreCounts.of(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))).value
    0.75
    """
    return _auc(counts.negatives, counts.positives)


def auc_resolution(counts: ScoreCounts) -> float | None:
    """Return the standard deviation by which the AUC of cells may miss that of the rows; None without both classes.

    Cells do not tell the order of the rows inside of them. In random order the pairs of p positives and m
    negatives that stand right have variance p m (p + m + 1) / 12 (Mann and Whitney, 1947) around the half that
    counts. It shrinks with the rows, as the interval does, and is a small part of it.

    >>> auc_resolution(ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.5, 0.5])))
    0.5
    """
    negatives, positives = counts.negatives.astype(np.float64), counts.positives.astype(np.float64)
    pairs = negatives.sum() * positives.sum()
    if not pairs:
        return None
    return float(np.sqrt((negatives * positives * (negatives + positives + 1)).sum() / 12) / pairs)


def auc_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the AUC of rows; with weights, the interval rests on the effective number of rows.

    >>> auc_exact(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).value
    0.75
    """
    negatives, positives = _by_score(labels, scores, weights)
    if weights is None:
        return _auc(negatives, positives)
    share = n_effective(weights) / weights.sum()
    return _auc(negatives * share, positives * share)


def _auc(negatives: FloatArray | IntArray, positives: FloatArray | IntArray) -> Estimate:
    n0, n1 = float(negatives.sum()), float(positives.sum())
    n = n0 + n1
    if not (n0 and n1):
        return Estimate(None, n=round(n), n_eff=n, method="delong", reason=_class_reason(n))
    area, se = delong(negatives, positives)
    low, high = auc_interval(area, se, n1, n0)
    return Estimate(area, low, high, n=round(n), n_eff=n, method="delong")


def _class_reason(n: float) -> Reason:
    return Reason.one_class if n else Reason.empty


def average_precision(counts: ScoreCounts) -> Estimate:
    """Return the step-wise area under the precision-recall curve, the average precision; no interval.

    >>> average_precision(ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))).value
    1.0
    """
    return _average_precision(counts.negatives, counts.positives, counts.n, counts.n)


def average_precision_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the average precision of rows.

    >>> round(average_precision_exact(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).value, 10)
    0.8333333333
    """
    n_eff = len(labels) if weights is None else n_effective(weights)
    return _average_precision(*_by_score(labels, scores, weights), len(labels), n_eff)


def _average_precision(
    negatives: FloatArray | IntArray, positives: FloatArray | IntArray, n: int, n_eff: float
) -> Estimate:
    hits = np.cumsum(positives[::-1])
    shown = hits + np.cumsum(negatives[::-1])
    if not n or not hits[-1]:
        reason = Reason.no_positives if n else Reason.empty
        return Estimate(None, n=n, n_eff=n_eff, method="step", reason=reason)
    precision = hits / np.where(shown > 0, shown, 1)
    return Estimate(float((positives[::-1] * precision).sum() / hits[-1]), n=n, n_eff=n_eff, method="step")


def log_loss(counts: ScoreCounts) -> Estimate:
    """Return the mean log loss in nats; scores are clipped to [1e-15, 1 - 1e-15].

    >>> round(log_loss(ScoreCounts.of(np.array([1.0]), np.array([0.5]))).value, 6)
    0.693147
    """
    return _mean(counts.log_loss_sum, counts.n)


def brier(counts: ScoreCounts) -> Estimate:
    """Return the mean squared distance of score and label.

    >>> brier(ScoreCounts.of(np.array([1.0]), np.array([0.5]))).value
    0.25
    """
    return _mean(counts.brier_sum, counts.n)


def _mean(total: float, n: int) -> Estimate:
    if not n:
        return Estimate(None, method="mean", reason=Reason.empty)
    return Estimate(total / n, n=n, n_eff=n, method="mean")


def log_loss_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the mean log loss of rows with a normal interval.

    >>> round(log_loss_exact(np.array([1, 0]), np.array([0.5, 0.5])).value, 6)
    0.693147
    """
    return _weighted_mean(losses(_binary(labels), scores)[0], weights)


def brier_exact(labels: FloatArray, scores: FloatArray, weights: FloatArray | None = None) -> Estimate:
    """Return the mean squared distance of score and label, of rows, with a normal interval.

    >>> brier_exact(np.array([1, 0]), np.array([0.5, 0.5])).value
    0.25
    """
    return _weighted_mean(losses(_binary(labels), scores)[1], weights)


def _weighted_mean(values: FloatArray, weights: FloatArray | None) -> Estimate:
    w = np.ones(len(values)) if weights is None else weights
    estimate = mean_interval(float(w.sum()), float((w * values).sum()), float((w * values**2).sum()), n_effective(w))
    return Estimate(estimate.value, estimate.low, estimate.high, len(values), estimate.n_eff, "normal", estimate.reason)


def n_effective(weights: FloatArray) -> float:
    """Return how many equally weighted rows tell as much: (sum w)^2 / sum w^2.

    >>> n_effective(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    """
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _binary(labels: FloatArray) -> IntArray:
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels are 0 or 1")
    return np.asarray(labels, dtype=np.int64)


def _by_score(labels: FloatArray, scores: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return negatives and positives per distinct score, ascending."""
    if len(labels) != len(scores) or (weights is not None and len(weights) != len(labels)):
        raise ValueError("labels, scores and weights of one length are needed")
    cells, place = np.unique(scores, return_inverse=True)
    positive = _binary(labels) == 1
    w = np.ones(len(labels)) if weights is None else weights
    counts = [
        np.bincount(place[side], w[side], minlength=len(cells)).astype(np.float64) for side in (~positive, positive)
    ]
    return counts[0], counts[1]


def confusion(true: Sequence[object], decided: Sequence[object], labels: Sequence[object]) -> Confusion:
    """Count true against decided labels.

    Raises ValueError for a label that is not in the list.

    >>> confusion([0, 1, 1], [0, 1, 0], [0, 1]).counts.tolist()
    [[1, 0], [1, 1]]
    """
    names = tuple(as_text(label) for label in labels)
    if len(true) != len(decided):
        raise ValueError("as many true as decided labels are needed")
    position = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    for one, other in zip(true, decided, strict=True):
        try:
            counts[position[as_text(one)], position[as_text(other)]] += 1
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is not one of the labels") from error
    return Confusion(names, counts)


def rates(table: Confusion) -> dict[str, Estimate]:
    """Return the metrics of a confusion table.

    Two labels: accuracy, precision, recall, specificity, f1, mcc, kappa of the second label; more labels:
    accuracy, macro_f1, mcc, kappa. Shares have Wilson intervals.

    >>> found = rates(Confusion(("0", "1"), np.array([[50, 10], [5, 35]])))
    >>> found["recall"].value, round(found["precision"].value, 4)
    (0.875, 0.7778)
    """
    counts, n = table.counts, table.n
    hits = int(np.trace(counts))
    shared = {
        "accuracy": rate(hits, n),
        "macro_f1": _macro_f1(counts),
        "mcc": _mcc(counts),
        "kappa": _kappa(counts),
    }
    if len(table.labels) != 2:
        return shared
    (tn, fp), (fn, tp) = counts.tolist()
    empty = None if n else Reason.empty
    return shared | {
        "precision": rate(tp, tp + fp, empty or Reason.no_predicted_positives),
        "recall": rate(tp, tp + fn, empty or Reason.no_positives),
        "specificity": rate(tn, tn + fp, empty or Reason.no_negatives),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn, n),
    }


def _ratio(numerator: float, denominator: float, n: int) -> Estimate:
    if not denominator:
        return Estimate(None, n=n, n_eff=n, reason=Reason.zero_denominator if n else Reason.empty)
    return Estimate(numerator / denominator, n=n, n_eff=n, method="ratio")


def _macro_f1(counts: IntArray) -> Estimate:
    """Mean F1 over the labels that occur in truth or decision."""
    n, seen = int(counts.sum()), counts.sum(axis=0) + counts.sum(axis=1)
    occurring = seen > 0
    f1 = 2 * np.diag(counts)[occurring] / seen[occurring]
    return _ratio(float(f1.sum()), int(occurring.sum()), n)


def _mcc(counts: IntArray) -> Estimate:
    """Matthews correlation in Gorodkin's form for any number of labels."""
    n = int(counts.sum())
    true, decided = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    covariance = np.trace(counts) * n - true @ decided
    spread = np.sqrt((n * n - true @ true) * (n * n - decided @ decided))
    return _ratio(float(covariance), float(spread), n)


def _kappa(counts: IntArray) -> Estimate:
    """Cohen's kappa: agreement beyond what the margins alone would give."""
    n = int(counts.sum())
    by_chance = float(counts.sum(axis=1).astype(float) @ counts.sum(axis=0).astype(float))
    return _ratio(float(np.trace(counts)) * n - by_chance, float(n * n) - by_chance, n)
