"""Bin labels a person can read."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from monitoring.stats.arrays import FloatArray

DASH = "\u2013"
_FIRST_DIGITS, _ALL_DIGITS = 4, 17


def bin_labels(bounds: FloatArray, dtype: str = "number") -> tuple[str, ...]:
    """Name the bins between ascending bounds, the first and last of them open.

    A bin that holds exactly one value is named by it. Digits are added until the labels differ.

    >>> bin_labels(np.array([0.5, 2.0])) == ("< 0.5", "0.5\u20132", "\u2265 2")
    True
    >>> bin_labels(np.array([3.0, 6.5]), "integer") == ("\u2264 2", "3\u20136", "\u2265 7")
    True
    """
    if not len(bounds):
        return ("any",)
    for digits in range(_FIRST_DIGITS, _ALL_DIGITS + 1):
        labels = _labels(bounds, dtype, digits)
        if len(set(labels)) == len(labels):
            break
    return labels


def value_labels(values: FloatArray, dtype: str = "number") -> tuple[str, ...]:
    """Name bins that hold one reference value each; of more than two, the ends say that they are open.

    >>> value_labels(np.array([0.0, 0.25, 12.0])) == ("\u2264 0", "0.25", "\u2265 12")
    True
    >>> value_labels(np.array([0.0, 1.0]), "integer")
    ('0', '1')
    """
    for digits in range(_FIRST_DIGITS, _ALL_DIGITS + 1):
        labels = tuple(_writer(dtype, digits)(value) for value in values)
        if len(set(labels)) == len(labels):
            break
    return labels if len(labels) <= 2 else (f"\u2264 {labels[0]}", *labels[1:-1], f"\u2265 {labels[-1]}")


def _labels(bounds: FloatArray, dtype: str, digits: int) -> tuple[str, ...]:
    write = _writer(dtype, digits)
    between = " to " if bounds[0] < 0 or dtype == "timestamp" else DASH
    if dtype == "integer":
        first, *later = (int(bound) for bound in np.ceil(bounds))
        inner = [_whole_bin(low, high, write, between) for low, high in pairwise([first, *later])]
        return (f"\u2264 {write(first - 1)}", *inner, f"\u2265 {write(int(np.ceil(bounds[-1])))}")
    inner = [_bin(low, high, write, between) for low, high in pairwise(bounds)]
    isolated = len(bounds) > 1 and bounds[-1] == np.nextafter(bounds[-2], np.inf)
    last = f"> {write(bounds[-2])}" if isolated else f"\u2265 {write(bounds[-1])}"
    return (f"< {write(bounds[0])}", *inner, last)


def _bin(low: float, high: float, write: Callable[[float], str], between: str) -> str:
    return write(low) if high == np.nextafter(low, np.inf) else f"{write(low)}{between}{write(high)}"


def _whole_bin(low: int, high: int, write: Callable[[float], str], between: str) -> str:
    return write(low) if high - 1 <= low else f"{write(low)}{between}{write(high - 1)}"


def _writer(dtype: str, digits: int) -> Callable[[float], str]:
    if dtype == "timestamp":
        return lambda value: _write_time(float(value), "seconds" if digits == _FIRST_DIGITS else "microseconds")
    if dtype == "integer":
        return lambda value: str(int(value))
    return lambda value: _write_number(float(value), digits)


def _write_number(value: float, digits: int) -> str:
    rounded = float(f"{value:.{digits}g}")
    if 1e-4 <= abs(rounded) < 1e15 and rounded == int(rounded):
        return str(int(rounded))
    return f"{rounded:.{digits}g}" if rounded else "0"


def _write_time(value: float, precision: str) -> str:
    try:
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat(" ", precision)
    except (OverflowError, ValueError, OSError):
        return f"{value:.17g}"
