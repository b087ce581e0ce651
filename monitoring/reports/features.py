"""The inputs of a model: every feature with its newest distance, and the history of one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from monitoring.alerts.limits import lines
from monitoring.charts import Bullet, Histogram, Limit, Panel, Point, Series, Spark
from monitoring.metrics import words
from monitoring.models import Measurement, Run
from monitoring.reports import shared
from monitoring.stats.metrics import PSI_LEVEL
from registry.models import Feature, RegisteredModel

SPARK_WINDOWS = 28
HISTORY_DAYS = 60
WARN, DRIFT = PSI_LEVEL.warn, PSI_LEVEL.bad
NULLS = "null_share.1"


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature in the list of inputs or among those that moved most."""

    name: str
    dtype: str
    verdict: str
    value: float | None
    reason: str
    p_value: float | None
    n: int
    base_n: int
    bins: int
    rank: int | None
    null_share: float | None
    sentence: str
    bullet: Bullet
    histogram: Histogram | None
    spark: Spark | None = None
    is_segment: bool = False


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment in which a feature moved."""

    segment: str
    value: float | None
    n: int
    verdict: str
    bullet: Bullet


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """One feature in full."""

    row: FeatureRow
    run_id: str
    window_end: datetime
    history: Panel
    nulls: Panel
    evidence: tuple[tuple[str, str], ...]
    segments: tuple[SegmentRow, ...]
    description: str
    privacy: str


def feature_rows(model: RegisteredModel) -> tuple[Run | None, list[FeatureRow]]:
    """Every feature of the newest run on inputs, those that moved most first, with the last 28 windows of each."""
    run = _newest_run(model)
    if run is None:
        return None, []
    rows = list(drift_rows(run))
    sparks: dict[str, list[float | None]] = defaultdict(list)
    start = run.window_end - timedelta(days=SPARK_WINDOWS)
    history = Measurement.objects.filter(
        model=model, metric=shared.PSI, check_key="input_drift", is_latest=True, segment="", window_end__gt=start
    ).exclude(feature="")
    for name, value in history.order_by("window_end").values_list("feature", "value"):
        sparks[name].append(value)
    types, nulls, config = dtypes(model), null_shares(run), run.config.config
    made = [feature_row(one, types, nulls, config, sparks.get(one.feature)) for one in rows]
    made.sort(key=lambda row: (row.rank or 99, shared.rank(row.verdict), -(row.value or 0.0), row.name))
    return run, made


def feature_report(model: RegisteredModel, name: str) -> FeatureReport | None:
    """Newest state, history, evidence and segments of one feature; None where no run has looked at it."""
    run = _newest_run(model)
    history = _history(run, name) if run else []
    newest = _of_run(history, run, shared.PSI) if run else None
    if run is None or newest is None:
        return None
    nulls = _of_run(history, run, NULLS)
    segments = run.measurements.filter(check_key="input_drift", feature=name).exclude(segment="").order_by("-value")
    defined = Feature.objects.current().filter(model=model, name=name).first()
    return FeatureReport(
        row=feature_row(
            newest,
            {name: _dtype(defined)} if defined else {},
            {name: nulls.value} if nulls else {},
            run.config.config,
        ),
        run_id=str(run.pk),
        window_end=run.window_end,
        history=_panel(
            f"PSI of {name}", "", [one for one in history if one.metric == shared.PSI], _limits(newest, run)
        ),
        nulls=_panel("Share of nulls", "%", [one for one in history if one.metric != shared.PSI]),
        evidence=_evidence(newest),
        segments=tuple(_segment(one, run.config.config) for one in segments),
        description=defined.description if defined else "",
        privacy=defined.get_privacy_display().lower() if defined else "not registered",
    )


def _history(run: Run, name: str) -> list[Measurement]:
    """Distances and null shares of a feature up to this run."""
    of_feature = Measurement.objects.filter(
        Q(metric=shared.PSI, check_key="input_drift") | Q(metric=NULLS),
        model=run.model_id,
        feature=name,
        segment="",
        is_latest=True,
        window_end__gt=run.window_end - timedelta(days=HISTORY_DAYS),
    )
    return list(of_feature.order_by("window_end"))


def _of_run(history: Sequence[Measurement], run: Run, metric: str) -> Measurement | None:
    """Of several versions the one with most records."""
    own = (one for one in history if one.run_id == run.pk and one.metric == metric)
    return max(own, key=lambda one: one.n, default=None)


def drift_rows(run: Run) -> Sequence[Measurement]:
    """Input drift of a run, one row a feature: of several versions the one with most records."""
    found: dict[str, Measurement] = {}
    rows = run.measurements.filter(check_key="input_drift", segment="").exclude(feature="").order_by("-n", "feature")
    for one in rows:
        found.setdefault(one.feature, one)
    return list(found.values())


def null_shares(run: Run) -> dict[str, float | None]:
    """The share of nulls of each feature in a run."""
    rows = run.measurements.filter(metric=NULLS, segment="").order_by("n")
    return dict(rows.values_list("feature", "value"))


def feature_row(
    one: Measurement,
    types: Mapping[str, tuple[str, bool]],
    nulls: Mapping[str, float | None],
    config: Mapping[str, Any],
    history: Sequence[float | None] | None = None,
) -> FeatureRow:
    """One feature as the pages show it. config: what its run was asked to measure."""
    details = one.details
    dtype, is_segment = types.get(one.feature, ("", False))
    histogram = _histogram(details)
    spark = None
    if history and len(history) > 1:
        label = f"PSI of {one.feature}, last {len(history)} windows: now {shared.said(one)}"
        spark = Spark(tuple(history), _hard(one, config), label, one.verdict)
    return FeatureRow(
        name=one.feature,
        dtype=dtype,
        verdict=one.verdict,
        value=one.value,
        reason=shared.reason_words(one.reason),
        p_value=details.get("p_value"),
        n=one.n,
        base_n=one.base_n,
        bins=int(details.get("bins") or 0),
        rank=one.rank,
        null_share=nulls.get(one.feature),
        sentence=_sentence(one, histogram),
        bullet=_bullet(one, config),
        histogram=histogram,
        spark=spark,
        is_segment=is_segment,
    )


def dtypes(model: RegisteredModel) -> dict[str, tuple[str, bool]]:
    """(type in words, whether it is a segment) of each current feature."""
    return {feature.name: _dtype(feature) for feature in Feature.objects.current().filter(model=model)}


def _dtype(feature: Feature) -> tuple[str, bool]:
    return feature.get_dtype_display().lower(), feature.segment


def _newest_run(model: RegisteredModel) -> Run | None:
    return (
        Run.objects.filter(model=model, is_latest=True, state=Run.State.DONE, monitor__slug="inputs-training")
        .select_related("monitor", "config")
        .order_by("-window_end")
        .first()
    )


def _hard(one: Measurement, config: Mapping[str, Any]) -> float:
    """Where this feature is called drifted."""
    found = [line.value for line in lines(one, config) if not line.is_warning]
    return found[-1] if found else DRIFT


def _limits(one: Measurement, run: Run) -> tuple[Limit, ...]:
    hard = _hard(one, run.config.config)
    return (Limit(one.threshold or WARN, "warning", "warn"), Limit(hard, "drift at"))


def _bullet(one: Measurement, config: Mapping[str, Any]) -> Bullet:
    hard = _hard(one, config)
    return Bullet(
        one.value,
        noise_floor=one.details.get("floor"),
        warn=one.threshold or WARN,
        limit=hard,
        maximum=max(2 * hard, min((one.value or 0.0) * 1.1, 5.0)),
        name=f"PSI of {one.feature}",
        verdict=one.verdict,
    )


def _histogram(details: Mapping[str, Any]) -> Histogram | None:
    stored = details.get("histogram")
    if not stored:
        return None
    return Histogram(tuple(stored["labels"]), _shares(stored["reference"]), _shares(stored["current"]))


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(number / total for number in counts) if total else ()


def _sentence(one: Measurement, histogram: Histogram | None) -> str:
    """The largest change in words: "22–24 rose from 4 to 23 %"."""
    if one.value is None:
        return f"Not judged: {shared.reason_words(one.reason)}."
    if histogram is None or not histogram.current or not histogram.reference:
        return ""
    changes = [now - before for before, now in zip(histogram.reference, histogram.current, strict=True)]
    place = max(range(len(changes)), key=lambda index: abs(changes[index]))
    if abs(changes[place]) < 0.005:
        return "No bin changed by more than half a point."
    verb = "rose" if changes[place] > 0 else "fell"
    before, now = histogram.reference[place], histogram.current[place]
    return f"“{histogram.labels[place]}” {verb} from {before:.1%} to {now:.1%} of records.".replace("%", " %")


def _panel(title: str, unit: str, rows: Sequence[Measurement], limits: tuple[Limit, ...] = ()) -> Panel:
    points = tuple(Point(one.window_end, one.value, one.low, one.high, one.n, one.verdict) for one in rows)
    return Panel(title, unit, (Series(points),), limits)


def _evidence(one: Measurement) -> tuple[tuple[str, str], ...]:
    stored = one.details.get("evidence", {})
    return tuple((words(metric).title, f"{value:.4g}") for metric, value in stored.items() if value is not None)


def _segment(one: Measurement, config: Mapping[str, Any]) -> SegmentRow:
    return SegmentRow(one.segment, one.value, one.n, one.verdict, _bullet(one, config))
