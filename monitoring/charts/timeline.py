"""Panels, changes and serving revisions over one time axis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlops_portal.kit import wording
from monitoring.charts.data import Event, Panel, Point, Revision, Series, Timeline
from monitoring.charts.findings import judged, panel_finding
from monitoring.charts.marks import (
    NARROW_PX,
    WIDE_PX,
    Box,
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
    text_px,
    thinned,
)
from monitoring.charts.pins import Pin, lettered, pinned
from monitoring.charts.scale import Scale, Tick, domain, known, ticks

EVENTS_PX, REVISIONS_PX, PANEL_PX, DATES_PX = 44, 28, 88, 22
ALONE_PX = 160
_PAD_TOP_PX, _PAD_BOTTOM_PX = 14, 10
_MOST_HITS = 120
_MOST_DOTS = 40  # of a panel alone; with more points only the last one is marked
_BAD = ("drift", "worse", "error")
_DATE_STEPS_DAYS = (1, 2, 7, 14, 28, 56, 91, 182, 364, 728)
_MOST_DATES = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """The time axis: where a moment lies as a share of the width."""

    start: datetime
    end: datetime
    step: timedelta

    def share(self, at: datetime) -> float:
        return min(max((at - self.start) / (self.end - self.start), 0.0), 1.0)

    def holds(self, at: datetime) -> bool:
        return self.start <= at <= self.end


@dataclass(frozen=True, slots=True)
class PanelLabel:
    """The column beside a panel: what it shows and its newest value."""

    title: str
    value: str
    verdict: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One serving revision."""

    box: Box
    text: Text | None


@dataclass(frozen=True, slots=True)
class DrawnTimeline:
    height: int
    name: str
    alone: bool
    plot_top: int
    plot_bottom: int
    labels: tuple[PanelLabel, ...]
    axis: tuple[Text, ...]
    grid: tuple[Rule, ...]
    zones: tuple[Box, ...]
    curves: tuple[Curve, ...]
    limits: tuple[Rule, ...]
    dots: tuple[Dot, ...]
    pins: tuple[Pin, ...]
    spans: tuple[Span, ...]
    texts: tuple[Text, ...]
    hits: tuple[Box, ...]
    events: tuple[Event, ...]
    has_events: bool
    has_revisions: bool


@dataclass(frozen=True, slots=True)
class _Strip:
    """A panel with its place and its scale."""

    panel: Panel
    top: int
    height: int
    scale: Scale
    marks: tuple[Tick, ...]

    @property
    def is_empty(self) -> bool:
        return not any(judged(series) for series in self.panel.series)


def draw_timeline(timeline: Timeline) -> DrawnTimeline:
    """Every panel over the same days, with the events and revisions that fall into them."""
    frame = Frame(timeline.start, _after(timeline.start, timeline.end, timeline.step), timeline.step)
    top = (EVENTS_PX if timeline.events else 0) + (REVISIONS_PX if timeline.revisions else 0)
    strips = [
        _strip(panel, top + index * PANEL_PX, PANEL_PX) for index, panel in enumerate(timeline.panels)
    ]
    return _drawn(timeline, frame, strips, alone=False)


def draw_panel(panel: Panel) -> DrawnTimeline:
    """One panel alone, over the time of its own points."""
    moments = sorted({point.at for series in panel.series for point in series.points})
    step = min((later - one for one, later in zip(moments, moments[1:], strict=False)), default=timedelta(days=1))
    if not moments:
        moments = [datetime(1970, 1, 1, tzinfo=UTC)]
    start, end = moments[0], moments[-1]
    if start == end:
        start, end = start - step, end + step
    timeline = Timeline(start, end, step, (panel,))
    return _drawn(timeline, Frame(start, end, step), [_strip(panel, 0, ALONE_PX)], alone=True)


def values_table(chart: Timeline | Panel) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """The twin of a chart: columns (label, numeric) and a row per moment, newest first, for `{% table %}`."""
    panels = chart.panels if isinstance(chart, Timeline) else (chart,)
    named = [(panel, series) for panel in panels for series in panel.series]
    columns = [("Window end, UTC", False), *((_series_title(panel, series), True) for panel, series in named)]
    found = [{point.at: point for point in series.points} for _, series in named]
    moments = sorted({at for points in found for at in points}, reverse=True)
    rows = [
        [
            wording.moment(at),
            *(_words(points.get(at), panel.unit) for (panel, _), points in zip(named, found, strict=True)),
        ]
        for at in moments
    ]
    return columns, rows


def _drawn(timeline: Timeline, frame: Frame, strips: list[_Strip], *, alone: bool) -> DrawnTimeline:
    top = strips[0].top if strips else 0
    bottom = strips[-1].top + strips[-1].height if strips else top
    events = tuple(event for event in lettered(timeline.events) if frame.holds(event.at))
    dates = _dates(frame, bottom + 16)
    return DrawnTimeline(
        height=bottom + DATES_PX,
        name=plain(_name(timeline, frame, alone=alone), 600),
        alone=alone,
        plot_top=top,
        plot_bottom=bottom,
        labels=tuple(_panel_label(strip.panel) for strip in strips),
        axis=tuple(_tick_text(strip, mark) for strip in strips for mark in strip.marks),
        grid=tuple(Rule(px(strip.scale.y(mark.value)), "g") for strip in strips for mark in strip.marks),
        zones=_zones(timeline, frame, strips),
        curves=tuple(curve for strip in strips for curve in _curves(strip, frame)),
        limits=tuple(_limit_rule(strip, limit.value, limit.tone) for strip in strips for limit in strip.panel.limits),
        dots=tuple(dot for strip in strips for dot in _dots(strip, frame, alone=alone)),
        pins=pinned([(frame.share(event.at), event) for event in events]),
        spans=_spans(timeline, frame, top - REVISIONS_PX + 4),
        texts=(*dates, *(text for strip in strips for text in _strip_texts(strip, timeline, frame, alone=alone))),
        hits=_hits(timeline, frame, top, bottom),
        events=events,
        has_events=bool(timeline.events),
        has_revisions=bool(timeline.revisions),
    )


def _strip(panel: Panel, top: int, height: int) -> _Strip:
    points = [point for series in panel.series for point in series.points]
    bounds = [bound for point in points for bound in (point.value, point.low, point.high)]
    values = [*bounds, *(limit.value for limit in panel.limits), *(panel.domain or ())]
    low, high = domain(values, unit=panel.unit, starts_at_zero=panel.starts_at_zero)
    (low, high), marks = ticks(low, high, panel.unit)
    inner = height - _PAD_TOP_PX - _PAD_BOTTOM_PX
    is_empty = not known(values)
    return _Strip(panel, top, height, Scale(low, high, top + _PAD_TOP_PX, inner), () if is_empty else marks)


def _tick_text(strip: _Strip, mark: Tick) -> Text:
    return Text(0, strip.scale.y(mark.value) + 4, mark.label, anchor="end")


def _limit_rule(strip: _Strip, value: float, tone: str) -> Rule:
    return Rule(px(strip.scale.y(value)), "limit w" if tone == "warn" else "limit")


def _curves(strip: _Strip, frame: Frame) -> Iterable[Curve]:
    for series in sorted(strip.panel.series, key=lambda series: series.role, reverse=True):  # current on top
        inside = [point for point in series.points if frame.holds(point.at)]
        if series.role == "current":
            yield from (Curve("b", area(upper, lower)) for upper, lower in _bands(inside, strip.scale, frame))
        css = "l" if series.role == "current" else "l2"
        yield from (Curve(css, line(run)) for run in _stretches(inside, strip.scale, frame) if len(run) > 1)


def _stretches(points: Sequence[Point], scale: Scale, frame: Frame) -> list[Run]:
    places = [(frame.share(point.at), _height(point.value, scale)) for point in points]
    return runs(thinned(places))


def _bands(points: Sequence[Point], scale: Scale, frame: Frame) -> Iterable[tuple[Run, Run]]:
    """The interval around each unbroken stretch; past the number of pixel columns every nth one is drawn."""
    every = len(points) // 400 + 1
    shown = points[::every]
    lows = [(frame.share(point.at), _height(point.low, scale) if _has_band(point) else None) for point in shown]
    highs = [(frame.share(point.at), _height(point.high, scale) if _has_band(point) else None) for point in shown]
    for upper, lower in zip(runs(highs), runs(lows), strict=True):
        if len(upper) > 1:
            yield upper, lower


def _has_band(point: Point) -> bool:
    return len(known([point.value, point.low, point.high])) == 3


def _height(value: float | None, scale: Scale) -> float | None:
    return scale.y(value) if value is not None and known([value]) else None


def _dots(strip: _Strip, frame: Frame, *, alone: bool) -> Iterable[Dot]:
    for series in strip.panel.series:
        inside = [point for point in series.points if frame.holds(point.at)]
        two = "two" if series.role == "second" else ""
        for run in _stretches(inside, strip.scale, frame):
            if len(run) == 1:
                yield Dot(pct(run[0][0]), px(run[0][1]), two)
        marked = [point for point in inside if known([point.value])]
        every = alone and len(marked) <= _MOST_DOTS
        for point in marked if every else marked[-1:]:
            css = "bad" if point.verdict in _BAD else two
            yield Dot(pct(frame.share(point.at)), px(strip.scale.y(point.value or 0.0)), css)


def _zones(timeline: Timeline, frame: Frame, strips: Sequence[_Strip]) -> tuple[Box, ...]:
    since = timeline.immature_from
    if since is None or not since < frame.end:
        return ()
    start = frame.share(since)
    title = f"from {wording.moment(since)}: labels still arriving" + (
        f", {timeline.immature_note}" if timeline.immature_note else ""
    )
    return tuple(
        Box(pct(start), pct(1 - start), px(strip.top), px(strip.height), title)
        for strip in strips
        if strip.panel.needs_labels
    )


def _spans(timeline: Timeline, frame: Frame, y: int) -> tuple[Span, ...]:
    inside = [
        revision
        for revision in sorted(timeline.revisions, key=lambda revision: revision.start)
        if revision.start < frame.end and (revision.end is None or revision.end > frame.start)
    ]
    return tuple(_span(revision, frame, y) for revision in inside)


def _span(revision: Revision, frame: Frame, y: int) -> Span:
    left, right = frame.share(revision.start), frame.share(revision.end or frame.end)
    until = "now" if revision.end is None else wording.day(revision.end.date())
    words = " · ".join(filter(None, [f"rev {revision.number}", plain(revision.label)]))
    title = f"serving {words}, {wording.day(revision.start.date())} to {until}"
    css = "rev on" if revision.end is None else "rev"
    box = Box(pct(left), pct(right - left), px(y), "19", title, css)
    return Span(box, _span_text(words, str(revision.number), left, right, y))


def _span_text(words: str, number: str, left: float, right: float, y: int) -> Text | None:
    """The longest wording that fits its revision: on a phone, else on a wide plot, else none."""
    for width, css in ((NARROW_PX, "in2"), (WIDE_PX, "in2 minor")):
        for text in (words, number):
            if text_px(text) + 6 <= (right - left) * width:
                return Text((left + right) / 2, y + 13.5, text, css, "middle")
    return None


def _strip_texts(strip: _Strip, timeline: Timeline, frame: Frame, *, alone: bool) -> tuple[Text, ...]:
    if strip.is_empty:
        middle = strip.top + strip.height / 2 + 4
        return (Text(0.5, middle, "no data", anchor="middle"),)
    texts = [_limit_text(strip, limit.value, limit.word, limit.tone) for limit in strip.panel.limits]
    if alone and len(strip.panel.series) == 2:
        texts += _end_texts(strip)
    if timeline.immature_from and timeline.immature_note and strip.panel.needs_labels:
        share = frame.share(timeline.immature_from)
        note = Text(share, strip.top + strip.height - 6, timeline.immature_note, "minor", "end", -4)
        texts.append(note)
    return settled(texts)


def _limit_text(strip: _Strip, value: float, word: str, tone: str) -> Text:
    y = strip.scale.y(value)
    above = y - 5 - 11 >= strip.top
    text = f"{plain(word, 24)} {wording.quantity(value, strip.panel.unit)}"
    return Text(0, y - 5 if above else y + 12, text, "limw" if tone == "warn" else "lim", dx_px=4)


def _end_texts(strip: _Strip) -> list[Text]:
    """The names of two series at their ends, moved apart to at least 13 px."""
    texts: list[Text] = []
    for y, series in _ends(strip):
        base = max(y - 8, strip.top + 11, texts[-1].y_px + 13 if texts else 0)
        css = "two" if series.role == "second" else "acc"
        texts.append(Text(1, base, plain(series.name, 24), css, "end", -8))
    return texts


def _ends(strip: _Strip) -> list[tuple[float, Series]]:
    found = []
    for series in strip.panel.series:
        points = judged(series)
        if points and series.name:
            found.append((strip.scale.y(points[-1].value or 0.0), series))
    return sorted(found, key=lambda pair: pair[0])


def _dates(frame: Frame, y: int) -> tuple[Text, ...]:
    """Days in even steps that end at the last one; every second of them only where there is room."""
    whole_days = max((frame.end - frame.start).days, 1)
    step = next((step for step in _DATE_STEPS_DAYS if whole_days / step <= _MOST_DATES), whole_days // _MOST_DATES)
    last = frame.end.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [last - timedelta(days=step * index) for index in range(whole_days // step + 1)]
    inside = [at for at in days if frame.holds(at)]
    texts = [Text(frame.share(at), y, _date_label(at, whole_days), "t", "middle") for at in inside]
    return settled([*texts[::2], *texts[1::2]])


def _date_label(at: datetime, whole_days: int) -> str:
    return f"{at:%b %Y}" if whole_days > 400 else wording.day(at.date())


def _hits(timeline: Timeline, frame: Frame, top: int, bottom: int) -> tuple[Box, ...]:
    """An invisible column per step with the numbers of every panel; of very many steps, of the last one in each."""
    columns = min(max(round((frame.end - frame.start) / frame.step), 1), _MOST_HITS)
    found: dict[int, dict[datetime, list[str]]] = {}
    for panel in timeline.panels:
        for series in panel.series:
            for point in series.points:
                if frame.holds(point.at):
                    column = min(int(frame.share(point.at) * columns + 0.5), columns)
                    found.setdefault(column, {}).setdefault(point.at, []).append(_fact(panel, series, point))
    return tuple(_hit(column, columns, moments, frame, top, bottom) for column, moments in sorted(found.items()))


def _hit(
    column: int, columns: int, moments: dict[datetime, list[str]], frame: Frame, top: int, bottom: int
) -> Box:
    left, right = max((column - 0.5) / columns, 0.0), min((column + 0.5) / columns, 1.0)
    at = max(moments)
    in_utc = at.astimezone(UTC)
    exact = frame.step < timedelta(days=1) or (in_utc.hour, in_utc.minute) != (0, 0)
    head = f"{in_utc:%a} {wording.moment(at) if exact else wording.day(in_utc.date())}"
    return Box(pct(left), pct(right - left), px(top), px(bottom - top), "\n".join([head, *moments[at]]))


def _fact(panel: Panel, series: Series, point: Point) -> str:
    return f"{plain(_series_title(panel, series))} {_words(point, panel.unit)}"


def _series_title(panel: Panel, series: Series) -> str:
    return series.name or panel.title


def _words(point: Point | None, unit: str) -> str:
    if point is None or not known([point.value]):
        return "no data"
    return wording.estimate(point.value, point.low, point.high, point.n, unit)


def _panel_label(panel: Panel) -> PanelLabel:
    series = panel.series[0] if panel.series else None
    points = judged(series) if series else ()
    if not points:
        return PanelLabel(plain(panel.title, 40), "no data", "no_data", ())
    last = points[-1]
    facts = [_sureness(last, panel.unit), *(_second_fact(second, panel.unit) for second in panel.series[1:])]
    if not panel.starts_at_zero:
        facts.append("axis does not start at 0")
    shown = tuple(fact for fact in facts if fact)
    return PanelLabel(plain(panel.title, 40), wording.quantity(last.value, panel.unit), last.verdict, shown)


def _sureness(point: Point, unit: str) -> str:
    facts = []
    if known([point.low]) and known([point.high]):
        facts.append(wording.interval(point.low, point.high, unit, like=point.value))
    if point.n is not None:
        facts.append(f"n = {wording.about(point.n)}")
    return ", ".join(facts)


def _second_fact(series: Series, unit: str) -> str:
    points = judged(series)
    return f"dashed: {plain(series.name, 24)} {wording.quantity(points[-1].value, unit) if points else 'no data'}"


def _name(timeline: Timeline, frame: Frame, *, alone: bool) -> str:
    findings = "; ".join(panel_finding(panel) for panel in timeline.panels) or "No panels"
    if alone:
        return findings
    return f"{wording.days(frame.start.date(), frame.end.date())}: {findings}"


def _after(start: datetime, end: datetime, step: timedelta) -> datetime:
    return end if end > start else start + step
