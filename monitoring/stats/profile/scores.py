"""Scores of a binary model joined with labels."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, score_cell

SEGMENT_CELLS = 1024
UNKNOWN = 2
_MERGED = SCORE_CELLS // SEGMENT_CELLS
_TINY = 1e-15
_LABELS, _FOLDS, _DECISIONS = 3, 2, 2


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCounts:
    """Scores and labels of one population of a binary model.

    negatives, positives, unknown: rows per ascending score cell (4096 cells, or 1024 for a segment) by label.
    decided: rows by label (0, 1, unknown) and logged decision (0, 1). The sums are over labelled rows.
    """

    negatives: IntArray
    positives: IntArray
    unknown: IntArray
    decided: IntArray = field(default_factory=lambda: np.zeros((_LABELS, _DECISIONS), dtype=np.int64))
    log_loss_sum: float = 0.0
    brier_sum: float = 0.0

    @property
    def n_negative(self) -> int:
        return int(self.negatives.sum())

    @property
    def n_positive(self) -> int:
        return int(self.positives.sum())

    @property
    def n(self) -> int:
        """The labelled rows."""
        return self.n_negative + self.n_positive

    @classmethod
    def of(cls, labels: FloatArray, scores: FloatArray, decided: FloatArray | None = None) -> "ScoreCounts":
        """Count labels (0, 1, NaN unknown) against scores in [0, 1]; other scores are left out.

        >>> counts = ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))
        >>> counts.n_negative, counts.n_positive, round(counts.brier_sum, 2)
        (1, 1, 0.13)
        """
        everybody = [np.zeros(len(labels), dtype=np.int64)]
        return population(count_scores(labels, scores, decided, everybody, 1, None), 0)


def count_scores(
    labels: FloatArray,
    scores: FloatArray,
    decided: FloatArray | None,
    where: list[IntArray],
    populations: int,
    fold: IntArray | None,
) -> dict[str, NDArray[Any]]:
    """Count every population at once; `where` gives the population of each row, once per way of dividing."""
    kind = _label_kind(labels)
    return {
        "cells": _cells(kind, scores, fold),
        "segment_cells": _segment_cells(kind, scores, where[1:], populations),
        "decided": _decided(kind, decided, where, populations),
        "losses": _losses(kind, scores, where, populations),
    }


def population(arrays: dict[str, NDArray[Any]], index: int) -> ScoreCounts:
    """Return the counts of one population, 0 for all rows."""
    cells = arrays["segment_cells"][index - 1] if index else arrays["cells"].sum(axis=0)
    log_loss_sum, brier_sum = arrays["losses"][index].tolist()
    return ScoreCounts(cells[0], cells[1], cells[UNKNOWN], arrays["decided"][index], log_loss_sum, brier_sum)


def _label_kind(labels: FloatArray) -> IntArray:
    """Return 0, 1 or unknown for each label; other numbers are unknown."""
    return np.where(labels == 1, 1, np.where(labels == 0, 0, UNKNOWN))


def _inside(scores: FloatArray) -> NDArray[np.bool_]:
    return (scores >= 0) & (scores <= 1)


def _cells(kind: IntArray, scores: FloatArray, fold: IntArray | None) -> IntArray:
    used = _inside(scores)
    folds = 0 if fold is None else fold[used] & 1
    flat = (folds * _LABELS + kind[used]) * SCORE_CELLS + score_cell(scores[used])
    return np.bincount(flat, minlength=_FOLDS * _LABELS * SCORE_CELLS).reshape(_FOLDS, _LABELS, SCORE_CELLS)


def _segment_cells(kind: IntArray, scores: FloatArray, where: list[IntArray], populations: int) -> IntArray:
    used = _inside(scores)
    inner = kind[used] * SEGMENT_CELLS + score_cell(scores[used]) // _MERGED
    size = (populations - 1) * _LABELS * SEGMENT_CELLS
    counts = np.zeros(size, dtype=np.int64)
    for rows in where:
        counts += np.bincount((rows[used] - 1) * _LABELS * SEGMENT_CELLS + inner, minlength=size)
    return counts.reshape(-1, _LABELS, SEGMENT_CELLS)


def _decided(kind: IntArray, decided: FloatArray | None, where: list[IntArray], populations: int) -> IntArray:
    counts = np.zeros(populations * _LABELS * _DECISIONS, dtype=np.int64)
    if decided is not None:
        known = ~np.isnan(decided)
        inner = kind[known] * _DECISIONS + (decided[known] > 0)
        for rows in where:
            counts += np.bincount(rows[known] * _LABELS * _DECISIONS + inner, minlength=len(counts))
    return counts.reshape(populations, _LABELS, _DECISIONS)


def _losses(kind: IntArray, scores: FloatArray, where: list[IntArray], populations: int) -> FloatArray:
    used = _inside(scores) & (kind != UNKNOWN)
    log_loss, brier = losses(kind[used], scores[used])
    sums = np.zeros((populations, 2))
    for rows in where:
        for column, loss in enumerate((log_loss, brier)):
            sums[:, column] += np.bincount(rows[used], loss, minlength=populations)
    return sums


def losses(labels: IntArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return log loss (nats) and squared error of each row.

    >>> [round(float(loss[0]), 4) for loss in losses(np.array([1]), np.array([0.5]))]
    [0.6931, 0.25]
    """
    clipped = np.clip(scores, _TINY, 1 - _TINY)
    return -np.where(labels == 1, np.log(clipped), np.log1p(-clipped)), (scores - labels) ** 2
