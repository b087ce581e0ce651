"""Which windows are due: derived from a watermark in the database, never from the ticks of a clock.

A monitor has a run for every window end in `[planned_from, planned_until)`. Both marks move by compare-and-swap
in the transaction that inserts the runs, so nothing is skipped and two planners at once do no harm.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Min, Q
from django.db.models.functions import Now

from mlops_portal.jobs.models import Job
from mlops_portal.kit.faults import fault
from monitoring import monitors, windows
from monitoring.checks import config as configs
from monitoring.checks.config import MonitorConfig
from monitoring.models import DayManifest, InboxRow, IngestBatch, Monitor, MonitorRevision, Run, VersionTraffic
from monitoring.windows import STEPS, Window
from registry.models import RegisteredModel

AT_ONCE = 200  # windows per monitor and call
LONG_GAP = timedelta(days=35)
HOURLY_REACH = timedelta(days=35)
LIVE_FOR = timedelta(days=28)
PATIENCE = timedelta(minutes=30)  # how long after the grace a waiting inbox row holds a window
QUIET_AFTER = timedelta(hours=48)
EMPTY_SUMMARY = {"verdicts": {"no_data": 1}, "worst": "no_data", "top": []}


@dataclass(frozen=True, slots=True)
class Traffic:
    """When the predictions of a model were made, and when the API last received some."""

    first_at: datetime
    newest_at: datetime
    last_live_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One window, or a long gap without traffic that one run stands for; the window ends that it covers."""

    window: Window
    first_end: datetime
    last_end: datetime

    @property
    def is_gap(self) -> bool:
        return self.first_end < self.last_end


def plan(now: datetime, *, drain: bool = False) -> int:
    """Insert the runs that are due and order their execution; returns how many it inserted.

    A window is due when its end and the grace have passed and nothing that came before then waits in the inbox (for
    at most 30 more minutes). At most 200 windows per monitor and call. While history is being filled in, the model
    is left alone. drain: without grace, waiting or limit. Safe to call twice at once.
    """
    _fail_abandoned(now)
    _reopen_gaps(now)
    planned = 0
    while batch := _plan_once(now, drain=drain):
        planned += batch
        if not drain:
            break
    return planned


def horizon(model: RegisteredModel, now: datetime) -> datetime | None:
    """Return until when windows of the model make sense: now while its API traffic is alive, so that silence shows.

    Else the newest prediction: the window that holds it is the last. None without traffic.
    """
    traffic = _traffic().get(model.pk)
    return _horizon(traffic, now) if traffic else None


def _horizon(traffic: Traffic, now: datetime) -> datetime:
    live = traffic.last_live_at is not None and traffic.last_live_at >= now - LIVE_FOR
    return max(now, traffic.newest_at) if live else traffic.newest_at


def _traffic() -> dict[UUID, Traffic]:
    seen = VersionTraffic.objects.filter(first_at__isnull=False, newest_at__isnull=False)
    seen = seen.filter(version__model__deleted_at=None)
    sums = seen.values_list("version__model").annotate(Min("first_at"), Max("newest_at"), Max("last_live_at"))
    return {model: Traffic(*times) for model, *times in sums}


def _plan_once(now: datetime, *, drain: bool) -> int:
    traffic = _traffic()
    monitors.complete(traffic, now)
    active = Monitor.objects.filter(state=Monitor.State.ACTIVE).exclude(cadence=Monitor.Cadence.EVENT)
    fields = ("pk", "model_id", "cadence", "planned_from", "planned_until")
    behind = [
        monitor
        for monitor, model, cadence, since, until in active.values_list(*fields)
        if model in traffic and _is_behind(cadence, since, until, traffic[model], now)
    ]
    current = MonitorRevision.objects.filter(monitor__in=behind, number=F("monitor__revision"))
    revisions = list(current.select_related("monitor__model")) if behind else []
    waiting = _waiting({revision.monitor.model_id for revision in revisions}, drain=drain)
    return sum(
        _plan_monitor(revision, traffic[model], None if drain else waiting[model], now, drain=drain)
        for revision in revisions
        if (model := revision.monitor.model_id) in waiting
    )


def _is_behind(
    cadence: str, planned_from: datetime | None, planned_until: datetime | None, traffic: Traffic, now: datetime
) -> bool:
    """Tell, from what is at hand, whether a window may be missing; grace and inbox are asked later."""
    if planned_from is None or planned_until is None:
        return True
    last = min(windows.end_of(cadence, _horizon(traffic, now)), now)
    return last >= planned_until or _first_end(cadence, traffic, now) < planned_from


def _first_end(cadence: str, traffic: Traffic, now: datetime) -> datetime:
    first = traffic.first_at
    if cadence == Monitor.Cadence.HOUR:
        first = max(first, _horizon(traffic, now) - HOURLY_REACH)
    return windows.end_of(cadence, first)


def _waiting(models: Collection[UUID], *, drain: bool) -> dict[UUID, datetime | None]:
    """Return since when the inbox of each model has waited; without the models whose history is being filled in.

    No window ends after rows of history came, so the due rule does not wait for them. Compaction in quarantine does
    not count: it must not hold a model for ever.
    """
    if not models:
        return {}
    inbox = InboxRow.objects.filter(model__in=models)
    oldest = dict(inbox.values_list("model").annotate(Min("received_at")))
    unstored = inbox if drain else inbox.filter(batch__via=IngestBatch.Via.BACKFILL)
    with_history = {str(pk) for pk in unstored.values_list("model", flat=True).distinct()} if oldest else set()
    compacting = Q(kind="monitoring.compact", key__in=with_history)
    filling = Q(kind="monitoring.backfill", lease_until__gt=Now())
    jobs = Job.objects.filter(compacting | filling, state__in=(Job.State.QUEUED, Job.State.RUNNING))
    held = {key.partition(":")[0] for key in jobs.values_list("key", flat=True)}
    return {model: oldest.get(model) for model in models if str(model) not in held}


def _plan_monitor(
    revision: MonitorRevision, traffic: Traffic, waiting_since: datetime | None, now: datetime, *, drain: bool
) -> int:
    monitor, config = revision.monitor, configs.load(revision.config)
    step = STEPS[Monitor.Cadence(monitor.cadence)]
    first, newest = _first_end(monitor.cadence, traffic, now), windows.end_of(monitor.cadence, _horizon(traffic, now))
    newest = min(newest, _due_until(config, waiting_since, now, drain=drain))
    start, until = monitor.planned_from or first, monitor.planned_until or first
    forward = _stretches(monitor, config, windows.ends(monitor.cadence, until - step, newest))[:AT_ONCE]
    backward = _stretches(monitor, config, windows.ends(monitor.cadence, first - step, start - step))[-AT_ONCE:]
    if not forward and not backward:
        return 0
    since = backward[0].first_end if backward else start
    runs = [_run(revision, stretch, now, newest=newest) for stretch in (*backward, *forward)]
    with transaction.atomic():
        mark = Monitor.objects.filter(
            pk=monitor.pk, planned_from=monitor.planned_from, planned_until=monitor.planned_until
        )
        if not mark.update(planned_from=since, planned_until=forward[-1].last_end + step if forward else until):
            return 0  # another planner was faster
        inserted = windows.insert(runs, team=monitor.model.team_id)
        fault("plan.inserted")
    return inserted


def _due_until(config: MonitorConfig, waiting_since: datetime | None, now: datetime, *, drain: bool) -> datetime:
    """Return the latest moment at which a window may have ended to be due now."""
    if drain:
        return now
    if waiting_since is None:
        return now - config.grace
    return min(now, max(waiting_since, now - PATIENCE)) - config.grace


def _stretches(monitor: Monitor, config: MonitorConfig, ends: Sequence[datetime]) -> list[_Stretch]:
    """Return a stretch per window end, but one for all of a gap of more than 35 days without traffic."""
    single = [_Stretch(windows.bounds(end, config), end, end) for end in ends]
    if not ends or ends[-1] - ends[0] <= LONG_GAP:
        return single
    days = _days_with_traffic(monitor.model_id)
    stretches: list[_Stretch] = []
    for is_empty, group in groupby(single, lambda stretch: not _holds_any(stretch.window, days)):
        members = list(group)
        first, last = members[0], members[-1]
        if is_empty and last.last_end - first.last_end > LONG_GAP:
            whole = Window(first.window.start, last.window.end)
            stretches.append(_Stretch(whole, first.first_end, last.last_end))
        else:
            stretches += members
    return stretches


def _days_with_traffic(model: UUID) -> Sequence[date]:
    days = DayManifest.objects.filter(version__model=model, rows__gt=0)
    return sorted(set(days.values_list("day", flat=True)))


def _holds_any(window: Window, days: Sequence[date]) -> bool:
    """Tell whether one of the sorted days overlaps the window."""
    place = bisect_left(days, window.start.astimezone(UTC).date())
    return place < len(days) and datetime.combine(days[place], time.min, tzinfo=UTC) < window.end


def _run(revision: MonitorRevision, stretch: _Stretch, now: datetime, *, newest: datetime) -> Run:
    late = now - stretch.last_end > QUIET_AFTER and stretch.last_end < newest
    return Run(
        monitor_id=revision.monitor_id,
        model_id=revision.monitor.model_id,
        config_id=revision.pk,
        window_start=stretch.window.start,
        window_end=stretch.window.end,
        why=Run.Why.FIRST,
        state=Run.State.NO_DATA if stretch.is_gap else Run.State.PLANNED,
        summary=EMPTY_SUMMARY if stretch.is_gap else {},
        quiet=late,
        planned_at=now,
        finished_at=now if stretch.is_gap else None,
    )


def _reopen_gaps(now: datetime) -> None:
    """Replace the one run of a gap into which traffic has come by a run per window."""
    dirty = Run.objects.latest().filter(dirty_at__isnull=False, state=Run.State.NO_DATA)
    for gap in dirty.select_related("config", "monitor__model"):
        if not windows.is_gap(gap):
            continue
        config, step = configs.load(gap.config.config), STEPS[Monitor.Cadence(gap.monitor.cadence)]
        ends = windows.ends(gap.monitor.cadence, gap.window_start + config.window - step, gap.window_end)
        runs = [
            _run(gap.config, stretch, now, newest=gap.window_end)
            for stretch in _stretches(gap.monitor, config, ends)
            if stretch.window != Window(gap.window_start, gap.window_end)
        ]
        with transaction.atomic():
            row = Run.objects.filter(pk=gap.pk, is_latest=True, dirty_at=gap.dirty_at)
            if runs and row.update(is_latest=False, state=Run.State.SUPERSEDED, dirty_at=None, dirty_rows=0):
                windows.insert(runs, team=gap.monitor.model.team_id)


def _fail_abandoned(now: datetime) -> None:
    """Mark the runs whose execution is in quarantine as failed; a person can have them run again."""
    quarantined = Job.objects.filter(kind="monitoring.execute_run", state=Job.State.QUARANTINED)
    ids = [payload.get("run") for payload in quarantined.values_list("payload", flat=True)]
    for run in Run.objects.filter(pk__in=ids, state__in=windows.OPEN) if ids else ():
        row = Run.objects.filter(pk=run.pk, state__in=windows.OPEN)
        if row.update(state=Run.State.FAILED, error="Every attempt to measure this window failed.", finished_at=now):
            windows.postpone(run, now)
