"""Profile: one chunk or window of traffic as counts on a grid.

The counts of all columns lie in a few flat arrays, so that adding profiles is a handful of vector sums
whatever the number of features; per column they are read as NumericProfile and CategoryProfile.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import CategoryGrid, Grid, NumericGrid, Slot
from monitoring.stats.grid.frozen import PREDICTION, SCORE
from monitoring.stats.profile.categories import CategoryProfile
from monitoring.stats.profile.costs import CostProfile
from monitoring.stats.profile.latencies import LatencyProfile
from monitoring.stats.profile.numbers import NumericProfile

N, N_NULL, N_NONFINITE, N_INVALID, N_MISSING, N_UNSEEN = range(6)
TALLIES = 6
MINIMUM, MAXIMUM, MEAN, M2 = range(4)
MOMENTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class SegmentCounts:
    """One segment feature: rows per segment, and per counted column its nulls and headline counts.

    rows: shape (segments,); nulls: (segments, columns); headline: (segments, bins of all columns).
    """

    rows: IntArray
    nulls: IntArray
    headline: IntArray

    @classmethod
    def empty(cls, grid: Grid, name: str) -> "SegmentCounts":
        segments = len(grid.segments[name])
        return cls(
            rows=np.zeros(segments, dtype=np.int64),
            nulls=np.zeros((segments, len(grid.slots)), dtype=np.int64),
            headline=np.zeros((segments, grid.bins), dtype=np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Counts of a chunk or window; add profiles of one grid with `merge`.

    tallies, moments: one row per counted column of the grid. first_at, last_at: prediction times.
    n_decided, n_positive: binary decisions that are known, and those that are positive.
    Rows with a fallback or an error enter the features but neither score nor decision.
    """

    grid: Grid
    rows: int
    counts: IntArray
    tallies: IntArray
    moments: FloatArray
    segments: dict[str, SegmentCounts]
    latency: LatencyProfile
    cost: CostProfile = field(default_factory=CostProfile)
    other_top: dict[str, dict[str, int]] = field(default_factory=dict)
    n_fallback: int = 0
    n_error: int = 0
    n_decided: int = 0
    n_positive: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    @classmethod
    def empty(cls, grid: Grid) -> "Profile":
        """Return the profile of no rows, the identity of `merge`."""
        columns = len(grid.slots)
        moments = np.zeros((columns, MOMENTS))
        moments[:, MINIMUM], moments[:, MAXIMUM] = np.inf, -np.inf
        return cls(
            grid=grid,
            rows=0,
            counts=np.zeros(grid.cells, dtype=np.int64),
            tallies=np.zeros((columns, TALLIES), dtype=np.int64),
            moments=moments,
            segments={name: SegmentCounts.empty(grid, name) for name in grid.segments},
            latency=LatencyProfile.empty(),
        )

    @property
    def grid_id(self) -> str:
        return self.grid.id

    @property
    def features(self) -> dict[str, NumericProfile | CategoryProfile]:
        return {name: self._column(slot) for name, slot in self.grid.feature_slots.items()}

    def feature(self, name: str) -> NumericProfile | CategoryProfile:
        """Return the counts of one feature. Raises KeyError if the grid does not have it."""
        return self._column(self.grid.feature_slots[name])

    @property
    def score(self) -> NumericProfile | None:
        column = self._output(SCORE)
        return column if isinstance(column, NumericProfile) else None

    @property
    def prediction(self) -> CategoryProfile | None:
        column = self._output(PREDICTION)
        return column if isinstance(column, CategoryProfile) else None

    def headline(self, feature: str) -> IntArray:
        """Return the counts of a feature per headline bin. Raises KeyError if the grid does not have it."""
        return self._headline(self.grid.feature_slots[feature])

    def n_out_of_range(self, feature: str) -> int:
        """Return how many numbers lie beyond the reference's minimum and maximum; 0 for text."""
        slot = self.grid.feature_slots[feature]
        if not isinstance(slot.grid, NumericGrid) or not slot.grid.n:
            return 0
        counts = self.counts[slot.cells]
        return int(counts[0] + counts[-1])

    def score_headline(self) -> IntArray:
        """Return the counts of the score per headline bin; no bins where the grid has no score."""
        return self._output_headline(SCORE)

    def prediction_headline(self) -> IntArray:
        """Return the counts of the decided classes; no bins where the grid has none."""
        return self._output_headline(PREDICTION)

    def segment_headline(self, by: str, feature: str) -> IntArray:
        """Return the headline counts of a feature per segment, shape (segments, bins)."""
        return self.segments[by].headline[:, self.grid.feature_slots[feature].bins]

    def segment_score_headline(self, by: str) -> IntArray:
        """Return the headline counts of the score per segment, shape (segments, bins)."""
        return self.segments[by].headline[:, self.grid.output_slots[SCORE].bins]

    def segment_nulls(self, by: str, feature: str) -> IntArray:
        """Return the nulls of a feature per segment, shape (segments,)."""
        return self.segments[by].nulls[:, self.grid.feature_slots[feature].index]

    def _output(self, kind: str) -> NumericProfile | CategoryProfile | None:
        slot = self.grid.output_slots.get(kind)
        return self._column(slot) if slot else None

    def _output_headline(self, kind: str) -> IntArray:
        slot = self.grid.output_slots.get(kind)
        return self._headline(slot) if slot else np.zeros(0, dtype=np.int64)

    def _headline(self, slot: Slot) -> IntArray:
        counts = self.counts[slot.cells]
        if isinstance(slot.grid, CategoryGrid):
            return counts
        return np.bincount(slot.grid.groups, counts, minlength=len(slot.grid.labels)).astype(np.int64)

    def _column(self, slot: Slot) -> NumericProfile | CategoryProfile:
        counts = self.counts[slot.cells]
        n, n_null, n_nonfinite, n_invalid, n_missing, n_unseen = self.tallies[slot.index].tolist()
        if isinstance(slot.grid, CategoryGrid):
            top = self.other_top.get(slot.key, {})
            return CategoryProfile(counts, n, n_null, n_invalid, n_missing, n_unseen, top)
        low, high, mean, m2 = self.moments[slot.index].tolist() if n else (None, None, None, 0.0)
        return NumericProfile(counts, n, n_null, n_nonfinite, n_invalid, n_missing, low, high, mean, m2)
