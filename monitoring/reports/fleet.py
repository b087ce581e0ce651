"""The fleet page: every model in a row, worst first, and what needs a person now."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Q
from django.urls import reverse

from mlops_portal.kit import wording
from monitoring.charts import Spark
from monitoring.metrics import words
from monitoring.models import Alert, Measurement, Reference, Run
from monitoring.reports import shared
from monitoring.reports.shared import Cell
from monitoring.stats.results import Verdict
from registry.models import RegisteredModel, Viewer

SPARK_DAYS = 28
WATCHED_DAYS = 21  # a model is watched for three weeks after its launch
SILENT_AFTER = timedelta(hours=24)
MOST_ALERTS, MOST_REFERENCES = 50, 7


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One model of the fleet table."""

    slug: str
    name: str
    team: str
    team_slug: str
    is_demo: bool
    versions: str
    launched_at: datetime | None
    day: int | None  # since launch; None before the first prediction
    weeks: tuple[str | None, str | None, str | None]
    inputs: Cell
    outputs: Cell
    performance: Cell
    latency: Cell
    cost: Cell
    volume: Cell
    spark: Spark | None
    last_record_at: datetime | None
    open_alerts: int
    worst_alert: str
    worst: str

    @property
    def is_watched(self) -> bool:
        """Whether its first three weeks are not over."""
        return self.day is not None and self.day < WATCHED_DAYS


@dataclass(frozen=True, slots=True)
class Todo:
    """One line of "needs you now" (`components/_todo.html`)."""

    tone: str
    subject: str
    sentence: str
    facts: tuple[str, ...]
    url: str
    action: str


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was read for all models at once."""

    runs: Mapping[UUID, Sequence[Run]]
    whole: Mapping[UUID, Sequence[Measurement]]
    inputs: Mapping[UUID, Mapping[str, int]]
    weeks: Mapping[UUID, tuple[str | None, ...]]
    sparks: Mapping[UUID, Sequence[Measurement]]
    alerts: Mapping[UUID, tuple[int, str]]


def fleet_rows(viewer: Viewer, *, now: datetime) -> list[FleetRow]:
    """Every live model the viewer may see, those that need a person first. Seven queries, however many models."""
    models = _models(viewer)
    facts = _facts(models)
    rows = [_row(model, traffic, facts, now) for model, traffic in models.values()]
    rows.sort(key=_urgency)
    return rows


@dataclass(frozen=True, slots=True)
class _Traffic:
    """When a model was used; live_at: last by the API. top: the highest number of a version that served."""

    first_at: datetime
    newest_at: datetime
    live_at: datetime | None
    top: int


_SERVED = Q(versions__traffic__first_at__isnull=False)
_TRAFFIC = {
    "first_at": Min("versions__traffic__first_at"),
    "newest_at": Max("versions__traffic__newest_at", filter=_SERVED),
    "live_at": Max("versions__traffic__last_live_at", filter=_SERVED),
    "top": Max("versions__number", filter=_SERVED),
}
_Models = Mapping[UUID, tuple[RegisteredModel, _Traffic | None]]


def _models(viewer: Viewer) -> _Models:
    visible = RegisteredModel.objects.visible_to(viewer).live().exclude(lifecycle=RegisteredModel.Lifecycle.RETIRED)
    return {model.pk: (model, _traffic(model)) for model in visible.select_related("team").annotate(**_TRAFFIC)}


def _traffic(model: RegisteredModel) -> _Traffic | None:
    first_at, *others = (getattr(model, name) for name in _TRAFFIC)
    return _Traffic(first_at, *others) if first_at else None


def _urgency(row: FleetRow) -> tuple[bool, int, int, str]:
    """A sort key: critical alerts, then open ones, then the verdict, then the name."""
    return (row.worst_alert != Alert.Severity.CRITICAL, -row.open_alerts, shared.rank(row.worst), row.name.lower())


def needs_now(viewer: Viewer, rows: Sequence[FleetRow], *, now: datetime) -> list[Todo]:
    """What waits for a person, the costliest to leave first: alerts (50 at most), silence, failed references."""
    alerts = Alert.objects.visible_to(viewer).open().filter(acknowledged_at=None).for_list()[:MOST_ALERTS]
    severity = [Alert.Severity.CRITICAL, Alert.Severity.WARNING, Alert.Severity.INFO]
    ordered = sorted(alerts, key=lambda alert: (severity.index(Alert.Severity(alert.severity)), alert.since_at))
    todo = [_alert_todo(alert) for alert in ordered]
    todo += [_silent_todo(row, now - row.last_record_at) for row in rows if row.last_record_at and _is_silent(row, now)]
    failed = Reference.objects.visible_to(viewer).filter(state=Reference.State.FAILED).select_related("version__model")
    todo += [_reference_todo(reference) for reference in failed[:MOST_REFERENCES]]
    return todo


def _alert_todo(alert: Alert) -> Todo:
    tones = {Alert.Severity.CRITICAL: "bad", Alert.Severity.WARNING: "warn", Alert.Severity.INFO: "info"}
    return Todo(
        tone=tones[Alert.Severity(alert.severity)],
        subject=f"{alert.model.name}:",
        sentence=alert.summary,
        facts=(f"since {wording.moment(alert.since_at)}", alert.get_family_display().lower()),
        url=reverse("monitoring:alert-detail", args=[alert.pk]),
        action="Open alert",
    )


def _is_silent(row: FleetRow, now: datetime) -> bool:
    """Live traffic that stopped; a history that was brought in simply ends."""
    stopped = row.inputs.verdict == Verdict.no_data or row.volume.verdict == Verdict.no_data
    return stopped and row.last_record_at is not None and now - row.last_record_at > SILENT_AFTER


def _silent_todo(row: FleetRow, silence: timedelta) -> Todo:
    return Todo(
        tone="silent",
        subject=row.name,
        sentence=f"has sent no prediction for {wording.duration(silence)}.",
        facts=(f"last record {wording.moment(row.last_record_at)}", "no monitor counts this as ok"),
        url=reverse("registry:model-detail", args=[row.slug]),
        action="Open model",
    )


def _reference_todo(reference: Reference) -> Todo:
    model = reference.version.model
    problems = reference.problems or ["The file could not be read."]
    first = problems[0]
    return Todo(
        tone="failed",
        subject=model.name,
        sentence=f"has no usable reference “{reference.name}”.",
        facts=(str(first.get("detail", first)) if isinstance(first, dict) else str(first),),
        url=reverse("monitoring:reference-upload", args=[model.slug]),
        action="Upload again",
    )


def _facts(models: _Models) -> _Facts:
    newest = shared.newest_runs(list(models))
    runs = _grouped(newest)
    whole = _grouped(shared.whole(newest).order_by("pk"))
    return _Facts(
        runs=runs,
        whole=whole,
        inputs=_inputs(newest),
        weeks=_weeks({pk: traffic.first_at for pk, (_, traffic) in models.items() if traffic}),
        sparks=_sparks({pk: model.task for pk, (model, _) in models.items()}, runs),
        alerts=_alerts(models),
    )


def _grouped(rows: Iterable[Any]) -> dict[UUID, list[Any]]:
    grouped: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.model_id].append(row)
    return grouped


def _inputs(runs: Sequence[Run]) -> dict[UUID, dict[str, int]]:
    """Features by verdict, of the newest run that looked at inputs."""
    counted = (
        Measurement.objects.filter(run__in=[run.pk for run in runs], check_key="input_drift", segment="")
        .exclude(feature="")
        .values("model", "verdict")
        .annotate(features=Count("feature", distinct=True))
    )
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    for row in counted:
        found[row["model"]][row["verdict"]] = row["features"]
    return found


def _weeks(launched: Mapping[UUID, datetime]) -> dict[UUID, tuple[str | None, ...]]:
    """The worst verdict of each of the first three weeks; None while a week has no judged run."""
    condition = Q(pk__in=[])
    for model, first_at in launched.items():
        condition |= Q(model=model, window_end__lte=first_at + timedelta(days=WATCHED_DAYS + 1))
    seen: dict[UUID, list[list[str]]] = {model: [[], [], []] for model in launched}
    rows = Run.objects.filter(condition, is_latest=True, state=Run.State.DONE)
    for model, end, worst in rows.values_list("model", "window_end", "summary__worst"):
        week = min((end - launched[model] - timedelta(seconds=1)) // timedelta(days=7), 2)
        if week >= 0 and worst and worst not in shared.UNJUDGED:
            seen[model][week].append(worst)
    return {model: tuple(_judged(week) for week in weeks) for model, weeks in seen.items()}


def _judged(verdicts: Sequence[str]) -> str | None:
    """The worst of a week; windows that could not be judged count only where nothing else was."""
    unjudged = {Verdict.insufficient.value, Verdict.no_data.value}
    return shared.worst([verdict for verdict in verdicts if verdict not in unjudged] or verdicts) or None


def _sparks(tasks: Mapping[UUID, str], runs: Mapping[UUID, Sequence[Run]]) -> dict[UUID, list[Measurement]]:
    """The main metric of each model over its newest 28 daily windows."""
    condition = Q(pk__in=[])
    for model, own in runs.items():
        end = max(run.window_end for run in own)
        metric = shared.main_metric(tasks[model])
        condition |= Q(model=model, metric=metric, window_end__gt=end - timedelta(days=SPARK_DAYS), window_end__lte=end)
    rows = Measurement.objects.filter(condition, is_latest=True, feature="", segment="").order_by("window_end", "pk")
    return _grouped(rows.only("model_id", "metric", "value", "window_end", "verdict", "n"))


def _alerts(models: Collection[UUID]) -> dict[UUID, tuple[int, str]]:
    rows = (
        Alert.objects.open()
        .filter(model__in=models)
        .values("model")
        .annotate(number=Count("pk"), critical=Count("pk", filter=Q(severity=Alert.Severity.CRITICAL)))
    )
    return {row["model"]: (row["number"], "critical" if row["critical"] else "warning") for row in rows}


def _row(model: RegisteredModel, traffic: _Traffic | None, facts: _Facts, now: datetime) -> FleetRow:
    whole = shared.by_metric(facts.whole.get(model.pk, ()))
    open_alerts, severity = facts.alerts.get(model.pk, (0, ""))
    launched = traffic.first_at if traffic else None
    ended = _ended(traffic, now)
    return FleetRow(
        slug=model.slug,
        name=model.name,
        team=model.team.name,
        team_slug=model.team.slug,
        is_demo=model.is_demo,
        versions=f"v{traffic.top}" if traffic else "no traffic",
        launched_at=launched,
        day=(ended.date() - launched.date()).days if launched and ended else None,
        weeks=_three(facts.weeks.get(model.pk)),
        inputs=_inputs_cell(model, facts.inputs.get(model.pk), has_traffic=traffic is not None),
        outputs=_outputs_cell(whole),
        performance=_metric_cell(shared.leading_performance(whole, model.task), named=True),
        latency=_metric_cell(whole.get(shared.P95)),
        cost=_metric_cell(whole.get(shared.COST)),
        volume=_volume_cell(whole.get(shared.VOLUME)),
        spark=_spark(facts.sparks.get(model.pk, ())),
        last_record_at=traffic.newest_at if traffic else None,
        open_alerts=open_alerts,
        worst_alert=severity,
        worst=shared.worst(str(run.summary.get("worst", "")) for run in facts.runs.get(model.pk, ())),
    )


def _ended(traffic: _Traffic | None, now: datetime) -> datetime | None:
    """Today for live traffic; the last record of a history."""
    if traffic is None:
        return None
    return now if traffic.live_at else min(now, traffic.newest_at)


def _three(weeks: tuple[str | None, ...] | None) -> tuple[str | None, str | None, str | None]:
    first, second, third = weeks or (None, None, None)
    return first, second, third


def _inputs_cell(model: RegisteredModel, counts: Mapping[str, int] | None, *, has_traffic: bool) -> Cell:
    url = reverse("monitoring:model-inputs", args=[model.slug])
    if not counts:
        return Cell(Verdict.no_data, "no reference" if has_traffic else "no data")
    moved = counts.get(Verdict.drift, 0) + counts.get(Verdict.warn, 0)
    verdict = shared.worst(counts)
    short = f"{moved} of {sum(counts.values())}"
    if verdict in (Verdict.insufficient, Verdict.no_data):
        short = shared.reason_words("too_few" if verdict == Verdict.insufficient else "empty")
    return Cell(verdict, short, url, f"{moved} of {sum(counts.values())} features moved")


def _outputs_cell(whole: Mapping[str, Measurement]) -> Cell:
    found = [one for one in whole.values() if one.check_key == "output_drift"]
    if not found:
        return shared.NO_DATA
    leading = min(found, key=shared.urgency)
    if leading.verdict == Verdict.ok:
        return Cell(Verdict.ok, "stable")
    if leading.value is None:
        return Cell(leading.verdict, shared.reason_words(leading.reason))
    return Cell(
        leading.verdict, f"{words(leading.metric).brief} {shared.said(leading)}", title=shared.certainty(leading)
    )


def _metric_cell(one: Measurement | None, *, named: bool = False) -> Cell:
    if one is None:
        return shared.NO_DATA
    short = f"{words(one.metric).brief} {shared.said(one)}" if named and one.value is not None else shared.said(one)
    sub = ""
    if named and one.low is not None and one.high is not None:
        sub = wording.interval(one.low, one.high, words(one.metric).unit, like=one.value)
    return Cell(one.verdict, short, title=shared.certainty(one), sub=sub)


def _volume_cell(one: Measurement | None) -> Cell:
    if one is None or one.value is None:
        return shared.NO_DATA if one is None else Cell(one.verdict, shared.reason_words(one.reason))
    return Cell(one.verdict, f"{wording.about(one.value)} a day")


def _spark(rows: Sequence[Measurement]) -> Spark | None:
    windows = shared.largest(rows)
    if len(windows) < 2:
        return None
    last = windows[-1]
    label = f"{words(last.metric).title}, last {len(windows)} windows: now {shared.said(last)}"
    return Spark(tuple(row.value for row in windows), label=label, verdict=last.verdict)
