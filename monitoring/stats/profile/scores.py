"""Scores of a binary model joined with labels."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, score_place

SEGMENT_CELLS = 1024
UNKNOWN = 2
_MERGED = SCORE_CELLS // SEGMENT_CELLS
_TINY = 1e-15
PARTS = 256  # of a cell, in which places are told
_LABELS, _FOLDS, _DECISIONS = 3, 2, 2


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCounts:
    """Scores and labels of one population of a binary model.

    negatives, positives, unknown: rows per ascending score cell (4096 cells, or 1024 for a segment) by label.
    decided: rows by label (0, 1, unknown) and logged decision (0, 1). The sums are over labelled rows.
    places: per label (0, 1) and cell, the sum of how far its rows stand inside of it, in 256ths of the cell; None
    for a segment, and for a profile from before they were counted.
    """

    negatives: IntArray
    positives: IntArray
    unknown: IntArray
    decided: IntArray = field(default_factory=lambda: np.zeros((_LABELS, _DECISIONS), dtype=np.int64))
    log_loss_sum: float = 0.0
    brier_sum: float = 0.0
    places: IntArray | None = None

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
    """Count every population at once; `where` gives the population of each row, once per way of dividing.

    The first way does not divide: population 0 is all rows.
    """
    kind, inside = _label_kind(labels), _inside(scores)
    rows = slice(None) if inside.all() else np.flatnonzero(inside)  # most often all: nothing is copied
    place = score_place(scores[rows])
    cell = place.astype(np.int64)
    by_label = kind[rows] * SCORE_CELLS + cell
    return {
        "cells": _cells(by_label, None if fold is None else fold[rows]),
        "places": _places(by_label, place - cell),
        "segment_cells": _segment_cells(by_label, [one[rows] for one in where[1:]], populations),
        "decided": _decided(kind, decided, where, populations),
        "losses": _losses(kind[rows], scores[rows], [one[rows] for one in where], populations),
    }


def population(arrays: dict[str, NDArray[Any]], index: int) -> ScoreCounts:
    """Return the counts of one population, 0 for all rows."""
    cells = arrays["segment_cells"][index - 1] if index else arrays["cells"].sum(axis=0)
    log_loss_sum, brier_sum = arrays["losses"][index].tolist()
    places = None if index else arrays.get("places")
    return ScoreCounts(cells[0], cells[1], cells[UNKNOWN], arrays["decided"][index], log_loss_sum, brier_sum, places)


def _label_kind(labels: FloatArray) -> IntArray:
    """Return 0, 1 or unknown for each label; other numbers are unknown."""
    kind = np.where(labels == 0, 0, UNKNOWN)
    kind -= labels == 1
    return kind


def _inside(scores: FloatArray) -> NDArray[np.bool_]:
    return (scores >= 0) & (scores <= 1)


def _cells(by_label: IntArray, fold: IntArray | None) -> IntArray:
    flat = by_label if fold is None else (fold & 1) * (_LABELS * SCORE_CELLS) + by_label
    return np.bincount(flat, minlength=_FOLDS * _LABELS * SCORE_CELLS).reshape(_FOLDS, _LABELS, SCORE_CELLS)


def _places(by_label: IntArray, part: FloatArray) -> IntArray:
    """Sum how far rows stand inside of their cell: as integers, so that every order of adding gives the same."""
    sums = np.bincount(by_label, np.floor(part * PARTS), minlength=_LABELS * SCORE_CELLS)
    return sums.astype(np.int64).reshape(_LABELS, SCORE_CELLS)[:UNKNOWN]


def _segment_cells(by_label: IntArray, where: list[IntArray], populations: int) -> IntArray:
    inner = by_label // _MERGED
    size = (populations - 1) * _LABELS * SEGMENT_CELLS
    counts = np.zeros(size, dtype=np.int64)
    for rows in where:
        counts += np.bincount((rows - 1) * (_LABELS * SEGMENT_CELLS) + inner, minlength=size)
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
    labelled = kind != UNKNOWN
    rows = slice(None) if labelled.all() else np.flatnonzero(labelled)
    log_loss, brier = losses(kind[rows], scores[rows])
    sums = np.zeros((populations, 2))
    for column, loss in enumerate((log_loss, brier)):
        sums[0, column] = loss.sum()
        for one in where[1:]:
            sums[:, column] += np.bincount(one[rows], loss, minlength=populations)
    return sums


def losses(labels: IntArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return log loss (nats) and squared error of each row.

    >>> [round(float(loss[0]), 4) for loss in losses(np.array([1]), np.array([0.5]))]
    [0.6931, 0.25]
    """
    said = np.abs(np.clip(scores, _TINY, 1 - _TINY) - (labels == 0))  # of the label that came true
    return -np.log(said), (scores - labels) ** 2
