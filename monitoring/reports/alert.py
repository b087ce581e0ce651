"""One alert in full: its evidence over time, the conditions grouped in it, what to do next, its history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse

from mlops_portal.kit import wording
from monitoring.alerts import BLOCKED_VERSION, UNKNOWN_VERSION
from monitoring.alerts.conditions import breach_count, entries, is_burning
from monitoring.alerts.limits import lines
from monitoring.alerts.wording import leading, name, parts
from monitoring.charts import Limit, Panel, Point, Series, values_table
from monitoring.metrics import words
from monitoring.models import Alert, AlertMember, AlertTransition, Condition, Measurement, Monitor, Run
from registry.models import Viewer

SHOWN_WINDOWS = 60
SHOWN_OTHERS = 5
AFTERMATH = timedelta(days=7)  # of a closed alert the chart goes on for so long
TONES = {Alert.Severity.CRITICAL: "bad", Alert.Severity.WARNING: "warn", Alert.Severity.INFO: "info"}
CADENCES = {Monitor.Cadence.HOUR: "hourly", Monitor.Cadence.DAY: "daily", Monitor.Cadence.WEEK: "weekly"}


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One condition of the alert."""

    name: str
    url: str
    metric: str
    value: str
    certainty: str
    base: str
    limit: str
    breaches: int
    windows: int
    verdict: str
    unknown_since: datetime | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """The leading metric over time, as chart and as table."""

    panel: Panel
    note: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]
    run_id: UUID | None


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do (`components/_todo.html`)."""

    tone: str
    sentence: str
    facts: tuple[str, ...]
    url: str
    action: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class OtherAlert:
    """Another open alert of the model."""

    tone: str
    severity: str
    sentence: str
    url: str
    since_at: datetime
    family: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the history (`components/_log.html`)."""

    text: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact about the whole alert (`components/_notice.html`)."""

    tone: str
    first: str
    text: str


@dataclass(frozen=True, slots=True)
class AlertReport:
    """What the page of an alert shows."""

    members: tuple[MemberRow, ...]
    firing: int
    windows: str
    evidence: Evidence | None
    opened_run_id: UUID | None
    steps: tuple[NextStep, ...]
    others: tuple[OtherAlert, ...]
    history: tuple[LogEntry, ...]
    notices: tuple[Notice, ...]


def alert_report(alert: Alert, viewer: Viewer) -> AlertReport:
    """Everything the page shows of one alert. At most seven queries, however many conditions it has."""
    members = list(alert.members.select_related("condition__measurement__run__config").order_by("joined_at", "pk"))
    conditions = [member.condition for member in members]
    first = leading([one for one in conditions if is_burning(one)] or conditions) if conditions else None
    monitor = _monitor(first)
    evidence = _evidence(alert, first, monitor) if first and monitor else None
    opened = _opened_run(alert, monitor)
    return AlertReport(
        members=tuple(sorted((_member(alert, one) for one in members), key=lambda row: row.is_over)),
        firing=sum(is_burning(one) for one in conditions),
        windows=_windows(first, monitor) if first else "",
        evidence=evidence,
        opened_run_id=opened,
        steps=tuple(_steps(alert, first, evidence)),
        others=tuple(_others(alert, viewer)),
        history=tuple(_entry(one) for one in reversed(alert.transitions.all())),
        notices=tuple(_notices(alert, first)),
    )


def _notices(alert: Alert, condition: Condition | None) -> Iterable[Notice]:
    if alert.closed_at:
        yield Notice("ok", f"Closed {wording.moment(alert.closed_at)}.", _CLOSED.get(alert.close_reason, ""))
    elif alert.acknowledged_at:
        who = f"{alert.acknowledged_by or 'Somebody'} answers for it until {wording.moment(alert.acknowledged_until)}."
        yield Notice("info", who, alert.acknowledged_note)
    if condition and condition.unknown_since:
        text = "The last windows could not be judged; that never clears an alert."
        yield Notice("silent", f"Unknown since {wording.moment(condition.unknown_since)}.", text)


_CLOSED = {
    "cleared": "Every condition was back within its limits for long enough.",
    "recomputed": "Late data changed the windows it rested on.",
}


def _monitor(condition: Condition | None) -> Monitor | None:
    source = parts(condition) if condition else None
    if source is None or source.kind != "monitor":
        return None
    return Monitor.objects.filter(pk=source.owner).first()


def _windows(condition: Condition, monitor: Monitor | None) -> str:
    breaches, judged = breach_count(condition)
    cadence = (
        CADENCES.get(Monitor.Cadence(monitor.cadence), "") if monitor else _CADENCE_OF.get(parts(condition).kind, "")
    )
    return f"{breaches} of the last {' '.join(filter(None, [str(judged), cadence]))} windows"


_CADENCE_OF = {"traffic": CADENCES[Monitor.Cadence.HOUR]}  # of sources that are no monitor


def _member(alert: Alert, member: AlertMember) -> MemberRow:
    condition = member.condition
    said = words(parts(condition).metric)
    newest = entries(condition)[-1:]
    seen = newest[0] if newest else None
    found = lines(condition.measurement, condition.measurement.run.config.config) if condition.measurement else ()
    breaches, judged = breach_count(condition)
    return MemberRow(
        name=name(condition),
        url=_feature_url(alert, condition),
        metric=said.title if parts(condition).metric else "",
        value=wording.quantity(seen.value, said.unit) if seen and seen.value is not None else "",
        certainty=_certainty(seen.low, seen.high, seen.n, said.unit, seen.value) if seen else "",
        base=wording.quantity(seen.base, said.unit) if seen and seen.base is not None else "",
        limit=wording.quantity(found[-1].value, said.unit) if found else "",
        breaches=breaches,
        windows=judged,
        verdict=condition.verdict,
        unknown_since=condition.unknown_since,
        is_over=not is_burning(condition),
    )


def _certainty(low: float | None, high: float | None, n: int, unit: str, value: float | None) -> str:
    bounds = [wording.interval(low, high, unit, like=value)] if low is not None and high is not None else []
    return ", ".join([*bounds, f"n = {wording.count(n)}"] if n else bounds)


def _feature_url(alert: Alert, condition: Condition) -> str:
    feature = condition.scope.get("feature", "")
    return reverse("monitoring:model-feature", args=[alert.model.slug, feature]) if feature else ""


def _evidence(alert: Alert, condition: Condition, monitor: Monitor) -> Evidence | None:
    """The last windows of the condition's metric, up to a week after the alert closed."""
    source, scope = parts(condition), condition.scope
    if not source.metric:
        return None
    rows = Measurement.objects.current().filter(
        model=alert.model,
        run__monitor=monitor,
        check_key=source.check,
        metric=source.metric,
        version=scope.get("version") or None,
        **{key: scope.get(key, "") for key in ("endpoint", "signal", "feature", "segment")},
    )
    if alert.closed_at:
        rows = rows.filter(window_end__lte=alert.closed_at + AFTERMATH)
    newest_first = rows.order_by("-window_end").select_related("run__config").defer("run__inputs", "run__summary")
    found = list(newest_first[:SHOWN_WINDOWS])[::-1]
    if not found:
        return None
    panel = _panel(condition, found)
    columns, table = values_table(panel)
    return Evidence(panel, _note(found, monitor), columns, table, found[-1].run_id)


def _panel(condition: Condition, found: Sequence[Measurement]) -> Panel:
    said, newest = words(found[-1].metric), found[-1]
    points = tuple(Point(one.window_end, one.value, one.low, one.high, one.n, one.verdict) for one in found)
    about = name(condition)
    is_named = condition.scope.get("feature") or said.title not in about
    limits = tuple(
        Limit(
            line.value, _limit_word(line.is_floor, line.is_warning), "warn" if line.is_warning else "bad", line.is_floor
        )
        for line in lines(newest, newest.run.config.config)
    )
    return Panel(
        title=f"{said.title} of {about}" if is_named else about,
        unit=said.unit,
        series=(Series(points, name=said.title),),
        limits=limits,
        starts_at_zero=newest.check_key != "performance",
    )


def _limit_word(is_floor: bool, is_warning: bool) -> str:  # noqa: FBT001
    return "floor" if is_floor else "warn" if is_warning else "limit"


def _note(found: Sequence[Measurement], monitor: Monitor) -> str:
    counts = [one.n for one in found if one.n]
    newest = found[-1]
    length = wording.duration(newest.window_end - newest.window_start)
    cadence = {Monitor.Cadence.HOUR: "an hour", Monitor.Cadence.DAY: "a day"}.get(Monitor.Cadence(monitor.cadence))
    least, most = (wording.about(min(counts)), wording.about(max(counts))) if counts else ("", "")
    n = f"n = {least}" if least == most else f"n = {least} to {most}"
    told = [f"windows of {length}", f"one point {cadence}" if cadence else "", n if counts else ""]
    return " · ".join(filter(None, told))


def _opened_run(alert: Alert, monitor: Monitor | None) -> UUID | None:
    if monitor is None:
        return None
    opened = Run.objects.filter(monitor=monitor, window_end=alert.opened_at, is_latest=True)
    return opened.values_list("pk", flat=True).first()


def _steps(alert: Alert, condition: Condition | None, evidence: Evidence | None) -> Iterable[NextStep]:
    feature = condition.scope.get("feature", "") if condition else ""
    if condition and feature:
        url = _feature_url(alert, condition)
        fact = "reference and current side by side, every window"
        yield NextStep("info", f"Compare {feature} with its reference", (fact,), url, "Compare")
    if evidence and evidence.run_id:
        url = reverse("monitoring:run-detail", args=[evidence.run_id])
        fact = f"everything run {wording.short_id(evidence.run_id)} measured"
        yield NextStep("info", "See what else moved in this window", (fact,), url, "Open run")
    metric = parts(condition).metric if condition else ""
    if metric == UNKNOWN_VERSION:
        url = reverse("registry:version-create", args=[alert.model.slug])
        yield NextStep("info", "Register the version", ("from then on its predictions are stored",), url, "Register")
        url = reverse("monitoring:set-aside-list", args=[alert.model.slug])
        yield NextStep("info", "Then replay what was set aside", ("refused items wait for 14 days",), url, "Open items")
    if metric == BLOCKED_VERSION:
        url = reverse("registry:version-list", args=[alert.model.slug])
        yield NextStep(
            "info", "See why it is blocked", ("its predictions are stored all the same",), url, "Open versions"
        )
    model_url = reverse("registry:model-detail", args=[alert.model.slug])
    yield NextStep("info", "See the model over time", (alert.model.name,), model_url, "Open model")


def _others(alert: Alert, viewer: Viewer) -> Iterable[OtherAlert]:
    rows = Alert.objects.visible_to(viewer).open().filter(model=alert.model).exclude(pk=alert.pk)
    for other in rows.by_urgency()[:SHOWN_OTHERS]:
        yield OtherAlert(
            tone=TONES[Alert.Severity(other.severity)],
            severity=other.get_severity_display(),
            sentence=other.summary,
            url=reverse("monitoring:alert-detail", args=[other.pk]),
            since_at=other.since_at,
            family=other.get_family_display(),
        )


_TITLES = {
    "opened": "Opened",
    "joined": "More joined",
    "left": "Some cleared",
    "raised": "Raised to critical",
    "lowered": "No longer critical",
    "reopened": "Back again",
    "closed": "Closed",
    "reminded": "Acknowledgement ended",
    "noted": "Late data",
}


def _entry(one: AlertTransition) -> LogEntry:
    if one.verb == "acknowledged":
        return LogEntry(f"{one.by} acknowledged", one.at, one.note)
    if one.verb == "unacknowledged":
        return LogEntry(f"{one.by} took the acknowledgement back", one.at, one.note)
    return LogEntry(_TITLES.get(one.verb, one.verb.capitalize()), one.event_at, one.note)
