"""Traffic that names a version it should not: one that nobody has registered, or one that is blocked.

Judged by the hour in which it came, not by the time of the predictions: items of an unregistered version are refused
and belong to no window. The running hour is judged as soon as there is something to say, so an alert opens within
seconds; it clears after three hours without.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Sum

from mlops_portal.jobs import queue
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import wording
from monitoring import alerts
from monitoring.alerts import BLOCKED_VERSION, UNKNOWN_VERSION, JudgedWindow, Signal, conditions
from monitoring.models import Alert, AlertMember, Chunk, Condition, RejectCount
from monitoring.models.ingest_batch import Kind
from monitoring.stats.gates import HARD_BREAK_HOURLY
from monitoring.stats.results import Verdict
from registry.models import ModelVersion, RegisteredModel

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
LOOK_BACK = timedelta(hours=6)  # what came while no worker ran is judged later, up to so much
GRACE = timedelta(minutes=2)  # counts of an hour are written a little after it: with the answer, or by compaction
REOPENS_WITHIN = timedelta(hours=24)
GROWTH = 2  # while the hour runs, its number is told anew whenever it has doubled
METRICS = (UNKNOWN_VERSION, BLOCKED_VERSION)

Hours = dict[datetime, dict[str, int]]  # by the start of the hour: predictions by version label


@dataclass(frozen=True, slots=True)
class _Told:
    """What one hour says about one metric. end: when its window ends; revision: grows with the number."""

    end: datetime
    by_label: Mapping[str, int]

    @property
    def window(self) -> JudgedWindow:
        return JudgedWindow(self.end, 1 + sum(self.by_label.values()), HARD_BREAK_HOURLY, REOPENS_WITHIN)


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order a look at every model of which an hour has something new to say."""
    seen = _seen(now)
    open_ones = AlertMember.objects.filter(
        alert__closed_at=None, left_at=None, condition__source__startswith="traffic:"
    )
    models = {model_id for model_id, _ in seen} | set(open_ones.values_list("condition__model", flat=True))
    due = {model_id for model_id in models for metric in METRICS if _news(model_id, metric, seen, now)}
    live = RegisteredModel.objects.live().filter(pk__in=due)
    for model_id, team_id in live.values_list("pk", "team") if due else ():
        queue.enqueue(
            "monitoring.watch_arrivals", str(model_id), payload={"model": str(model_id)}, priority=20, team=team_id
        )


def watch(model_id: UUID, lease: Lease, now: datetime) -> None:
    """Let what came in the last hours open, move or clear the conditions of the model; safe to call twice."""
    with queue.finishing(lease):
        model = RegisteredModel.objects.live().filter(pk=model_id).select_related("team").first()
        if model is None:
            return
        seen = _seen(now, model_id)
        for metric in METRICS:
            for told in _news(model_id, metric, seen, now):
                alerts.observe(model, [_signal(model_id, metric, told.by_label)], told.window, now=now)


def _seen(now: datetime, model_id: UUID | None = None) -> dict[tuple[UUID, str], Hours]:
    """What came in the last hours, by model and metric."""
    found: dict[tuple[UUID, str], Hours] = defaultdict(lambda: defaultdict(dict))
    for metric, rows in ((UNKNOWN_VERSION, _unknown(now, model_id)), (BLOCKED_VERSION, _blocked(now, model_id))):
        for model, hour, label, n in rows:
            by_label = found[model, metric][hour]
            by_label[label] = by_label.get(label, 0) + n
    return found


def _unknown(now: datetime, model_id: UUID | None) -> Iterator[tuple[UUID, datetime, str, int]]:
    counts = RejectCount.objects.filter(hour__gt=now - LOOK_BACK, code="unknown_version")
    if model_id:
        counts = counts.filter(model=model_id)
    yield from counts.values_list("model", "hour", "version_label").annotate(Sum("n")).order_by("hour")


def _blocked(now: datetime, model_id: UUID | None) -> Iterator[tuple[UUID, datetime, str, int]]:
    """Of files written in the last hours, not those that only join older ones: these repeat their counts."""
    blocked = ModelVersion.objects.filter(status=ModelVersion.Status.BLOCKED, deleted_at=None)
    written = Chunk.objects.filter(version__in=blocked, kind=Kind.PREDICTION, replaces=None)
    written = written.filter(created_at__gt=now - LOOK_BACK)
    if model_id:
        written = written.filter(model=model_id)
    for model, at, number, surprises in written.values_list("model", "created_at", "version__number", "surprises"):
        if n := surprises.get("blocked_version", {}).get("", 0):
            yield model, _hour(at), str(number), n


def _news(model_id: UUID, metric: str, seen: Mapping[tuple[UUID, str], Hours], now: datetime) -> Sequence[_Told]:
    """The hours that the condition does not know yet, or knows with a smaller number, in order."""
    hours = seen.get((model_id, metric), {})
    condition = _condition(model_id, metric)
    ring = conditions.entries(condition) if condition else []
    known = {_hour_ending(entry.end): entry for entry in ring}
    newest = max(known, default=None)
    is_open = condition is not None and condition.state != Condition.State.QUIET
    news = []
    for hour in _hours(now):
        told, entry = hours.get(hour, {}), known.get(hour)
        is_over = hour + HOUR + GRACE <= now
        n, before = sum(told.values()), int(entry.value or 0) if entry else 0
        if entry:
            if n > before and (is_over or n >= GROWTH * before):
                news.append(_Told(entry.end, told))
        elif (newest is None or hour > newest) and (n or (is_over and is_open)):
            news.append(_Told(min(max(now, hour + SECOND), hour + HOUR), told))
        is_open = is_open or bool(news)
    return news


def _condition(model_id: UUID, metric: str) -> Condition | None:
    key = conditions.fingerprint(model_id, _signal(model_id, metric, {}))
    return Condition.objects.filter(fingerprint=key).first()


def _signal(model_id: UUID, metric: str, by_label: Mapping[str, int]) -> Signal:
    n = sum(by_label.values())
    return Signal(
        source=f"traffic:{model_id}:versions:{metric}",
        family=Alert.Family.OPERATIONS,
        verdict=Verdict.warn if n else Verdict.ok,
        gap=float(n) if n else None,
        threshold=1.0 if n else None,
        value=float(n),
        n=n,
        about=_named(by_label),
    )


def _named(by_label: Mapping[str, int]) -> str:
    """The labels as a sentence names them, the most frequent first; those without a printable name as others."""
    ranked = sorted(by_label, key=lambda label: (label == "", -by_label[label], label))
    names = [label or "others" for label in ranked]
    return f"{'version' if len(names) == 1 else 'versions'} {wording.listed(names)}" if names else ""


def _hours(now: datetime) -> Iterator[datetime]:
    """The starts of the hours looked at, up to the running one."""
    hour = _hour(now - LOOK_BACK) + HOUR
    while hour <= now:
        yield hour
        hour += HOUR


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hour_ending(end: datetime) -> datetime:
    """The start of the hour whose window ends then: of a running hour, when it was first seen."""
    return _hour(end - timedelta(microseconds=1))
