"""Charts stay readable and valid whatever the data: shapes, texts, names, tooltips."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from xml.etree import ElementTree

import pytest
from django.template import engines

from monitoring.charts import (
    Bullet,
    Chart,
    Event,
    Histogram,
    Limit,
    Panel,
    Point,
    Revision,
    Series,
    Spark,
    Timeline,
    Whisker,
    drawn,
    panel_finding,
    values_table,
)
from monitoring.charts.scale import domain, ticks

START = datetime(2026, 9, 21, tzinfo=UTC)
DAY = timedelta(days=1)
HOSTILE = '"><svg onload=alert(1)>\x00\x0b \u05d0\u05d1 \U0001f6b2' + "x" * 256

VALUES: dict[str, Sequence[float | None]] = {
    "no points": [],
    "one point": [0.4],
    "two points": [0.4, 0.6],
    "sixty points": [0.5 + 0.3 * math.sin(index) for index in range(60)],
    "five thousand points": [0.5 + 0.3 * math.sin(index / 50) for index in range(5000)],
    "nothing but gaps": [None] * 60,
    "gaps": [None if index % 7 == 3 else index / 60 for index in range(60)],
    "constant": [0.42] * 60,
    "zero": [0.0] * 60,
    "negative": [-index / 10 for index in range(60)],
    "around zero": [math.sin(index) for index in range(60)],
    "tiny": [1e-9 * (1 + math.sin(index) / 2) for index in range(60)],
    "huge": [1e12 * (1 + math.sin(index) / 2) for index in range(60)],
    "huge and steady": [1e12 + index for index in range(60)],
    "not finite": [math.nan, math.inf, -math.inf, 0.5],
}
each_shape = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)


def series(values: Iterable[float | None], *, half: float = 0.0, role: str = "current", name: str = "") -> Series:
    points = []
    for index, value in enumerate(values, start=1):
        bounds = (None, None) if value is None else (value - half, value + half)
        points.append(Point(START + index * DAY, value, *bounds, n=100 + index, verdict="ok"))
    return Series(tuple(points), role, name)  # type: ignore[arg-type]


def timeline(values: Sequence[float | None], **changes: object) -> Timeline:
    panels = (
        Panel("Drift", "", (series(values), series(values, role="second", name="scores")), LIMITS),
        Panel("Recall", "%", (series(values, half=0.05),), FLOOR, starts_at_zero=False, needs_labels=True),
    )
    chart = Timeline(
        START, START + max(len(values), 1) * DAY, DAY, panels, events=EVENTS, revisions=REVISIONS,
        immature_from=START + max(len(values) - 3, 0) * DAY, immature_note="labels 64 % in",
    )  # fmt: skip
    return replace(chart, **changes)  # type: ignore[arg-type]


LIMITS = (Limit(0.1, "warning", "warn"), Limit(0.25, "drift at"))
FLOOR = (Limit(0.8, "floor", below=True),)
EVENTS = (Event(START + 2 * DAY, "etl", "schema change"), Event(START + 3 * DAY, "policy", "waiver"))
REVISIONS = (Revision(START - 9 * DAY, START + 5 * DAY, 27, "v8"), Revision(START + 5 * DAY, None, 28, "v9"))


def rendered(chart: Chart) -> str:
    return engines["django"].from_string("{% chart chart %}").render({"chart": chart})


def parsed(chart: Chart) -> ElementTree.Element:
    """The chart as XML, which fails where it is not well formed."""
    return ElementTree.fromstring(f"<root>{rendered(chart)}</root>")  # noqa: S314 (our own output)


@dataclass(frozen=True)
class TextBox:
    text: str
    left: float
    right: float
    top: float
    bottom: float

    def overlaps(self, other: "TextBox") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def text_boxes(root: ElementTree.Element, width: int) -> list[TextBox]:
    """Where the texts of the plots stand at this width, as estimated from their length."""
    hidden = "compact" if width >= 640 else "minor"
    plots = [svg for svg in root.iter("svg") if svg.get("role") == "img"]
    texts = [text for plot in plots for text in plot.iter("text")]
    return [text_box(text, width) for text in texts if hidden not in (text.get("class") or "").split()]


def text_box(element: ElementTree.Element, width: int) -> TextBox:
    x = element.get("x") or "0"
    share = float(x.removesuffix("%")) / 100 * width if x.endswith("%") else float(x)
    length = 5.6 * len(element.text or "")
    is_pin = "pin" in (element.get("class") or "").split()
    anchor = "middle" if is_pin else element.get("text-anchor", "start")
    left = share + float(element.get("dx") or 0) - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * length
    base = float(element.get("y") or 0)
    return TextBox(element.text or "", left, left + length, base - 9, base + 2)


def assert_readable(chart: Chart, height: int) -> None:
    html = rendered(chart)
    root = parsed(chart)
    assert not re.search(
        r"\b(nan|inf|None)\b", re.sub(r"<title>.*?</title>|aria-label=\"[^\"]*\"", "", html, flags=re.S)
    )
    assert "style=" not in html
    assert {svg.get("height") for svg in root.iter("svg") if svg.get("viewBox") != "0 0 12 12"} == {str(height)}
    assert all(svg.get("aria-label") for svg in root.iter("svg") if svg.get("role") == "img")
    for width in (280, 1200):
        clashes = [pair for pair in combinations(text_boxes(root, width), 2) if pair[0].overlaps(pair[1])]
        assert clashes == [], f"at {width} px"


@each_shape
def test_a_panel_is_readable_whatever_its_values(values):
    assert_readable(Panel("AUC", "", (series(values, half=0.05),), FLOOR), 182)
    assert_readable(Panel("AUC", "%", (series(values),), starts_at_zero=False), 182)


@each_shape
def test_a_timeline_is_readable_whatever_its_values(values):
    assert_readable(timeline(values), 44 + 28 + 2 * 88 + 22)


@each_shape
def test_a_spark_is_readable_whatever_its_values(values):
    assert_readable(Spark(tuple(values), 0.8, "Recall"), 28)


@pytest.mark.parametrize("bins", [0, 1, 2, 10, 60, 400])
@pytest.mark.parametrize("sides", ["both", "no reference", "no current", "all empty"])
def test_a_histogram_is_readable_whatever_its_bins(bins, sides):
    labels = tuple(f"{index * 1000}–{index * 1000 + 999}" for index in range(bins))
    shares = tuple((index % 5) / 10 for index in range(bins))
    reference = () if sides == "no reference" else (0.0,) * bins if sides == "all empty" else shares
    current = () if sides == "no current" else (0.0,) * bins if sides == "all empty" else shares[::-1]

    assert_readable(Histogram(labels, reference, current), 112)


@pytest.mark.parametrize("value", [None, math.nan, 0.0, 1e-9, 0.04, 0.24, 0.41, 3.7, 1e12, -1.0])
@pytest.mark.parametrize("gates", [(None, None, None), (0.0004, 0.1, 0.25), (0.24, 0.1, 0.25), (None, None, 1e-9)])
def test_a_bullet_is_readable_whatever_its_value_and_gates(value, gates):
    floor, warn, limit = gates

    assert_readable(Bullet(value, noise_floor=floor, warn=warn, limit=limit, name="PSI", verdict="drift"), 34)


@pytest.mark.parametrize("value", [None, math.nan, -5.0, 0.41, 0.7, 7.0])
def test_a_whisker_is_readable_whatever_its_value(value):
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)

    assert_readable(Whisker(value, low, high, 0.8, 0.4, 1.0, "ok", "Recall", "%"), 18)


@pytest.mark.parametrize("limit", [-1e6, -1.0, 0.0, 2.0, 1e6])
def test_a_limit_outside_the_data_is_still_drawn(limit):
    panel = Panel("MAE", "min", (series([0.4, 0.5, 0.6]),), (Limit(limit, "limit"),))

    assert_readable(panel, 182)
    rule = parsed(panel).find(".//line[@class='limit']")
    assert rule is not None
    assert 14 <= float(rule.get("y1") or -1) <= 150


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(minutes=20), timedelta(hours=9), DAY])
def test_forty_events_stand_in_two_rows_without_touching(apart):
    events = tuple(Event(START + 30 * DAY + index * apart, f"etl {index}", "changed") for index in range(40))
    chart = timeline([0.5] * 60, events=events)

    assert_readable(chart, 44 + 28 + 2 * 88 + 22)
    pins = drawn(chart).pins
    inside = [event for event in events if event.at <= chart.end]
    assert sum(int(pin.text[1:]) if pin.grouped else 1 for pin in pins) == len(inside)


def test_forty_events_of_one_day_are_one_letter_and_a_count():
    events = tuple(Event(START + 30 * DAY, "etl", f"change {index}") for index in range(40))

    pins = drawn(timeline([0.5] * 60, events=events)).pins

    assert [pin.text for pin in pins] == ["A", "+39"]


def test_events_are_lettered_in_time_order_and_listed():
    late, early = Event(START + 9 * DAY, "policy", "waiver"), Event(START + DAY, "etl", "4.2.0", url="/changes/1/")

    chart = timeline([0.5] * 60, events=(late, early))

    assert [(event.letter, event.source) for event in drawn(chart).events] == [("A", "etl"), ("B", "policy")]
    assert 'href="/changes/1/"' in rendered(chart)


def test_events_outside_the_time_shown_have_no_pin():
    chart = timeline([0.5] * 60, events=(Event(START - DAY, "etl", "before"),))

    assert drawn(chart).pins == ()


def test_a_missing_value_breaks_the_line():
    whole, broken = (drawn(Panel("x", "", (series(values),))) for values in ([1, 2, 3, 4], [1, 2, None, 4, 5]))

    assert len([curve for curve in whole.curves if curve.css == "l"]) == 1
    assert len([curve for curve in broken.curves if curve.css == "l"]) == 2


def test_a_missing_window_breaks_the_line_too():
    points = tuple(Point(START + day * DAY, 1.0 + day, day, 2.0 + day) for day in (1, 2, 3, 6, 7))

    curves = drawn(Panel("x", "", (Series(points),))).curves

    assert [curve.css for curve in curves] == ["b", "b", "l", "l"]


def test_a_value_between_two_gaps_is_a_dot():
    chart = Panel("x", "", (series([1, None, 2, None, 3, 3]),))

    assert len(parsed(chart).findall(".//circle")) >= 3


def test_no_points_say_so_at_the_same_height():
    empty, full = (Panel("Recall", "%", (series(values),)) for values in ([], [0.5] * 9))

    assert "no data" in rendered(empty)
    assert drawn(empty).height == drawn(full).height


def test_five_thousand_points_keep_their_extremes():
    values = [0.5] * 5000
    values[1234], values[4321] = 0.9, 0.1

    d = next(curve.d for curve in drawn(Panel("x", "", (series(values),))).curves if curve.css == "l")

    heights = [float(height) for height in re.findall(r",([\d.]+)", d)]
    assert len(heights) <= 800
    top, bottom = 14 + 136 * (1 - 0.9 / 0.954), 14 + 136 * (1 - 0.1 / 0.954)
    assert min(heights) == pytest.approx(top, abs=0.5)
    assert max(heights) == pytest.approx(bottom, abs=0.5)


def test_the_interval_of_five_thousand_points_keeps_its_extremes():
    values = [0.5] * 5000
    values[1234] = 0.9

    d = next(c.d for c in drawn(Panel("x", "", (series(values, half=0.1),))).curves if c.css == "b")

    assert min(float(height) for height in re.findall(r",([\d.]+)", d)) == pytest.approx(
        14 + 136 * 0.06 / 1.06, abs=0.5
    )


def test_a_flat_spark_spans_an_eighth_of_its_mean():
    noise = drawn(Spark((100.0, 101.0, 100.0), None, "steady"))

    heights = [float(height) for height in re.findall(r",([\d.]+)", noise.curves[0].d)]
    assert max(heights) - min(heights) < 28 * 0.1


def test_the_last_dot_of_a_spark_shows_a_bad_verdict():
    assert [dot.css for dot in drawn(Spark((1.0, 2.0), None, "x", "worse")).dots] == ["bad"]
    assert [dot.css for dot in drawn(Spark((1.0, 2.0), None, "x", "ok")).dots] == [""]


def test_the_newest_gap_of_a_spark_has_no_dot():
    assert drawn(Spark((1.0, 2.0, None), None, "x")).dots == ()


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0, 0.41, [0, 0.2, 0.4]),
        (0, 240, [0, 100, 200]),
        (0.6, 0.95, [0.6, 0.7, 0.8, 0.9]),
        (-3.2, 1.1, [-2, 0]),
        (5.1, 14.9, [5, 10, 15]),
        (0, 1e12, [0, 5e11, 1e12]),
    ],
)
def test_ticks_are_at_most_four_multiples_of_1_2_or_5(low, high, values):
    _, marks = ticks(low, high)

    assert [mark.value for mark in marks] == pytest.approx(values)


@pytest.mark.parametrize("high", [10**exponent * factor for exponent in range(-9, 13) for factor in (1, 1.7, 3.3, 9.9)])
def test_tick_labels_are_few_distinct_and_short(high):
    _, marks = ticks(0, high)

    labels = [mark.label for mark in marks]
    assert 2 <= len(labels) <= 4
    assert len(set(labels)) == len(labels)
    assert all(len(label) <= 7 for label in labels)


def test_per_cent_stands_on_the_ticks():
    assert [mark.label.replace("\u202f", " ") for mark in ticks(0.6, 0.95, "%")[1]] == ["60 %", "70 %", "80 %", "90 %"]


def test_counts_start_at_zero_and_ratios_need_not():
    assert domain([80.0, 90.0])[0] == 0
    assert domain([0.8, 0.9], unit="%", starts_at_zero=False)[0] > 0.7
    assert "axis starts at" in rendered(Panel("Recall", "%", (series([0.8, 0.9]),), starts_at_zero=False))


def test_a_domain_holds_data_interval_and_limits():
    panel = Panel("x", "", (series([0.5], half=0.2),), (Limit(0.9, "limit"),))

    low, high = domain([0.5, 0.3, 0.7, 0.9])

    assert low == 0
    assert high > 0.9
    assert drawn(panel).limits[0].y != "0"


def test_a_share_axis_ends_at_one_hundred_per_cent():
    assert domain([0.99, 0.6], unit="%", starts_at_zero=False)[1] == 1


def test_the_name_states_the_finding():
    fallen = Panel("Recall", "%", (series([0.86] * 10 + [0.71] * 5),), FLOOR, starts_at_zero=False)

    assert panel_finding(fallen).replace("\u202f", " ") == (
        "Recall fell from 86 % to 71 %, floor 80 %, crossed on 2 Oct"
    )
    assert "Recall fell from" in rendered(fallen)


def test_a_finding_tells_steady_from_gone_and_healed():
    steady = Panel("Latency", "ms", (series([84, 85]),), (Limit(200),))
    healed = Panel("Recall", "%", (series([0.86, 0.7, 0.85]),), FLOOR)
    empty = Panel("Recall", "%", (series([None, None]),), FLOOR)

    assert panel_finding(steady).replace("\u202f", " ") == "Latency stays at 85 ms, limit 200 ms"
    assert "crossed" not in panel_finding(healed)
    assert panel_finding(empty) == "Recall: no data"


def test_a_histogram_names_the_bin_that_moved_most():
    chart = Histogram(("0–1", "1–7", "7–30"), (0.04, 0.56, 0.4), (0.23, 0.4, 0.37), "Mass moved")

    assert drawn(chart).name.replace("\u202f", " ") == "Mass moved. 0–1 rose from 4 % to 23 %"


def test_every_step_has_a_tooltip_with_the_numbers_of_all_panels():
    titles = [title.text for title in parsed(timeline([0.71] * 5, events=(), revisions=())).findall(".//rect/title")]

    assert "to Sat 26 Sep, 00:00\nDrift 0.71 (0.71–0.71, n = 105)" in titles[-1]
    assert titles[-1].count("\n") == 3


def test_long_histories_have_a_bounded_number_of_tooltips():
    assert len(drawn(timeline([0.5] * 5000)).hits) <= 121


def test_the_twin_table_holds_every_value_newest_first():
    columns, rows = values_table(timeline([0.5, None]))

    assert columns == [("Window end, UTC", False), ("Drift", True), ("scores", True), ("Recall", True)]
    assert rows[0][0] == "23 Sep, 00:00"
    assert rows[0][1:] == ["no data"] * 3
    assert rows[1][3].replace("\u202f", " ") == "50 % (45–55 %, n = 101)"


def test_labels_that_still_arrive_are_a_grey_zone_on_panels_that_need_them():
    chart = timeline([0.5] * 60)

    assert len(drawn(chart).zones) == 1
    assert drawn(replace(chart, immature_from=None)).zones == ()
    assert drawn(replace(chart, immature_from=chart.end + DAY)).zones == ()


def test_revision_labels_appear_only_where_they_fit():
    narrow = tuple(Revision(START + day * DAY, START + (day + 1) * DAY, day, "v9") for day in range(60))

    spans = drawn(timeline([0.5] * 60, revisions=narrow)).spans

    assert len(spans) == 60
    assert not any(span.texts for span in spans)
    assert drawn(timeline([0.5] * 60)).spans[-1].texts[0].text == "rev 28 · v9"


@pytest.mark.parametrize(
    ("verdict", "low", "css"),
    [("ok", 0.6, ""), ("worse", 0.6, "bad"), ("insufficient", 0.6, "hollow"), ("", 0.6, "hollow")],
)
def test_a_dot_without_judgement_is_hollow(verdict, low, css):
    dot = drawn(Whisker(0.7, low, 0.8, None, 0.4, 1.0, verdict)).dot

    assert dot is not None
    assert dot.css == css


def test_an_effect_whose_interval_holds_zero_is_hollow():
    dot = drawn(Whisker(0.1, -0.1, 0.3, 0.0, -1.0, 1.0, "ok")).dot

    assert dot is not None
    assert dot.css == "hollow"


def test_a_whisker_without_a_scale_is_refused():
    with pytest.raises(ValueError, match="needs a scale"):
        drawn(Whisker(0.7, 0.6, 0.8, None, 1.0, 1.0))


def test_a_bullet_never_leaves_its_track():
    assert drawn(Bullet(3.7, limit=0.25, maximum=0.5)).fill == "100%"
    assert drawn(Bullet(0.25, limit=0.25)).fill == "50%"
    assert drawn(Bullet(-1.0, limit=0.25)).fill == "0%"


def test_a_panel_takes_two_series_at_most():
    with pytest.raises(ValueError, match="two can be told apart"):
        Panel("x", "", (series([1]), series([1]), series([1])))


def test_a_histogram_needs_a_share_per_label():
    with pytest.raises(ValueError, match="one share per label"):
        Histogram(("a", "b"), (0.5,), (0.5, 0.5))


def test_hostile_names_are_escaped_and_cut():
    charts: list[Chart] = [
        Spark((1.0, 2.0), None, HOSTILE),
        Histogram((HOSTILE, "b"), (0.5, 0.5), (0.4, 0.6), HOSTILE),
        Bullet(0.1, limit=0.2, name=HOSTILE),
        Whisker(0.5, 0.4, 0.6, 0.5, 0, 1, "ok", HOSTILE),
        timeline([0.5] * 30, events=(Event(START + DAY, HOSTILE, HOSTILE),), immature_note=HOSTILE),
        Panel(HOSTILE, "", (series([1, 2], name=HOSTILE), series([3, 4], role="second", name=HOSTILE))),
    ]

    for chart in charts:
        assert "<svg onload" not in rendered(chart)
        parsed(chart)
        assert_no_text_overlaps(chart)


def assert_no_text_overlaps(chart: Chart) -> None:
    boxes = text_boxes(parsed(chart), 280)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
