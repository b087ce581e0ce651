"""Distances between a reference and a window, both counted on the same headline bins.

Never use them on the fine cells of a grid: there chance alone looks like drift.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import chdtrc, chdtri, rel_entr

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.results import Divergence, Reason

ALPHA = 0.001
_LN2 = float(np.log(2))


def psi(reference: IntArray, current: IntArray, *, smoothing: float = 0.5) -> Divergence:
    """Return the population stability index, in nats, with the p-value of its chi-square approximation.

    reference, current: counts per bin, shape (bins,), not shares; a bin empty on both sides is dropped.
    smoothing: added to every bin of both sides; with 0, a bin empty on one side gives `undefined`.
    No value without observations (`no_reference`, `empty`) or with a single occupied bin (`constant`).

    Raises ValueError if the shapes differ or a count is negative.
    The symmetric divergence J of Kullback and Leibler (1951).

    >>> round(psi(np.array([80, 20]), np.array([20, 80]), smoothing=0).value, 4)
    1.6636
    """
    seen = _smoothed("psi.1", reference, current, smoothing, lambda p, q: (q - p) * np.log(q / p))
    if seen.value is None:
        return seen
    p_value = float(chdtrc(seen.bins - 1, seen.value / (1 / seen.n_ref + 1 / seen.n_cur)))
    floor = noise_floor(seen.bins, seen.n_ref, seen.n_cur)
    return Divergence("psi.1", seen.value, p_value, floor, seen.bins, seen.n_ref, seen.n_cur)


def kl(reference: IntArray, current: IntArray, *, smoothing: float = 0.5) -> Divergence:
    """Return the Kullback-Leibler divergence of the window from the reference, in nats; not symmetric.

    Arguments, reasons and errors as for `psi`.

    >>> round(kl(np.array([50, 50]), np.array([25, 75]), smoothing=0).value, 4)
    0.1308
    """
    return _smoothed("kl.1", reference, current, smoothing, lambda p, q: q * np.log(q / p))


def js(reference: IntArray, current: IntArray) -> Divergence:
    """Return the Jensen-Shannon distance, 0 to 1: the root of the divergence to base 2, of raw shares.

    >>> js(np.array([10, 0]), np.array([0, 10])).value
    1.0
    """
    seen = _raw("js.1", reference, current, _js)
    if seen.value is None:
        return seen
    floor = float(np.sqrt(noise_floor(seen.bins, seen.n_ref, seen.n_cur) / (8 * _LN2)))
    return Divergence("js.1", seen.value, None, floor, seen.bins, seen.n_ref, seen.n_cur)


def tvd(reference: IntArray, current: IntArray) -> Divergence:
    """Return the total variation distance, 0 to 1: the share of rows that would have to change bin.

    >>> round(tvd(np.array([50, 50]), np.array([25, 75])).value, 4)
    0.25
    """
    return _raw("tvd.1", reference, current, lambda p, q: np.abs(p - q).sum() / 2)


def linf(reference: IntArray, current: IntArray) -> Divergence:
    """Return the largest difference of the shares of one bin, 0 to 1.

    >>> round(linf(np.array([50, 30, 20]), np.array([40, 30, 30])).value, 4)
    0.1
    """
    return _raw("linf.1", reference, current, lambda p, q: np.abs(p - q).max())


def hellinger(reference: IntArray, current: IntArray) -> Divergence:
    """Return the Hellinger distance, 0 to 1.

    >>> hellinger(np.array([10, 0]), np.array([0, 10])).value
    1.0
    """
    return _raw("hellinger.1", reference, current, lambda p, q: np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))


def noise_floor(bins: int, n: int, m: int, alpha: float = ALPHA) -> float:
    """Return the PSI that n reference and m window rows exceed by chance with probability alpha.

    Raises ValueError below two bins or without rows on one side: nothing can be compared there.

    >>> round(noise_floor(10, 50_000, 5_000), 6)
    0.006133
    """
    if bins < 2 or n < 1 or m < 1 or not 0 < alpha < 1:
        raise ValueError("two bins, rows on both sides and a probability are needed")
    return float(chdtri(bins - 1, alpha)) * (1 / n + 1 / m)


def excess(result: Divergence) -> float:
    """Return how far a PSI lies above what chance gives on average, at least 0; 0 without a value.

    >>> round(excess(Divergence("psi.1", value=0.3, bins=11, n_ref=1000, n_cur=100)), 4)
    0.19
    """
    if result.value is None:
        return 0.0
    return max(0.0, result.value - (result.bins - 1) * (1 / result.n_ref + 1 / result.n_cur))


def occupied(reference: IntArray, current: IntArray) -> tuple[IntArray, IntArray]:
    """Return the counts of the bins that are not empty on both sides.

    Raises ValueError if the shapes differ or a count is negative.

    >>> [side.tolist() for side in occupied(np.array([3, 0, 2]), np.array([1, 0, 0]))]
    [[3, 2], [1, 0]]
    """
    if reference.shape != current.shape or reference.ndim != 1:
        raise ValueError("two arrays of counts on the same bins are needed")
    if (reference < 0).any() or (current < 0).any():
        raise ValueError("a count is negative")
    used = (reference > 0) | (current > 0)
    return reference[used], current[used]


def missing_reason(reference: IntArray, current: IntArray) -> Reason | None:
    """Return why occupied bins cannot be compared: no reference, an empty window, or a single bin.

    >>> missing_reason(np.array([5]), np.array([9])).value, missing_reason(np.array([5, 1]), np.array([9, 1]))
    ('constant', None)
    """
    if not reference.any():
        return Reason.no_reference
    if not current.any():
        return Reason.empty
    return Reason.constant if len(reference) == 1 else None


def _smoothed(
    metric: str,
    reference: IntArray,
    current: IntArray,
    smoothing: float,
    term: Callable[[FloatArray, FloatArray], FloatArray],
) -> Divergence:
    a, c = occupied(reference, current)
    reason = missing_reason(a, c)
    if reason is None and smoothing <= 0 and not (a * c).all():
        reason = Reason.undefined
    n, m, value = int(a.sum()), int(c.sum()), None
    if not reason:
        p, q = a + smoothing, c + smoothing
        value = max(0.0, float(term(p / p.sum(), q / q.sum()).sum()))
    return Divergence(metric, value, bins=len(a), n_ref=n, n_cur=m, reason=reason)


def _raw(
    metric: str,
    reference: IntArray,
    current: IntArray,
    distance: Callable[[FloatArray, FloatArray], float],
) -> Divergence:
    a, c = occupied(reference, current)
    reason = missing_reason(a, c)
    n, m = int(a.sum()), int(c.sum())
    value = None if reason else float(distance(a / n, c / m))
    return Divergence(metric, value, bins=len(a), n_ref=n, n_cur=m, reason=reason)


def _js(p: FloatArray, q: FloatArray) -> float:
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2 / _LN2
    return float(np.sqrt(np.clip(divergence, 0.0, 1.0)))
