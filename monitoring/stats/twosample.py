"""Tests of two samples from their counts: distances with p-values."""

from dataclasses import replace

import numpy as np
from scipy.special import chdtrc, kolmogorov, ndtr

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.divergence import missing_reason, occupied
from monitoring.stats.grid import NumericGrid
from monitoring.stats.results import Divergence, Reason

LARGEST_EXACT_SIZE = 5_000  # beyond it the exact distribution takes up to seconds


def ks(reference: IntArray, current: IntArray, *, with_p: bool = True) -> Divergence:
    """Return the Kolmogorov-Smirnov distance at the edges of fine cells, with its p-value.

    reference, current: counts on the same ascending cells; empty cells change nothing.
    On counts the distance is at most the exact one, by less than 1e-3 on our grids.
    p from the one-sample distribution at the effective size n m / (n + m), left out without with_p: exact as
    scipy's `kstwo` up to a size of 5000, beyond that Kolmogorov's limit with Pelz and Good's first correction,
    which is within 0.1 % of it at p = 0.001.

    >>> ks(np.array([2, 0]), np.array([1, 1])).value
    0.5
    """
    a, c = occupied(reference, current)
    n, m = int(a.sum()), int(c.sum())
    reason = missing_reason(a, c)
    if reason:
        return Divergence("ks.1", bins=len(a), n_ref=n, n_cur=m, reason=reason)
    distance = float(np.abs(np.cumsum(a) / n - np.cumsum(c) / m).max())
    p = _ks_p(distance, max(1, round(n * m / (n + m)))) if with_p else None
    return Divergence("ks.1", distance, p, bins=len(a), n_ref=n, n_cur=m)


def ks_exact(reference: FloatArray, current: FloatArray) -> Divergence:
    """Return the Kolmogorov-Smirnov distance of two columns of numbers; NaN and infinities are left out.

    >>> ks_exact(np.array([1.0, 2.0]), np.array([2.0, 2.5])).value
    0.5
    """
    _, a, c = _on_own_values(reference, current)
    return ks(a, c)


def _on_own_values(reference: FloatArray, current: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the distinct finite values of both columns, ascending, and how often each side has them."""
    sides = [np.asarray(side, dtype=np.float64) for side in (reference, current)]
    finite = [side[np.isfinite(side)] for side in sides]
    values, place = np.unique(np.concatenate(finite), return_inverse=True)
    n = len(finite[0])
    a, c = (np.bincount(part, minlength=len(values)) for part in (place[:n], place[n:]))
    return values, a, c


def _ks_p(distance: float, size: int) -> float:
    if size > LARGEST_EXACT_SIZE:
        return float(kolmogorov(distance * np.sqrt(size) + 1 / (6 * np.sqrt(size))))
    from scipy.stats import kstwo  # 0.8 s to import: only where it is needed

    return float(np.clip(kstwo.sf(distance, size), 0.0, 1.0))


def wasserstein(
    reference: IntArray,
    current: IntArray,
    grid: NumericGrid,
    *,
    clip: bool = True,
    low: float | None = None,
    high: float | None = None,
) -> Divergence:
    """Return the Wasserstein-1 distance of two columns counted on a numeric grid.

    clip: between clip_low and clip_high of the grid and in units of its scale (`w1.1`; `constant` where the
    grid has none); otherwise in the feature's own units (`w1_raw.1`) between low and high, the extremes of
    both sides, which default to those of the reference. Within a cell the distributions are linear.

    >>> from monitoring.stats.grid import numeric_edges
    >>> grid = numeric_edges(np.array([1.0, 2.0]))
    >>> round(wasserstein(np.array([0, 4, 0, 0, 0]), np.array([0, 0, 0, 4, 0]), grid, clip=False).value, 9)
    1.0
    """
    if reference.shape != (grid.cells,) or current.shape != (grid.cells,):
        raise ValueError("two arrays of counts on the cells of the grid are needed")
    if (reference < 0).any() or (current < 0).any():
        raise ValueError("a count is negative")
    metric = "w1.1" if clip else "w1_raw.1"
    n, m = int(reference.sum()), int(current.sum())
    bins = int(((reference > 0) | (current > 0)).sum())
    reason = None if n and m else Reason.empty if n else Reason.no_reference
    if reason is None and not len(grid.edges):
        reason = Reason.no_reference
    if reason is None and clip and grid.scale is None:
        reason = Reason.constant
    if reason:
        return Divergence(metric, bins=bins, n_ref=n, n_cur=m, reason=reason)
    ends = (grid.clip_low, grid.clip_high) if clip else (_or(low, grid.minimum), _or(high, grid.maximum))
    gap = np.cumsum(reference)[:-1] / n - np.cumsum(current)[:-1] / m
    area = _area_between(grid.edges, gap, float(ends[0] or 0.0), float(ends[1] or 0.0))
    value = area / grid.scale if clip and grid.scale else area
    if not np.isfinite(value):
        return Divergence(metric, bins=bins, n_ref=n, n_cur=m, reason=Reason.not_finite)
    return Divergence(metric, value, bins=bins, n_ref=n, n_cur=m)


def wasserstein_exact(reference: FloatArray, current: FloatArray) -> Divergence:
    """Return the Wasserstein-1 distance of two columns of numbers in their own units (`w1_raw.1`).

    NaN and infinities are left out.

    >>> wasserstein_exact(np.array([0.0, 1.0]), np.array([1.0, 3.0])).value
    1.5
    """
    values, a, c = _on_own_values(reference, current)
    n, m = int(a.sum()), int(c.sum())
    if not n or not m:
        return Divergence("w1_raw.1", bins=len(a), n_ref=n, n_cur=m, reason=Reason.empty if n else Reason.no_reference)
    gap = np.abs(np.cumsum(a) / n - np.cumsum(c) / m)[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        value = float((gap * np.diff(values)).sum())
    if not np.isfinite(value):
        return Divergence("w1_raw.1", bins=len(a), n_ref=n, n_cur=m, reason=Reason.not_finite)
    return Divergence("w1_raw.1", value, bins=len(a), n_ref=n, n_cur=m)


def _or(value: float | None, default: float | None) -> float | None:
    return default if value is None else value


def _area_between(edges: FloatArray, gap: FloatArray, low: float, high: float) -> float:
    """Integrate |gap| from low to high; gap is known at the edges, linear between them and 0 at both ends."""
    x = np.concatenate(([min(low, edges[0])], edges, [max(high, edges[-1])]))
    y = np.concatenate(([0.0], gap, [0.0]))
    inside = (x >= low) & (x <= high)
    x, y = x[inside], y[inside]
    a, b = y[:-1], y[1:]
    size = np.abs(a) + np.abs(b)
    crossing = (a * b < 0) & (size > 0)
    height = np.where(crossing, (a * a + b * b) / np.where(size > 0, 2 * size, 1.0), size / 2)
    with np.errstate(over="ignore", invalid="ignore"):
        return float((height * np.diff(x)).sum())


def chi2_homogeneity(reference: IntArray, current: IntArray) -> Divergence:
    """Return Pearson's chi-square of the 2 x B table of counts, without continuity correction.

    A test of two samples: a goodness-of-fit test would take the reference for the truth and alarm far too
    often.

    >>> round(chi2_homogeneity(np.array([10, 20]), np.array([20, 10])).value, 4)
    6.6667
    """
    a, c = occupied(reference, current)
    n, m = int(a.sum()), int(c.sum())
    reason = missing_reason(a, c)
    if reason:
        return Divergence("chi2.1", bins=len(a), n_ref=n, n_cur=m, reason=reason)
    expected = (a + c) * (n / (n + m))
    statistic = float(((a - expected) ** 2 / expected).sum() * (1 + n / m))
    return Divergence("chi2.1", statistic, float(chdtrc(len(a) - 1, statistic)), bins=len(a), n_ref=n, n_cur=m)


def cramers_v(reference: IntArray, current: IntArray) -> Divergence:
    """Return Cramér's V with Bergsma's bias correction, 0 to 1.

    Bergsma, Journal of the Korean Statistical Society 42 (2013).

    >>> cramers_v(np.array([1000, 0]), np.array([0, 1000])).value
    1.0
    """
    chi2 = chi2_homogeneity(reference, current)
    if chi2.value is None:
        return replace(chi2, metric="cramers_v.1")
    total = chi2.n_ref + chi2.n_cur
    rows, bins = 2, chi2.bins
    phi2 = max(0.0, chi2.value / total - (bins - 1) * (rows - 1) / (total - 1))
    bins_left = bins - (bins - 1) ** 2 / (total - 1)
    rows_left = rows - (rows - 1) ** 2 / (total - 1)
    smaller = min(bins_left, rows_left) - 1
    result = replace(chi2, metric="cramers_v.1", value=None)
    if smaller <= 0:
        return replace(result, p_value=None, reason=Reason.too_few)
    return replace(result, value=min(1.0, float(np.sqrt(phi2 / smaller))))


def two_proportions(k_ref: int, n_ref: int, k_cur: int, n_cur: int) -> Divergence:
    """Return the difference of two shares, window minus reference, with its two-sided pooled p-value.

    Raises ValueError unless 0 <= k <= n on both sides.

    >>> two_proportions(10, 100, 20, 100).value
    0.1
    """
    z = pooled_z(k_ref, n_ref, k_cur, n_cur)
    result = Divergence("two_proportions.1", bins=2, n_ref=n_ref, n_cur=n_cur)
    if not n_ref or not n_cur:
        return replace(result, reason=Reason.empty if n_ref else Reason.no_reference)
    return replace(result, value=k_cur / n_cur - k_ref / n_ref, p_value=float(2 * ndtr(-abs(z))))


def pooled_z(k_ref: int, n_ref: int, k_cur: int, n_cur: int) -> float:
    """Return the z-score of the difference of two shares; 0 where both are 0 or both are 1, or a side is empty.

    Raises ValueError unless 0 <= k <= n on both sides.

    >>> round(pooled_z(200, 10_000, 20, 500), 10)
    3.0472055428
    """
    if not (0 <= k_ref <= n_ref and 0 <= k_cur <= n_cur):
        raise ValueError("a share is k of n rows, 0 <= k <= n")
    if not n_ref or not n_cur:
        return 0.0
    pooled = (k_ref + k_cur) / (n_ref + n_cur)
    variance = pooled * (1 - pooled) * (1 / n_ref + 1 / n_cur)
    return float((k_cur / n_cur - k_ref / n_ref) / np.sqrt(variance)) if variance > 0 else 0.0
