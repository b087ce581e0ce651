"""Panels, changes and serving revisions over one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from mlops_portal.kit import wording
from monitoring.charts.data import Event, Panel, Point, Revision, Series, Timeline
from monitoring.charts.findings import judged, panel_finding
from monitoring.charts.frame import Frame, dates
from monitoring.charts.marks import NARROW_PX, WIDE_PX, Box, Curve, Dot, Rule, Text, pct, plain, px, text_px
from monitoring.charts.pins import Pin, lettered, pinned
from monitoring.charts.scale import is_known
from monitoring.charts.strips import Strip, curves, dots, limit_rule, strip, strip_texts, tick_text
from monitoring.charts.tooltips import hits

EVENTS_PX, REVISIONS_PX, PANEL_PX, DATES_PX = 44, 28, 88, 22
ALONE_PX = 160


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
    texts: tuple[Text, ...]


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


def draw_timeline(timeline: Timeline) -> DrawnTimeline:
    """Every panel over the same days, with the events and revisions that fall into them."""
    frame = Frame(timeline.start, _after(timeline.start, timeline.end, timeline.step), timeline.step)
    top = (EVENTS_PX if timeline.events else 0) + (REVISIONS_PX if timeline.revisions else 0)
    strips = [strip(panel, top + index * PANEL_PX, PANEL_PX) for index, panel in enumerate(timeline.panels)]
    return _drawn(timeline, frame, strips, alone=False)


def draw_panel(panel: Panel) -> DrawnTimeline:
    """One panel alone, over the time of its own points."""
    moments = sorted({point.at for series in panel.series for point in series.points})
    step = min((later - one for one, later in pairwise(moments)), default=timedelta(days=1))
    if not moments:
        moments = [datetime(1970, 1, 1, tzinfo=UTC)]
    start, end = moments[0], moments[-1]
    if start == end:
        start, end = start - step, end + step
    timeline = Timeline(start, end, step, (panel,))
    return _drawn(timeline, Frame(start, end, step), [strip(panel, 0, ALONE_PX)], alone=True)


def _drawn(timeline: Timeline, frame: Frame, strips: list[Strip], *, alone: bool) -> DrawnTimeline:
    top = strips[0].top if strips else 0
    bottom = strips[-1].top + strips[-1].height if strips else top
    events = tuple(event for event in lettered(timeline.events) if frame.holds(event.at))
    return DrawnTimeline(
        height=bottom + DATES_PX,
        name=plain(_name(timeline, frame, alone=alone), 600),
        alone=alone,
        plot_top=top,
        plot_bottom=bottom,
        labels=tuple(_panel_label(strip.panel) for strip in strips),
        axis=tuple(tick_text(strip, mark) for strip in strips for mark in strip.marks),
        grid=tuple(Rule(px(strip.scale.y(mark.value)), "g") for strip in strips for mark in strip.marks),
        zones=_zones(timeline, frame, strips),
        curves=tuple(curve for strip in strips for curve in curves(strip, frame)),
        limits=tuple(limit_rule(strip, limit.value, limit.tone) for strip in strips for limit in strip.panel.limits),
        dots=tuple(dot for strip in strips for dot in dots(strip, frame, alone=alone)),
        pins=pinned([(frame.share(event.at), event) for event in events]),
        spans=_spans(timeline, frame, top - REVISIONS_PX + 4),
        texts=(
            *dates(frame, bottom + 16),
            *(text for strip in strips for text in strip_texts(strip, timeline, frame, alone=alone)),
        ),
        hits=hits(timeline, frame, top, bottom),
        events=tuple(_listed(event) for event in events),
        has_events=bool(timeline.events),
        has_revisions=bool(timeline.revisions),
    )


def _listed(event: Event) -> Event:
    return replace(event, source=plain(event.source), text=plain(event.text, 300))


def _zones(timeline: Timeline, frame: Frame, strips: Sequence[Strip]) -> tuple[Box, ...]:
    since = timeline.immature_from
    if since is None or not since < frame.end:
        return ()
    start = frame.share(since)
    words = [f"from {wording.moment(since)}: labels still arriving", plain(timeline.immature_note)]
    title = ", ".join(filter(None, words))
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
    return Span(box, _span_texts(revision.number, plain(revision.label, 40), left, right, y + 13.5))


def _span_texts(number: int, label: str, left: float, right: float, y: float) -> tuple[Text, ...]:
    """The longest wording that fits on a wide plot, and the longest on a phone where that is another one."""
    words = (f"rev {number} · {label}", f"rev {number}", str(number)) if label else (f"rev {number}", str(number))
    wide, compact = (
        next((word for word in words if text_px(word) + 6 <= (right - left) * width), "")
        for width in (WIDE_PX, NARROW_PX)
    )
    chosen = [(wide, "in2")] if wide == compact else [(wide, "in2 minor"), (compact, "in2 compact")]
    return tuple(Text((left + right) / 2, y, word, css, "middle") for word, css in chosen if word)


def _panel_label(panel: Panel) -> PanelLabel:
    series = panel.series[0] if panel.series else None
    points = judged(series) if series else ()
    if not points:
        return PanelLabel(plain(panel.title, 40), "no data", "no_data", ())
    last = points[-1]
    facts = [_sureness(last, panel.unit), *(_second_fact(second, panel.unit) for second in panel.series[1:])]
    shown = tuple(fact for fact in facts if fact)
    return PanelLabel(plain(panel.title, 40), wording.quantity(last.value, panel.unit), last.verdict, shown)


def _sureness(point: Point, unit: str) -> str:
    facts = []
    if is_known(point.low) and is_known(point.high):
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
