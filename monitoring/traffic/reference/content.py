"""The content of a reference: typed columns after the privacy rules, as kept, and what they come to on a grid."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitoring.stats.columns import CodedColumn, Column, as_floats
from monitoring.stats.grid import FeatureSpec as GridSpec
from monitoring.stats.grid import Grid, freeze
from monitoring.stats.profile import LabelProfile, Profile, build, build_labels
from monitoring.traffic import frames, rankings
from monitoring.traffic.reference import typed
from monitoring.traffic.reference.typed import Mistyped, Problem
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Task
from registry.models import Feature, ModelVersion

SEGMENTS = 5
POSITIVE_FROM = 0.5
_TIMES = ("predicted_at", "at")
_COSTS = ("cost", "cost_usd")
_FIELDS = (
    *(
        "request_id",
        "version",
        "endpoint",
        "revision",
        "action",
        "fallback",
        "error",
        "subject_id",
        "trace_id",
        "calls",
    ),
    *("score", "prediction", "label", "latency_ms", *_TIMES, *_COSTS),
)
_KNOWN_STARTS = ("scores.", "stage.")
_FEATURE = "feature."


@dataclass(frozen=True, slots=True)
class Declared:
    """What the registry says of a version."""

    model: ModelSpec
    score_kind: str
    features: tuple[FeatureSpec, ...]
    grid_specs: tuple[GridSpec, ...]

    @classmethod
    def of(cls, version: ModelVersion) -> "Declared":
        rows = list(version.features.exclude(privacy=Feature.Privacy.DROP).order_by("position", "name"))
        segments = [row.name for row in rows if row.segment][:SEGMENTS]
        return cls(
            model=ModelSpec.of(version.model),
            score_kind=str(version.model.output.get("score", "none")),
            features=tuple(_spec(row) for row in rows),
            grid_specs=tuple(
                GridSpec(row.name, row.dtype, row.name in segments, tuple(row.categories)) for row in rows
            ),
        )


@dataclass(slots=True)
class Content:
    """A reference, column by column; what the file lacks is None. moments_us: prediction times, 0 for none."""

    rows: int
    features: dict[str, Column] = field(default_factory=dict)
    score: NDArray[np.float64] | None = None
    prediction: Column | None = None
    label: Column | None = None
    latency_ms: NDArray[np.float64] | None = None
    cost: NDArray[np.float64] | None = None
    moments_us: NDArray[np.int64] | None = None

    def save(self, path: Path) -> None:
        """Write what is kept of the file: nothing that a privacy rule forbids is in it."""
        arrays = {frames.FEATURE + name: _arrow(column) for name, column in self.features.items()}
        for name in ("score", "prediction", "label", "latency_ms", "cost"):
            column = getattr(self, name)
            if column is not None:
                arrays[name] = _arrow(column)
        if self.moments_us is not None:
            arrays["predicted_at"] = pa.array(self.moments_us)
        arrays["row"] = pa.array(np.arange(self.rows, dtype=np.int32))  # keeps the count if there is no column
        pq.write_table(pa.table(arrays), path, compression="zstd", write_page_checksum=True, write_statistics=False)

    @classmethod
    def load(cls, path: Path) -> "Content":
        """Read what `save` wrote."""
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        content = cls(rows=len(table), features=dict(frames.feature_columns(table)))
        for name in ("score", "prediction", "label", "latency_ms", "cost"):
            if name in table.column_names:
                is_text = pa.types.is_dictionary(table.schema.field(name).type)
                setattr(content, name, frames.coded(table[name]) if is_text else frames.floats(table[name]))
        if "predicted_at" in table.column_names:
            content.moments_us = table["predicted_at"].to_numpy()
        return content

    def freeze(self, declared: Declared) -> Grid:
        """The grid that this reference defines."""
        is_multiclass = declared.model.task == Task.MULTICLASS
        return freeze(
            self.features,
            declared.grid_specs,
            self._scores(),
            declared.score_kind,
            prediction=self.prediction if is_multiclass else None,
            classes=declared.model.classes if is_multiclass else (),
        )

    def profile(self, grid: Grid, model: ModelSpec) -> Profile:
        """The reference counted on a grid."""
        known = self.moments_us[self.moments_us > 0] if self.moments_us is not None else np.zeros(0)
        return build(
            self.features,
            grid,
            score=self._scores(),
            prediction=self.prediction if isinstance(self.prediction, CodedColumn) else None,
            latency_ms=self.latency_ms,
            cost=self.cost,
            decided=self._decided(model),
            first_at=frames.moment(known.min()) if len(known) else None,
            last_at=frames.moment(known.max()) if len(known) else None,
            rows=self.rows,
        )

    def label_profile(self, grid: Grid, model: ModelSpec) -> LabelProfile | None:
        """Its labelled rows counted; None without labels, or without the decisions they are compared with."""
        if self.label is None:
            return None
        segments = {name: self.features[name] for name in grid.segments if name in self.features}
        if model.task == Task.RANKING:
            if not isinstance(self.prediction, CodedColumn) or not isinstance(self.label, CodedColumn):
                return None
            return rankings.label_profile(self.prediction, self.label, segments, grid)
        fold = np.arange(self.rows) & 1
        if model.task == Task.MULTICLASS:
            if self.prediction is None or grid.prediction is None:
                return None
            return build_labels(None, self.prediction, self.label, segments, grid, model.task, fold=fold)
        return build_labels(self._scores(), self._decided(model), self.label, segments, grid, model.task, fold=fold)

    def _scores(self) -> NDArray[np.float64] | None:
        if self.prediction is None or isinstance(self.prediction, CodedColumn):
            return self.score
        numbers = as_floats(self.prediction)
        return numbers if self.score is None else np.where(np.isnan(self.score), numbers, self.score)

    def _decided(self, model: ModelSpec) -> NDArray[np.float64] | None:
        if model.task != Task.BINARY:
            return None
        if isinstance(self.prediction, CodedColumn):
            by_code = [*(float(value == model.positive) for value in self.prediction.values), np.nan]
            return np.asarray(np.array(by_code)[self.prediction.codes])
        if self.score is None or (model.low, model.high) != (0, 1):
            return None
        return np.where(np.isnan(self.score), np.nan, self.score >= POSITIVE_FROM)


def read(table: pa.Table, declared: Declared, kid: str) -> tuple[Content, list[Problem], list[str]]:
    """The content of a table, every reason why it cannot be used, and what was left out of it."""
    content, problems = Content(len(table)), []
    used = set()
    for spec in declared.features:
        name = _column_of(spec.name, table)
        if name is None:
            problems += _missing(spec)
            continue
        used.add(name)
        try:
            content.features[spec.name] = typed.feature(table[name], spec, declared.model.team_id, kid)
        except Mistyped as error:
            problems.append(error.problem(spec.name))
    problems += _read_fields(content, table, declared.model, used)
    return content, problems, list(_notes(table, declared, used))


def _read_fields(content: Content, table: pa.Table, model: ModelSpec, used: set[str]) -> Iterator[Problem]:
    given = {name: table[name] for name in table.column_names if name not in used}
    score = given.get("score", given.get(f"scores.{model.positive}") if model.positive else None)
    readers: Mapping[str, Any] = {
        "score": (score, typed.numbers),
        "prediction": (given.get("prediction"), _prediction_reader(model)),
        "label": (given.get("label"), lambda column: typed.labels(column, model)),
        "latency_ms": (given.get("latency_ms"), typed.numbers),
        "cost": (_first(given, _COSTS), typed.numbers),
        "moments_us": (_first(given, _TIMES), typed.moments_us),
    }
    for name, (column, reader) in readers.items():
        if column is None:
            continue
        try:
            setattr(content, name, reader(column))
        except Mistyped as error:
            yield error.problem("predicted_at" if name == "moments_us" else name)


def _prediction_reader(model: ModelSpec) -> Callable[[pa.ChunkedArray], Column]:
    return {Task.REGRESSION: typed.numbers, Task.RANKING: typed.shown_ids}.get(Task(model.task), typed.texts)


def _missing(spec: FeatureSpec) -> list[Problem]:
    if not spec.required:
        return []
    remedy = f"Add the column {spec.name} ({spec.dtype}), or register it as not required."
    return [Problem(spec.name, "no such column", remedy)]


def _notes(table: pa.Table, declared: Declared, used: set[str]) -> Iterator[str]:
    absent = [spec.name for spec in declared.features if _column_of(spec.name, table) is None]
    if absent:
        yield f"Without {_listed(absent)}: they count as null in every row."
    extra = [name for name in table.column_names if name not in used and not _is_known(name)]
    if extra:
        yield f"Left out, because this version has no such feature: {_listed(extra)}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:64] for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _is_known(name: str) -> bool:
    return name in _FIELDS or name.startswith(_KNOWN_STARTS)


def _column_of(feature: str, table: pa.Table) -> str | None:
    return next((name for name in (_FEATURE + feature, feature) if name in table.column_names), None)


def _first(given: Mapping[str, pa.ChunkedArray], names: Sequence[str]) -> pa.ChunkedArray | None:
    return next((given[name] for name in names if name in given), None)


def _spec(row: Feature) -> FeatureSpec:
    return FeatureSpec(
        name=row.name,
        dtype=row.dtype,
        privacy=row.privacy,
        edges=tuple(float(edge) for edge in row.privacy_options.get("edges", ())),
        required=row.required,
    )


def _arrow(column: Column) -> pa.Array:
    if isinstance(column, CodedColumn):
        codes = pa.array(np.asarray(column.codes, dtype=np.int32), mask=np.asarray(column.codes) < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.values, pa.string()))
    return pa.array(np.asarray(column, dtype=np.float64))
