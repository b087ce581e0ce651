"""The drawn pieces that several charts share: texts that never collide, curves, numbers as attributes."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from monitoring.charts.data import Value

NARROW_PX = 200  # width of the plot on a phone; every text without `minor` fits there
WIDE_PX = 380  # from this width on, the style sheet shows texts marked `minor`
CURVE_WIDTH = 1000  # units of the stretched inner svg
MOST_POINTS = 400  # pixel columns; more points keep the least and the greatest of each column
_CHARACTER_PX = 6.2  # of the 11 px label font, on the wide side
_LINE_PX = 12

Run = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Text:
    """A label at a share of the width, moved by dx pixels; y is the base line."""

    share: float
    y_px: float
    text: str
    css: str = ""
    anchor: Literal["start", "middle", "end"] = "start"
    dx_px: float = 0

    @property
    def x(self) -> str:
        return pct(self.share)

    @property
    def y(self) -> str:
        return px(self.y_px)

    def span(self, width_px: float) -> tuple[float, float]:
        """Left and right edge in a plot of this width, as estimated from the number of characters."""
        length = text_px(self.text)
        left = self.share * width_px + self.dx_px - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * length
        return left, left + length

    def meets(self, other: "Text", width_px: float) -> bool:
        """Whether the two boxes touch in a plot of this width."""
        if abs(self.y_px - other.y_px) >= _LINE_PX:
            return False
        left, right = self.span(width_px)
        other_left, other_right = other.span(width_px)
        return left < other_right + 2 and other_left < right + 2


@dataclass(frozen=True, slots=True)
class Curve:
    """A path of the stretched inner svg."""

    css: str
    d: str


@dataclass(frozen=True, slots=True)
class Dot:
    cx: str
    cy: str
    css: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal line over the whole width."""

    y: str
    css: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a tooltip."""

    x: str
    width: str
    y: str
    height: str
    title: str = ""
    css: str = ""


def px(value: float) -> str:
    """Pixels as an attribute, to a tenth."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def pct(share: float) -> str:
    """A share of the width as an attribute."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"


def text_px(text: str) -> float:
    """The estimated width of a label; wide scripts count double."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text) * _CHARACTER_PX


def plain(text: str, limit: int = 80) -> str:
    """Foreign text as one line without control signs, cut with an ellipsis: it must fit, and be valid XML."""
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Cn") else sign for sign in text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def settled(texts: Iterable[Text], kept: Sequence[Text] = ()) -> tuple[Text, ...]:
    """The texts that fit, most important first: one that collides on a phone is `minor`, elsewhere it is left out."""
    result = list(kept)
    for text in texts:
        if _is_free(text, [old for old in result if "minor" not in old.css], NARROW_PX):
            result.append(text)
        elif _is_free(text, result, WIDE_PX):
            result.append(replace(text, css=f"{text.css} minor".strip()))
    return tuple(result[len(kept) :])


def runs(points: Sequence[tuple[float, Value]]) -> list[Run]:
    """The unbroken stretches of a series; a missing value ends one."""
    result: list[Run] = [[]]
    for x, value in points:
        if value is None:
            result.append([])
        else:
            result[-1].append((x, value))
    return [run for run in result if run]


def thinned(points: Sequence[tuple[float, Value]], most: int = MOST_POINTS) -> Sequence[tuple[float, Value]]:
    """At most two points per pixel column: the least and the greatest, in their order. x is a share."""
    if len(points) <= most:
        return points
    columns: dict[int, list[tuple[float, Value]]] = {}
    for point in points:
        columns.setdefault(min(int(point[0] * most), most - 1), []).append(point)
    return [point for _, column in sorted(columns.items()) for point in _extremes(column)]


def line(stretch: Run) -> str:
    """The path through points given as (share of the width, y)."""
    return "M" + "L".join(f"{x * CURVE_WIDTH:.0f},{px(y)}" for x, y in stretch)


def area(upper: Run, lower: Run) -> str:
    """The closed path between two curves over the same x."""
    return f"{line(upper)}L{line(lower[::-1])[1:]}Z"


def _is_free(text: Text, others: Iterable[Text], width_px: float) -> bool:
    left, right = text.span(width_px)
    inside = left >= -24 and right <= width_px + 16  # beside the plot lie the axis column and the padding of the card
    return inside and not any(text.meets(other, width_px) for other in others)


def _extremes(column: list[tuple[float, Value]]) -> list[tuple[float, Value]]:
    values = [(value, x) for x, value in column if value is not None]
    if not values:
        return column[:1]
    (least, at_least), (greatest, at_greatest) = min(values), max(values)
    return sorted({(at_least, least), (at_greatest, greatest)})
