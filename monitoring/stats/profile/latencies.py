"""Latencies on logarithmic cells: 128 per octave, 0.79 % wide, only the occupied ones kept."""

from collections.abc import Sequence
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
        return LatencyProfile.merge_all([self, other])

    @classmethod
    def merge_all(cls, parts: Sequence["LatencyProfile"]) -> "LatencyProfile":
        """Return all of them together, counted in one pass: a window of hours is hundreds of parts."""
        if not parts:
            return cls.empty()
        places = np.concatenate([part.keys for part in parts])
        keys, where = np.unique(places, return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, where, np.concatenate([part.counts for part in parts]))
        return cls(
            keys=keys,
            counts=counts,
            n_zero=sum(part.n_zero for part in parts),
            n_invalid=sum(part.n_invalid for part in parts),
            minimum=min((part.minimum for part in parts if part.minimum is not None), default=None),
            maximum=max((part.maximum for part in parts if part.maximum is not None), default=None),
            total=sum(part.total for part in parts),
        )
