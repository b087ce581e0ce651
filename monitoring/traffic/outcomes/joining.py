"""Predictions joined with their outcomes, day by day; a day is joined once per state of its books."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring.models import Chunk, DayManifest
from monitoring.models import LabelProfile as LabelRow
from monitoring.models.ingest_batch import Kind
from monitoring.stats.columns import CodedColumn, Column
from monitoring.stats.grid import Grid
from monitoring.stats.profile import LabelProfile, build_labels
from monitoring.traffic import chunks, frames, rankings
from monitoring.traffic.chunks import DamagedChunk
from monitoring.traffic.chunks.profiling import decided_of, scores_of
from monitoring.traffic.outcomes import matching
from monitoring.traffic.outcomes.matching import Found, Told
from monitoring.traffic.specs import ModelSpec, Task
from registry.models import ModelVersion

TRUTH = "truth"
PART_ROWS = 1_000_000  # outcomes held at once
_READ = ("request_id", "id_hash", "predicted_at", "score", "prediction", "prediction_number", "fallback", "error")


@dataclass(frozen=True, slots=True)
class PinnedLabels:
    """What outcomes say of the predictions of a stretch of days, and which states of the books say so.

    rows: predictions that count for performance (no fallback, no error); labelled: those with the signal. profile:
    None without a grid, or for a signal of a ranking, of which only the truth is counted. delay_p95_s: the longest
    95th percentile of a day, in seconds.
    generations: label generation by day. damaged: hashes of chunks that could not be read; what they held is missing.
    """

    profile: LabelProfile | None
    rows: int = 0
    labelled: int = 0
    delay_p95_s: float | None = None
    generations: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Day:
    """One day joined, or a part of it."""

    rows: int = 0
    labelled: int = 0
    delay_p95_s: float | None = None
    profile: LabelProfile | None = None
    damaged: list[str] = field(default_factory=list)

    def add(self, part: "_Day") -> None:
        """Count the rows of a part too."""
        self.rows += part.rows
        self.labelled += part.labelled
        if part.profile is not None:
            self.profile = self.profile.merge(part.profile) if self.profile else part.profile


def label_profile(version: ModelVersion, start_day: date, end_day: date, signal: str = TRUTH) -> PinnedLabels:
    """Predictions of `[start_day, end_day)` joined with a signal: of each request the outcome observed last.

    Joins only days that changed since they were last asked for, and keeps what it found.
    """
    grid_id = chunks.grids.active(version.pk)
    grid = chunks.grids.load(grid_id) if grid_id else None
    books = list(
        DayManifest.objects.filter(version=version, day__gte=start_day, day__lt=end_day, rows__gt=0).order_by("day")
    )
    cached = _cached(version, books, signal)
    days = [_of_row(row, grid) if (row := cached.get(book.day)) else None for book in books]
    joined = [day or _join_and_keep(version, book, signal, grid) for day, book in zip(days, books, strict=True)]
    profiles = [day.profile for day in joined if day.profile]
    delays = [day.delay_p95_s for day in joined if day.delay_p95_s is not None]
    return PinnedLabels(
        profile=reduce(LabelProfile.merge, profiles) if profiles else None,
        rows=sum(day.rows for day in joined),
        labelled=sum(day.labelled for day in joined),
        delay_p95_s=max(delays, default=None),
        generations={book.day.isoformat(): book.label_generation for book in books},
        damaged=[sha256 for day in joined for sha256 in day.damaged],
    )


def _cached(version: ModelVersion, books: Sequence[DayManifest], signal: str) -> dict[date, LabelRow]:
    """The kept profiles of days whose books have not moved since."""
    state = {book.day: (book.generation, book.label_generation) for book in books}
    kept = LabelRow.objects.filter(version=version, signal=signal, day__in=state)
    return {row.day: row for row in kept if (row.generation, row.label_generation) == state[row.day]}


def _of_row(row: LabelRow, grid: Grid | None) -> _Day | None:
    """What a kept row says, or None if it was counted on another grid."""
    try:
        profile = LabelProfile.loads(bytes(row.blob), grid) if row.blob and grid else None
    except ValueError:
        return None
    if profile is None and grid is not None and _is_counted(row.version.model.task, row.signal):
        return None  # joined before there was a grid
    return _Day(row.rows, row.labelled, row.delay_p95_s, profile)


def _join_and_keep(version: ModelVersion, book: DayManifest, signal: str, grid: Grid | None) -> _Day:
    day = _joined(version, book.day, signal, grid)
    if day.damaged:
        return day  # incomplete: to be tried again
    values = {
        "rows": day.rows,
        "labelled": day.labelled,
        "delay_p95_s": day.delay_p95_s,
        "blob": day.profile.dumps() if day.profile else b"",
    }
    LabelRow.objects.update_or_create(
        version=version,
        day=book.day,
        signal=signal,
        generation=book.generation,
        label_generation=book.label_generation,
        defaults=values,
    )
    return day


def _joined(version: ModelVersion, on: date, signal: str, grid: Grid | None) -> _Day:
    counted = (Chunk.State.LIVE, Chunk.State.DAMAGED)
    held = Chunk.objects.filter(version=version, day=on, shadow=False, state__in=counted)
    of_day = list(held.order_by("first_at", "sha256"))
    readable = [chunk for chunk in of_day if chunk.state == Chunk.State.LIVE]
    predictions = [chunk for chunk in readable if chunk.kind == Kind.PREDICTION]
    outcomes = [chunk for chunk in readable if chunk.kind == Kind.OUTCOME]
    join = _Join(signal, grid, ModelSpec.of(version.model))
    parts = max(1, -(-sum(chunk.rows for chunk in outcomes) // PART_ROWS))
    day = _Day(damaged=[chunk.sha256 for chunk in of_day if chunk.state == Chunk.State.DAMAGED])
    delays_s: list[NDArray[np.float64]] = []
    for part in range(parts):
        mine = _Mine(part, parts)
        told = join.told(outcomes, mine, day.damaged)
        for chunk in predictions:
            with _noting(day.damaged):
                found, more_s = join.count(chunk, told, mine)
                day.add(found)
                delays_s += more_s
    delay_s = np.concatenate(delays_s) if delays_s else np.zeros(0)
    day.delay_p95_s = float(np.quantile(delay_s, 0.95)) if len(delay_s) else None
    return day


def _is_counted(task: str, signal: str) -> bool:
    return task != Task.RANKING or signal == TRUTH


@contextmanager
def _noting(damaged: list[str]) -> Iterator[None]:
    """Pass over a chunk that cannot be read, and name it."""
    try:
        yield
    except DamagedChunk as error:
        if error.chunk.sha256 not in damaged:
            damaged.append(error.chunk.sha256)


@dataclass(frozen=True, slots=True)
class _Mine:
    """A share of the requests, by their hashes: a day with more outcomes than fit into memory is joined in parts."""

    part: int
    parts: int

    def of(self, table: pa.Table) -> pa.Table:
        """Those of the rows that belong to it."""
        if self.parts == 1:
            return table
        return table.filter(pa.array((frames.hashes(table) >> np.uint64(32)) % np.uint64(self.parts) == self.part))


@dataclass(frozen=True, slots=True)
class _Join:
    """What is joined: a signal of a model, counted on a grid."""

    signal: str
    grid: Grid | None
    model: ModelSpec

    def told(self, outcomes: Sequence[Chunk], mine: _Mine, damaged: list[str]) -> Told:
        """The outcomes of the signal."""
        tables = [self._of_signal(frames.OUTCOME_SCHEMA.empty_table().select(matching.COLUMNS))]
        for chunk in outcomes:
            with _noting(damaged):
                tables += [self._of_signal(mine.of(group)) for group in _groups(chunk, matching.COLUMNS)]
        joined = frames.joined(tables)
        columns = dict(zip(joined.column_names, joined.columns, strict=True))
        del tables, joined
        return Told.of(columns)

    def _of_signal(self, outcomes: pa.Table) -> pa.Table:
        kinds = frames.coded(outcomes["kind"])
        is_wanted = np.isin(kinds.codes, [code for code, kind in enumerate(kinds.values) if kind == self.signal])
        wanted = outcomes if is_wanted.all() else outcomes.filter(pa.array(is_wanted))
        text = wanted["value_text"].dictionary_encode()
        return wanted.set_column(wanted.column_names.index("value_text"), "value_text", text)

    def count(self, chunk: Chunk, told: Told, mine: _Mine) -> tuple[_Day, list[NDArray[np.float64]]]:
        """A chunk of predictions with their outcomes, and how long each of these took, in seconds."""
        day, delays_s = _Day(), []
        for group in _groups(chunk, [*_READ, *(frames.FEATURE + name for name in self._segments)]):
            table = _counting(mine.of(group))
            found = told.find(table)
            labels = _labels(found, len(table), self.signal, self.model)
            delay_s = (found.at_us - frames.micros(table["predicted_at"])[found.place]) / 1e6
            delays_s.append(delay_s[labels.known[found.place]])
            grid = self.grid if _is_counted(self.model.task, self.signal) else None
            profile = _profile(table, labels, grid, self.model) if grid else None
            day.add(_Day(len(table), int(labels.known.sum()), None, profile))
        return day, delays_s

    @property
    def _segments(self) -> Iterable[str]:
        return self.grid.segments if self.grid else ()


def _groups(chunk: Chunk, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a chunk, one group after the other."""
    with chunks.opened(chunk) as file:
        present = [name for name in columns if name in set(file.schema_arrow.names)]
        for i in range(file.num_row_groups):
            yield file.read_row_group(i, present, use_threads=False)


def _counting(predictions: pa.Table) -> pa.Table:
    """The predictions that count for performance: without fallback and error."""
    is_counted = pc.and_(pc.invert(predictions["fallback"]), pc.is_null(predictions["error"]))
    return predictions if pc.all(is_counted).as_py() else predictions.filter(is_counted)


@dataclass(frozen=True, slots=True)
class _Labels:
    """The signal per prediction: a number, a class or the text of relevances, and which predictions have one."""

    values: Column
    known: NDArray[np.bool_]


def _labels(found: Found, rows: int, signal: str, model: ModelSpec) -> _Labels:
    if model.task in {Task.MULTICLASS, Task.RANKING} and signal == TRUTH:
        codes = np.full(rows, -1, dtype=np.int32)
        codes[found.place] = found.text.codes
        return _Labels(CodedColumn(codes, found.text.values), codes >= 0)
    known = np.zeros(rows, dtype=bool)
    if model.task == Task.RANKING:
        known[found.place] = True
        return _Labels(np.full(rows, np.nan), known)
    labels = np.full(rows, np.nan)
    is_binary = model.task == Task.BINARY
    labels[found.place] = _binary(found.number, found.text, signal, model) if is_binary else found.number
    return _Labels(labels, ~np.isnan(labels))


def _binary(numbers: NDArray[np.float64], texts: CodedColumn, signal: str, model: ModelSpec) -> NDArray[np.float64]:
    """1 for the positive class, 0 for the other; of a proxy its truth value. A number stands for itself."""
    positive = model.positive if signal == TRUTH else "true"
    by_code = np.array([*(float(text == positive) for text in texts.values), np.nan])
    labels = by_code[texts.codes]
    return np.where(np.isnan(labels), numbers, labels)


def _profile(table: pa.Table, labels: _Labels, grid: Grid, model: ModelSpec) -> LabelProfile:
    segments = {name: chunks.column_of(table, name) for name in grid.segments}
    if isinstance(labels.values, CodedColumn) and model.task == Task.RANKING:
        return rankings.label_profile(frames.coded(table["prediction"]), labels.values, segments, grid)
    fold = (frames.hashes(table) & np.uint64(1)).astype(np.int64)
    if model.task == Task.MULTICLASS:
        return build_labels(
            None, frames.coded(table["prediction"]), labels.values, segments, grid, model.task, fold=fold
        )
    return build_labels(
        scores_of(table), decided_of(table, model), labels.values, segments, grid, model.task, fold=fold
    )
