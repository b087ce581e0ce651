"""Intervals: how far from the truth a number may be. All of them at 95 % unless told otherwise."""

from collections.abc import Callable

import numpy as np
from scipy.special import bdtr, bdtrik, expit, logit, ndtri

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.results import Estimate, Reason

MIN_CLASS = 30
_LARGEST_SQUARED = 1e150
_DRAWS_AT_ONCE = 1 << 20  # of the bootstrap: 8 MB
_STEADYING = 3.0  # observations of the smaller class that the usual error of an AUC is worth


def wilson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of the share k / n; (0, 1) without observations.

    k and n may be effective numbers of weighted observations.
    Wilson, JASA 22 (1927).

    >>> low, high = wilson(0, 10)
    >>> low, round(high, 10)
    (0.0, 0.2775327999)
    """
    if n <= 0:
        return 0.0, 1.0
    z = float(ndtri((1 + level) / 2))
    share = k / n
    centre = share + z * z / (2 * n)
    half = z * np.sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return (0.0 if k <= 0 else float(max(low, 0.0))), (1.0 if k >= n else float(min(high, 1.0)))


def rate(k: float, n: float, reason: Reason = Reason.empty, n_eff: float | None = None) -> Estimate:
    """Return the share k / n with its Wilson interval; without observations no value but the reason.

    >>> rate(1, 20).value
    0.05
    """
    if n <= 0:
        return Estimate(None, method="wilson", reason=reason)
    effective = float(n) if n_eff is None else n_eff
    low, high = wilson(k / n * effective, effective)
    return Estimate(k / n, low, high, n=round(n), n_eff=effective, method="wilson")


def mean_interval(n: float, total: float, total_sq: float, n_eff: float | None = None) -> Estimate:
    """Return a mean from sums of values and of squares, with a normal interval by its standard error.

    The interval is left open (None) below two observations, and where the sum of squares has overflown; where the sum
    has, there is no value (`not_finite`).

    >>> estimate = mean_interval(4, 10.0, 30.0)
    >>> estimate.value, round(estimate.high - estimate.low, 6)
    (2.5, 2.530303)
    """
    if n <= 0:
        return Estimate(None, method="normal", reason=Reason.empty)
    effective = float(n) if n_eff is None else n_eff
    mean = total / n
    if not np.isfinite(mean):
        return Estimate(None, n=round(n), n_eff=effective, method="normal", reason=Reason.not_finite)
    variance = max(total_sq / n - mean * mean, 0.0) if abs(mean) < _LARGEST_SQUARED else np.inf
    if effective <= 1 or not np.isfinite(variance):
        return Estimate(mean, n=round(n), n_eff=effective, method="normal")
    half = float(ndtri(0.975)) * float(np.sqrt(variance / (effective - 1)))
    return Estimate(mean, mean - half, mean + half, n=round(n), n_eff=effective, method="normal")


def order_statistic(q: float, n: int, level: float = 0.95) -> tuple[int, int]:
    """Return the ranks (from 1) between which the q quantile of n values lies, by the binomial.

    >>> order_statistic(0.5, 100)
    (40, 61)
    """
    tail = (1 - level) / 2
    low, high = _binomial_quantile(tail, n, q), _binomial_quantile(1 - tail, n, q) + 1
    return max(low, 1), min(high, n)


def _binomial_quantile(p: float, n: int, q: float) -> int:
    k = int(np.ceil(bdtrik(p, n, q)))
    return k - 1 if k > 0 and bdtr(k - 1, n, q) >= p else k


def hanley_mcneil(area: float, n_positive: float, n_negative: float) -> float:
    """Return the standard error of an AUC when only the area and the class sizes are known.

    Hanley and McNeil, Radiology 143 (1982).

    >>> round(hanley_mcneil(0.8, 50, 100), 10)
    0.0412472221
    """
    if min(n_positive, n_negative) < 1:
        raise ValueError("both classes need an observation")
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    spread = area * (1 - area) + (n_positive - 1) * (q1 - area * area) + (n_negative - 1) * (q2 - area * area)
    return float(np.sqrt(max(spread, 0.0) / (n_positive * n_negative)))


def delong(negatives: IntArray | FloatArray, positives: IntArray | FloatArray) -> tuple[float, float | None]:
    """Return AUC and its standard error from counts of both classes per ascending score cell.

    Ties within a cell count half. The error is None below two of a class.
    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).

    >>> delong(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1]))
    (1.0, 0.0)
    """
    n0, n1 = negatives.sum(), positives.sum()
    if not (n0 and n1):
        raise ValueError("both classes need an observation")
    below = (np.cumsum(negatives) - negatives / 2) / n0  # placement of a positive among the negatives
    above = 1 - (np.cumsum(positives) - positives / 2) / n1  # placement of a negative among the positives
    area = float((positives * below).sum() / n1)
    if min(n0, n1) < 2:
        return area, None
    var1 = (positives * (below - area) ** 2).sum() / (n1 - 1) / n1
    var0 = (negatives * (above - area) ** 2).sum() / (n0 - 1) / n0
    return area, float(np.sqrt(var1 + var0))


def auc_interval(area: float, se: float | None, n_positive: float, n_negative: float) -> tuple[float, float]:
    """Return the interval of an AUC on the logit scale; Wilson with the smaller class where that has no width.

    se: by DeLong. Close to 1 a handful of placements hides most of their spread, so the error is steadied by what
    Hanley and McNeil's formula says where that is more, which counts as much as three observations.

    Raises ValueError for a class without an observation that has an error all the same.

    >>> low, high = auc_interval(0.5, 0.1, 50, 50)
    >>> round(low + high, 9)
    1.0
    """
    steadied = se and 0 < area < 1 and _steadied(area, se, n_positive, n_negative)
    return logit_interval(area, steadied or None, min(n_positive, n_negative))


def logit_interval(value: float, se: float | None, n: float) -> tuple[float, float]:
    """Return the normal interval of a share on the logit scale; Wilson with n observations where that has no width.

    >>> [round(end, 4) for end in logit_interval(0.5, 0.1, 50)]
    [0.3135, 0.6865]
    """
    if not se or value <= 0 or value >= 1:
        return wilson(value * n, n)
    half = float(ndtri(0.975)) * se / (value * (1 - value))
    centre = float(logit(value))
    return float(expit(centre - half)), float(expit(centre + half))


def _steadied(area: float, se: float, n_positive: float, n_negative: float) -> float:
    smaller = min(n_positive, n_negative)
    usual = max(hanley_mcneil(area, n_positive, n_negative), hanley_mcneil(area, n_negative, n_positive))
    if usual <= se:
        return se
    return float(np.sqrt((smaller * se**2 + _STEADYING * usual**2) / (smaller + _STEADYING)))


def poisson_bootstrap(
    cells: IntArray, fn: Callable[[FloatArray], FloatArray], reps: int = 400, seed: int = 0
) -> FloatArray:
    """Return what fn says of `reps` resamples of the cells, one row per resample.

    cells: counts, of any shape. A row of data weighs Poisson(1) in a resample, so a cell of c rows weighs
    Poisson(c): the work is that of the cells, however many rows they hold.
    fn: takes resamples, shape (some, *cells.shape), and returns one row for each; all it computes from the same
    resample is paired.

    Hanley and MacGibbon, Computer Methods and Programs in Biomedicine 83 (2006).

    >>> draws = poisson_bootstrap(np.array([100]), lambda resampled: resampled[:, 0], reps=2000)
    >>> draws.shape, bool(abs(draws.std() - 10) < 0.5)
    ((2000,), True)
    """
    if reps < 1 or (cells < 0).any():
        raise ValueError("a bootstrap needs counts and at least one resample")
    rng = np.random.default_rng(seed)
    block = max(1, _DRAWS_AT_ONCE // max(1, cells.size))
    sizes = [min(block, reps - done) for done in range(0, reps, block)]
    return np.concatenate([fn(rng.poisson(cells, (size, *cells.shape)).astype(np.float64)) for size in sizes])


def percentile_interval(draws: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return between which values the middle `level` of the resamples lies, for each column.

    draws: shape (resamples, ...).

    >>> low, high = percentile_interval(np.arange(1001.0))
    >>> round(float(low), 6), round(float(high), 6)
    (25.0, 975.0)
    """
    tail = (1 - level) / 2
    by_column = np.ascontiguousarray(np.moveaxis(draws, 0, -1))  # quantiles along a row are several times faster
    low, high = np.quantile(by_column, [tail, 1 - tail], axis=-1)
    return low, high
