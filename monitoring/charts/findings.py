"""What a chart shows, as a sentence: the accessible name of a chart, and usable in alerts."""

from collections.abc import Sequence

from mlops_portal.kit import wording
from monitoring.charts.data import Histogram, Limit, Panel, Point, Series
from monitoring.charts.scale import is_known

_STEADY = 0.02  # a change under 2 % of the larger value is not called a change


def panel_finding(panel: Panel) -> str:
    """From where to where the first series went, against its limit and since when: "Recall fell from 86 % to 71 %"."""
    points = judged(panel.series[0]) if panel.series else ()
    if not points:
        return f"{panel.title}: no data"
    first, last = points[0], points[-1]
    sentence = f"{panel.title} {_course(first, last, panel.unit)}"
    for limit in sorted(panel.limits, key=lambda limit: limit.tone):
        sentence += f", {limit.word} {wording.quantity(limit.value, panel.unit)}"
        if limit.tone == "bad" and (breach := onset(points, limit)):
            sentence += f", crossed on {wording.day(breach.at.date())}"
            break
    return sentence


def judged(series: Series) -> tuple[Point, ...]:
    """The points that hold a value."""
    return tuple(point for point in series.points if is_known(point.value))


def onset(points: Sequence[Point], limit: Limit) -> Point | None:
    """The first point of the breach that still lasts, or None while the last point keeps the limit."""
    breach = None
    for point in reversed(points):
        if point.value is None or not (point.value < limit.value if limit.below else point.value > limit.value):
            break
        breach = point
    return breach


def histogram_finding(histogram: Histogram) -> str:
    """The bin that gained or lost most; what the page says about it comes first."""
    said = [histogram.note] if histogram.note else []
    if histogram.reference and histogram.current:
        label, before, now = max(
            zip(histogram.labels, histogram.reference, histogram.current, strict=True),
            key=lambda row: abs(row[2] - row[1]),
        )
        if now != before:
            said.append(
                f"{label} {'rose' if now > before else 'fell'} from {wording.percent(before)} to {wording.percent(now)}"
            )
    return ". ".join(said) or ("No data" if not histogram.current else "Shares per bin")


def _course(first: Point, last: Point, unit: str) -> str:
    start, end = first.value or 0.0, last.value or 0.0
    if abs(end - start) <= _STEADY * max(abs(start), abs(end)):
        return f"stays at {wording.quantity(end, unit)}"
    way = "rose" if end > start else "fell"
    return f"{way} from {wording.quantity(start, unit)} to {wording.quantity(end, unit)}"
