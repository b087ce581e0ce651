"""The numbers of a timeline in words: tooltips per step and the table of values."""

from datetime import UTC, datetime, timedelta

from mlops_portal.kit import wording
from monitoring.charts.data import Panel, Point, Series, Timeline
from monitoring.charts.frame import Frame
from monitoring.charts.marks import Box, pct, plain, px
from monitoring.charts.scale import known

_MOST_HITS = 120


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


def hits(timeline: Timeline, frame: Frame, top: int, bottom: int) -> tuple[Box, ...]:
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


def _hit(column: int, columns: int, moments: dict[datetime, list[str]], frame: Frame, top: int, bottom: int) -> Box:
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
