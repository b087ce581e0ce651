"""From values to pixels: the domain of an axis, its ticks and their labels."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from mlops_portal.kit.wording import MINUS, THIN
from monitoring.charts.data import Value

MOST_TICKS = 4
LEAST_RELATIVE_SPAN = 0.02  # of the mean, for an axis that does not start at zero: a flat metric looks flat
_HEADROOM = 0.06


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from low to high on a strip of `height` pixels under `top`."""

    low: float
    high: float
    top: float
    height: float

    def y(self, value: float) -> float:
        return self.top + self.height * (self.high - value) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Tick:
    value: float
    label: str


def is_known(value: Value) -> TypeGuard[float]:
    """Whether the value can be drawn: neither missing nor infinite."""
    return value is not None and math.isfinite(value)


def known(values: Iterable[Value]) -> list[float]:
    """Those of the values that can be drawn."""
    return [value for value in values if is_known(value)]


def domain(values: Iterable[Value], *, unit: str = "", starts_at_zero: bool = True) -> tuple[float, float]:
    """Bounds that hold every value, with headroom; (0, 1) where there is none."""
    numbers = known(values)
    if not numbers:
        return 0.0, 1.0
    least, most = min(numbers), max(numbers)
    if starts_at_zero:
        low, high = min(least, 0.0), max(most, 0.0)
    else:
        low, high = widened(least, most, LEAST_RELATIVE_SPAN)
    if high == low:
        return (0.0, 1.0) if low == 0 else (low - abs(low) / 2, low + abs(low) / 2)
    room = (high - low) * _HEADROOM
    low, high = (low if low == 0 else low - room), (high if high == 0 else high + room)
    if unit == "%" and least >= 0 and most <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return low, high


def widened(low: float, high: float, relative: float) -> tuple[float, float]:
    """The bounds, moved apart to at least this share of their mean."""
    middle = (low + high) / 2
    half = max((high - low) / 2, abs(middle) * relative / 2)
    return middle - half, middle + half


def ticks(
    low: float, high: float, unit: str = "", most: int = MOST_TICKS
) -> tuple[tuple[float, float], tuple[Tick, ...]]:
    """The axis and at most `most` ticks in steps of 1, 2 or 5; the axis grows where only one tick would fit."""
    step = _step(low, high, most)
    first, last = _multiples(low, high, step)
    if last - first < 1:
        first, last = math.floor(low / step), math.ceil(high / step)
        low, high = min(low, first * step), max(high, last * step)
    values = [index * step for index in range(first, last + 1)]
    return (low, high), tuple(Tick(value, tick_label(value, step, unit, values)) for value in values)


def tick_label(value: float, step: float, unit: str, values: Sequence[float]) -> str:
    """A short number, as exact as the step needs; only per cent is written at the tick, other units in the title."""
    factor, suffix = (100, f"{THIN}%") if unit == "%" else (1, "")
    largest, value, step = max(map(abs, values)) * factor, value * factor, step * factor
    if value == 0:
        return f"0{suffix}"
    if largest >= 1e12 or step < 1e-4:
        return f"{value:.2g}".replace("e+", "e").replace("e-0", "e-").replace("-", MINUS) + suffix
    divisor, word = next((pair for pair in ((1e9, "bn"), (1e6, "M"), (1e4, "k")) if largest >= pair[0]), (1.0, ""))
    divisor = 1e3 if word == "k" else divisor
    places = max(0, -math.floor(math.log10(step / divisor) + 1e-9))
    text = f"{value / divisor:,.{places}f}".replace("-", MINUS)
    return f"{text}{THIN}{word}{suffix}" if word else f"{text}{suffix}"


def _step(low: float, high: float, most: int) -> float:
    exponent = math.floor(math.log10(high - low)) - 1
    while True:
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            first, last = _multiples(low, high, step)
            if last - first < most:
                return step
        exponent += 1


def _multiples(low: float, high: float, step: float) -> tuple[int, int]:
    return math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
