"""Performance of rankings: one request is one query, and a metric is the mean over queries.

Gains are linear in the relevance, and the ideal order holds every relevant item, shown or not. A query without a
relevant item has no value (None, never 0), nor has one with a relevance below 0 or not finite.
Järvelin and Kekäläinen, ACM TOIS 20 (2002), for the discounted gain; Manning, Raghavan and Schütze, Introduction to
Information Retrieval (2008), chapter 8, for the others.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray
from monitoring.stats.intervals import mean_interval
from monitoring.stats.results import Estimate

K = 10
METRICS = ("ndcg_k", "map_k", "recall_k", "hit_k", "mrr")
Query = tuple[Sequence[float], Sequence[float]]


def in_order(shown: Sequence[str], relevances: Mapping[str, float]) -> Query:
    """Return the relevances at the shown positions, and those of the items that were not shown.

    An item without a relevance has 0. An item shown twice counts at its first place.

    >>> in_order(["b", "x", "b"], {"a": 3.0, "b": 1.0})
    ([1.0, 0.0, 0.0], [3.0])
    """
    left = dict(relevances)
    return [left.pop(item, 0.0) for item in shown], list(left.values())


def ndcg(rel: Sequence[float], k: int, unshown: Sequence[float] = ()) -> float | None:
    """Return the discounted gain of the first k shown items as a share of the best possible, 0 to 1.

    rel: relevances (0 or more) in shown order; unshown: those of items that were not shown.

    Raises ValueError if k is below 1.

    >>> round(ndcg([0, 1], k=2), 6)
    0.63093
    """
    return _one("ndcg_k", rel, k, unshown)


def average_precision_at(rel: Sequence[float], k: int, unshown: Sequence[float] = ()) -> float | None:
    """Return the mean precision at the relevant ones of the first k shown items, 0 to 1.

    The mean is over as many relevant items as could stand there: min(relevant, k).

    >>> average_precision_at([0, 1, 0, 1], k=4)
    0.5
    """
    return _one("map_k", rel, k, unshown)


def recall_at(rel: Sequence[float], k: int, unshown: Sequence[float] = ()) -> float | None:
    """Return the share of the relevant items that stand among the first k shown, 0 to 1.

    >>> recall_at([0, 1], k=2, unshown=[1])
    0.5
    """
    return _one("recall_k", rel, k, unshown)


def hit_at(rel: Sequence[float], k: int, unshown: Sequence[float] = ()) -> float | None:
    """Return 1 if there is a relevant item among the first k shown, else 0.

    >>> hit_at([0, 1], k=1), hit_at([0, 1], k=2)
    (0.0, 1.0)
    """
    return _one("hit_k", rel, k, unshown)


def reciprocal_rank(rel: Sequence[float], unshown: Sequence[float] = ()) -> float | None:
    """Return 1 / rank of the first relevant item shown; 0 if the relevant ones were not shown.

    >>> reciprocal_rank([0, 2, 0, 1])
    0.5
    """
    return _one("mrr", rel, max(len(rel), 1), unshown)


def over_queries(values: Sequence[float | None]) -> Estimate:
    """Return the mean over queries with a normal interval by its standard error.

    Queries without a value are left out: n counts the others.

    >>> estimate = over_queries([0.5, None, 1.0])
    >>> estimate.value, estimate.n
    (0.75, 2)
    """
    used = np.array([value for value in values if value is not None], dtype=np.float64)
    return mean_interval(len(used), float(used.sum()), float((used * used).sum()))


def _one(metric: str, rel: Sequence[float], k: int, unshown: Sequence[float]) -> float | None:
    values, used = each(((rel, unshown),), k)
    return float(values[0, METRICS.index(metric)]) if used[0] else None


def each(queries: Sequence[Query], k: int = K) -> tuple[FloatArray, BoolArray]:
    """Return every metric of many queries, shape (queries, metrics) in the order of METRICS, and which have a value.

    The row of a query without a value is 0.

    Raises ValueError if k is below 1.

    >>> values, used = each([([0, 1], []), ([0], [])], k=1)
    >>> values[0].tolist(), used.tolist()
    ([0.0, 0.0, 0.0, 0.0, 0.5], [True, False])
    """
    if k < 1:
        raise ValueError("k is at least 1")
    n = len(queries)
    values, rows, places = _flat(queries)
    sound = np.isfinite(values) & (values >= 0)
    relevant = sound & (values > 0)
    found = np.bincount(rows[relevant], minlength=n)
    used = (found > 0) & (np.bincount(rows[~sound], minlength=n) == 0)
    taken = used[rows]
    values, rows, places, relevant = values[taken], rows[taken], places[taken], relevant[taken]
    seen = relevant & (places >= 0)
    result = np.zeros((n, len(METRICS)))
    result[:, 0] = _ndcg(values, rows, places, n, k)
    result[:, 1], result[:, 4] = _precision_and_first(rows[seen], places[seen], n, k)
    result[:, 1] /= np.clip(found, 1, k)
    hits = np.bincount(rows[seen & (places < k)], minlength=n)
    result[:, 2], result[:, 3] = hits / np.maximum(found, 1), hits > 0
    return result, used


def _flat(queries: Sequence[Query]) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the relevances of all queries one after the other, their query and their place; -1 is not shown."""
    parts = list(chain.from_iterable(queries))
    sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    values = np.fromiter(chain.from_iterable(parts), dtype=np.float64, count=int(sizes.sum()))
    rows = np.repeat(np.arange(len(parts)) // 2, sizes)
    return values, rows, np.where(np.repeat(np.arange(len(parts)) % 2, sizes) == 0, _within(sizes), -1)


def _within(sizes: IntArray) -> IntArray:
    """Return the position of each element in its part."""
    starts = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) - np.repeat(starts, sizes)


def _ndcg(values: FloatArray, rows: IntArray, places: IntArray, n: int, k: int) -> FloatArray:
    best = np.zeros(n)
    np.maximum.at(best, rows, values)
    gain = values / best[rows]  # of the best item: sums cannot overflow
    ordered = np.lexsort((-gain, rows))
    ideal = _discounted(gain[ordered], rows, _within(np.bincount(rows, minlength=n)), n, k)
    reached = _discounted(gain, rows, places, n, k)
    return np.minimum(reached / np.where(ideal > 0, ideal, 1.0), 1.0)


def _discounted(gain: FloatArray, rows: IntArray, places: IntArray, n: int, k: int) -> FloatArray:
    counted = (places >= 0) & (places < k)
    return _summed(rows[counted], gain[counted] / np.log2(places[counted] + 2), n)


def _summed(rows: IntArray, values: FloatArray, n: int) -> FloatArray:
    return np.bincount(rows, values, minlength=n).astype(np.float64)


def _precision_and_first(rows: IntArray, places: IntArray, n: int, k: int) -> tuple[FloatArray, FloatArray]:
    """Return the summed precision at relevant places up to k, and 1 / rank of the first; rows ascend."""
    number = _within(np.bincount(rows, minlength=n)) + 1  # a query's first relevant item shown is 1
    precision = np.where(places < k, number / (places + 1), 0.0)
    is_first = number == 1
    return _summed(rows, precision, n), _summed(rows[is_first], 1 / (places[is_first] + 1), n)
