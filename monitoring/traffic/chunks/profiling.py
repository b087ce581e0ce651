"""What a frame of predictions comes to: a profile on the version's grid, and latency and cost by hour and endpoint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitoring.models import Chunk
from monitoring.stats.columns import Column
from monitoring.stats.grid import Grid
from monitoring.stats.profile import (
    CostProfile,
    LatencyProfile,
    Operations,
    Profile,
    StageColumns,
    build,
    merge_all,
)
from monitoring.traffic import frames
from monitoring.traffic.chunks import files
from monitoring.traffic.specs import ModelSpec, Task

POSITIVE_FROM = 0.5
MAIN = "main"
HOUR_US = 3_600_000_000
TWELVE_PLACES = Decimal("1e-12")
_NEGLIGIBLE = 1e-12
_AT_ONCE = 4  # columns
_COUNTED = (  # what a profile is made of, besides the features
    *("predicted_at", "score", "prediction", "prediction_number", "latency_ms"),
    *("cost", "stages", "fallback", "error"),
)
Floats = NDArray[np.float64]


class _Stage(msgspec.Struct):
    name: str
    calls: float = 1
    units: float = 0
    cost: float | None = None


_stages = msgspec.json.Decoder(list[_Stage])


@dataclass(frozen=True, slots=True)
class Hour:
    """What a frame holds of one hour at one endpoint."""

    hour: datetime
    endpoint: str
    operations: Operations
    calls: int
    amount: Decimal

    def __add__(self, other: "Hour") -> "Hour":
        return Hour(
            self.hour,
            self.endpoint,
            self.operations + other.operations,
            self.calls + other.calls,
            self.amount + other.amount,
        )


def profile_of(
    table: pa.Table,
    grid: Grid,
    model: ModelSpec,
    costs: Mapping[str, StageColumns] | None = None,
    features: Mapping[str, Column] | None = None,
) -> Profile:
    """Count the predictions of a frame on a grid.

    costs: what `costs_of` gives, if the caller has it already; features: its features, if they stand elsewhere.
    """
    moments = frames.micros(table["predicted_at"])
    return build(
        frames.feature_columns(table) if features is None else features,
        grid,
        score=scores_of(table),
        prediction=frames.coded(table["prediction"]),
        latency_ms=frames.floats(table["latency_ms"]),
        cost=costs_of(table) if costs is None else costs,
        fallback=table["fallback"].to_numpy(),
        error=frames.coded(table["error"]),
        decided=decided_of(table, model),
        first_at=frames.moment(moments.min()),
        last_at=frames.moment(moments.max()),
        rows=len(table),
    )


def recounted(chunk: Chunk, grid: Grid, model: ModelSpec) -> Profile:
    """Count a stored chunk on a grid, one group of rows after the other. Raises DamagedChunk as `read` does."""
    with files.opened(chunk) as file:
        features = [name for name in file.schema_arrow.names if name.startswith(frames.FEATURE)]
        groups = (_Group(file, i, features) for i in range(file.num_row_groups))
        profile = merge_all(profile_of(group.read(list(_COUNTED)), grid, model, features=group) for group in groups)
        if profile.rows != chunk.rows:
            raise OSError(f"{profile.rows} rows instead of {chunk.rows}")
    return profile


class _Group(Mapping[str, Column]):
    """The features of a group of rows, a few columns read at a time: memory for some, not for all."""

    def __init__(self, file: pq.ParquetFile, index: int, names: Sequence[str]) -> None:
        self._file, self._index = file, index
        self._names = {name.removeprefix(frames.FEATURE): i // _AT_ONCE for i, name in enumerate(names)}
        self._pieces = [names[i : i + _AT_ONCE] for i in range(0, len(names), _AT_ONCE)]
        self._held: tuple[int, dict[str, pa.ChunkedArray]] | None = None

    def read(self, names: Sequence[str]) -> pa.Table:
        return self._file.read_row_group(self._index, names, use_threads=False)

    def __getitem__(self, name: str) -> Column:
        piece = self._names[name]
        if self._held is None or self._held[0] != piece:
            self._held = None  # its memory is free before the next is read
            names = self._pieces[piece]
            self._held = piece, dict(zip(names, self.read(names).columns, strict=True))
        return _values(self._held[1][frames.FEATURE + name])

    def __contains__(self, name: object) -> bool:
        return name in self._names  # the inherited answer would read the column

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def scores_of(table: pa.Table) -> Floats:
    """The score of each row; where there is none, the predicted number."""
    score = frames.floats(table["score"])
    if table["prediction_number"].null_count == len(table):
        return score
    return np.where(np.isnan(score), frames.floats(table["prediction_number"]), score)


def decided_of(table: pa.Table, model: ModelSpec) -> Floats | None:
    """Of a binary model: 1 where the positive class was decided, 0 where the other, NaN unknown; else None."""
    if model.task != Task.BINARY:
        return None
    labels = frames.coded(table["prediction"])
    by_code = np.array([*(float(value == model.positive) for value in labels.values), np.nan])
    decided = by_code[labels.codes]
    if (model.low, model.high) != (0, 1):
        return np.asarray(decided)
    score = frames.floats(table["score"])
    by_score = np.where(np.isnan(score), np.nan, score >= POSITIVE_FROM)
    return np.where(np.isnan(decided), by_score, decided)


def costs_of(table: pa.Table) -> dict[str, StageColumns]:
    """The cost of each stage; what a request cost beyond its stages is its main stage's.

    A stage without a price in a request with one costs nothing of its own, so that its calls still count.
    """
    cost = frames.floats(table["cost"])
    texts = frames.coded(table["stages"])
    parsed = _parsed_stages(texts.values)
    if not parsed:
        return {MAIN: StageColumns(cost)}
    columns = {name: _stage_columns(stage, texts.codes, cost) for name, stage in parsed.items()}
    spent = np.nansum([stage.amount for stage in columns.values()], axis=0)
    has_stages = np.any([~np.isnan(stage.amount) for stage in columns.values()], axis=0)
    rest = np.where(np.isnan(cost), np.nan, cost - spent)
    rest[has_stages & (np.abs(rest) <= _NEGLIGIBLE)] = np.nan
    main = columns.get(MAIN)
    if main is not None:
        rest = np.where(np.isnan(rest), main.amount, np.nan_to_num(main.amount) + rest)
    own = StageColumns(rest) if main is None else StageColumns(rest, main.calls, main.units)
    return columns | ({MAIN: own} if not np.isnan(rest).all() else {})


def hours_of(table: pa.Table, costs: Mapping[str, StageColumns]) -> list[Hour]:
    """Latency and cost of each hour and endpoint; the frame is in the order of time."""
    moments = frames.micros(table["predicted_at"])
    endpoints = frames.coded(table["endpoint"])
    usage = _Usage.of(table, costs)
    starts = np.flatnonzero(np.diff(moments // HOUR_US, prepend=-1))
    found = []
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        hour = frames.moment(moments[start] // HOUR_US * HOUR_US)
        codes = endpoints.codes[start:end]
        for code in np.unique(codes):
            rows: slice | NDArray[np.int64] = slice(start, end)
            if (codes != code).any():
                rows = start + np.flatnonzero(codes == code)
            name = endpoints.values[code] if code >= 0 else ""
            found.append(usage.hour(hour, name, rows))
    return found


@dataclass(frozen=True, slots=True)
class _Usage:
    """The columns that latency and cost are made of."""

    latency_ms: Floats
    calls: NDArray[np.int64]
    fallback: NDArray[np.bool_]
    error: NDArray[np.bool_]
    costs: Mapping[str, StageColumns]

    @classmethod
    def of(cls, table: pa.Table, costs: Mapping[str, StageColumns]) -> "_Usage":
        return cls(
            latency_ms=frames.floats(table["latency_ms"]),
            calls=table["calls"].to_numpy().astype(np.int64),
            fallback=table["fallback"].to_numpy(),
            error=np.asarray(frames.coded(table["error"]).codes >= 0),
            costs=costs,
        )

    def hour(self, hour: datetime, endpoint: str, rows: slice | NDArray[np.int64]) -> Hour:
        cost = CostProfile.of({name: _slice(stage, rows) for name, stage in self.costs.items()})
        operations = Operations(
            rows=len(self.fallback[rows]),
            n_fallback=int(self.fallback[rows].sum()),
            n_error=int(self.error[rows].sum()),
            latency=LatencyProfile.of(self.latency_ms[rows]),
            cost=cost,
        )
        amount = Decimal(repr(cost.amount)).quantize(TWELVE_PLACES)
        return Hour(hour, endpoint, operations, int(self.calls[rows].sum()), amount)


def _slice(stage: StageColumns, rows: slice | NDArray[np.int64]) -> StageColumns:
    calls, units = (None if column is None else column[rows] for column in (stage.calls, stage.units))
    return StageColumns(stage.amount[rows], calls, units)


@dataclass(frozen=True, slots=True)
class _ByText:
    """One stage, as each distinct `stages` text describes it; NaN where the text does not name it."""

    amount: Floats
    calls: Floats
    units: Floats

    @classmethod
    def blank(cls, texts: int) -> "_ByText":
        return cls(*(np.full(texts + 1, np.nan) for _ in range(3)))  # the last place: rows without a text


def _parsed_stages(texts: tuple[str, ...]) -> dict[str, _ByText]:
    """Each stage by name; a text that occurs many times is read once."""
    found: dict[str, _ByText] = {}
    for code, text in enumerate(texts):
        for stage in _stages.decode(text):
            held = found.setdefault(stage.name, _ByText.blank(len(texts)))
            held.amount[code] = np.nan if stage.cost is None else stage.cost
            held.calls[code], held.units[code] = stage.calls, stage.units
    return dict(sorted(found.items()))


def _stage_columns(stage: _ByText, codes: NDArray[np.integer], cost: Floats) -> StageColumns:
    amount, calls = stage.amount[codes], stage.calls[codes]
    unpriced = np.isnan(amount) & ~np.isnan(calls) & ~np.isnan(cost)
    return StageColumns(np.where(unpriced, 0.0, amount), calls, stage.units[codes])


def column_of(table: pa.Table, name: str) -> Column:
    """A feature of a frame as statistics read it; null in every row if the frame does not have it."""
    full = frames.FEATURE + name
    if full not in table.column_names:
        return [None] * len(table)
    return _values(table[full])


def _values(column: pa.ChunkedArray) -> Column:
    return frames.coded(column) if pa.types.is_dictionary(column.type) else frames.floats(column)
