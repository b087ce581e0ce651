"""Many comparisons at once: the features of a window, or the segments of a feature, as rows of one table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chdtri, rel_entr

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray
from monitoring.stats.divergence import ALPHA
from monitoring.stats.grid import NumericGrid
from monitoring.stats.results import Divergence, Reason

_LN2 = float(np.log(2))


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
    if smoothing <= 0:
        raise ValueError("a positive smoothing is needed")
    rows = _Rows.of(reference, current)
    bins, n, m, comparable = rows.bins, rows.n, rows.m, rows.comparable
    unit, df = 1 / np.maximum(n, 1) + 1 / np.maximum(m, 1), np.maximum(bins - 1, 1)
    p, q = rows.smoothed(smoothing)
    psi = np.maximum(np.where(rows.used, (q - p) * np.log(q / p), 0.0).sum(axis=1), 0.0)
    p_psi, p_chi2, floor = chdtrc(df, psi / unit), chdtrc(df, rows.chi2()), chdtri(df, ALPHA) * unit
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


def distances(reference: IntArray, current: IntArray) -> dict[str, list[float | None]]:
    """Return for each row the values of `kl.1`, `js.1`, `chi2.1` and `cramers_v.1`; None where there is none.

    reference, current: counts on headline bins, shape (rows, bins). What each is: `divergence` and `twosample`.

    Raises ValueError if the shapes differ or a count is negative.

    >>> found = distances(np.array([[10, 20]]), np.array([[20, 10]]))
    >>> [round(value, 4) for value in found["chi2.1"]]
    [6.6667]
    """
    rows = _Rows.of(reference, current)
    p, q = rows.smoothed(0.5)
    kl = np.maximum(np.where(rows.used, q * np.log(q / p), 0.0).sum(axis=1), 0.0)
    before, now = reference / np.maximum(rows.n, 1)[:, None], current / np.maximum(rows.m, 1)[:, None]
    middle = (before + now) / 2
    js = (rel_entr(before, middle).sum(axis=1) + rel_entr(now, middle).sum(axis=1)) / 2 / _LN2
    chi2, total = rows.chi2(), np.maximum(rows.n + rows.m, 2)
    phi2 = np.maximum(chi2 / total - (rows.bins - 1) / (total - 1), 0.0)
    smaller = np.minimum(rows.bins - (rows.bins - 1) ** 2 / (total - 1), 2 - 1 / (total - 1)) - 1
    v = np.minimum(np.sqrt(phi2 / np.where(smaller > 0, smaller, np.nan)), 1.0)
    found = {"kl.1": kl, "js.1": np.sqrt(np.clip(js, 0.0, 1.0)), "chi2.1": chi2, "cramers_v.1": v}
    return {metric: _known(np.where(rows.comparable, values, np.nan)) for metric, values in found.items()}


def cell_distances(
    reference: IntArray, current: IntArray, grids: Sequence[NumericGrid]
) -> dict[str, list[float | None]]:
    """Return for each row the values of `ks.1` and of the clipped `w1.1`; None where there is none.

    reference, current: counts on the fine cells of the grids, one for each row, as `stacked` gives them. What each
    is: `twosample.ks`, `twosample.wasserstein`.

    Raises ValueError if the shapes differ or a count is negative.

    >>> from monitoring.stats.grid import numeric_edges
    >>> found = cell_distances(np.array([[2, 0]]), np.array([[1, 1]]), [numeric_edges(np.array([]))])
    >>> found["ks.1"]
    [0.5]
    """
    rows = _Rows.of(reference, current)
    n, m = np.maximum(rows.n, 1)[:, None], np.maximum(rows.m, 1)[:, None]
    gap = np.cumsum(reference, axis=1) / n - np.cumsum(current, axis=1) / m
    ks = np.abs(gap).max(axis=1, initial=0.0)
    area = _areas(gap[:, :-1], grids)
    scale = np.array([grid.scale or np.nan for grid in grids])
    both = (rows.n > 0) & (rows.m > 0)
    with np.errstate(over="ignore"):
        w1 = area / scale
    return {"ks.1": _known(np.where(rows.comparable, ks, np.nan)), "w1.1": _known(np.where(both, w1, np.nan))}


def _known(values: FloatArray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _areas(gap: FloatArray, grids: Sequence[NumericGrid]) -> FloatArray:
    """Integrate |gap| of each row from clip_low to clip_high, two of its edges; it is linear between edges."""
    edges = np.zeros(gap.shape)
    for place, grid in zip(edges, grids, strict=True):
        place[: len(grid.edges)] = grid.edges
        place[len(grid.edges) :] = grid.edges[-1] if len(grid.edges) else 0.0  # no way to go where no edge is
    low, high = (np.array([[end or 0.0] for end in ends]) for ends in _clips(grids))
    inside = (edges >= low) & (edges <= high)
    a, b = gap[:, :-1], gap[:, 1:]
    size = np.abs(a) + np.abs(b)
    height = np.where(a * b < 0, (a * a + b * b) / np.where(size > 0, 2 * size, 1.0), size / 2)
    with np.errstate(over="ignore", invalid="ignore"):
        pieces = height * np.diff(edges, axis=1)
        return np.asarray(np.where(inside[:, :-1] & inside[:, 1:], pieces, 0.0).sum(axis=1))


def _clips(grids: Sequence[NumericGrid]) -> tuple[list[float | None], list[float | None]]:
    return [grid.clip_low for grid in grids], [grid.clip_high for grid in grids]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Two tables of counts with what every comparison of their rows needs."""

    reference: IntArray
    current: IntArray
    used: BoolArray
    bins: IntArray
    n: IntArray
    m: IntArray

    @classmethod
    def of(cls, reference: IntArray, current: IntArray) -> "_Rows":
        if reference.shape != current.shape or (reference < 0).any() or (current < 0).any():
            raise ValueError("two tables of counts on the same bins are needed")
        used = (reference > 0) | (current > 0)
        return cls(reference, current, used, used.sum(axis=1), reference.sum(axis=1), current.sum(axis=1))

    @property
    def comparable(self) -> BoolArray:
        return (self.bins > 1) & (self.n > 0) & (self.m > 0)

    def smoothed(self, smoothing: float) -> tuple[FloatArray, FloatArray]:
        """Return the shares of the used bins of both tables, each bin with so much more in it."""
        unused = self.bins == 0
        p = np.where(self.used, self.reference + smoothing, 1.0) / (self.n + smoothing * self.bins + unused)[:, None]
        q = np.where(self.used, self.current + smoothing, 1.0) / (self.m + smoothing * self.bins + unused)[:, None]
        return p, q

    def chi2(self) -> FloatArray:
        """Return Pearson's chi-square of each row."""
        n, m = np.maximum(self.n, 1), np.maximum(self.m, 1)
        expected = np.where(self.used, (self.reference + self.current) * (n / (n + m))[:, None], 1.0)
        squares = np.where(self.used, (self.reference - expected) ** 2, 0.0)
        return np.asarray((squares / expected).sum(axis=1) * (1 + n / m))


def _reason(n: int, m: int) -> Reason:
    if not n:
        return Reason.no_reference
    return Reason.constant if m else Reason.empty
