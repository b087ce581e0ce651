"""Counting the columns of a chunk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray
from monitoring.stats.columns import CodedColumn, Column, as_floats, encode
from monitoring.stats.grid import CategoryGrid, Grid, Slot
from monitoring.stats.grid.frozen import FEATURE, PREDICTION, SCORE
from monitoring.stats.profile.categories import CategoryProfile, count_category
from monitoring.stats.profile.costs import CostProfile, StageColumns
from monitoring.stats.profile.latencies import LatencyProfile
from monitoring.stats.profile.numbers import NumericProfile, count_numeric
from monitoring.stats.profile.window import (
    MOMENTS,
    N_INVALID,
    N_MISSING,
    TALLIES,
    Profile,
    SegmentCounts,
)


def build(
    columns: Mapping[str, Column],
    grid: Grid,
    *,
    score: Column | None = None,
    label: Column | None = None,
    prediction: Column | None = None,
    latency_ms: Column | None = None,
    cost: FloatArray | Mapping[str, StageColumns] | None = None,
    fallback: Column | None = None,
    error: Column | None = None,
    decided: Column | None = None,
    first_at: datetime | None = None,
    last_at: datetime | None = None,
    invalid: Mapping[str, int] | None = None,
    rows: int | None = None,
) -> Profile:
    """Count a chunk of traffic on a grid.

    columns: as for `freeze`; a feature that is missing here is null in all rows, counted as missing. Each is
    looked up when it is counted and then let go, so a mapping that reads them from a file saves their memory.
    score: probability or number; for a regression the prediction serves where there is no score.
    prediction: the decided class (text), used where the grid counts classes. decided: 1 positive, 0 negative,
    NaN unknown. fallback, error: true, or a text, in the rows concerned; these rows enter neither score
    nor decision. invalid: per feature, values that were refused before they came here. label is not used:
    outcomes are counted by `build_labels`.

    Raises ValueError if the columns differ in length, or if there is no column and `rows` is not given.

    >>> from monitoring.stats.grid import FeatureSpec, freeze
    >>> grid = freeze({"side": ["a", "b", "a"]}, [FeatureSpec("side", "category")])
    >>> build({"side": ["b", None, "c"]}, grid).headline("side").tolist()
    [0, 1, 1]
    """
    others = [score, label, prediction, latency_ms, fallback, error, decided]
    n = _row_count(columns, others, rows)
    excluded = _is_set(fallback, n) | _is_set(error, n)
    outputs = _outputs(grid, score, prediction, excluded)
    counted: list[NumericProfile | CategoryProfile] = []
    segments = _Segments.of(grid, columns, n)
    for slot in grid.slots:
        column = _read(slot, columns.get(slot.name) if slot.kind == FEATURE else outputs[slot.kind], n)
        counted.append(_count(slot, column))
        segments.add(slot, column)
    missing = [slot.kind == FEATURE and slot.name not in columns for slot in grid.slots]
    tallies = np.array([_tallies(part) for part in counted], dtype=np.int64).reshape(-1, TALLIES)
    tallies[missing, N_MISSING] = n
    for name, refused in (invalid or {}).items():
        tallies[grid.feature_slots[name].index, N_INVALID] += refused
    decisions = np.array([]) if decided is None else as_floats(decided)[~excluded]
    return Profile(
        grid=grid,
        rows=n,
        counts=np.concatenate([part.counts for part in counted] or [np.zeros(0, dtype=np.int64)]),
        tallies=tallies,
        moments=np.array([_moments(part) for part in counted]).reshape(-1, MOMENTS),
        segments=segments.counts,
        latency=LatencyProfile.empty() if latency_ms is None else LatencyProfile.of(as_floats(latency_ms)),
        cost=CostProfile() if cost is None else CostProfile.of(cost),
        other_top=_tops(grid, counted),
        n_fallback=int(_is_set(fallback, n).sum()),
        n_error=int(_is_set(error, n).sum()),
        n_decided=int((~np.isnan(decisions)).sum()),
        n_positive=int((decisions > 0).sum()),
        first_at=first_at,
        last_at=last_at,
    )


def _row_count(columns: Mapping[str, Column], others: list[Column | None], rows: int | None) -> int:
    """Return the rows of the chunk; the length of each feature is compared with it when the feature is counted."""
    lengths = {len(column) for column in others if column is not None} | ({rows} if rows is not None else set())
    if not lengths:
        lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"a chunk needs columns of one length, not {sorted(lengths)}")
    return int(lengths.pop())


def _is_set(column: Column | None, n: int) -> BoolArray:
    if column is None:
        return np.zeros(n, dtype=bool)
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return np.nan_to_num(column).astype(bool)
    coded = encode(column)
    false = [code for code, value in enumerate(coded.values) if value == "false"]
    return np.asarray((coded.codes >= 0) & ~np.isin(coded.codes, false))


def _outputs(
    grid: Grid, score: Column | None, prediction: Column | None, excluded: BoolArray
) -> dict[str, Column | None]:
    """Return score and prediction without the rows that have none by their nature."""
    if score is None and grid.score_kind == "number":
        score = prediction
    numbers = None if score is None or grid.score is None else np.where(excluded, np.nan, as_floats(score))
    classes = None
    if prediction is not None and grid.prediction is not None:
        coded = encode(prediction)
        classes = CodedColumn(np.where(excluded, -1, coded.codes), coded.values)
    return {SCORE: numbers, PREDICTION: classes}


def _read(slot: Slot, column: Column | None, n: int) -> FloatArray | CodedColumn:
    """Return the column as the slot's grid counts it; a missing one is null in every row."""
    if column is not None and len(column) != n:
        raise ValueError(f"a chunk needs columns of one length: {slot.name} has {len(column)} rows, others {n}")
    if isinstance(slot.grid, CategoryGrid):
        return CodedColumn(np.full(n, -1, dtype=np.int32), ()) if column is None else encode(column)
    return np.full(n, np.nan) if column is None else as_floats(column)


def _count(slot: Slot, column: FloatArray | CodedColumn) -> NumericProfile | CategoryProfile:
    if isinstance(slot.grid, CategoryGrid):
        return count_category(column, slot.grid)
    return count_numeric(as_floats(column), slot.grid)


def _tallies(part: NumericProfile | CategoryProfile) -> tuple[int, ...]:
    if isinstance(part, CategoryProfile):
        return part.n, part.n_null, 0, part.n_invalid, 0, part.n_unseen
    return part.n, part.n_null, part.n_nonfinite, part.n_invalid, 0, 0


def _moments(part: NumericProfile | CategoryProfile) -> tuple[float, ...]:
    if isinstance(part, CategoryProfile) or part.minimum is None or part.maximum is None or part.mean is None:
        return np.inf, -np.inf, 0.0, 0.0
    return part.minimum, part.maximum, part.mean, part.m2


def _tops(grid: Grid, counted: list[NumericProfile | CategoryProfile]) -> dict[str, dict[str, int]]:
    named = {slot.key: part for slot, part in zip(grid.slots, counted, strict=True)}
    return {
        key: part.other_top
        for key, part in sorted(named.items())
        if isinstance(part, CategoryProfile) and part.other_top
    }


@dataclass(frozen=True, slots=True)
class _Segments:
    """The headline bins and nulls of every column within the segments of every segment feature, as they are counted.

    where: per segment feature the segment of each row.
    """

    where: dict[str, IntArray]
    counts: dict[str, SegmentCounts]

    @classmethod
    def of(cls, grid: Grid, columns: Mapping[str, Column], n: int) -> "_Segments":
        slots = grid.feature_slots
        where = {name: grid.segment_rows(name, _read(slots[name], columns.get(name), n)) for name in grid.segments}
        counts = {name: SegmentCounts.empty(grid, name) for name in where}
        for name, rows in where.items():
            counts[name].rows[:] = np.bincount(rows, minlength=len(counts[name].rows))
        return cls(where, counts)

    def add(self, slot: Slot, column: FloatArray | CodedColumn) -> None:
        """Count a column in every segment."""
        if not self.where:
            return
        groups, bins = _grouped(slot, column), len(slot.grid.labels)
        for name, rows in self.where.items():
            counts = self.counts[name]
            crossed = _cross(groups, bins + 2, rows, len(counts.rows))
            counts.headline[:, slot.bins] = crossed[:, :bins]
            counts.nulls[:, slot.index] = crossed[:, bins]


def _cross(groups: IntArray, width: int, rows: IntArray, segments: int) -> IntArray:
    return np.bincount(rows * width + groups, minlength=segments * width).reshape(segments, width)


def _grouped(slot: Slot, column: FloatArray | CodedColumn) -> IntArray:
    """Return the headline bin of each row; behind the bins, one place for null and one for what is not counted."""
    bins = len(slot.grid.labels)
    if isinstance(slot.grid, CategoryGrid):
        coded = encode(column)
        return np.where(coded.codes < 0, bins, slot.grid.group_of(coded))
    values = as_floats(column)
    groups = np.asarray(slot.grid.group_of(values), dtype=np.int64)
    counted = slot.grid.is_counted(values)
    if not counted.all():
        groups[~counted] = np.where(np.isnan(values[~counted]), bins, bins + 1)
    return groups
