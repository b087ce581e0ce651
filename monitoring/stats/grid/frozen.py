"""Grid: what a profile of one model version counts, named by the hash of its bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from monitoring.stats.codec import pack, unpack
from monitoring.stats.columns import Column, FloatArray, as_floats
from monitoring.stats.grid.category import CategoryGrid, category_grid
from monitoring.stats.grid.numeric import NumericGrid, numeric_edges
from monitoring.stats.grid.score import SCORE_CELLS, ScoreGrid, score_cell, score_grid

MAGIC = b"MLG1"
NUMERIC_DTYPES = frozenset({"number", "integer", "timestamp"})
TEXT_DTYPES = frozenset({"boolean", "category", "text"})
SCORE_KINDS = frozenset({"probability", "number", "none"})
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


@dataclass(frozen=True)
class Grid:
    """The frozen cells of a model version's features, score and decided class.

    segments: per segment feature its values, the most frequent first, then all others together.
    """

    features: dict[str, FeatureGrid]
    score: NumericGrid | ScoreGrid | None = None
    prediction: CategoryGrid | None = None
    segments: dict[str, tuple[str, ...]] | None = None
    score_kind: str = "none"
