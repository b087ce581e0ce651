"""One panel on its strip of a chart: scale, curves, intervals, dots and words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from mlops_portal.kit import wording
from monitoring.charts.data import Panel, Point, Series, Timeline
from monitoring.charts.findings import judged
from monitoring.charts.frame import Frame
from monitoring.charts.marks import (
    MOST_POINTS,
    Curve,
    Dot,
    Rule,
    Run,
    Text,
    area,
    line,
    pct,
    plain,
    px,
    runs,
    settled,
    thinned,
)
from monitoring.charts.scale import Scale, Tick, domain, is_known, known, ticks

_PAD_TOP_PX, _PAD_BOTTOM_PX = 14, 10
_MOST_DOTS = 40  # of a panel alone; with more points only the last one is marked
_BAD = ("drift", "worse", "error")


@dataclass(frozen=True, slots=True)
class Strip:
    """A panel with its place and its scale."""

    panel: Panel
    top: int
    height: int
    scale: Scale
    marks: tuple[Tick, ...]

    @property
    def is_empty(self) -> bool:
        return not any(judged(series) for series in self.panel.series)


def strip(panel: Panel, top: int, height: int) -> Strip:
    """The panel in its place, on an axis that holds its values, intervals and limits."""
    points = [point for series in panel.series for point in series.points]
    bounds = [bound for point in points for bound in (point.value, point.low, point.high)]
    values = [*bounds, *(limit.value for limit in panel.limits), *(panel.domain or ())]
    low, high = domain(values, unit=panel.unit, starts_at_zero=panel.starts_at_zero)
    (low, high), marks = ticks(low, high, panel.unit)
    inner = height - _PAD_TOP_PX - _PAD_BOTTOM_PX
    is_empty = not known(values)
    return Strip(panel, top, height, Scale(low, high, top + _PAD_TOP_PX, inner), () if is_empty else marks)


def tick_text(one: Strip, mark: Tick) -> Text:
    """A tick of the axis column."""
    return Text(0, one.scale.y(mark.value) + 4, mark.label, anchor="end")


def limit_rule(one: Strip, value: float, tone: str) -> Rule:
    """A limit across the plot."""
    return Rule(px(one.scale.y(value)), "limit w" if tone == "warn" else "limit")


def curves(one: Strip, frame: Frame) -> Iterable[Curve]:
    """Intervals, then lines; the current series lies over the second one."""
    for series in sorted(one.panel.series, key=lambda series: series.role, reverse=True):
        inside = frame.inside(series.points)
        if series.role == "current":
            yield from _bands(inside, one.scale, frame)
        css = "l" if series.role == "current" else "l2"
        yield from (Curve(css, line(run)) for run in _stretches(inside, one.scale, frame) if len(run) > 1)


def dots(one: Strip, frame: Frame, *, alone: bool) -> Iterable[Dot]:
    """A dot at the newest value, at each value without neighbours, and at all of a short panel alone."""
    for series in one.panel.series:
        inside = frame.inside(series.points)
        two = "two" if series.role == "second" else ""
        lonely = [run[0] for run in _stretches(inside, one.scale, frame) if len(run) == 1]
        yield from (Dot(pct(x), px(y), two) for x, y in lonely)
        marked = [point for point in inside if is_known(point.value)]
        for point in marked if alone and len(marked) <= _MOST_DOTS else marked[-1:]:
            css = "bad" if point.verdict in _BAD else two
            yield Dot(pct(frame.share(point.at)), px(one.scale.y(point.value or 0.0)), css)


def _stretches(points: Sequence[Point], scale: Scale, frame: Frame) -> list[Run]:
    """Lines between neighbours only: a missing value or a missing window ends one."""
    places: list[tuple[float, float | None]] = []
    for point, following in zip_longest(points, points[1:]):
        places.append((frame.share(point.at), _height(point.value, scale)))
        if following and following.at - point.at > 1.5 * frame.step:
            places.append((frame.share(point.at), None))
    return runs(thinned(places) if len(points) > MOST_POINTS else places)


def _bands(points: Sequence[Point], scale: Scale, frame: Frame) -> Iterable[Curve]:
    """The interval around each unbroken stretch, at most one pair of bounds per pixel column."""
    most = min(round((frame.end - frame.start) / frame.step), MOST_POINTS)
    columns: dict[int, tuple[float, float, float]] = {}
    for point in points:
        share = frame.share(point.at)
        key = round(share * most)
        if is_known(point.value) and is_known(point.low) and is_known(point.high):
            low, high = scale.y(point.low), scale.y(point.high)
            _, under, over = columns.get(key, (share, low, high))
            columns[key] = (share, max(under, low), min(over, high))
    for stretch in _neighbours(columns):
        yield Curve("b", area([(x, over) for x, _, over in stretch], [(x, under) for x, under, _ in stretch]))


def _neighbours(columns: dict[int, tuple[float, float, float]]) -> list[list[tuple[float, float, float]]]:
    stretches: list[list[tuple[float, float, float]]] = []
    for key, bounds in columns.items():
        if key - 1 in columns and stretches:
            stretches[-1].append(bounds)
        else:
            stretches.append([bounds])
    return [stretch for stretch in stretches if len(stretch) > 1]


def _height(value: float | None, scale: Scale) -> float | None:
    return scale.y(value) if is_known(value) else None


def strip_texts(one: Strip, timeline: Timeline, frame: Frame, *, alone: bool) -> tuple[Text, ...]:
    """Limits, ends of two series and notes; what would collide is left out, the limits last."""
    if one.is_empty:
        middle = one.top + one.height / 2 + 4
        return (Text(0.5, middle, "no data", anchor="middle"),)
    texts = [_limit_text(one, limit.value, limit.word, limit.tone) for limit in one.panel.limits]
    if alone and len(one.panel.series) == 2:
        texts += _end_texts(one)
    if timeline.immature_from and timeline.immature_note and one.panel.needs_labels:
        share = frame.share(timeline.immature_from)
        note = Text(share, one.top + one.height - 6, plain(timeline.immature_note, 40), "minor", "end", -4)
        texts.append(note)
    if one.scale.low > 0:
        start = wording.quantity(one.scale.low, one.panel.unit)
        texts.append(Text(0, one.top + one.height - 2, f"axis starts at {start}", "minor", dx_px=4))
    return settled(texts)


def _limit_text(one: Strip, value: float, word: str, tone: str) -> Text:
    y = one.scale.y(value)
    above = y - 5 - 11 >= one.top
    text = f"{plain(word, 24)} {wording.quantity(value, one.panel.unit)}"
    return Text(0, y - 5 if above else y + 12, text, "limw" if tone == "warn" else "lim", dx_px=4)


def _end_texts(one: Strip) -> list[Text]:
    """The names of two series at their ends, moved apart to at least 13 px."""
    texts: list[Text] = []
    for y, series in _ends(one):
        base = max(y - 8, one.top + 11, texts[-1].y_px + 13 if texts else 0)
        css = "two" if series.role == "second" else "acc"
        texts.append(Text(1, base, plain(series.name, 24), css, "end", -8))
    return texts


def _ends(one: Strip) -> list[tuple[float, Series]]:
    found = []
    for series in one.panel.series:
        points = judged(series)
        if points and series.name:
            found.append((one.scale.y(points[-1].value or 0.0), series))
    return sorted(found, key=lambda pair: pair[0])
