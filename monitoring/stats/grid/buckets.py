"""Buckets: a division of the number line in which finding a value's place takes a few operations and no search.

There are up to 65 536 of them over the bulk of the reference, of equal width or, for skewed columns, of about equal
ratio. Within the bulk the bucket of a value never decreases with the value, even with rounding. So only values that
share a bucket with an edge, or lie outside of the bulk, have to be compared with the edges themselves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray

BUCKETS = 1 << 16
_TOP = BUCKETS - 1
_WHOLE = 2.0**52  # from here to twice as much every float is a whole number, and each whole number a float
_SIGN = np.int64(63)
_MAGNITUDE = np.int64(2**63 - 1)


@dataclass(frozen=True, slots=True)
class Even:
    """Buckets of equal width; what lies outside of the bulk falls into the first and the last.

    shift: moves the bulk to where floats are whole numbers, so that the lowest bits of a float are its bucket.
    """

    per_unit: float
    shift: float
    last: int = _TOP

    @classmethod
    def over(cls, low: float, high: float) -> "Even | None":
        """Divide [low, high]; None if it is too narrow or too wide to be divided."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            per_unit = _TOP / (np.float64(high) - low)
            shift = _WHOLE - low * per_unit
        return cls(float(per_unit), float(shift)) if 0 < per_unit < np.inf and np.isfinite(shift) else None

    def of(self, values: FloatArray) -> IntArray:
        """Return the bucket of each value; the values are finite."""
        with np.errstate(over="ignore"):
            place = values * self.per_unit
        place += self.shift
        np.clip(place, _WHOLE, _WHOLE + _TOP, out=place)
        bits = place.view(np.int64)
        bits &= _TOP
        return bits


@dataclass(frozen=True, slots=True)
class ByRatio:
    """Buckets that begin where the upper bits of a float change; what lies outside of the bulk falls into the last.

    low: the key of the bulk's least value. A key below it wraps around to a number beyond that of any in the bulk.
    """

    low: np.uint64
    shift: np.uint64
    last: int

    @classmethod
    def over(cls, low: float, high: float) -> "ByRatio":
        """Divide [low, high]."""
        first, final = (int(key) for key in _keys(np.array([low, high])))
        span = (final - first) % 2**64
        shift = max(0, span.bit_length() - 16)
        shift += (span >> shift) == _TOP  # leaves room for the last
        return cls(np.uint64(first), np.uint64(shift), (span >> shift) + 1)

    def of(self, values: FloatArray) -> IntArray:
        """Return the bucket of each value; the values are finite."""
        # Of a positive bulk the keys are the bits; those of negative floats are larger than those of all others.
        keys = values.view(np.uint64) if self.low <= _MAGNITUDE else _keys(values)
        place = keys - self.low
        place >>= self.shift
        np.minimum(place, np.uint64(self.last), out=place)
        return place.view(np.int64)


@dataclass(frozen=True, slots=True)
class Atoms:
    """The values that a grid gives a cell of their own: a row that equals one is certain without being sorted.

    values, buckets, cells: of each atom. Of two atoms in one bucket only the larger is here.
    """

    values: FloatArray
    buckets: IntArray
    cells: IntArray

    @classmethod
    def of(cls, edges: FloatArray, placed: IntArray) -> "Atoms | None":
        """Find the atoms among the edges of a grid, whose buckets are `placed`; None without one.

        Every grid ends with the largest reference value and the next float: that one alone is no heavy value.
        """
        found = np.flatnonzero(edges[1:] == np.nextafter(edges[:-1], np.inf))
        if len(found) < 2:
            return None
        last = dict(zip(placed[found].tolist(), found.tolist(), strict=True))
        kept = np.array(list(last.values()), dtype=np.int64)
        return cls(edges[kept], placed[kept], kept + 1)

    def table(self) -> FloatArray:
        """Return the atom of every bucket, NaN where there is none."""
        table = np.full(BUCKETS, np.nan)
        table[self.buckets] = self.values
        return table


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a grid, and how its edges lie in them.

    in_doubt: the buckets that hold an edge or what lies outside of the bulk. starts: where each cell begins among the
    other buckets; shape (cells,).
    """

    places: Even | ByRatio
    in_doubt: IntArray
    starts: IntArray
    atoms: Atoms | None

    @classmethod
    def over(cls, edges: FloatArray, low: float, high: float) -> "Buckets | None":
        """Divide [low, high], the bulk of the values, so that fewest of them share a bucket with an edge.

        None if it has no width.
        """
        if not low < high:
            return None
        even = Even.over(low, high)
        made = [cls.with_places(places, edges, low) for places in (even, ByRatio.over(low, high)) if places]
        return min(made, key=cls._in_doubt_share)

    @classmethod
    def with_places(cls, places: Even | ByRatio, edges: FloatArray, low: float) -> "Buckets":
        """Find the edges in the buckets of a bulk that begins at `low`."""
        placed = places.of(edges + 0.0)  # the float after the largest negative one is -0.0
        starts = np.concatenate(([0], np.where(edges < low, 0, placed)))
        in_doubt = np.unique(np.concatenate(([0, places.last], placed)).astype(np.int64))
        return cls(places, in_doubt, starts, Atoms.of(edges, placed))

    def _in_doubt_share(self) -> float:
        """Return about which share of the rows is in doubt, if as many lie between any two edges."""
        return float((1 / np.maximum(np.diff(self.starts), 1)).mean())

    def table(self) -> BoolArray:
        """Tell of every bucket whether it is in doubt."""
        table = np.zeros(BUCKETS, dtype=bool)
        table[self.in_doubt] = True
        return table


def _keys(values: FloatArray) -> NDArray[np.uint64]:
    """Return numbers in the order of the values, as int64 in two's complement, that grow about as their logarithm."""
    bits = (values + 0.0).view(np.int64)  # adding zero turns -0.0 into 0.0, whose bits are next to it
    bits ^= (bits >> _SIGN) & _MAGNITUDE
    return bits.view(np.uint64)
