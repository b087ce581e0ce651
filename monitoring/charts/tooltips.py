"""The numbers of a timeline in words: tooltips per step and the table of values."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from mlops_portal.kit import wording
from monitoring.charts.data import Panel, Point, Series, Timeline
from monitoring.charts.frame import Frame
from monitoring.charts.marks import Box, pct, plain, px
from monitoring.charts.scale import is_known

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
    named = [(panel, series) for panel in timeline.panels for series in panel.series]
    titles = [plain(_series_title(panel, series)) for panel, series in named]
    found = [{point.at: point for point in frame.inside(series.points)} for _, series in named]
    columns = min(max(round((frame.end - frame.start) / frame.step), 1), _MOST_HITS)
    newest: dict[int, datetime] = {}
    for at in sorted({at for points in found for at in points}):
        newest[min(int(frame.share(at) * columns + 0.5), columns)] = at
    return tuple(
        Box(
            *_sides(column, columns),
            px(top),
            px(bottom - top),
            "\n".join([_head(at), *_facts(titles, named, [points.get(at) for points in found])]),
        )
        for column, at in newest.items()
    )


def _sides(column: int, columns: int) -> tuple[str, str]:
    left, right = max((column - 0.5) / columns, 0.0), min((column + 0.5) / columns, 1.0)
    return pct(left), pct(right - left)


def _head(at: datetime) -> str:
    return f"to {at.astimezone(UTC):%a} {wording.moment(at)}"


def _facts(
    titles: Sequence[str], named: Sequence[tuple[Panel, Series]], points: Sequence[Point | None]
) -> Iterable[str]:
    for title, (panel, _), point in zip(titles, named, points, strict=True):
        if point is not None:
            yield f"{title} {_words(point, panel.unit)}"


def _series_title(panel: Panel, series: Series) -> str:
    return series.name or panel.title


def _words(point: Point | None, unit: str) -> str:
    if point is None or not is_known(point.value):
        return "no data"
    return wording.estimate(point.value, point.low, point.high, point.n, unit)
