"""Adding profiles: associative, commutative, exact in every count."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.profile.categories import top_values
from monitoring.stats.profile.costs import CostProfile
from monitoring.stats.profile.latencies import LatencyProfile
from monitoring.stats.profile.numbers import capped
from monitoring.stats.profile.window import M2, MAXIMUM, MEAN, MINIMUM, N, Profile, SegmentCounts


def merge(a: Profile, b: Profile) -> Profile:
    """Return the profile of the rows of both; see `merge_all`."""
    return merge_all((a, b))


def merge_all(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of the rows of all, added up in one pass: a window is dozens of chunks.

    Counts, minima and maxima are exact, means and m2 to 1e-9 relative, whatever the order of merging;
    other_top keeps twenty values and may miss one whose rows are spread thin.
    Raises ValueError if there is none, or if they are counted on different grids.
    """
    parts = list(profiles)
    if not parts:
        raise ValueError("there is no profile to merge; start from Profile.empty(grid)")
    grid = parts[0].grid
    if any(part.grid is not grid and part.grid_id != grid.id for part in parts):
        raise ValueError("profiles of different grids cannot be merged")
    return Profile(
        grid=grid,
        rows=sum(part.rows for part in parts),
        counts=_total([part.counts for part in parts]),
        tallies=_total([part.tallies for part in parts]),
        moments=merge_moments([part.tallies[:, N] for part in parts], [part.moments for part in parts]),
        segments={name: _segment_total([part.segments[name] for part in parts]) for name in parts[0].segments},
        latency=LatencyProfile.merge_all([part.latency for part in parts]),
        cost=sum((part.cost for part in parts), start=CostProfile()),
        other_top=_merge_tops([part.other_top for part in parts]),
        n_fallback=sum(part.n_fallback for part in parts),
        n_error=sum(part.n_error for part in parts),
        n_decided=sum(part.n_decided for part in parts),
        n_positive=sum(part.n_positive for part in parts),
        first_at=min((part.first_at for part in parts if part.first_at), default=None),
        last_at=max((part.last_at for part in parts if part.last_at), default=None),
    )


def merge_moments(n: Sequence[IntArray], moments: Sequence[FloatArray]) -> FloatArray:
    """Merge rows of (minimum, maximum, mean, m2), each of n values, by Chan's rule for any number of parts.

    Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm (1979).

    >>> one, two = np.array([[1.0, 3.0, 2.0, 2.0]]), np.array([[10.0, 20.0, 15.0, 50.0]])
    >>> merge_moments([np.array([3]), np.array([2])], [one, two]).round(9).tolist()
    [[1.0, 20.0, 7.2, 254.8]]
    """
    held, sizes = np.stack(moments), np.stack(n)
    means, shares = held[:, :, MEAN], sizes / np.maximum(sizes.sum(axis=0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (means * shares).sum(axis=0)
        gap = capped(means - mean)
        m2 = capped((held[:, :, M2] + gap * (gap * sizes)).sum(axis=0))
    return np.column_stack((held[:, :, MINIMUM].min(axis=0), held[:, :, MAXIMUM].max(axis=0), mean, m2))


def _total(counts: Sequence[IntArray]) -> IntArray:
    total = counts[0].copy()
    for more in counts[1:]:
        total += more
    return total


def _segment_total(parts: Sequence[SegmentCounts]) -> SegmentCounts:
    return SegmentCounts(
        rows=_total([part.rows for part in parts]),
        nulls=_total([part.nulls for part in parts]),
        headline=_total([part.headline for part in parts]),
    )


def _merge_tops(parts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    tops: dict[str, Counter[str]] = {}
    for part in parts:
        for name, top in part.items():
            tops.setdefault(name, Counter()).update(top)
    return {name: top_values(tops[name]) for name in sorted(tops)}
