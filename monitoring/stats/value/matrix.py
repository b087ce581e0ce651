"""The value of a decision: a matrix v[true][decision], or amounts of each row in its place."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.intervals import mean_interval
from monitoring.stats.results import Confusion, Estimate

Amounts = Sequence[Sequence[float | FloatArray]]  # v[true][decision], each a number or one per row


def as_matrix(matrix: ArrayLike, labels: int, decisions: int) -> FloatArray:
    """Return the matrix as floats. Raises ValueError unless it is finite and of shape (labels, decisions)."""
    values = np.asarray(matrix, dtype=np.float64)
    if values.shape != (labels, decisions) or not np.isfinite(values).all():
        raise ValueError(f"a finite matrix of {labels} labels x {decisions} decisions is needed")
    return values


def total(table: Confusion, matrix: ArrayLike) -> float:
    """Return the value of all decisions, in the matrix's unit; 0 without rows.

    matrix: v[true][decision] in the order of the table's labels; costs are negative.

    Raises ValueError if the matrix does not fit the table.

    >>> total(Confusion(("0", "1"), np.array([[900, 50], [20, 30]])), [[0, -10], [-50, 5]])
    -1350.0
    """
    return float((table.counts * as_matrix(matrix, *table.counts.shape)).sum())


def per_decision(table: Confusion, matrix: ArrayLike) -> Estimate:
    """Return the mean value per decision, `value.1`: the total over the number of rows, with a normal interval.

    Raises ValueError if the matrix does not fit the table.

    >>> per_decision(Confusion(("0", "1"), np.array([[900, 50], [20, 30]])), [[0, -10], [-50, 5]]).value
    -1.35
    """
    return mean_value(table.counts, as_matrix(matrix, *table.counts.shape))


def mean_value(counts: IntArray, values: FloatArray) -> Estimate:
    """Return the mean of values that occur so often.

    >>> mean_value(np.array([3, 1]), np.array([1.0, 5.0])).value
    2.0
    """
    n = int(counts.sum())
    return mean_interval(n, float((counts * values).sum()), float((counts * values**2).sum()))


def row_values(true: FloatArray, decided: FloatArray, amounts: Amounts) -> FloatArray:
    """Return the value of each row, shape (rows,); NaN where the label or decision is none of the matrix.

    true, decided: the position of each row's label and decision, NaN for unknown.
    amounts: v[true][decision], each entry a number or an array with one amount per row.

    >>> loan = np.array([1000.0, 500.0])
    >>> row_values(np.array([1, 0]), np.array([0, 0]), [[0.02 * loan, 0], [-loan, 0]]).tolist()
    [-1000.0, 10.0]
    """
    if len(true) != len(decided):
        raise ValueError("as many labels as decisions are needed")
    values = np.full(len(true), np.nan)
    for label, entries in enumerate(amounts):
        for decision, amount in enumerate(entries):
            here = (true == label) & (decided == decision)
            values[here] = by_row(amount, len(true))[here]
    return values


def value_of_rows(true: FloatArray, decided: FloatArray, amounts: Amounts) -> Estimate:
    """Return the mean value per decision from amounts per row, with a normal interval.

    Rows without a label, a decision or a finite amount are left out; n says how many remain.

    >>> loan = np.array([1000.0, 500.0, np.nan])
    >>> value_of_rows(np.array([1, 0, 0]), np.zeros(3), [[0.02 * loan, 0], [-loan, 0]]).value
    -495.0
    """
    return mean_of(row_values(true, decided, amounts))


def mean_of(values: FloatArray) -> Estimate:
    """Return the mean of the finite values, with a normal interval.

    >>> mean_of(np.array([1.0, 3.0, np.nan])).value
    2.0
    """
    used = values[np.isfinite(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        return mean_interval(len(used), float(used.sum()), float((used * used).sum()))


def by_row(amount: float | FloatArray, n: int) -> FloatArray:
    """Return one amount per row. Raises ValueError for an array of another length."""
    values = np.asarray(amount, dtype=np.float64)
    if values.shape not in {(), (n,)}:
        raise ValueError("an amount is a number or an array with one number per row")
    return np.broadcast_to(values, n)


def ideal_threshold(matrix: ArrayLike) -> float | None:
    """Return the threshold that is best for calibrated scores, (v00 - v01) / ((v00 - v01) + (v11 - v10)).

    None where no threshold is: one decision is better whatever the score, or the decisions stand the wrong way
    round. Raises ValueError unless the matrix is finite and 2 x 2.

    Elkan, IJCAI (2001).

    >>> ideal_threshold([[0, -1], [-4, 0]])
    0.2
    """
    values = as_matrix(matrix, 2, 2)
    spared, won = float(values[0, 0] - values[0, 1]), float(values[1, 1] - values[1, 0])
    if min(spared, won) < 0 or spared + won == 0:
        return None
    return spared / (spared + won)
