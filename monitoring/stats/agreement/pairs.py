"""Two versions on the same requests: how often they decide differently, and what that may cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from monitoring.stats.agreement.reviewers import cohen
from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.columns import CodedColumn, Column, as_text, encode
from monitoring.stats.grid import headline, score_cell
from monitoring.stats.intervals import mean_interval, rate, wilson
from monitoring.stats.ranking import over_queries
from monitoring.stats.results import Confusion, Estimate, Reason


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How often two versions decide differently, each share of all pairs with its Wilson interval.

    up: pairs where B's decision stands later in the list of labels than A's; down: earlier. kappa: Cohen's.
    """

    share: Estimate
    up: Estimate
    down: Estimate
    kappa: Estimate


def pair_up(a: Column, b: Column, labels: Sequence[object]) -> Confusion:
    """Count the decisions of version A (rows of the table) against those of version B (its columns).

    Pairs without one of the decisions are left out. Tables of different days add up.

    Raises ValueError for columns of different length, or a decision that is not one of the labels.

    >>> pair_up([0, 1, 1, None], [0, 1, 0, 1], [0, 1]).counts.tolist()
    [[1, 0], [1, 1]]
    """
    counts = _count(a, b, labels, np.zeros(len(a), dtype=np.int64), 1)
    return Confusion(_names(labels), counts[0])


def pair_up_by(a: Column, b: Column, labels: Sequence[object], groups: Column) -> dict[str, Confusion]:
    """Count decisions as `pair_up` does, apart for each group of rows, such as a segment or a score bin.

    Rows without a group are left out.

    >>> found = pair_up_by([0, 1], [0, 0], [0, 1], ["EU", "US"])
    >>> found["US"].counts.tolist()
    [[0, 0], [1, 0]]
    """
    place = encode(groups)
    counts = _count(a, b, labels, place.codes, len(place.values))
    return {name: Confusion(_names(labels), table) for name, table in zip(place.values, counts, strict=True)}


def _names(labels: Sequence[object]) -> tuple[str, ...]:
    return tuple(as_text(label) for label in labels)


def _count(a: Column, b: Column, labels: Sequence[object], group: NDArray[np.integer], groups: int) -> IntArray:
    """Return the tables of all groups, shape (groups, labels, labels)."""
    if not len(a) == len(b) == len(group):
        raise ValueError("columns of one length are needed")
    size = len(labels)
    one, other = (_positions(column, _names(labels)) for column in (a, b))
    used = (one >= 0) & (other >= 0) & (group >= 0)
    flat = (group[used].astype(np.int64) * size + one[used]) * size + other[used]
    return np.bincount(flat, minlength=groups * size * size).reshape(groups, size, size)


def _positions(column: Column, names: tuple[str, ...]) -> IntArray:
    """Return the place of each decision in the list of labels, -1 for none."""
    coded = encode(column)
    for code in np.unique(coded.codes[coded.codes >= 0]):
        if coded.values[code] not in names:
            raise ValueError(f"{coded.values[code]} is not one of the labels")
    table = [names.index(value) if value in names else -1 for value in coded.values]
    places: IntArray = np.array([*table, -1], dtype=np.int64)
    return np.asarray(places[coded.codes])


def disagreement(pairs: Confusion) -> Disagreement:
    """Return how often two versions decide differently.

    up and down mean something for labels that have an order, as 0 and 1 do. Without pairs every estimate says
    `empty`.

    >>> found = disagreement(Confusion(("0", "1"), np.array([[90, 5], [1, 4]])))
    >>> found.share.value, found.up.value, found.down.value
    (0.06, 0.05, 0.01)
    """
    counts, n = pairs.counts, pairs.n
    up, down = int(np.triu(counts, 1).sum()), int(np.tril(counts, -1).sum())
    return Disagreement(rate(up + down, n), rate(up, n), rate(down, n), cohen(pairs))


def score_bins(scores: FloatArray) -> CodedColumn:
    """Return the bin of each score, "0" to "9" ascending, of about equal mass; none for scores outside [0, 1].

    As headline bins do: scores so alike that they share a cell share a bin, however many they are.

    >>> score_bins(np.array([0.1, 0.9, np.nan])).codes.tolist()
    [0, 1, -1]
    """
    usable = (scores >= 0) & (scores <= 1)
    codes = np.full(len(scores), -1, dtype=np.int64)
    cells = score_cell(scores[usable])
    codes[usable] = headline(np.bincount(cells, minlength=1))[cells]
    return CodedColumn(codes, tuple(str(name) for name in range(int(codes.max(initial=-1)) + 1)))


def score_gap(a: FloatArray, b: FloatArray) -> Estimate:
    """Return the mean absolute difference of two versions' scores, with a normal interval; NaN is left out.

    Raises ValueError for scores of different length.

    >>> score_gap(np.array([0.2, 0.5]), np.array([0.3, 0.5])).value
    0.04999999999999999
    """
    if len(a) != len(b):
        raise ValueError("as many scores of either version are needed")
    used = np.isfinite(a) & np.isfinite(b)
    with np.errstate(over="ignore"):
        gap = np.abs(a[used] - b[used])
        return mean_interval(len(gap), float(gap.sum()), float((gap * gap).sum()))


def value_at_stake(pairs: Confusion, matrix: FloatArray) -> float:
    """Return an upper bound of what the choice between two versions is worth on these pairs.

    matrix: v[true][decision], in the order of the labels of the table. The sum over discordant pairs of the largest
    |v[y][A] - v[y][B]| over true labels y, known or not. 0 where they agree.

    Raises ValueError unless the matrix is finite and has a row and a column for each label.

    >>> value_at_stake(Confusion(("0", "1"), np.array([[90, 5], [1, 4]])), np.array([[0, -10], [-50, 5]]))
    330.0
    """
    size = len(pairs.labels)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all():
        raise ValueError("a finite matrix of true label by decision is needed")
    difference = np.abs(matrix[:, :, None] - matrix[:, None, :]).max(axis=0)
    return float((pairs.counts * difference).sum())


def ranking_disagreement(a: Sequence[Sequence[str]], b: Sequence[Sequence[str]], k: int) -> Estimate:
    """Return the mean over queries of 1 - the shared share of the top k of two rankings, with a normal interval.

    a, b: shown ids in order, per query. The share is of the longer of the two lists cut to k; a query where both
    are empty is left out.

    Raises ValueError for different numbers of queries, or k below 1.

    >>> ranking_disagreement([["a", "b"]], [["b", "c"]], k=2).value
    0.5
    """
    if len(a) != len(b) or k < 1:
        raise ValueError("as many queries of either version, and k of at least 1, are needed")
    return over_queries([_unshared(set(one[:k]), set(other[:k])) for one, other in zip(a, b, strict=True)])


def _unshared(one: set[str], other: set[str]) -> float | None:
    longer = max(len(one), len(other))
    return 1 - len(one & other) / longer if longer else None


def mcnemar(b: int, c: int) -> float:
    """Return the exact two-sided p-value of McNemar's test; 1 without discordant pairs.

    b, c: pairs of which only one, and only the other version was right.

    Raises ValueError for negative counts.

    McNemar, Psychometrika 12 (1947).

    >>> mcnemar(0, 3)
    0.25
    """
    if b < 0 or c < 0:
        raise ValueError("counts of discordant pairs are not negative")
    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))


def discordant_accuracy(d: float, q: float, m: int, n: int | None = None) -> Estimate:
    """Return by how much B's accuracy exceeds A's when labels are known for discordant pairs only: d (2q - 1).

    d: share of discordant pairs among n; q: share of the m labelled ones in which B was right; of two labels one is.
    The interval joins Wilson's of q and of d; without n, d counts as exact, and the width is about that of the
    variance d^2 4 q (1 - q) / m. Without labels `empty`.

    Raises ValueError for shares outside [0, 1], a negative m or an n below 1.

    The intervals are joined as Zou and Donner do, Statistics in Medicine 27 (2008).

    >>> found = discordant_accuracy(0.1, 0.75, 100)
    >>> found.value, round(found.high - found.low, 4)
    (0.05, 0.0335)
    """
    if not (0 <= d <= 1 and 0 <= q <= 1) or m < 0 or (n is not None and n < 1):
        raise ValueError("two shares and numbers of pairs are needed")
    if not m:
        return Estimate(None, method="wilson", reason=Reason.empty)
    lead = 2 * q - 1
    q_low, q_high = wilson(q * m, m)
    d_low, d_high = (d, d) if n is None else wilson(d * n, n)
    less, more = (d_low, d_high) if lead > 0 else (d_high, d_low)
    low = d * lead - np.hypot(lead * (d - less), 2 * d * (q - q_low))
    high = d * lead + np.hypot(lead * (more - d), 2 * d * (q_high - q))
    return Estimate(d * lead, max(float(low), -1.0), min(float(high), 1.0), n=m, n_eff=m, method="wilson")
