"""Label profiles: predictions joined with their outcomes, as counts that add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.codec import compress, decompress, pack, reading, unpack
from monitoring.stats.columns import CodedColumn, Column, as_floats, encode
from monitoring.stats.grid import Grid
from monitoring.stats.profile import errors, rankings, scores
from monitoring.stats.profile.errors import ErrorCounts, count_errors, merge_errors
from monitoring.stats.profile.rankings import RankCounts, count_rankings
from monitoring.stats.profile.scores import UNKNOWN, ScoreCounts, count_scores
from monitoring.stats.results import Confusion

MAGIC = b"MLL1"
TASKS = ("binary", "multiclass", "regression", "ranking")
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class LabelProfile:
    """Outcomes of a day or window: arrays that add up, by population.

    Population 0 is all rows; then come the segments of each segment feature in the order of the grid.
    rows: predictions; n_labelled: those with a usable label and prediction.
    """

    grid: Grid
    task: str
    rows: int
    n_labelled: int
    arrays: Arrays

    @classmethod
    def empty(cls, grid: Grid, task: str) -> "LabelProfile":
        """Return the label profile of no rows, the identity of `merge`."""
        return build_labels(None, None, np.zeros(0), {}, grid, task)

    def scores(self, by: str | None = None, segment: str | None = None) -> ScoreCounts:
        """Return the counts of a binary model, of all rows or of one segment. Raises KeyError if unknown."""
        return scores.population(self.arrays, self._population(by, segment))

    def errors(self, by: str | None = None, segment: str | None = None) -> ErrorCounts:
        """Return the errors of a regression model, of all rows or of one segment. Raises KeyError if unknown."""
        return errors.population(self.arrays, self._population(by, segment))

    def rankings(self, by: str | None = None, segment: str | None = None) -> RankCounts:
        """Return the metrics of a ranking model, of all queries or of one segment. Raises KeyError if unknown."""
        return rankings.population(self.arrays, self._population(by, segment))

    def confusion(self, by: str | None = None, segment: str | None = None) -> Confusion:
        """Return true against decided classes, or labels 0 and 1 against decisions for a binary model."""
        index = self._population(by, segment)
        if self.task == "binary":
            return Confusion(("0", "1"), self.arrays["decided"][index][:UNKNOWN])
        return Confusion(_classes(self.grid), self.arrays["confusion"][index])

    def merge(self, other: "LabelProfile") -> "LabelProfile":
        """Return the label profile of the rows of both; counts are exact in any order of merging.

        Raises ValueError if grid or task differ.
        """
        if self.task != other.task or self.grid.id != other.grid.id:
            raise ValueError("label profiles of different grids or tasks cannot be merged")
        if self.task == "regression":
            arrays = merge_errors(self.arrays, other.arrays)
        else:
            shared = self.arrays.keys() & other.arrays.keys()  # a profile of before may lack what is counted now
            arrays = {name: array + other.arrays[name] for name, array in self.arrays.items() if name in shared}
        labelled = self.n_labelled + other.n_labelled
        return LabelProfile(self.grid, self.task, self.rows + other.rows, labelled, arrays)

    def dumps(self) -> bytes:
        """Return the bytes: equal profiles give equal bytes."""
        header = {"grid": self.grid.id, "task": self.task, "rows": self.rows, "n_labelled": self.n_labelled}
        return compress(pack(MAGIC, header, self.arrays))

    @classmethod
    def loads(cls, blob: bytes, grid: Grid) -> "LabelProfile":
        """Return the label profile of these bytes.

        Raises ValueError if they are damaged, of another kind or counted on another grid.
        """
        header, arrays = unpack(MAGIC, decompress(blob))
        if header.get("grid") != grid.id:
            raise ValueError("this label profile is counted on another grid")
        with reading():
            return cls(grid, header["task"], header["rows"], header["n_labelled"], arrays)

    def _population(self, by: str | None, segment: str | None) -> int:
        if by is None:
            return 0
        first = 1
        for name, segments in self.grid.segments.items():
            if name == by and segment in segments:
                return first + segments.index(segment)
            first += len(segments)
        raise KeyError(f"the grid has no segment {by}={segment}")


def build_labels(
    score: Column | None,
    prediction: Column | None,
    label: Column,
    segments: Mapping[str, Column],
    grid: Grid,
    task: str,
    *,
    fold: IntArray | None = None,
) -> LabelProfile:
    """Count predictions against their outcomes.

    label: binary 0, 1 or NaN unknown; multiclass the true class or None; regression a number or NaN; ranking the
    relevances (0 or more) by item id, or None. prediction: binary the decision 0, 1 or NaN; multiclass the decided
    class; regression a number, used where there is no score; ranking the ids shown, in order, or None.
    segments: the columns of the grid's segment features; a missing one counts as null.
    fold: 0 or 1 per row, the lowest bit of the request id's hash.

    Raises ValueError for another task, columns of different length, or a grid without classes (multiclass).

    >>> from monitoring.stats.grid import freeze
    >>> y, s = np.array([0.0, 1.0, np.nan]), np.array([0.2, 0.7, 0.9])
    >>> build_labels(s, None, y, {}, freeze({}, [], s, "probability"), "binary").n_labelled
    2
    """
    if task not in TASKS:
        raise ValueError(f"there are no label profiles of task {task}")
    n = len(label)
    if any(len(column) != n for column in (score, prediction, fold, *segments.values()) if column is not None):
        raise ValueError("columns of one length are needed")
    where, populations = _populations(grid, segments, n)
    arrays: Arrays
    if task == "binary":
        decided = None if prediction is None else as_floats(prediction)
        arrays = count_scores(as_floats(label), _numbers(score, n), decided, where, populations, fold)
        n_labelled = int(arrays["cells"][:, :UNKNOWN].sum())
    elif task == "regression":
        numbers = _numbers(prediction if score is None else score, n)
        arrays = count_errors(as_floats(label), numbers, where, populations)
        n_labelled = int(arrays["sums"][0, 0])
    elif task == "ranking":
        arrays = count_rankings(_objects(prediction, n), _objects(label, n), where, populations)
        n_labelled = int(arrays["queries"][0].sum())
    else:
        arrays = {"confusion": _count_classes(label, prediction, where, populations, grid)}
        n_labelled = int(arrays["confusion"][0].sum())
    return LabelProfile(grid, task, n, n_labelled, arrays)


def _populations(grid: Grid, segments: Mapping[str, Column], n: int) -> tuple[list[IntArray], int]:
    """Return the population of each row, first as one of all, then per segment feature, and their number."""
    where, populations = [np.zeros(n, dtype=np.int64)], 1
    for name, names in grid.segments.items():
        column = segments.get(name)
        rows = np.full(n, len(names) - 1) if column is None else grid.segment_rows(name, column)
        where.append(populations + rows)
        populations += len(names)
    return where, populations


def _numbers(column: Column | None, n: int) -> FloatArray:
    return np.full(n, np.nan) if column is None else as_floats(column)


def _objects(column: Column | None, n: int) -> list[Any]:
    if isinstance(column, CodedColumn):
        raise ValueError("a ranking is counted from lists of ids and relevances by id, not from coded text")
    values: Any = column
    return [None] * n if column is None else list(values)


def _classes(grid: Grid) -> tuple[str, ...]:
    if grid.prediction is None:
        raise ValueError("the grid has no classes: freeze it with prediction or classes")
    return grid.prediction.labels


def _count_classes(
    label: Column, prediction: Column | None, where: list[IntArray], populations: int, grid: Grid
) -> IntArray:
    size = len(_classes(grid))
    counts = np.zeros(populations * size * size, dtype=np.int64)
    if prediction is not None and grid.prediction is not None:
        true, decided = encode(label), encode(prediction)
        used = (true.codes >= 0) & (decided.codes >= 0)
        inner = (grid.prediction.group_of(true) * size + grid.prediction.group_of(decided))[used]
        for rows in where:
            counts += np.bincount(rows[used] * size * size + inner, minlength=len(counts))
    return counts.reshape(populations, size, size)
