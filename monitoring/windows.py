"""Windows of time, and what makes a measured one be measured again.

A window is `[start, end)` in UTC by prediction time. Its end lies on the cadence of its monitor: a full hour,
midnight, or Monday midnight. Late rows and new outcomes mark a run dirty; `ripen` answers with revision n+1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from mlops_portal.jobs import queue
from monitoring.checks import config as configs
from monitoring.checks.config import MonitorConfig
from monitoring.models import Monitor, MonitorRevision, Run

DAY = timedelta(days=1)
STEPS = {Monitor.Cadence.HOUR: timedelta(hours=1), Monitor.Cadence.DAY: DAY, Monitor.Cadence.WEEK: 7 * DAY}
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)  # a multiple of every step lies between it and each end

AT_LEAST_APART = timedelta(minutes=10)
LATE_SHARE = 0.01
LATE_PASS_AT = time(4, tzinfo=UTC)
COVERAGE_STEP = 0.05
MATURE_COVERAGE = 0.9

OPEN = (Run.State.PLANNED, Run.State.RUNNING)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of prediction time."""

    start: datetime
    end: datetime


def ends(cadence: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the window ends later than `after` and not later than `until`, in order.

    >>> noon = datetime(2011, 10, 1, 12, tzinfo=UTC)
    >>> [str(end) for end in ends("day", noon, noon + DAY)]
    ['2011-10-02 00:00:00+00:00']
    """
    step = STEPS[Monitor.Cadence(cadence)]
    first = _MONDAY + ((after - _MONDAY) // step + 1) * step
    return [first + n * step for n in range(max(0, (until - first) // step + 1))]


def end_of(cadence: str, moment: datetime) -> datetime:
    """Return the end of the first window of a cadence that holds the moment."""
    return ends(cadence, moment, moment + STEPS[Monitor.Cadence(cadence)])[0]


def bounds(end: datetime, config: MonitorConfig) -> Window:
    """Return the window that ends then."""
    return Window(end - config.window, end)


def baseline(start: datetime, config: MonitorConfig) -> Window | None:
    """Return the days a window that begins at `start` is compared with; None where that is a reference."""
    return Window(start - config.baseline_days * DAY, start) if config.baseline_days else None


def mark_dirty(model_id: UUID, day: date, rows: int, now: datetime, *, labels: bool = False) -> int:
    """Note that so many rows of a day came (labels: outcomes) after its windows were, or are being, measured.

    Runs in the transaction that stores them. Concerns each window that holds the day or is compared with it; a
    window that waits for its first run will read them anyway. Returns how many runs are dirty now.
    """
    concerned = Q(pk=None)
    for monitor_id, config in _current_configs(model_id):
        if not labels or config.checks.performance:
            concerned |= Q(monitor_id=monitor_id) & _holding(day, config.baseline_days)
    measured = Run.objects.filter(concerned).filter(Q(is_latest=True) | Q(state__in=OPEN))
    return measured.update(dirty_at=Coalesce("dirty_at", Value(now)), dirty_rows=F("dirty_rows") + rows)


def _holding(day: date, baseline_days: int) -> Q:
    """Windows, as far as they were widened or look back, that hold the day."""
    start = datetime.combine(day, time.min, tzinfo=UTC)
    before = start + DAY + baseline_days * DAY
    return Q(window_end__gt=start) & (Q(window_start__lt=before) | Q(data_start__lt=before))


def _current_configs(model_id: UUID) -> Iterator[tuple[UUID, MonitorConfig]]:
    revisions = MonitorRevision.objects.filter(monitor__model=model_id, number=F("monitor__revision"))
    for monitor_id, stored in revisions.values_list("monitor_id", "config"):
        yield monitor_id, configs.load(stored)


def ripen(now: datetime, *, drain: bool = False) -> int:
    """Plan revision n+1 of every window whose inputs changed enough, or whose labels are mature by now.

    Late rows: ten minutes after the last look if they are 1 % of the window, else at 04:00 UTC. Outcomes of an
    immature window: at maturity, and before it once a day when they are 5 % of the window.
    drain: whatever is dirty, at once. Returns how many revisions it planned; safe to call twice at once.
    """
    ripe = Q(dirty_at__isnull=False) | Q(mature=False, matures_at__lte=now)
    open_siblings = Run.objects.filter(
        monitor=OuterRef("monitor"),
        window_start=OuterRef("window_start"),
        window_end=OuterRef("window_end"),
        state__in=OPEN,
    )
    waiting = Run.objects.latest().filter(ripe).exclude(Exists(open_siblings)).order_by("window_end")
    candidates = waiting.select_related("model", "config").defer("summary", "inputs", "error")
    due = [run for run in candidates if not is_gap(run) and (drain or is_due(run, now))]
    why = {None: Run.Why.LATE, True: Run.Why.LABELS, False: Run.Why.LABELS}
    return sum(plan_again(run, why=why[run.mature], now=now) is not None for run in due)


def is_gap(run: Run) -> bool:
    """Tell whether a run stands for a long gap instead of a window of its monitor; the planner looks after these."""
    return run.window_end - run.window_start != configs.load(run.config.config).window


def is_due(run: Run, now: datetime) -> bool:
    """Tell whether a measured run that is dirty, or has come of age, is to be measured again now."""
    if run.mature is False and run.matures_at is not None and run.matures_at <= now:
        return True
    if run.dirty_at is None:
        return False
    rested = now - (run.finished_at or run.planned_at)
    if run.mature is False:
        grown = run.dirty_rows / max(run.rows, 1)
        nearly = (run.coverage_share or 0.0) + grown >= MATURE_COVERAGE
        return grown >= COVERAGE_STEP and rested >= (AT_LEAST_APART if nearly else DAY)
    if run.dirty_rows >= LATE_SHARE * run.rows:
        return rested >= AT_LEAST_APART
    return now >= _next_late_pass(run.dirty_at)


def _next_late_pass(after: datetime) -> datetime:
    at_four = datetime.combine(after.astimezone(UTC).date(), LATE_PASS_AT)
    return at_four if after < at_four else at_four + DAY


def plan_again(run: Run, *, why: str, now: datetime) -> Run | None:
    """Plan the next revision of a window with the configuration of this run, and order its execution.

    None if somebody already has: a window has at most one open run.
    """
    newest = Run.objects.filter(
        monitor=run.monitor_id, window_start=run.window_start, window_end=run.window_end
    ).aggregate(revision=Max("revision"))
    again = Run(
        monitor_id=run.monitor_id,
        model_id=run.model_id,
        config_id=run.config_id,
        window_start=run.window_start,
        window_end=run.window_end,
        revision=newest["revision"] + 1,
        why=why,
        is_latest=False,  # until it is done, the older one answers
        planned_at=now,
    )
    return again if insert([again], team=run.model.team_id) else None


def postpone(failed: Run, now: datetime) -> None:
    """After a later revision has failed, let the one before it wait: for 04:00 UTC with late rows, a day for labels.

    Else the same failure would be ordered again at once, for ever.
    """
    former = Run.objects.latest().filter(
        monitor=failed.monitor_id, window_start=failed.window_start, window_end=failed.window_end
    )
    former = former.exclude(pk=failed.pk)
    former.filter(dirty_at__isnull=False).update(dirty_at=now, dirty_rows=0)
    former.filter(matures_at__lte=now).update(matures_at=now + DAY)


@transaction.atomic
def insert(planned: Sequence[Run], *, team: UUID) -> int:
    """Insert runs, leaving out those that exist already, and order the execution of the planned ones.

    Returns how many were inserted.
    """
    Run.objects.bulk_create(planned, ignore_conflicts=True)
    inserted = set(Run.objects.filter(pk__in=[run.pk for run in planned]).values_list("pk", flat=True))
    for run in planned:
        if run.pk in inserted and run.state == Run.State.PLANNED:
            order(run, team=team)
    return len(inserted)


def order(run: Run, *, team: UUID) -> None:
    """Have a worker execute a planned run."""
    queue.enqueue(
        "monitoring.execute_run",
        f"{run.monitor_id}:{run.window_start.isoformat()}:{run.revision}",
        payload={"run": str(run.pk)},
        team=team,
    )
