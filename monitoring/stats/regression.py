"""Performance of regression models; error = prediction - label.

Means have normal intervals, roots of mean squares those of chi-square with the degrees of freedom they are worth,
ratios of sums those of the delta method, the median one by order statistics.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtri, ndtri

from monitoring.stats.arrays import FloatArray
from monitoring.stats.grid.latency import latency_edges
from monitoring.stats.intervals import mean_interval, order_statistic
from monitoring.stats.profile import ErrorCounts
from monitoring.stats.quantiles import quantile
from monitoring.stats.results import Estimate, Reason

_TINY = 1e-300
_NOISE = 1e-12  # of a sum of squares: what rounding leaves where nothing varies


def errors(labels: FloatArray, predictions: FloatArray, weights: FloatArray | None = None) -> dict[str, Estimate]:
    """Return mae, rmse, bias, wape, r2, medae, mape and rmsle of rows.

    Rows with a label, prediction or weight that is not finite are left out. mape leaves out labels of 0: its n says
    how many rows are left. weights: one per row, such as 1 / inclusion probability; medae ignores them.

    Raises ValueError for columns of different length or a negative weight.

    >>> found = errors(np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8]))
    >>> found["mae"].value, found["bias"].value, found["wape"].value
    (0.5, 0.25, 0.16)
    """
    rows = _Rows.of(labels, predictions, weights)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _all(rows)
    if len(labels) and not len(rows.y):
        found = {name: replace(estimate, reason=Reason.all_null) for name, estimate in found.items()}
    return {name: _checked(estimate) for name, estimate in found.items()}


def pinball(labels: FloatArray, predictions: FloatArray, q: float, weights: FloatArray | None = None) -> Estimate:
    """Return the mean pinball loss of predicted q quantiles; rows are left out as in `errors`.

    Raises ValueError unless 0 < q < 1, and as `errors` does.

    >>> pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.9).value
    1.0
    """
    if not 0 < q < 1:
        raise ValueError("a quantile lies between 0 and 1")
    rows = _Rows.of(labels, predictions, weights)
    with np.errstate(over="ignore", invalid="ignore"):
        gap = rows.y - rows.prediction
        found = _mean(np.maximum(q * gap, (q - 1) * gap), rows.w)
    return _checked(replace(found, reason=Reason.all_null) if len(labels) and not found.n else found)


def from_counts(counts: ErrorCounts) -> dict[str, Estimate]:
    """Return mae, rmse, bias, wape, r2 and medae of a label profile's errors.

    medae is off by at most 0.79 %, the width of a cell; the others are exact. r2 has no interval: the sums do not
    tell how the errors go with the labels.

    >>> found = from_counts(ErrorCounts.of(np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])))
    >>> found["mae"].value, round(found["r2"].value, 10)
    (0.5, 0.948608137)
    """
    n = counts.n
    with np.errstate(over="ignore", invalid="ignore"):
        spread = counts.label_total_sq - counts.label_total**2 / n if n else 0.0
        varies = spread > _NOISE * counts.label_total_sq
        found = {
            "mae": mean_interval(n, counts.total_abs, counts.total_sq),
            "bias": mean_interval(n, counts.total, counts.total_sq),
            "rmse": _root(_mean_square(counts)),
            "wape": _wape(counts),
            "r2": _complement(_share(n, counts.total_sq, spread if varies else 0.0, Reason.constant)),
            "medae": quantile(counts.absolute, 0.5),
        }
    return {name: _checked(estimate) for name, estimate in found.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows that are used: label, prediction and weight."""

    y: FloatArray
    prediction: FloatArray
    w: FloatArray

    @classmethod
    def of(cls, labels: FloatArray, predictions: FloatArray, weights: FloatArray | None) -> "_Rows":
        if len(labels) != len(predictions) or (weights is not None and len(weights) != len(labels)):
            raise ValueError("labels, predictions and weights of one length are needed")
        y, prediction = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
        w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        if (w < 0).any():
            raise ValueError("a weight is negative")
        used = np.isfinite(y) & np.isfinite(prediction) & np.isfinite(w) & (w > 0)
        return cls(y[used], prediction[used], w[used] / w[used].max(initial=_TINY))


def _all(rows: _Rows) -> dict[str, Estimate]:
    y, prediction, w = rows.y, rows.prediction, rows.w
    error = prediction - y
    size, nonzero = np.abs(error), y != 0
    return {
        "mae": _mean(size, w),
        "bias": _mean(error, w),
        "rmse": _root(_mean(error**2, w)),
        "wape": _quotient(size, np.abs(y), w, Reason.zero_denominator),
        "r2": _r2(error, y, w),
        "medae": _median(size),
        "mape": _mean(np.abs(error[nonzero] / y[nonzero]), w[nonzero]),
        "rmsle": _rmsle(y, prediction, w),
    }


def _mean(values: FloatArray, w: FloatArray) -> Estimate:
    n, total, total_sq = (float((w * part).sum()) for part in (np.ones(len(values)), values, values**2))
    return replace(mean_interval(n, total, total_sq, _n_effective(w)), n=len(values))


def _n_effective(w: FloatArray) -> float:
    return float(w.sum()) ** 2 / float((w * w).sum()) if len(w) else 0.0


def _quotient(above: FloatArray, below: FloatArray, w: FloatArray, reason: Reason) -> Estimate:
    """Return sum(w above) / sum(w below), with an interval by the delta method."""
    n, total = len(above), float((w * below).sum())
    if not total > 0:
        return Estimate(None, n=n, n_eff=_n_effective(w), method="ratio", reason=reason if n else Reason.empty)
    value = float((w * above).sum()) / total
    spread = _mean((above - value * below) * (w.sum() / total), w)
    if spread.low is None or spread.high is None:
        return replace(spread, value=value, method="ratio")
    half = (spread.high - spread.low) / 2
    return replace(spread, value=value, low=value - half, high=value + half, method="ratio")


def _r2(error: FloatArray, y: FloatArray, w: FloatArray) -> Estimate:
    varies = len(y) > 0 and y.min() < y.max()
    centre = float((w * y).sum() / w.sum()) if varies else 0.0
    return _complement(_quotient(error**2, (y - centre) ** 2 if varies else np.zeros(len(y)), w, Reason.constant))


def _median(values: FloatArray) -> Estimate:
    n = len(values)
    if not n:
        return Estimate(None, method="order_statistic", reason=Reason.empty)
    ordered = np.sort(values)
    low, high = order_statistic(0.5, n)
    return Estimate(
        float(np.median(ordered)), float(ordered[low - 1]), float(ordered[high - 1]), n, n, "order_statistic"
    )


def _rmsle(y: FloatArray, prediction: FloatArray, w: FloatArray) -> Estimate:
    if len(y) and min(y.min(), prediction.min()) <= -1:
        return Estimate(None, n=len(y), n_eff=len(y), method="root", reason=Reason.undefined)
    return _root(_mean((np.log1p(prediction) - np.log1p(y)) ** 2, w))


def _root(square: Estimate) -> Estimate:
    """Return the root of a mean of squares, with the interval of chi-square.

    Satterthwaite's degrees of freedom are those whose chi-square has the spread of the squares; as few rows hide
    heavy tails, each unit of kurtosis beyond the normal's costs three more.
    """
    if square.value is None or square.high is None:
        return replace(square, value=None if square.value is None else float(np.sqrt(square.value)), method="root")
    value, half = float(np.sqrt(square.value)), square.high - square.value
    if not square.value or not half:
        return replace(square, value=value, low=value, high=value, method="root")
    relative = half / float(ndtri(0.975)) / square.value
    n = square.n_eff or square.n
    freedom = max(2 / relative**2 - 3 * max(n * relative**2 - 2, 0.0), 1.0)
    low, high = (value * float(np.sqrt(freedom / chdtri(freedom, tail))) for tail in (0.025, 0.975))
    return replace(square, value=value, low=low, high=high, method="root")


def _complement(share: Estimate) -> Estimate:
    """Return 1 - share."""
    value, low, high = (None if end is None else 1 - end for end in (share.value, share.high, share.low))
    return replace(share, value=value, low=low, high=high)


def _share(n: int, above: float, below: float, reason: Reason) -> Estimate:
    """Return a quotient of sums without an interval."""
    if not below > 0:
        return Estimate(None, n=n, n_eff=n, method="ratio", reason=reason if n else Reason.empty)
    return Estimate(above / below, n=n, n_eff=n, method="ratio")


def _wape(counts: ErrorCounts) -> Estimate:
    """Return sum |error| / sum |label|, with an interval by the delta method where the cross sum is known."""
    n, total = counts.n, counts.label_total_abs
    found = _share(n, counts.total_abs, total, Reason.zero_denominator)
    if found.value is None or counts.cross_abs is None or n < 2:
        return found
    value = found.value
    squares = counts.total_sq - 2 * value * counts.cross_abs + value * value * counts.label_total_sq
    half = float(ndtri(0.975)) * float(np.sqrt(max(squares, 0.0) * n / (n - 1))) / total
    return replace(found, low=value - half, high=value + half)


def _mean_square(counts: ErrorCounts) -> Estimate:
    """Return the mean of the squared errors; its interval takes their spread from the cells of the errors."""
    n, total = counts.n, counts.total_sq
    if n < 2:
        return mean_interval(n, total, total * total)
    low, high = latency_edges(counts.absolute.keys)
    fourth = float((counts.absolute.counts * ((low + high) / 2) ** 4).sum())
    variance = max(fourth / n - (total / n) ** 2, 0.0) * n / (n - 1)
    half = float(ndtri(0.975)) * float(np.sqrt(variance / n))
    return Estimate(total / n, total / n - half, total / n + half, n=n, n_eff=n, method="normal")


def _checked(estimate: Estimate) -> Estimate:
    """Let no infinity out; an interval that knows no bound is none."""
    if estimate.value is not None and not np.isfinite(estimate.value):
        return Estimate(None, n=estimate.n, n_eff=estimate.n_eff, method=estimate.method, reason=Reason.not_finite)
    if not np.isfinite([end for end in (estimate.low, estimate.high) if end is not None]).all():
        return replace(estimate, low=None, high=None)
    return estimate
