"""Predictions joined with their outcomes, day by day; a day is joined once per state of its books."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Any

import duckdb
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
from monitoring.traffic.specs import ModelSpec, Task
from registry.models import ModelVersion

TRUTH = "truth"
PART_ROWS = 250_000
MEMORY = "250MB"
_READ = ("request_id", "id_hash", "predicted_at", "score", "prediction", "prediction_number", "fallback", "error")
# Outcomes are numbered by the time of their observation: the last of a request is the one that counts.
_JOIN = """
WITH latest AS (SELECT {keys}, max(number) AS number FROM outcomes GROUP BY {keys})
SELECT place, number FROM predictions JOIN latest USING ({keys}) ORDER BY place
"""
_BY_HASH, _BY_ID = ("id_hash",), ("id_hash", "request_id")
_OUTCOME = ("request_id", "id_hash", "kind", "value_number", "value_text", "observed_at", "received_at")


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
    """One day joined."""

    rows: int = 0
    labelled: int = 0
    delay_p95_s: float | None = None
    profile: LabelProfile | None = None
    damaged: list[str] = field(default_factory=list)


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
    spec = ModelSpec.of(version.model)
    parts = max(1, -(-sum(chunk.rows for chunk in predictions) // PART_ROWS))
    day = _Day(damaged=[chunk.sha256 for chunk in of_day if chunk.state == Chunk.State.DAMAGED])
    delays = []
    for part in range(parts):
        table = _read(predictions, _columns(grid), part, parts, day)
        if table is None:
            continue
        found = _join(table, _read(outcomes, _OUTCOME, part, parts, day), signal)
        labels = _labels(found, len(table), signal, spec)
        day.rows += len(table)
        day.labelled += int(labels.known.sum())
        delays.append(_delays_s(found, table, labels))
        if grid is not None and _is_counted(spec.task, signal):
            more = _profile(table, labels, grid, spec)
            day.profile = day.profile.merge(more) if day.profile else more
    delay_s = np.concatenate(delays) if delays else np.zeros(0)
    day.delay_p95_s = float(np.quantile(delay_s, 0.95)) if len(delay_s) else None
    return day


def _is_counted(task: str, signal: str) -> bool:
    return task != Task.RANKING or signal == TRUTH


def _columns(grid: Grid | None) -> list[str]:
    return [*_READ, *(frames.FEATURE + name for name in (grid.segments if grid else ()))]


def _read(stored: Sequence[Chunk], columns: Sequence[str], part: int, parts: int, day: _Day) -> pa.Table | None:
    """The rows of one part of the day, by id hash; a chunk that cannot be read is named in the day."""
    tables = []
    for chunk in stored:
        try:
            with chunks.opened(chunk) as file:
                present = [name for name in columns if name in set(file.schema_arrow.names)]
                groups = (file.read_row_group(i, present, use_threads=False) for i in range(file.num_row_groups))
                tables.append(pa.concat_tables(_counting(_mine(group, part, parts)) for group in groups))
        except DamagedChunk:
            if chunk.sha256 not in day.damaged:
                day.damaged.append(chunk.sha256)
    return frames.joined(tables) if tables else None


def _mine(table: pa.Table, part: int, parts: int) -> pa.Table:
    mine = (frames.hashes(table) >> np.uint64(32)) % np.uint64(parts) == part
    return table if parts == 1 else table.filter(pa.array(mine))


def _counting(table: pa.Table) -> pa.Table:
    """The predictions that count for performance; outcomes all do."""
    if "fallback" not in table.column_names:
        return table
    return table.filter(pc.and_(pc.invert(table["fallback"]), pc.is_null(table["error"])))


def _join(predictions: pa.Table, outcomes: pa.Table | None, signal: str) -> Mapping[str, pa.ChunkedArray]:
    """The newest outcome of each prediction that has one. place: the prediction's row."""
    if outcomes is None:
        outcomes = frames.OUTCOME_SCHEMA.empty_table()
    kinds = frames.coded(outcomes["kind"])
    is_wanted = np.isin(kinds.codes, [code for code, kind in enumerate(kinds.values) if kind == signal])
    held = (outcomes if is_wanted.all() else outcomes.filter(pa.array(is_wanted))).drop_columns("kind")
    del outcomes
    by_time = np.lexsort((frames.micros(held["received_at"]), frames.micros(held["observed_at"])))
    places, numbers = _matched(predictions, held, by_time, _BY_HASH)
    found = held.take(pa.array(by_time[numbers]))
    if not pc.all(pc.equal(found["request_id"], predictions["request_id"].take(pa.array(places))), min_count=0).as_py():
        places, numbers = _matched(predictions, held, by_time, _BY_ID)  # two ids share a hash: compare the ids
        found = held.take(pa.array(by_time[numbers]))
    return {
        "place": pa.chunked_array([places]),
        "number": found["value_number"],
        "label": found["value_text"],
        "at": found["observed_at"].cast(pa.int64()),
    }


def _matched(
    predictions: pa.Table, outcomes: pa.Table, by_time: NDArray[np.int64], keys: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of predictions with an outcome, and the number of its last one in the order of time."""
    numbers = np.empty(len(by_time), dtype=np.int64)
    numbers[by_time] = np.arange(len(by_time))
    config: dict[str, Any] = {"memory_limit": MEMORY, "threads": "1", "temp_directory": tempfile.gettempdir()}
    with duckdb.connect(":memory:", config=config) as connection:
        connection.register("predictions", _numbered(predictions, keys, "place", np.arange(len(predictions))))
        connection.register("outcomes", _numbered(outcomes, keys, "number", numbers))
        found = connection.sql(_JOIN.format(keys=", ".join(keys))).to_arrow_table()
    return found["place"].to_numpy(), found["number"].to_numpy()


def _numbered(table: pa.Table, keys: tuple[str, ...], name: str, numbers: NDArray[np.int64]) -> pa.Table:
    return table.select(keys).append_column(name, pa.array(numbers))


@dataclass(frozen=True, slots=True)
class _Labels:
    """The signal per prediction: a number, a class or the text of relevances, and which predictions have one."""

    values: Column
    known: NDArray[np.bool_]


def _labels(found: Mapping[str, pa.ChunkedArray], rows: int, signal: str, model: ModelSpec) -> _Labels:
    place = found["place"].to_numpy()
    numbers, texts = frames.floats(found["number"]), frames.coded(found["label"])
    if model.task in {Task.MULTICLASS, Task.RANKING} and signal == TRUTH:
        codes = np.full(rows, -1, dtype=np.int32)
        codes[place] = texts.codes
        return _Labels(CodedColumn(codes, texts.values), codes >= 0)
    if model.task == Task.BINARY:
        numbers = _binary(numbers, texts, signal, model)
    known = np.zeros(rows, dtype=bool)
    if model.task == Task.RANKING:
        known[place] = True
        return _Labels(np.full(rows, np.nan), known)
    labels = np.full(rows, np.nan)
    labels[place] = numbers
    return _Labels(labels, ~np.isnan(labels))


def _binary(numbers: NDArray[np.float64], texts: CodedColumn, signal: str, model: ModelSpec) -> NDArray[np.float64]:
    """1 for the positive class, 0 for the other; of a proxy its truth value. A number stands for itself."""
    positive = model.positive if signal == TRUTH else "true"
    by_code = np.array([*(float(text == positive) for text in texts.values), np.nan])
    labels = by_code[texts.codes]
    return np.where(np.isnan(labels), numbers, labels)


def _delays_s(found: Mapping[str, pa.ChunkedArray], table: pa.Table, labels: _Labels) -> NDArray[np.float64]:
    place = found["place"].to_numpy()
    seconds = (found["at"].to_numpy() - frames.micros(table["predicted_at"])[place]) / 1e6
    return np.asarray(seconds[labels.known[place]], dtype=np.float64)


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
