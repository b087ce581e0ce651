"""Errors of a regression model as sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid.latency import latency_key
from monitoring.stats.profile.latencies import LatencyProfile

_KEYS = 1 << 16
_SUMS = 8
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_LARGEST_LABEL = 1e140  # what lies beyond counts as this, so that sums of squares stay finite


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCounts:
    """Errors (prediction - label) of one population of a regression model.

    absolute: absolute errors on the latency grid, for their quantiles. cross_abs: sum of |error| |label|; None where
    the counts are older than this sum.
    """

    n: int
    total: float
    total_sq: float
    total_abs: float
    label_total: float
    label_total_sq: float
    label_total_abs: float
    absolute: LatencyProfile
    cross_abs: float | None = None

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
    with np.errstate(over="ignore"):
        error = np.clip(predictions[used] - labels[used], -_FLOAT32_MAX, _FLOAT32_MAX)
        y = np.clip(labels[used], -_LARGEST_LABEL, _LARGEST_LABEL)
        size, label_size = np.abs(error), np.abs(y)
        parts = (np.ones(len(y)), error, error * error, size, y, y * y, label_size, size * label_size)
    sums = np.zeros((populations, _SUMS))
    ends = np.column_stack((np.full(populations, np.inf), np.full(populations, -np.inf)))
    keys = latency_key(size).astype(np.int64)
    cells = []
    for rows in where:
        rows = rows[used]
        for column, part in enumerate(parts):
            sums[:, column] += np.bincount(rows, part, minlength=populations)
        np.minimum.at(ends[:, 0], rows, size)
        np.maximum.at(ends[:, 1], rows, size)
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
    return {"sums": _padded(a["sums"]) + _padded(b["sums"]), "ends": ends, "error_cells": cells, "error_counts": counts}


def _padded(sums: FloatArray) -> FloatArray:
    """Return sums with NaN for those that older counts lack."""
    return np.pad(sums, ((0, 0), (0, _SUMS - sums.shape[1])), constant_values=np.nan)


def population(arrays: dict[str, NDArray[Any]], index: int) -> ErrorCounts:
    """Return the errors of one population, 0 for all rows."""
    n, total, total_sq, total_abs, *of_labels, cross = _padded(arrays["sums"])[index].tolist()
    mine = arrays["error_cells"] // _KEYS == index
    keys, counts = (arrays["error_cells"][mine] % _KEYS).astype(np.uint16), arrays["error_counts"][mine]
    at_zero = keys == 0
    low, high = arrays["ends"][index].tolist() if n else (None, None)
    absolute = LatencyProfile(keys[~at_zero], counts[~at_zero], int(counts[at_zero].sum()), 0, low, high, total_abs)
    cross_abs = None if np.isnan(cross) else cross
    label_total, label_total_sq, label_total_abs = of_labels
    sums = (total, total_sq, total_abs, label_total, label_total_sq, label_total_abs)
    return ErrorCounts(int(n), *sums, absolute, cross_abs)
