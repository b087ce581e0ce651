"""Grid: what a profile of one model version counts, named by the hash of its bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray
from monitoring.stats.codec import pack, reading, unpack
from monitoring.stats.columns import Column, as_floats, encode
from monitoring.stats.grid.category import CategoryGrid, category_grid
from monitoring.stats.grid.numeric import NumericGrid, numeric_edges
from monitoring.stats.grid.score import SCORE_CELLS, ScoreGrid, score_cell, score_grid

MAGIC = b"MLG1"
NUMERIC_DTYPES = frozenset({"number", "integer", "timestamp"})
TEXT_DTYPES = frozenset({"boolean", "category", "text"})
FEATURE, SCORE, PREDICTION = "feature", "score", "prediction"
_NUMERIC_SCALARS = ("clip_low", "clip_high", "scale", "minimum", "maximum")
MAX_SEGMENT_FEATURES = 5
MAX_SEGMENT_VALUES = 20
SEGMENT_OTHER = "other"

AnyGrid = NumericGrid | CategoryGrid | ScoreGrid
FeatureGrid = NumericGrid | CategoryGrid


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A declared feature: its name, type, whether it divides traffic into segments, and known categories."""

    name: str
    dtype: str
    segment: bool = False
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """One counted column of a grid and where a profile keeps its cells and headline bins."""

    name: str
    kind: str
    grid: AnyGrid
    index: int
    cells: slice
    bins: slice

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, eq=False)
class Grid:
    """The frozen cells of a model version's features, score and decided class.

    segments: per segment feature its rows: the most frequent values first, then all others and null.
    """

    features: dict[str, FeatureGrid]
    dtypes: dict[str, str]
    segments: dict[str, tuple[str, ...]]
    score: NumericGrid | ScoreGrid | None = None
    prediction: CategoryGrid | None = None

    @property
    def score_kind(self) -> str:
        if self.score is None:
            return "none"
        return "probability" if isinstance(self.score, ScoreGrid) else "number"

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every counted column in the order in which a profile keeps them."""
        columns: list[tuple[str, str, AnyGrid]] = [(name, FEATURE, grid) for name, grid in self.features.items()]
        columns += [(SCORE, SCORE, self.score)] if self.score else []
        columns += [(PREDICTION, PREDICTION, self.prediction)] if self.prediction else []
        slots, cell, group = [], 0, 0
        for index, (name, kind, grid) in enumerate(columns):
            cells, bins = slice(cell, cell + grid.cells), slice(group, group + len(grid.labels))
            slots.append(Slot(name, kind, grid, index, cells, bins))
            cell, group = cells.stop, bins.stop
        return tuple(slots)

    @cached_property
    def feature_slots(self) -> dict[str, Slot]:
        return {slot.name: slot for slot in self.slots if slot.kind == FEATURE}

    @cached_property
    def output_slots(self) -> dict[str, Slot]:
        """The slots of score and prediction, as far as the grid has them."""
        return {slot.kind: slot for slot in self.slots if slot.kind != FEATURE}

    @property
    def cells(self) -> int:
        return self.slots[-1].cells.stop if self.slots else 0

    @property
    def bins(self) -> int:
        return self.slots[-1].bins.stop if self.slots else 0

    def headline_labels(self, feature: str) -> tuple[str, ...]:
        """Return the names of a feature's headline bins. Raises KeyError if the grid does not have it."""
        return self.features[feature].labels

    def segment_rows(self, feature: str, column: Column) -> NDArray[np.int64]:
        """Return the segment of each row, an index into `segments[feature]`."""
        grid, other = self.features[feature], len(self.segments[feature]) - 1
        if isinstance(grid, CategoryGrid):
            return np.minimum(grid.group_of(encode(column)), other)
        values = as_floats(column)
        return np.where(np.isnan(values), other, grid.group_of(values))

    @cached_property
    def id(self) -> str:
        """The SHA-256 of the canonical bytes, in hex."""
        return sha256(self.dumps()).hexdigest()

    def dumps(self) -> bytes:
        """Return the canonical bytes: equal grids give equal bytes."""
        parts = [_part(slot) for slot in self.slots]
        header = {"segments": self.segments, "slots": [described for described, _ in parts]}
        header["dtypes"] = [[name, dtype] for name, dtype in self.dtypes.items()]
        arrays = {f"{index}.{key}": array for index, (_, held) in enumerate(parts) for key, array in held.items()}
        return pack(MAGIC, header, arrays)

    @classmethod
    def loads(cls, blob: bytes) -> "Grid":
        """Return the grid of canonical bytes. Raises ValueError if they are damaged."""
        header, arrays = unpack(MAGIC, blob)
        with reading():
            return _grid(header, arrays)


def freeze(
    columns: Mapping[str, Column],
    schema: Sequence[FeatureSpec],
    score: Column | None = None,
    score_kind: str = "none",
    *,
    prediction: Column | None = None,
    classes: Sequence[str] = (),
) -> Grid:
    """Build the grid of a model version from its primary reference.

    columns: one column per feature; numbers, integers and timestamps (epoch seconds) as float64 with NaN for
    null, booleans ("true", "false"), categories and text as text with None for null or as CodedColumn.
    Text is treated as a category: its common values have bins, the rest is OTHER. A declared feature that
    the reference lacks counts as all null.
    score_kind: "probability" (fixed cells, headline bins from score), "number" (a grid of its own) or "none".
    prediction, classes: the decided class of a multiclass model, and its declared labels.

    Raises ValueError for an unknown type or kind, a name used twice, or more than five segment features.

    >>> grid = freeze({"side": ["a", "b", "a"]}, [FeatureSpec("side", "category")])
    >>> grid.headline_labels("side"), len(grid.id)
    (('a', 'b', 'other'), 64)
    """
    _check(schema, score_kind)
    features = {spec.name: _feature_grid(columns.get(spec.name), spec) for spec in schema}
    with_classes = prediction is not None or classes
    return Grid(
        features=features,
        dtypes={spec.name: spec.dtype for spec in schema},
        segments={spec.name: _segment_values(features[spec.name]) for spec in schema if spec.segment},
        score=_SCORE_GRIDS[score_kind](as_floats([] if score is None else score)),
        prediction=category_grid([] if prediction is None else prediction, classes) if with_classes else None,
    )


def _check(schema: Sequence[FeatureSpec], score_kind: str) -> None:
    unknown = {spec.dtype for spec in schema} - NUMERIC_DTYPES - TEXT_DTYPES
    if unknown:
        raise ValueError(f"unknown feature type: {', '.join(sorted(unknown))}")
    if score_kind not in _SCORE_GRIDS:
        raise ValueError(f"unknown kind of score: {score_kind}")
    if len({spec.name for spec in schema}) < len(schema):
        raise ValueError("two features have the same name")
    if sum(spec.segment for spec in schema) > MAX_SEGMENT_FEATURES:
        raise ValueError(f"more than {MAX_SEGMENT_FEATURES} segment features")


def _feature_grid(column: Column | None, spec: FeatureSpec) -> FeatureGrid:
    values: Column = [] if column is None else column
    if spec.dtype in TEXT_DTYPES:
        return category_grid(values, spec.categories)
    return numeric_edges(as_floats(values), spec.dtype)


def _segment_values(grid: FeatureGrid) -> tuple[str, ...]:
    if isinstance(grid, CategoryGrid):
        return (*grid.values[:MAX_SEGMENT_VALUES], grid.labels[-1])
    return (*grid.labels, SEGMENT_OTHER)


def _probability_grid(scores: FloatArray) -> ScoreGrid:
    valid = scores[(scores >= 0) & (scores <= 1)]
    return score_grid(np.bincount(score_cell(valid), minlength=SCORE_CELLS))


_SCORE_GRIDS: dict[str, Callable[[FloatArray], NumericGrid | ScoreGrid | None]] = {
    "probability": _probability_grid,
    "number": numeric_edges,
    "none": lambda _scores: None,
}


def _part(slot: Slot) -> tuple[dict[str, object], dict[str, NDArray[Any]]]:
    """Return what a slot's grid writes: JSON scalars and arrays."""
    grid = slot.grid
    described: dict[str, object] = {"kind": slot.kind, "name": slot.name, "n": grid.n}
    if isinstance(grid, NumericGrid):
        numbers = {key: getattr(grid, key) for key in _NUMERIC_SCALARS}
        described |= {"grid": "numeric", "labels": grid.labels, **numbers}
        return described, {"edges": grid.edges, "bounds": grid.bounds}
    if isinstance(grid, CategoryGrid):
        described |= {"grid": "category", "values": grid.values}
        return described, {} if grid.known is None else {"known": grid.known}
    return described | {"grid": "score", "labels": grid.labels}, {"groups": grid.groups}


def _grid(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Grid:
    grids: dict[tuple[str, str], Any] = {}
    for index, described in enumerate(header["slots"]):
        held = {key: arrays.get(f"{index}.{key}") for key in ("edges", "bounds", "known", "groups")}
        grids[described["kind"], described["name"]] = _restored(described, held)
    return Grid(
        features={name: grids[FEATURE, name] for name, _ in header["dtypes"]},
        dtypes=dict(header["dtypes"]),
        segments={name: tuple(rows) for name, rows in header["segments"].items()},
        score=grids.get((SCORE, SCORE)),
        prediction=grids.get((PREDICTION, PREDICTION)),
    )


def _restored(described: dict[str, Any], held: dict[str, Any]) -> AnyGrid:
    n = described["n"]
    if described["grid"] == "category":
        return CategoryGrid(values=tuple(described["values"]), known=held["known"], n=n)
    labels = tuple(described["labels"])
    if described["grid"] == "score":
        return ScoreGrid(groups=held["groups"].astype(np.int16), labels=labels, n=n)
    numbers = {key: described[key] for key in _NUMERIC_SCALARS}
    return NumericGrid(edges=held["edges"], bounds=held["bounds"], labels=labels, n=n, **numbers)
