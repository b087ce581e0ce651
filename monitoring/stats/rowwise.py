"""Many comparisons at once: the features of a window, or the segments of a feature, as rows of one table."""

from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc, chdtri

from monitoring.stats.arrays import IntArray
from monitoring.stats.divergence import ALPHA
from monitoring.stats.results import Divergence, Reason


def stacked(rows: Sequence[IntArray]) -> IntArray:
    """Return counts of different length as one table; bins that a row lacks are 0, so that they are dropped.

    >>> stacked([np.array([1, 2]), np.array([3])]).tolist()
    [[1, 2], [3, 0]]
    """
    table = np.zeros((len(rows), max((len(row) for row in rows), default=0)), dtype=np.int64)
    for place, row in zip(table, rows, strict=True):
        place[: len(row)] = row
    return table


def compare(reference: IntArray, current: IntArray, *, smoothing: float = 0.5) -> list[tuple[Divergence, float]]:
    """Return for each row what `divergence.psi` says and the p-value of the noise gate (`gates.noise_p`).

    reference, current: counts, shape (rows, bins). The noise p-value is the larger of those of PSI and of
    Pearson's chi-square; 1 where a row cannot be compared.

    Raises ValueError if the shapes differ, a count is negative or smoothing is not positive.

    >>> [(psi, p)] = compare(np.array([[500, 300, 150, 50]]), np.array([[400, 300, 200, 100]]))
    >>> round(psi.value, 10), p < 1e-6
    (0.0708993622, True)
    """
    if reference.shape != current.shape or (reference < 0).any() or (current < 0).any() or smoothing <= 0:
        raise ValueError("two tables of counts on the same bins and a positive smoothing are needed")
    used = (reference > 0) | (current > 0)
    bins, n, m = used.sum(axis=1), reference.sum(axis=1), current.sum(axis=1)
    comparable = (bins > 1) & (n > 0) & (m > 0)
    safe_n, safe_m, df = np.maximum(n, 1), np.maximum(m, 1), np.maximum(bins - 1, 1)
    unit = 1 / safe_n + 1 / safe_m
    p = np.where(used, reference + smoothing, 1.0) / (n + smoothing * bins + (bins == 0))[:, None]
    q = np.where(used, current + smoothing, 1.0) / (m + smoothing * bins + (bins == 0))[:, None]
    psi = np.maximum(np.where(used, (q - p) * np.log(q / p), 0.0).sum(axis=1), 0.0)
    expected = np.where(used, (reference + current) * (safe_n / (safe_n + safe_m))[:, None], 1.0)
    chi2 = (np.where(used, (reference - expected) ** 2, 0.0) / expected).sum(axis=1) * (1 + safe_n / safe_m)
    p_psi, p_chi2, floor = chdtrc(df, psi / unit), chdtrc(df, chi2), chdtri(df, ALPHA) * unit
    noise = np.where(comparable, np.maximum(p_psi, p_chi2), 1.0)
    return [
        (
            Divergence(
                "psi.1",
                float(psi[row]) if comparable[row] else None,
                float(p_psi[row]) if comparable[row] else None,
                float(floor[row]) if comparable[row] else None,
                int(bins[row]),
                int(n[row]),
                int(m[row]),
                None if comparable[row] else _reason(int(n[row]), int(m[row])),
            ),
            float(noise[row]),
        )
        for row in range(len(reference))
    ]


def _reason(n: int, m: int) -> Reason:
    if not n:
        return Reason.no_reference
    return Reason.constant if m else Reason.empty
