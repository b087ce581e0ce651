"""Reference against current, bin by bin."""

from dataclasses import dataclass

from mlops_portal.kit import wording
from monitoring.charts.data import Histogram
from monitoring.charts.findings import histogram_finding
from monitoring.charts.marks import Box, Curve, Rule, Text, line, pct, plain, px, settled
from monitoring.charts.scale import Scale, ticks

HEIGHT_PX = 112
_TOP_PX, _INNER_PX = 14, 78
_LABEL_LENGTH = 14
_MOST_TICKS = 3


@dataclass(frozen=True, slots=True)
class DrawnHistogram:
    height: int
    name: str
    axis: tuple[Text, ...]
    grid: tuple[Rule, ...]
    bars: tuple[Box, ...]
    hits: tuple[Box, ...]
    curves: tuple[Curve, ...]
    texts: tuple[Text, ...]


def draw_histogram(histogram: Histogram) -> DrawnHistogram:
    """Bars for the reference, a stepped line for the current window, a tooltip over each bin."""
    shares = [*histogram.reference, *histogram.current]
    if not any(share > 0 for share in shares):
        nothing = Text(0.5, HEIGHT_PX / 2 + 4, "no data", anchor="middle")
        return DrawnHistogram(HEIGHT_PX, plain(histogram_finding(histogram), 400), (), (), (), (), (), (nothing,))
    (low, high), marks = ticks(0.0, max(shares), "%", _MOST_TICKS)
    scale = Scale(low, high, _TOP_PX, _INNER_PX)
    return DrawnHistogram(
        height=HEIGHT_PX,
        name=plain(histogram_finding(histogram), 400),
        axis=tuple(Text(0, scale.y(mark.value) + 4, mark.label, anchor="end") for mark in marks),
        grid=tuple(Rule(px(scale.y(mark.value)), "g") for mark in marks),
        bars=_bars(histogram, scale),
        hits=_hits(histogram),
        curves=_steps(histogram.current, scale),
        texts=_labels(histogram.labels),
    )


def _bars(histogram: Histogram, scale: Scale) -> tuple[Box, ...]:
    width = 1 / len(histogram.labels)
    gap = width * 0.06
    floor = scale.y(0)
    return tuple(
        Box(pct(index * width + gap), pct(width - 2 * gap), px(scale.y(share)), px(floor - scale.y(share)))
        for index, share in enumerate(histogram.reference)
        if share > 0
    )


def _hits(histogram: Histogram) -> tuple[Box, ...]:
    width = 1 / len(histogram.labels)
    return tuple(
        Box(pct(index * width), pct(width), px(_TOP_PX), px(_INNER_PX), _tooltip(histogram, index))
        for index in range(len(histogram.labels))
    )


def _tooltip(histogram: Histogram, index: int) -> str:
    sides = (("reference", histogram.reference), ("current", histogram.current))
    facts = [f"{word} {wording.percent(shares[index])}" for word, shares in sides if shares]
    return f"{plain(histogram.labels[index], 200)}: {', '.join(facts)}"


def _steps(shares: tuple[float, ...], scale: Scale) -> tuple[Curve, ...]:
    if not shares:
        return ()
    floor, width = scale.y(0), 1 / len(shares)
    corners = [(0.0, floor)]
    for index, share in enumerate(shares):
        corners += [(index * width, scale.y(share)), ((index + 1) * width, scale.y(share))]
    return (Curve("cur", line([*corners, (1.0, floor)])),)


def _labels(labels: tuple[str, ...]) -> tuple[Text, ...]:
    """As many labels as fit in even steps, so that what is left out can be counted from its neighbours."""
    places = [
        Text((index + 0.5) / len(labels), HEIGHT_PX - 5, plain(label, _LABEL_LENGTH), anchor="middle")
        for index, label in enumerate(labels)
    ]
    for stride in range(1, len(places) + 1):
        shown = places[::stride]
        fitting = settled(shown)
        if fitting == tuple(shown):
            return fitting
    return ()
