"""Metrics of decisions: a table of true against decided labels, and what it says of a classifier.

Shares have Wilson intervals, and so has F1, which grows with TP / (TP+FP+FN). The others resample the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray
from monitoring.stats.columns import Column, as_text, encode
from monitoring.stats.intervals import percentile_interval, poisson_bootstrap, rate
from monitoring.stats.results import Confusion, Estimate, Reason

REPS = 400
_METHOD = "poisson_bootstrap"
_LEAST_DEFINED = 0.5  # of the resamples, for an interval
_POSITIVE = 1
_TINY = 1e-12


def confusion(true: Sequence[object], decided: Sequence[object], labels: Sequence[object]) -> Confusion:
    """Count true against decided labels; rows where one of them is null are left out.

    Raises ValueError for a label that is not in the list, or one that stands there twice.

    >>> confusion([0, 1, 1, None], [0, 1, 0, 0], [0, 1]).counts.tolist()
    [[1, 0], [1, 1]]
    """
    names = _names(labels)
    place, known = _places(true, decided, names)
    counts = np.bincount(place[known], minlength=len(names) ** 2)
    return Confusion(names, counts.reshape(len(names), len(names)).astype(np.int64))


def rates(table: Confusion, *, seed: int | None = 0) -> dict[str, Estimate]:
    """Return the metrics of a confusion table.

    Two labels: accuracy, precision, recall, specificity, f1, macro_f1, mcc, kappa of the second label; more labels:
    accuracy, macro_f1, mcc, kappa (`per_class` has the rest). seed: of the resampling; None saves it, and the last
    three have no interval.

    >>> found = rates(Confusion(("0", "1"), np.array([[50, 10], [5, 35]])))
    >>> found["recall"].value, round(found["precision"].value, 4)
    (0.875, 0.7778)
    """
    return _rates(_Table.of(table), seed)


def rates_exact(
    true: Sequence[object],
    decided: Sequence[object],
    labels: Sequence[object],
    weights: FloatArray | None = None,
    *,
    seed: int | None = 0,
) -> dict[str, Estimate]:
    """Return the metrics of rows, as `rates` does of their table; with weights, such as 1 / inclusion probability.

    Values rest on sums of weights, intervals on the effective number of rows, (sum w)^2 / sum w^2, of each share.
    A row without a label, a decision or a finite weight is left out.

    Raises ValueError for columns of different length, a negative weight, or a label that is not in the list.

    >>> rates_exact([0, 1, 1], [0, 1, 0], [0, 1], np.array([1.0, 1.0, 2.0]))["accuracy"].value
    0.5
    """
    names = _names(labels)
    place, known = _places(true, decided, names)
    if weights is None:
        return _rates(_Table.weighted(names, place[known], None), seed)
    w = np.asarray(weights, dtype=np.float64)
    if len(w) != len(place) or (w < 0).any():
        raise ValueError("a weight of 0 or more for each row is needed")
    used = known & np.isfinite(w) & (w > 0)
    return _rates(_Table.weighted(names, place[used], w[used] / w[used].max(initial=_TINY)), seed)


def per_class(table: Confusion) -> dict[str, dict[str, Estimate]]:
    """Return precision, recall and f1 of each label against all others.

    >>> found = per_class(confusion("aabbc", "ababb", "abc"))
    >>> round(found["b"]["precision"].value, 4), found["c"]["precision"].reason.value
    (0.3333, 'no_predicted_positives')
    """
    counted = _Table.of(table)
    return {name: _of_label(counted, index) for index, name in enumerate(table.labels)}


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Rows, sums of weights and sums of squared weights by true and decided label, each of shape (labels, labels)."""

    rows: IntArray
    sums: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, table: Confusion) -> "_Table":
        counts = table.counts.astype(np.float64)
        return cls(table.counts, counts, counts)

    @classmethod
    def weighted(cls, names: tuple[str, ...], place: IntArray, w: FloatArray | None) -> "_Table":
        shape, size = (len(names), len(names)), len(names) ** 2
        rows = np.bincount(place, minlength=size).reshape(shape)
        if w is None:
            return cls(rows, rows.astype(np.float64), rows.astype(np.float64))
        sums, squares = (np.bincount(place, part, minlength=size).reshape(shape) for part in (w, w * w))
        return cls(rows, sums.astype(np.float64), squares.astype(np.float64))

    def share(self, hits: BoolArray, among: BoolArray, reason: Reason) -> Estimate:
        """Return the share of the cells `hits` in the cells `among`, with its Wilson interval."""
        n, weight, squares = (
            int(self.rows[among].sum()),
            float(self.sums[among].sum()),
            float(self.squares[among].sum()),
        )
        if not weight:
            return Estimate(None, method="wilson", reason=reason if self.rows.any() else Reason.empty)
        found = rate(float(self.sums[hits].sum()), weight, n_eff=weight * weight / squares)
        return replace(found, n=n)


def _rates(table: _Table, seed: int | None) -> dict[str, Estimate]:
    size = len(table.rows)
    everything, agreed = np.ones((size, size), dtype=bool), np.eye(size, dtype=bool)
    found = {"accuracy": table.share(agreed, everything, Reason.empty)} | _of_table(table, seed)
    if size != 2:
        return found
    of_negative, of_positive = (_of_label(table, label) for label in (0, _POSITIVE))
    specificity = of_negative["recall"]
    if specificity.reason == Reason.no_positives:
        specificity = replace(specificity, reason=Reason.no_negatives)
    return found | of_positive | {"specificity": specificity}


def _of_label(table: _Table, label: int) -> dict[str, Estimate]:
    true, decided = np.zeros((2, *table.rows.shape), dtype=bool)
    true[label], decided[:, label] = True, True
    hit = true & decided
    return {
        "precision": table.share(hit, decided, Reason.no_predicted_positives),
        "recall": table.share(hit, true, Reason.no_positives),
        "f1": _f1(table.share(hit, true | decided, Reason.zero_denominator)),
    }


def _f1(overlap: Estimate) -> Estimate:
    """Return F1 from the share of hits among all that are of the label, in truth or by decision."""
    if overlap.value is None or overlap.low is None or overlap.high is None:
        return overlap
    value, low, high = (2 * share / (1 + share) for share in (overlap.value, overlap.low, overlap.high))
    return replace(overlap, value=value, low=low, high=high)


def _of_table(table: _Table, seed: int | None) -> dict[str, Estimate]:
    """Return the metrics of a whole table, with percentile intervals of a Poisson bootstrap of its cells."""
    weight, squares = float(table.sums.sum()), float(table.squares.sum())
    if not weight:
        return dict.fromkeys(_OF_TABLES, Estimate(None, method=_METHOD, reason=Reason.empty))
    blank = Estimate(None, n=int(table.rows.sum()), n_eff=weight * weight / squares, method=_METHOD)
    values = _all(table.sums[None])[0]
    draws = np.full((1, len(_OF_TABLES)), np.nan) if seed is None else _draws(table, seed)
    return {
        name: _between(blank, float(value), column)
        for name, value, column in zip(_OF_TABLES, values, draws.T, strict=True)
    }


def _draws(table: _Table, seed: int) -> FloatArray:
    """Return the metrics of resamples; a cell of weighted rows is resampled as its effective number of rows."""
    rows = np.divide(table.sums**2, table.squares, out=np.zeros_like(table.sums), where=table.squares > 0)
    effective = np.where(rows > 0, np.maximum(np.rint(rows), 1), 0).astype(np.int64)
    unit = table.sums / np.maximum(effective, 1)
    return poisson_bootstrap(effective, lambda cells: _all(cells * unit), REPS, seed)


def _between(blank: Estimate, value: float, draws: FloatArray) -> Estimate:
    if np.isnan(value):
        return replace(blank, reason=Reason.zero_denominator)
    defined = draws[~np.isnan(draws)]
    if len(defined) < _LEAST_DEFINED * len(draws):
        return replace(blank, value=value)
    low, high = (float(end) for end in percentile_interval(defined))
    return replace(blank, value=value, low=min(low, value), high=max(high, value))


def _all(cells: FloatArray) -> FloatArray:
    return np.stack([metric(cells) for metric in _OF_TABLES.values()], axis=-1)


def _macro_f1(cells: FloatArray) -> FloatArray:
    """Mean F1 over the labels that occur in truth or decision."""
    seen = cells.sum(axis=-1) + cells.sum(axis=-2)
    hits = np.diagonal(cells, axis1=-2, axis2=-1)
    f1 = np.divide(2 * hits, seen, out=np.zeros_like(seen), where=seen > 0)
    return _ratio(f1.sum(axis=-1), (seen > 0).sum(axis=-1))


def _mcc(cells: FloatArray) -> FloatArray:
    """Matthews correlation in Gorodkin's form for any number of labels."""
    hits, true, decided = _margins(cells)
    spread = _across(true, true) * _across(decided, decided)
    return _ratio(hits - (true * decided).sum(axis=-1), np.sqrt(np.maximum(spread, 0.0)))


def _kappa(cells: FloatArray) -> FloatArray:
    """Cohen's kappa: agreement beyond what the margins alone would give."""
    hits, true, decided = _margins(cells)
    return _ratio(hits - (true * decided).sum(axis=-1), _across(true, decided))


def _across(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return how often two draws, one of each side, have different labels: exactly 0 where both know only one label."""
    pairs = a[..., :, None] * b[..., None, :]
    different = ~np.eye(a.shape[-1], dtype=np.bool_)
    total: FloatArray = (pairs * different).sum(axis=(-2, -1))
    return total


def _margins(cells: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the share of hits, and the shares of each true and of each decided label; NaN without rows."""
    total = cells.sum(axis=(-2, -1), keepdims=True)
    shares = cells / np.where(total > 0, total, np.nan)
    return np.trace(shares, axis1=-2, axis2=-1), shares.sum(axis=-1), shares.sum(axis=-2)


def _ratio(numerator: FloatArray, denominator: NDArray[np.number]) -> FloatArray:
    """Return the quotient, NaN where the denominator is 0."""
    undefined = np.full(np.shape(numerator), np.nan)
    quotient: FloatArray = np.divide(numerator, denominator, out=undefined, where=denominator > _TINY)
    return quotient


_OF_TABLES: dict[str, Callable[[FloatArray], FloatArray]] = {"macro_f1": _macro_f1, "mcc": _mcc, "kappa": _kappa}


def _names(labels: Sequence[object]) -> tuple[str, ...]:
    names = tuple(as_text(label) for label in labels)
    if len(set(names)) < len(names):
        raise ValueError("a label stands twice in the list")
    return names


def _places(true: Column, decided: Column, names: tuple[str, ...]) -> tuple[IntArray, BoolArray]:
    """Return the cell of each row in the flattened table, and which rows have one: those without null."""
    if len(true) != len(decided):
        raise ValueError("as many true as decided labels are needed")
    rows, columns = (_positions(side, names) for side in (true, decided))
    return rows * len(names) + columns, (rows >= 0) & (columns >= 0)


def _positions(column: Column, names: tuple[str, ...]) -> IntArray:
    """Return the position of each label in the list, -1 for null."""
    coded = encode(column)
    position = {name: index for index, name in enumerate(names)}
    used = np.unique(coded.codes[coded.codes >= 0])
    if strange := [coded.values[code] for code in used if coded.values[code] not in position]:
        raise ValueError(f"{strange[0]} is not one of the labels")
    by_code = np.array([*(position.get(value, -1) for value in coded.values), -1], dtype=np.int64)
    places: IntArray = by_code[coded.codes]
    return places
