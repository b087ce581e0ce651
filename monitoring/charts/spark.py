"""The line of a table cell."""

from dataclasses import dataclass

from monitoring.charts.data import Spark
from monitoring.charts.marks import Curve, Dot, Rule, Text, line, pct, plain, px, runs, thinned
from monitoring.charts.scale import Scale, is_known, known, widened

HEIGHT_PX = 28
LEAST_RELATIVE_SPAN = 0.12  # of the mean: noise does not look like a trend
_PAD_PX = 4
_MOST_POINTS = 104  # its width in pixels


@dataclass(frozen=True, slots=True)
class DrawnSpark:
    height: int
    name: str
    curves: tuple[Curve, ...]
    dots: tuple[Dot, ...]
    limit: Rule | None
    texts: tuple[Text, ...]


def draw_spark(spark: Spark) -> DrawnSpark:
    """Line, limit and last dot; without any value the words "no data" at the same height."""
    values = known(spark.values)
    if not values:
        nothing = Text(0, HEIGHT_PX / 2 + 4, "no data")
        return DrawnSpark(HEIGHT_PX, plain(spark.label or "No data", 200), (), (), None, (nothing,))
    scale = _scale(values, known([spark.limit]))
    places = [
        (index / max(len(spark.values) - 1, 1), scale.y(value) if is_known(value) else None)
        for index, value in enumerate(spark.values)
    ]
    stretches = runs(thinned(places, _MOST_POINTS))
    return DrawnSpark(
        height=HEIGHT_PX,
        name=plain(spark.label or "Values over time", 200),
        curves=tuple(Curve("l", line(stretch)) for stretch in stretches if len(stretch) > 1),
        dots=_dots(stretches, ends_known=places[-1][1] is not None, verdict=spark.verdict),
        limit=Rule(px(scale.y(spark.limit)), "limit") if is_known(spark.limit) else None,
        texts=(),
    )


def _scale(values: list[float], limits: list[float]) -> Scale:
    low, high = min(values + limits), max(values + limits)
    low, high = widened(low, high, LEAST_RELATIVE_SPAN)
    if low == high:
        low, high = low - 1, high + 1
    return Scale(low, high, _PAD_PX, HEIGHT_PX - 2 * _PAD_PX)


def _dots(stretches: list[list[tuple[float, float]]], *, ends_known: bool, verdict: str) -> tuple[Dot, ...]:
    dots = [Dot(pct(stretch[0][0]), px(stretch[0][1]), "alone") for stretch in stretches if len(stretch) == 1]
    if ends_known:
        x, y = stretches[-1][-1]
        dots.append(Dot(pct(x), px(y), "bad" if verdict in ("drift", "worse", "error") else ""))
    return tuple(dots)
