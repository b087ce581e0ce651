"""Errors of a regression model as sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid.latency import latency_key
from monitoring.stats.profile.latencies import LatencyProfile

_KEYS = 1 << 16
_SUMS = 7
_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCounts:
    """Errors (prediction - label) of one population of a regression model.

    absolute: absolute errors on the latency grid, for their quantiles.
    """

    n: int
    total: float
    total_sq: float
    total_abs: float
    label_total: float
    label_total_sq: float
    label_total_abs: float
    absolute: LatencyProfile

    @classmethod
    def of(cls, labels: FloatArray, predictions: FloatArray) -> "ErrorCounts":
        """Sum the errors of the rows where both are finite.

        >>> ErrorCounts.of(np.array([3.0, 2.0]), np.array([2.5, np.nan])).total
        -0.5
        """
        return population(count_errors(labels, predictions, [np.zeros(len(labels), dtype=np.int64)], 1), 0)


def count_errors(
    labels: FloatArray, predictions: FloatArray, where: list[IntArray], populations: int
) -> dict[str, NDArray[Any]]:
    """Sum every population at once; `where` gives the population of each row, once per way of dividing."""
    used = np.isfinite(labels) & np.isfinite(predictions)
    y = labels[used]
    with np.errstate(over="ignore"):
        error = np.clip(predictions[used] - y, -_FLOAT32_MAX, _FLOAT32_MAX)
        parts = (np.ones(len(y)), error, error * error, np.abs(error), y, y * y, np.abs(y))
    sums = np.zeros((populations, _SUMS))
    ends = np.column_stack((np.full(populations, np.inf), np.full(populations, -np.inf)))
    keys = latency_key(np.abs(error)).astype(np.int64)
    cells = []
    for rows in where:
        rows = rows[used]
        for column, part in enumerate(parts):
            sums[:, column] += np.bincount(rows, part, minlength=populations)
        np.minimum.at(ends[:, 0], rows, parts[3])
        np.maximum.at(ends[:, 1], rows, parts[3])
        cells.append(rows * _KEYS + keys)
    cell, count = np.unique(np.concatenate(cells), return_counts=True)
    return {"sums": sums, "ends": ends, "error_cells": cell, "error_counts": count.astype(np.int64)}


def merge_errors(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Add the arrays of two sets of rows."""
    cells, place = np.unique(np.concatenate((a["error_cells"], b["error_cells"])), return_inverse=True)
    counts = np.zeros(len(cells), dtype=np.int64)
    np.add.at(counts, place, np.concatenate((a["error_counts"], b["error_counts"])))
    low = np.minimum(a["ends"][:, 0], b["ends"][:, 0])
    high = np.maximum(a["ends"][:, 1], b["ends"][:, 1])
    ends = np.column_stack((low, high))
    return {"sums": a["sums"] + b["sums"], "ends": ends, "error_cells": cells, "error_counts": counts}


def population(arrays: dict[str, NDArray[Any]], index: int) -> ErrorCounts:
    """Return the errors of one population, 0 for all rows."""
    n, *sums = arrays["sums"][index].tolist()
    mine = arrays["error_cells"] // _KEYS == index
    keys, counts = (arrays["error_cells"][mine] % _KEYS).astype(np.uint16), arrays["error_counts"][mine]
    at_zero = keys == 0
    low, high = arrays["ends"][index].tolist() if n else (None, None)
    absolute = LatencyProfile(keys[~at_zero], counts[~at_zero], int(counts[at_zero].sum()), 0, low, high, sums[2])
    total, total_sq, total_abs, label_total, label_total_sq, label_total_abs = sums
    return ErrorCounts(int(n), total, total_sq, total_abs, label_total, label_total_sq, label_total_abs, absolute)
