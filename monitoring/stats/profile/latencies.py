"""Latencies on logarithmic cells: 128 per octave, 0.79 % wide, only the occupied ones kept."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid.latency import latency_key


@dataclass(frozen=True, slots=True, eq=False)
class LatencyProfile:
    """Non-negative values, such as milliseconds, on the latency grid.

    keys: the occupied cells in ascending order; counts: of these cells. n_zero: values of exactly 0, which
    have a cell of their own. n_invalid: negative or infinite values; null is not counted at all.
    """

    keys: NDArray[np.uint16]
    counts: IntArray
    n_zero: int = 0
    n_invalid: int = 0
    minimum: float | None = None
    maximum: float | None = None
    total: float = 0.0

    @property
    def n(self) -> int:
        return self.n_zero + int(self.counts.sum())

    @classmethod
    def empty(cls) -> "LatencyProfile":
        return cls(keys=np.empty(0, dtype=np.uint16), counts=np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, values: FloatArray) -> "LatencyProfile":
        """Count values in any order; NaN is null.

        >>> profile = LatencyProfile.of(np.array([0.0, 37.3, 37.3, np.nan, -1.0]))
        >>> profile.n, profile.n_zero, profile.n_invalid, profile.counts.tolist()
        (3, 1, 1, [2])
        """
        present = values[~np.isnan(values)]
        valid = present[(present >= 0) & (present <= np.finfo(np.float32).max)]
        if not len(valid):
            return replace(cls.empty(), n_invalid=len(present))
        keys = latency_key(valid)
        per_key = np.bincount(keys)
        n_zero = int(per_key[0])
        per_key[0] = 0
        occupied = np.flatnonzero(per_key)
        return cls(
            keys=occupied.astype(np.uint16),
            counts=per_key[occupied],
            n_zero=n_zero,
            n_invalid=len(present) - len(valid),
            minimum=float(valid.min()),
            maximum=float(valid.max()),
            total=float(valid.sum()),
        )

    def __add__(self, other: "LatencyProfile") -> "LatencyProfile":
        keys, where = np.unique(np.concatenate((self.keys, other.keys)), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, where, np.concatenate((self.counts, other.counts)))
        return LatencyProfile(
            keys=keys,
            counts=counts,
            n_zero=self.n_zero + other.n_zero,
            n_invalid=self.n_invalid + other.n_invalid,
            minimum=min((m for m in (self.minimum, other.minimum) if m is not None), default=None),
            maximum=max((m for m in (self.maximum, other.maximum) if m is not None), default=None),
            total=self.total + other.total,
        )
