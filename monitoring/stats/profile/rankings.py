"""Rankings joined with relevances, as sums over queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.intervals import mean_interval
from monitoring.stats.ranking import METRICS, Query, each, in_order
from monitoring.stats.results import Estimate

_BLOCK = 10_000
_USED, _LEFT_OUT = 0, 1
Shown = Sequence[str] | None
Relevances = Mapping[str, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class RankCounts:
    """The metrics of one population of a ranking model, summed over its queries.

    queries: those with a relevant item, on which every metric is defined; left_out: labelled ones without.
    totals, squares: sums of the values and of their squares, shape (metrics,) in the order of ranking.METRICS.
    """

    queries: int
    left_out: int
    totals: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, shown: Sequence[Shown], relevances: Sequence[Relevances]) -> "RankCounts":
        """Sum the metrics at k = 10 of queries: the ids shown, in order, and the relevance by id.

        A query without shown list (None) or without relevances (None) is not labelled and not counted.

        >>> counts = RankCounts.of([["a", "b"], ["a"]], [{"b": 1.0}, {}])
        >>> counts.queries, counts.left_out, counts.estimates()["mrr"].value
        (1, 1, 0.5)
        """
        everybody = [np.zeros(len(shown), dtype=np.int64)]
        return population(count_rankings(shown, relevances, everybody, 1), 0)

    def __add__(self, other: "RankCounts") -> "RankCounts":
        return RankCounts(
            self.queries + other.queries,
            self.left_out + other.left_out,
            self.totals + other.totals,
            self.squares + other.squares,
        )

    def estimates(self) -> dict[str, Estimate]:
        """Return the mean of each metric over the queries, as `ranking.over_queries` does from the values.

        >>> sorted(RankCounts.of([["a"]], [{"a": 1.0}]).estimates())
        ['hit_k', 'map_k', 'mrr', 'ndcg_k', 'recall_k']
        """
        sums = zip(METRICS, self.totals.tolist(), self.squares.tolist(), strict=True)
        return {name: mean_interval(self.queries, total, total_sq) for name, total, total_sq in sums}


def count_rankings(
    shown: Sequence[Shown], relevances: Sequence[Relevances], where: list[IntArray], populations: int
) -> dict[str, NDArray[Any]]:
    """Sum every population at once; `where` gives the population of each query, once per way of dividing.

    Raises ValueError unless there are as many relevances as shown lists.
    """
    if len(shown) != len(relevances):
        raise ValueError("as many relevances as shown lists are needed")
    queries = np.zeros((populations, 2), dtype=np.int64)
    sums = np.zeros((populations, len(METRICS), 2))
    for start in range(0, len(shown), _BLOCK):
        block = slice(start, start + _BLOCK)
        labelled, rows = _labelled(shown[block], relevances[block])
        values, used = each(labelled)
        for one in (way[block][rows] for way in where):
            queries[:, _USED] += np.bincount(one[used], minlength=populations)
            queries[:, _LEFT_OUT] += np.bincount(one[~used], minlength=populations)
            for metric, column in enumerate(values.T):
                for power in (1, 2):
                    sums[:, metric, power - 1] += np.bincount(one, column**power, minlength=populations)
    return {"queries": queries, "sums": sums}


def _labelled(shown: Sequence[Shown], relevances: Sequence[Relevances]) -> tuple[list[Query], list[int]]:
    """Return the queries that have both sides, and their rows."""
    queries, rows = [], []
    for row, (items, by_item) in enumerate(zip(shown, relevances, strict=True)):
        if items is not None and by_item is not None:
            queries.append(in_order(items, by_item))
            rows.append(row)
    return queries, rows


def population(arrays: dict[str, NDArray[Any]], index: int) -> RankCounts:
    """Return the sums of one population, 0 for all queries."""
    used, left_out = arrays["queries"][index].tolist()
    totals, squares = arrays["sums"][index].T
    return RankCounts(used, left_out, totals, squares)
