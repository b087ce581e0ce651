"""Adding profiles: associative, commutative, exact in every count."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import reduce

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.profile.categories import top_values
from monitoring.stats.profile.numbers import capped
from monitoring.stats.profile.window import M2, MAXIMUM, MEAN, MINIMUM, N, Profile


def merge(a: Profile, b: Profile) -> Profile:
    """Return the profile of the rows of both.

    Counts, minima and maxima are exact, means and m2 to 1e-9 relative, whatever the order of merging;
    other_top keeps twenty values and may miss one whose rows are spread thin.
    Raises ValueError if the profiles are counted on different grids.
    """
    if a.grid is not b.grid and a.grid_id != b.grid_id:
        raise ValueError("profiles of different grids cannot be merged")
    return Profile(
        grid=a.grid,
        rows=a.rows + b.rows,
        counts=a.counts + b.counts,
        tallies=a.tallies + b.tallies,
        moments=merge_moments(a.tallies[:, N], a.moments, b.tallies[:, N], b.moments),
        segments={name: counts + b.segments[name] for name, counts in a.segments.items()},
        latency=a.latency + b.latency,
        cost=a.cost + b.cost,
        other_top=_merge_tops(a.other_top, b.other_top),
        n_fallback=a.n_fallback + b.n_fallback,
        n_error=a.n_error + b.n_error,
        n_decided=a.n_decided + b.n_decided,
        n_positive=a.n_positive + b.n_positive,
        first_at=min(_known(a.first_at, b.first_at), default=None),
        last_at=max(_known(a.last_at, b.last_at), default=None),
    )


def merge_all(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of the rows of all. Raises ValueError if there is none."""
    merged = list(profiles)
    if not merged:
        raise ValueError("there is no profile to merge; start from Profile.empty(grid)")
    return reduce(merge, merged)


def merge_moments(n_a: IntArray, a: FloatArray, n_b: IntArray, b: FloatArray) -> FloatArray:
    """Merge rows of (minimum, maximum, mean, m2) by Chan's rule.

    Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm (1979).

    >>> one, two = np.array([[1.0, 3.0, 2.0, 2.0]]), np.array([[10.0, 20.0, 15.0, 50.0]])
    >>> merge_moments(np.array([3]), one, np.array([2]), two).round(9).tolist()
    [[1.0, 20.0, 7.2, 254.8]]
    """
    n = np.maximum(n_a + n_b, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        both = n_a * (a[:, MEAN] / n) + n_b * (b[:, MEAN] / n)
        mean = np.where(n_a == 0, b[:, MEAN], np.where(n_b == 0, a[:, MEAN], both))
        gap = capped(b[:, MEAN] - a[:, MEAN])
        m2 = capped(a[:, M2] + b[:, M2] + gap * (gap * (n_a / n * n_b)))
    low, high = np.minimum(a[:, MINIMUM], b[:, MINIMUM]), np.maximum(a[:, MAXIMUM], b[:, MAXIMUM])
    return np.column_stack((low, high, mean, m2))


def _merge_tops(a: dict[str, dict[str, int]], b: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    tops = {name: top_values(Counter(a.get(name, {})) + Counter(b.get(name, {}))) for name in {*a, *b}}
    return {name: tops[name] for name in sorted(tops)}


def _known(*times: datetime | None) -> list[datetime]:
    return [time for time in times if time is not None]
