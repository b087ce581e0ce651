"""Quantiles of latencies from counts on the logarithmic latency grid."""

import numpy as np

from monitoring.stats.grid.latency import latency_edges, latency_key
from monitoring.stats.intervals import order_statistic, rate
from monitoring.stats.profile import LatencyProfile
from monitoring.stats.results import Estimate, Reason

__all__ = ["latency_edges", "latency_key", "quantile", "share_above"]

_MIN_BEYOND = 10
_TAIL = 0.99


def quantile(profile: LatencyProfile, q: float) -> Estimate:
    """Return a quantile of the counted values with its interval from order statistics.

    Linear inside a cell, within [minimum, maximum]; off by at most the cell width, 0.79 %. From q = 0.99
    upwards ten values must lie beyond it: p99 has no value (`too_few`) below 1000.

    Raises ValueError unless 0 < q < 1.

    >>> round(quantile(LatencyProfile.of(np.arange(1.0, 1001.0)), 0.5).value, 6)
    501.0
    """
    if not 0 < q < 1:
        raise ValueError("a quantile lies between 0 and 1")
    n = profile.n
    if not n:
        return Estimate(None, method="order_statistic", reason=Reason.empty)
    if q >= _TAIL and n * (1 - q) < _MIN_BEYOND - 1e-9:
        return Estimate(None, n=n, n_eff=n, method="order_statistic", reason=Reason.too_few)
    value = _at(profile, q * n)
    low, high = (_at(profile, rank) for rank in order_statistic(q, n))
    return Estimate(value, min(low, value), max(high, value), n=n, n_eff=n, method="order_statistic")


def _at(profile: LatencyProfile, target: float) -> float:
    """Return the value below which `target` of the counted values lie."""
    if target <= profile.n_zero:
        return 0.0
    below = profile.n_zero + np.concatenate(([0], np.cumsum(profile.counts)))
    cell = int(np.searchsorted(below[1:], target - 1e-9, "left"))
    cell = min(cell, len(profile.keys) - 1)
    low, high = latency_edges(profile.keys[cell : cell + 1])
    value = low[0] + (high[0] - low[0]) * (target - below[cell]) / profile.counts[cell]
    return float(np.clip(value, profile.minimum, profile.maximum))


def share_above(profile: LatencyProfile, limit: float) -> Estimate:
    """Return the share of values above a limit with its Wilson interval; linear inside the limit's cell.

    Raises ValueError for a limit that is no number.

    >>> share_above(LatencyProfile.of(np.array([1.0, 1.0, 4.0, 8.0])), 2.0).value
    0.5
    """
    if np.isnan(limit):
        raise ValueError("the limit is no number")
    n = profile.n
    if not n:
        return Estimate(None, method="wilson", reason=Reason.empty)
    low, high = latency_edges(profile.keys)
    part = np.clip((high - limit) / (high - low), 0.0, 1.0)
    above = float((profile.counts * part).sum()) + (profile.n_zero if limit < 0 else 0)
    return rate(above, n)
