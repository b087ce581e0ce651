"""Skew replay: is a feature served online what the offline store says it was at that time?"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from monitoring.stats.arrays import BoolArray, FloatArray, IntArray
from monitoring.stats.columns import CodedColumn, Column, Series, encode
from monitoring.stats.intervals import rate
from monitoring.stats.results import Estimate, Verdict

MIN_ROWS = 200
WARN_SHARE = 0.01
MIN_PATTERN = 5  # mismatches; fewer fit any pattern
EXPLAINED = 0.95  # of the mismatches, by the pattern that names them
_STEADY = 0.2  # of a constant offset or scale: how far a row may lie from it, in parts of the effect


class Pattern(StrEnum):
    """What nearly all mismatches of a feature have in common."""

    null_only = "null-only"
    offset = "constant-offset"
    scale = "constant-scale"
    stale = "stale"
    recoded = "recoded"
    mixed = "mixed"


@dataclass(frozen=True, slots=True)
class Replay:
    """Online against offline values of one feature.

    mismatch: their share with its Wilson interval. pattern: None without mismatches. amount: what was added
    (constant-offset) or multiplied by (constant-scale).
    """

    verdict: Verdict
    mismatch: Estimate
    pattern: Pattern | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """Both columns in a form that can be compared: numbers, or codes of texts; a key is equal for equal values."""

    x: FloatArray  # online; NaN is null
    y: FloatArray
    is_number: bool
    tolerance: FloatArray


def replay(
    online: Column, offline: Column, atol: float = 1e-6, rtol: float = 1e-3, entities: Column | None = None
) -> Replay:
    """Compare a feature's values row by row and say what the mismatches have in common.

    online, offline: rows in the order of time. Two columns of numbers are equal within atol + rtol * |offline|,
    others if their texts are identical. Two nulls are equal, a null and a value are not. entities: whose value it
    is, if the rows tell; an earlier value is then looked for among the rows of the same one only.

    `warn` when the lower bound of the mismatch share is above 1 %; under 200 rows `insufficient`.
    A pattern explains at least 95 % of the mismatches, of which there are at least five: only nulls, a constant
    offset or scale, stale (an earlier offline value, in a feature whose values rarely return), recoded (one value
    stands for another). `mixed` is everything else.

    Raises ValueError for columns of different length or a negative tolerance.

    >>> found = replay(np.arange(300.0) + 7, np.arange(300.0))
    >>> found.verdict.value, found.pattern.value, found.amount
    ('warn', 'constant-offset', 7.0)
    """
    if len(online) != len(offline) or (entities is not None and len(entities) != len(online)):
        raise ValueError("columns of one length are needed")
    if atol < 0 or rtol < 0:
        raise ValueError("tolerances are not negative")
    sides = _sides(online, offline, atol, rtol)
    wrong = ~_equal(sides)
    n, n_wrong = len(wrong), int(wrong.sum())
    share = rate(n_wrong, n)
    pattern, amount = _pattern(sides, wrong, entities) if n_wrong else (None, None)
    return Replay(_verdict(share, n), share, pattern, amount)


def _verdict(share: Estimate, n: int) -> Verdict:
    if share.low is None:
        return Verdict.no_data
    if n < MIN_ROWS:
        return Verdict.insufficient
    return Verdict.warn if share.low > WARN_SHARE else Verdict.ok


def _sides(online: Column, offline: Column, atol: float, rtol: float) -> _Sides:
    numbers = [_numbers(column) for column in (online, offline)]
    if numbers[0] is not None and numbers[1] is not None:
        x, y = numbers[0], numbers[1]
        size = np.where(np.isfinite(y), np.abs(y), 0.0)
        return _Sides(x, y, is_number=True, tolerance=np.minimum(atol + rtol * size, np.finfo(np.float64).max))
    codes = encode(_texts(online) + _texts(offline)).codes
    both = np.where(codes < 0, np.nan, codes.astype(np.float64))
    x, y = both[: len(online)], both[len(online) :]
    return _Sides(x, y, is_number=False, tolerance=np.zeros(len(x)))


def _numbers(column: Column) -> FloatArray | None:
    """Return a column of numbers as floats, or None if it holds anything else."""
    if isinstance(column, CodedColumn):
        return None
    values: Any = column
    if not isinstance(column, np.ndarray | Series):
        values = np.array(list(values), dtype=np.object_)
    if values.dtype == object:
        is_number = all(value is None or _is_number(value) for value in values)
    else:
        is_number = np.issubdtype(np.asarray(values).dtype, np.number)
    return np.asarray(values, dtype=np.float64) if is_number else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _texts(column: Column) -> list[str | None]:
    coded = encode(column)
    texts = (*coded.values, None)
    return [texts[code] for code in coded.codes]


def _equal(sides: _Sides) -> BoolArray:
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.abs(sides.x - sides.y) <= sides.tolerance
    return np.asarray(near | (sides.x == sides.y) | (np.isnan(sides.x) & np.isnan(sides.y)))


def _pattern(sides: _Sides, wrong: BoolArray, entities: Column | None) -> tuple[Pattern, float | None]:
    x, y, tolerance = sides.x[wrong], sides.y[wrong], sides.tolerance[wrong]
    if len(x) < MIN_PATTERN:
        return Pattern.mixed, None
    if _explains(np.isnan(x) | np.isnan(y)):
        return Pattern.null_only, None
    if sides.is_number and len(np.unique(y[np.isfinite(x) & np.isfinite(y)])) > 1:
        shift = _shift(x, y, tolerance)
        if shift:
            return shift
    if _explains(_is_stale(sides, wrong, entities)):
        return Pattern.stale, None
    return (Pattern.recoded if _is_recoded(sides, wrong) else Pattern.mixed), None


def _explains(rows: BoolArray) -> bool:
    return bool(rows.mean() >= EXPLAINED - 1e-12)


def _shift(x: FloatArray, y: FloatArray, tolerance: FloatArray) -> tuple[Pattern, float | None] | None:
    """Return the constant offset or scale that explains the mismatches; if both do, the one that lies nearer."""
    used = np.isfinite(x) & np.isfinite(y)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        offset = float(np.median((x - y)[used]))
        ratios = (x / y)[used & (y != 0)]
        scale = float(np.median(ratios)) if len(ratios) else 0.0
        fits = [
            (Pattern.offset, offset, x - (y + offset), np.full(len(x), abs(offset))),
            (Pattern.scale, scale, x - y * scale, np.abs(y * (scale - 1))),
        ]
        slack = tolerance * max(1.0, abs(scale))
        found = [
            (float(np.abs(rest[used]).mean()), pattern, amount)
            for pattern, amount, rest, effect in fits
            if amount and _explains(used & (np.abs(rest) <= np.minimum(slack, _STEADY * effect)))
        ]
    return min(found)[1:] if found else None


def _is_stale(sides: _Sides, wrong: BoolArray, entities: Column | None) -> BoolArray:
    """Return which mismatches show an earlier offline value, in a feature whose values rarely return.

    Where the right value has itself been there before, in an earlier run of equal values, a wrong one that has been
    there proves nothing.
    """
    owner = np.zeros(len(wrong), dtype=np.int64) if entities is None else encode(entities).codes.astype(np.int64)
    x, y = _keys(sides, owner)
    known_keys, first, place = np.unique(y, return_index=True, return_inverse=True)
    returned = first[place] < _run_starts(y, owner)
    if returned[wrong].mean() > 0.5:
        return np.zeros(int(wrong.sum()), dtype=bool)
    found = np.minimum(np.searchsorted(known_keys, x), len(known_keys) - 1)
    seen_at = np.where(known_keys[found] == x, first[found], len(y))  # its end: never
    known = ~np.isnan(sides.x) & ~np.isnan(sides.y)
    return np.asarray((known & (seen_at < np.arange(len(y))))[wrong])


def _keys(sides: _Sides, owner: IntArray) -> tuple[IntArray, IntArray]:
    """Return a number for each value and owner, equal for what is equal in single precision."""
    with np.errstate(over="ignore"):
        both = np.concatenate((sides.x, sides.y)).astype(np.float32)
    values, codes = np.unique(both, return_inverse=True)
    codes = np.where(np.isnan(both), -1, codes)
    keys = np.concatenate((owner, owner)) * (len(values) + 1) + codes + 1
    return keys[: len(owner)], keys[len(owner) :]


def _run_starts(keys: IntArray, owner: IntArray) -> IntArray:
    """Return for each row the first one of its run of equal keys, among the rows of its owner."""
    order = np.argsort(owner, kind="stable")
    ordered = keys[order]
    is_new = np.append(True, ordered[1:] != ordered[:-1])
    starts = np.empty(len(keys), dtype=np.int64)
    starts[order] = order[np.maximum.accumulate(np.where(is_new, np.arange(len(keys)), 0))]
    return starts


def _is_recoded(sides: _Sides, wrong: BoolArray) -> bool:
    """Tell whether each offline value that was wrong has become one and the same online value.

    Besides, either nearly all rows with these values are wrong, or chance would hardly have chosen so alike: with
    two values any mistake looks like the other value.
    """
    known = wrong & ~np.isnan(sides.x) & ~np.isnan(sides.y)
    alike = _most_alike(sides.x[known], sides.y[known])
    if 2 * len(alike) > known.sum() or alike.sum() < EXPLAINED * wrong.sum():
        return False
    affected = np.isin(sides.y, sides.y[known])
    return _explains(wrong[affected]) or _chance_of_alike(sides.y, sides.y[known]) <= 0.5


def _most_alike(online: FloatArray, offline: FloatArray) -> IntArray:
    """Return for each offline value how often its most frequent online value stands for it."""
    values, of_offline = np.unique(offline, return_inverse=True)
    others, of_online = np.unique(online, return_inverse=True)
    pairs, counts = np.unique(of_offline * max(len(others), 1) + of_online, return_counts=True)
    most = np.zeros(len(values), dtype=np.int64)
    np.maximum.at(most, pairs // max(len(others), 1), counts)
    return most


def _chance_of_alike(offline: FloatArray, replaced: FloatArray) -> float:
    """Return how alike the replacements would be if each were drawn from the other offline values."""
    values, counts = np.unique(offline[~np.isnan(offline)], return_counts=True)
    if len(values) < 2:
        return 1.0
    shares = counts / counts.sum()
    second, largest = np.argsort(shares)[-2:]
    largest_other = np.where(replaced == values[largest], shares[second], shares[largest])
    return float((largest_other / (1 - shares[np.searchsorted(values, replaced)])).mean())
