"""The grid of a numeric feature: about 516 fine cells and about ten headline bins."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring.stats import ordering
from monitoring.stats.arrays import FloatArray
from monitoring.stats.grid.buckets import Buckets
from monitoring.stats.grid.labels import bin_labels, value_labels

MAX_DISCRETE_VALUES = 64
MAX_BINS_BY_VALUE = 10
_QUANTILES = 500
_TAILS = 0.5 ** np.arange(10, 18)
_DECILES = np.arange(1, 10) / 10


@dataclass(frozen=True)
class NumericGrid:
    """Cells and headline bins of one numeric feature or regression score.

    edges: cell i holds [edges[i-1], edges[i]); the first and the last cell are open.
    bounds: headline bin g holds [bounds[g-1], bounds[g]); every bound is an edge.
    scale: the reference's spread, in units of the feature; None where the reference is constant or empty.
    """

    edges: FloatArray
    bounds: FloatArray
    labels: tuple[str, ...]
    clip_low: float | None = None
    clip_high: float | None = None
    scale: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    n: int = 0

    @property
    def cells(self) -> int:
        return len(self.edges) + 1

    @cached_property
    def groups(self) -> NDArray[np.int16]:
        """The headline bin of each cell."""
        starts = np.concatenate(([-np.inf], self.edges))
        return np.searchsorted(self.bounds, starts, "right").astype(np.int16)

    @cached_property
    def buckets(self) -> Buckets | None:
        """The division in which large columns are counted; None where the grid has no width to divide."""
        if self.clip_low is None or self.clip_high is None:
            return None
        return Buckets.over(self.edges, self.clip_low, self.clip_high)

    def group_of(self, values: FloatArray) -> NDArray[np.int16]:
        """Return the headline bin of each value; NaN falls into the first."""
        groups = np.zeros(len(values), dtype=np.int16)
        for bound in self.bounds:
            groups += values >= bound
        return groups

    def is_counted(self, values: FloatArray) -> NDArray[np.bool_]:
        """Tell which values enter a cell: the finite ones."""
        return np.isfinite(values)


def numeric_edges(values: FloatArray, dtype: str = "number") -> NumericGrid:
    """Freeze the cells of a numeric feature from its reference values.

    values: reference values in any order; NaN and infinities are left out.
    The headline bins are [d_j, d_(j+1)) between the reference deciles. Up to ten different values give one
    bin each. A value that fills two deciles has a bin of its own; so has a constant, between "below" and
    "above", so that a feature which starts to vary is drift. Without a finite value there is one open cell.

    >>> numeric_edges(np.array([4.0, 4.0])).labels
    ('< 4', '4', '> 4')
    >>> numeric_edges(np.array([1.0, 2.0, 2.0])).labels
    ('1', '2')
    """
    # Adding zero turns -0.0 into 0.0: one name per content.
    ordered = ordering.ascending(values[np.isfinite(values)]) + 0.0
    if not len(ordered):
        return NumericGrid(edges=ordered, bounds=ordered, labels=bin_labels(ordered))
    distinct = ordering.distinct(ordered)
    if 1 < len(distinct) <= MAX_BINS_BY_VALUE:
        bounds, labels = distinct[1:], value_labels(distinct, dtype)
    else:
        bounds = _decile_bounds(ordered, distinct)
        labels = bin_labels(bounds, dtype)
    edges = np.unique(np.concatenate((_fine_edges(ordered, distinct), bounds)))
    clip_low, clip_high = _nearest_edges(ordered, edges)
    return NumericGrid(
        edges=edges,
        bounds=bounds,
        labels=labels,
        clip_low=clip_low,
        clip_high=clip_high,
        scale=_scale(ordered) if len(distinct) > 1 else None,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        n=len(ordered),
    )


def following_float(values: FloatArray) -> FloatArray:
    """Return the next larger float of each value; the largest stays."""
    return np.nextafter(values, np.finfo(np.float64).max)


def _fine_edges(ordered: FloatArray, distinct: FloatArray) -> FloatArray:
    n = len(ordered)
    if len(distinct) <= MAX_DISCRETE_VALUES:
        return np.concatenate((distinct, following_float(distinct)))
    quantiles = ordered[np.arange(1, _QUANTILES) * n // _QUANTILES]
    shares = np.concatenate((_TAILS, 1 - _TAILS))
    tails = ordered[np.minimum(np.floor(n * shares).astype(np.int64), n - 1)]
    repeated, times = np.unique(quantiles, return_counts=True)
    atoms = repeated[times > 1]
    ends = (ordered[:1], following_float(ordered[-1:]))
    return np.concatenate((quantiles, tails, *ends, atoms, following_float(atoms)))


def _decile_bounds(ordered: FloatArray, distinct: FloatArray) -> FloatArray:
    """Return the different deciles, and the end of each value that fills at least two of them.

    Such a value would share its bin with the values above it; the deciles that coincide leave a bin free.
    """
    deciles = ordering.quantiles(ordered, _DECILES)
    deciles, times = np.unique(deciles[np.isfinite(deciles)], return_counts=True)
    heavy = deciles[times > 1]
    following = np.append(deciles, np.inf)[np.searchsorted(deciles, heavy) + 1]
    successor = np.append(distinct, np.inf)[np.searchsorted(distinct, heavy, "right")]
    isolated = heavy[(successor < following) | np.isinf(following)]
    return np.unique(np.concatenate((deciles, following_float(isolated))))


def _nearest_edges(ordered: FloatArray, edges: FloatArray) -> tuple[float, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = (edges[np.argmin(np.abs(edges - q))] for q in ordering.quantiles(ordered, (0.001, 0.999)))
    return float(low), float(high)


def _scale(ordered: FloatArray) -> float | None:
    """Return IQR / 1.349, the standard deviation of a normal; else the standard deviation; else None."""
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = ordering.quantiles(ordered, (0.25, 0.75))
        spread = (high - low) / 1.349 if high > low else np.std(ordered)
    return float(spread) if 0 < spread < np.inf else None
