"""The overview of one model: key figures, and all its metrics over one time axis."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max, Min

from mlops_portal.kit import wording
from monitoring.alerts.limits import lines
from monitoring.charts import Limit, Panel, Point, Series, Timeline, values_table
from monitoring.charts.data import Role
from monitoring.metrics import words
from monitoring.models import Measurement, Run, VersionTraffic
from monitoring.reports import shared
from monitoring.reports.features import DRIFT, WARN
from monitoring.reports.shared import Figure
from monitoring.stats.results import Verdict
from registry.models import RegisteredModel

SPANS = {"7": 7, "21": 21, "60": 60, "all": 3650}
DEFAULT_SPAN = "60"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the model page shows below its head."""

    figures: tuple[Figure, ...]
    timeline: Timeline | None
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]
    span: str
    windows: int
    newest_end: datetime | None
    first_at: datetime | None
    has_reference: bool
    has_traffic: bool


def health(model: RegisteredModel, *, span: str, now: datetime) -> HealthReport:
    """Key figures of the newest runs and the timeline of the span (a key of SPANS). Six queries."""
    runs = shared.newest_runs([model.pk])
    traffic = VersionTraffic.objects.filter(version__model=model).aggregate(
        first_at=Min("first_at"), at=Max("newest_at")
    )
    newest = max((run.window_end for run in runs), default=None)
    whole = shared.by_metric(shared.whole(runs)) if runs else {}
    leading = shared.leading_performance(whole, model.task)
    timeline = _timeline(model, newest, SPANS[span], runs, leading) if newest else None
    columns, rows = values_table(timeline) if timeline else ((), ())
    return HealthReport(
        figures=_figures(runs, whole, leading, model.task) if runs else (),
        timeline=timeline,
        columns=columns,
        rows=rows,
        span=span,
        windows=len(rows),
        newest_end=newest,
        first_at=traffic["first_at"],
        has_reference=any(run.monitor.slug != "operations" for run in runs),
        has_traffic=traffic["first_at"] is not None,
    )


def _figures(
    runs: Sequence[Run], whole: Mapping[str, Measurement], leading: Measurement | None, task: str
) -> tuple[Figure, ...]:
    main = leading.metric if leading else shared.main_metric(task)
    return (
        _inputs_figure(runs),
        _outputs_figure(whole),
        _figure(words(main).brief[:1].upper() + words(main).brief[1:], leading),
        _figure("Latency p95", whole.get(shared.P95)),
        _figure("Cost per 1,000", whole.get(shared.COST)),
        _figure("Volume", whole.get(shared.VOLUME), unit="a day"),
    )


def _inputs_figure(runs: Sequence[Run]) -> Figure:
    rows = list(
        Measurement.objects.filter(run__in=[run.pk for run in runs], check_key="input_drift", segment="")
        .exclude(feature="")
        .values_list("feature", "verdict", "rank")
    )
    if not rows:
        return Figure("Inputs", "no data", verdict=Verdict.no_data, note="upload a reference to compare with")
    features = {feature for feature, _, _ in rows}
    moved = {feature for feature, verdict, _ in rows if verdict in (Verdict.drift, Verdict.warn)}
    leading = next((feature for feature, _, rank in rows if rank == 1), "")
    return Figure(
        "Inputs",
        str(len(moved)),
        f"of {len(features)} moved",
        shared.worst(verdict for _, verdict, _ in rows),
        note=f"most: {leading}" if leading and moved else "",
    )


def _outputs_figure(whole: Mapping[str, Measurement]) -> Figure:
    found = {metric: one for metric, one in whole.items() if one.check_key == "output_drift"}
    if not found:
        return Figure("Outputs", "no data", verdict=Verdict.no_data)
    leading = min(found.values(), key=lambda one: (*shared.urgency(one), one.metric != shared.PSI))
    return Figure(
        "Outputs",
        shared.said(leading),
        words(leading.metric).brief if leading.value is not None else "",
        leading.verdict,
        note=_against(leading),
    )


def _figure(label: str, one: Measurement | None, unit: str = "") -> Figure:
    if one is None:
        return Figure(label, "no data", verdict=Verdict.no_data)
    if one.value is None:
        return Figure(label, shared.reason_words(one.reason), verdict=one.verdict, note=f"n = {wording.count(one.n)}")
    value = wording.about(one.value) if one.metric == shared.VOLUME else shared.said(one)
    return Figure(label, value, unit, one.verdict, note=_against(one))


def _against(one: Measurement) -> str:
    """Interval and n where there is an interval, else the baseline."""
    if one.value is None:
        return f"n = {wording.count(one.n)}"
    if one.low is not None:
        return shared.certainty(one)
    if one.base_value:
        return f"usual {wording.quantity(one.base_value, words(one.metric).unit)}"
    return f"n = {wording.count(one.n)}"


def _timeline(
    model: RegisteredModel, end: datetime, days: int, runs: Sequence[Run], leading: Measurement | None
) -> Timeline:
    start = end - timedelta(days=days)
    main = shared.main_metric(model.task)
    skills = (main, leading.metric) if leading and leading.metric != main else (main,)
    rows = Measurement.objects.filter(
        model=model, is_latest=True, segment="", window_end__gt=start, window_end__lte=end
    ).order_by("window_end")
    drift = (  # the distance of the feature that moved most
        rows.filter(check_key="input_drift", metric=shared.PSI)
        .exclude(feature="")
        .values("window_end")
        .annotate(value=Max("value"), n=Max("n"))
    )
    wanted = [*skills, shared.P95, shared.P99, shared.COST, shared.VOLUME, shared.PSI]
    series: dict[str, list[Measurement]] = defaultdict(list)
    for one in rows.filter(feature="", metric__in=wanted):
        series[one.metric].append(one)
    inputs = Series(tuple(Point(row["window_end"], row["value"], n=row["n"]) for row in drift))
    first = min((points[0].window_end for points in series.values()), default=start)
    first = min([first, *(point.at for point in inputs.points[:1])])
    return Timeline(
        start=max(start, first - timedelta(days=1)),
        end=end,
        step=timedelta(days=1),
        panels=_panels(skills, inputs, series, _configs(runs)),
        immature_from=_immature_from(series[main]),
    )


def _configs(runs: Sequence[Run]) -> dict[UUID, Mapping[str, Any]]:
    """What each of the newest runs was asked to measure."""
    return {run.pk: run.config.config for run in runs}


def _panels(
    skills: Sequence[str],
    inputs: Series,
    series: Mapping[str, list[Measurement]],
    configs: Mapping[UUID, Mapping[str, Any]],
) -> tuple[Panel, ...]:
    panels = [
        Panel("Input drift", "", _both(inputs, _line(series[shared.PSI], "second", "scores")), _drift_limits(configs)),
        *(_skill_panel(metric, series[metric], configs) for metric in skills),
        Panel(
            "Latency p95",
            "ms",
            _both(_line(series[shared.P95]), _line(series[shared.P99], "second", "p99")),
            _limits(series[shared.P95], configs),
        ),
        Panel(
            "Cost per 1,000",
            words(shared.COST).unit,
            (_line(series[shared.COST]),),
            _limits(series[shared.COST], configs),
        ),
        Panel("Volume", "a day", (_line(series[shared.VOLUME]),)),
    ]
    return tuple(panel for panel in panels if any(line.points for line in panel.series))


def _skill_panel(metric: str, rows: Sequence[Measurement], configs: Mapping[UUID, Mapping[str, Any]]) -> Panel:
    said = words(metric)
    return Panel(
        said.title,
        said.unit,
        (_line(rows),),
        _limits(rows, configs),
        starts_at_zero=said.is_error,
        needs_labels=True,
    )


def _drift_limits(configs: Mapping[UUID, Mapping[str, Any]]) -> tuple[Limit, ...]:
    """The thresholds of the monitor that looks at inputs; features may have their own."""
    asked = (config.get("checks", {}).get("input_drift") for config in configs.values())
    found: Mapping[str, Any] = next((check for check in asked if check), {})
    return (Limit(found.get("warn", WARN), "warning", "warn"), Limit(found.get("drift", DRIFT), "drift at"))


def _limits(rows: Sequence[Measurement], configs: Mapping[UUID, Mapping[str, Any]]) -> tuple[Limit, ...]:
    """What the newest measurement is held against, where a chart can show it."""
    if not rows:
        return ()
    newest = shared.largest(rows)[-1]
    return tuple(
        Limit(line.value, "floor" if line.is_floor else "limit", "warn" if line.is_warning else "bad", line.is_floor)
        for line in lines(newest, configs.get(newest.run_id, {}))
    )


def _both(first: Series, second: Series) -> tuple[Series, ...]:
    return (first, second) if any(point.value is not None for point in second.points) else (first,)


def _line(rows: Sequence[Measurement], role: Role = "current", name: str = "") -> Series:
    points = (Point(one.window_end, one.value, one.low, one.high, one.n, one.verdict) for one in shared.largest(rows))
    return Series(tuple(points), role, name)


def _immature_from(rows: Sequence[Measurement]) -> datetime | None:
    """Where the unbroken tail of provisional windows begins."""
    start = None
    for one in reversed(rows):
        if not one.provisional:
            break
        start = one.window_end
    return start
