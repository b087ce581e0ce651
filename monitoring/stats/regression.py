"""Performance of regression models; error = prediction - label."""

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.intervals import mean_interval, order_statistic
from monitoring.stats.profile import ErrorCounts
from monitoring.stats.quantiles import quantile
from monitoring.stats.results import Estimate, Reason


def errors(labels: FloatArray, predictions: FloatArray, weights: FloatArray | None = None) -> dict[str, Estimate]:
    """Return mae, rmse, bias, wape, r2, medae, mape and rmsle of rows.

    Rows with a label or prediction that is not finite are left out. mape leaves out labels of 0: its n says
    how many rows are left. weights: one per row, such as 1 / inclusion probability; medae ignores them.

    >>> found = errors(np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8]))
    >>> found["mae"].value, found["bias"].value, found["wape"].value
    (0.5, 0.25, 0.16)
    """
    if len(labels) != len(predictions) or (weights is not None and len(weights) != len(labels)):
        raise ValueError("labels, predictions and weights of one length are needed")
    used = np.isfinite(labels) & np.isfinite(predictions)
    y, prediction = np.asarray(labels, float)[used], np.asarray(predictions, float)[used]
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)[used]
    with np.errstate(over="ignore", invalid="ignore"):
        found = _all(y, prediction, w)
    return {name: _checked(estimate) for name, estimate in found.items()}


def _all(y: FloatArray, prediction: FloatArray, w: FloatArray) -> dict[str, Estimate]:
    error = prediction - y
    total, squares, absolute = (float((w * part).sum()) for part in (error, error**2, np.abs(error)))
    weight, n_eff = float(w.sum()), _n_effective(w)
    found = _from_sums(len(y), weight, n_eff, (total, squares, absolute), float((w * np.abs(y)).sum()))
    varies = len(y) > 0 and y.min() < y.max()
    centre = float((w * y).sum() / weight) if varies else 0.0
    found["r2"] = _r2(len(y), squares, float((w * (y - centre) ** 2).sum()) if varies else 0.0)
    found["medae"] = _median(np.abs(error))
    nonzero = y != 0
    found["mape"] = _mean(np.abs(error[nonzero] / y[nonzero]), w[nonzero])
    found["rmsle"] = _rmsle(y, prediction, w)
    return found


def from_counts(counts: ErrorCounts) -> dict[str, Estimate]:
    """Return mae, rmse, bias, wape, r2 and medae of a label profile's errors.

    medae is off by at most 0.79 %, the width of a cell; the others are exact.

    >>> found = from_counts(ErrorCounts.of(np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])))
    >>> found["mae"].value, round(found["r2"].value, 10)
    (0.5, 0.948608137)
    """
    n = counts.n
    sums = (counts.total, counts.total_sq, counts.total_abs)
    found = _from_sums(n, n, n, sums, counts.label_total_abs)
    spread = counts.label_total_sq - counts.label_total**2 / n if n else 0.0
    noise = 1e-12 * counts.label_total_sq
    found["r2"] = _r2(n, counts.total_sq, spread if spread > noise else 0.0)
    found["medae"] = quantile(counts.absolute, 0.5)
    return {name: _checked(estimate) for name, estimate in found.items()}


def _from_sums(
    n: int, weight: float, n_eff: float, sums: tuple[float, float, float], label_total_abs: float
) -> dict[str, Estimate]:
    total, squares, absolute = sums
    return {
        "mae": _counted(mean_interval(weight, absolute, squares, n_eff), n),
        "rmse": _rmse(n, weight, n_eff, squares),
        "bias": _counted(mean_interval(weight, total, squares, n_eff), n),
        "wape": _wape(n, n_eff, absolute, label_total_abs),
    }


def _rmse(n: int, weight: float, n_eff: float, squares: float) -> Estimate:
    if not weight:
        return Estimate(None, method="root", reason=Reason.empty)
    return Estimate(float(np.sqrt(squares / weight)), n=n, n_eff=n_eff, method="root")


def _wape(n: int, n_eff: float, absolute: float, label_total_abs: float) -> Estimate:
    if not label_total_abs:
        return Estimate(None, n=n, n_eff=n_eff, method="ratio", reason=Reason.zero_denominator if n else Reason.empty)
    return Estimate(absolute / label_total_abs, n=n, n_eff=n_eff, method="ratio")


def _r2(n: int, squares: float, spread: float) -> Estimate:
    if spread <= 0:
        return Estimate(None, n=n, n_eff=n, method="ratio", reason=Reason.constant if n else Reason.empty)
    return Estimate(1 - squares / spread, n=n, n_eff=n, method="ratio")


def _median(values: FloatArray) -> Estimate:
    n = len(values)
    if not n:
        return Estimate(None, method="order_statistic", reason=Reason.empty)
    ordered = np.sort(values)
    low, high = order_statistic(0.5, n)
    return Estimate(
        float(np.median(ordered)), float(ordered[low - 1]), float(ordered[high - 1]), n, n, "order_statistic"
    )


def _mean(values: FloatArray, w: FloatArray) -> Estimate:
    estimate = mean_interval(float(w.sum()), float((w * values).sum()), float((w * values**2).sum()), _n_effective(w))
    return _counted(estimate, len(values))


def _rmsle(y: FloatArray, prediction: FloatArray, w: FloatArray) -> Estimate:
    if not len(y):
        return Estimate(None, method="root", reason=Reason.empty)
    if min(y.min(), prediction.min()) <= -1:
        return Estimate(None, n=len(y), n_eff=len(y), method="root", reason=Reason.undefined)
    squares = float((w * (np.log1p(prediction) - np.log1p(y)) ** 2).sum())
    return _rmse(len(y), float(w.sum()), _n_effective(w), squares)


def pinball(labels: FloatArray, predictions: FloatArray, q: float) -> Estimate:
    """Return the mean pinball loss of predicted q quantiles.

    >>> pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.9).value
    1.0
    """
    if not 0 < q < 1:
        raise ValueError("a quantile lies between 0 and 1")
    gap = np.asarray(labels, float) - np.asarray(predictions, float)
    return _mean(np.maximum(q * gap, (q - 1) * gap), np.ones(len(gap)))


def _n_effective(w: FloatArray) -> float:
    squares = float((w * w).sum())
    return float(w.sum()) ** 2 / squares if squares else 0.0


def _counted(estimate: Estimate, n: int) -> Estimate:
    return Estimate(estimate.value, estimate.low, estimate.high, n, estimate.n_eff, estimate.method, estimate.reason)


def _checked(estimate: Estimate) -> Estimate:
    """Let no infinity out."""
    numbers = [number for number in (estimate.value, estimate.low, estimate.high) if number is not None]
    if np.isfinite(numbers).all():
        return estimate
    return Estimate(None, n=estimate.n, n_eff=estimate.n_eff, method=estimate.method, reason=Reason.not_finite)
