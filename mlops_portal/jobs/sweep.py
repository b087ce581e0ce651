"""What falls due without anybody asking: expired leases, what the settings list `SWEEPS` names, old rows."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q
from django.db.models.functions import Now

from mlops_portal.jobs import database, queue
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.kit import wiring

logger = logging.getLogger(__name__)

JUST_NOW = timedelta(seconds=4)  # less than the five seconds between two rings, which jitter
KEEP_DONE = timedelta(days=7)
KEEP_BEATS = timedelta(hours=1)


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Settle what died, then let every function of `SWEEPS` create what is due; none of them can stop the others.

    drain: the functions ignore their waiting times too. Safe to run twice at once, in any number of processes.
    """
    for step in (queue.quarantine_expired, queue.mend_times, purge):
        _guarded(step, step)
    for function in wiring.functions("SWEEPS"):
        _guarded(function, partial(function, now, drain=drain))


def sweep_if_due(now: datetime) -> bool:
    """Sweep unless some process has just begun to; returns whether this one did.

    However many processes ask, about one sweep begins every five seconds.
    """
    beat = WorkerBeat.objects.filter(pk=WorkerBeat.SWEEP)
    recent = Q(loop_at__gt=Now() - JUST_NOW, loop_at__lte=Now() + JUST_NOW)  # further ahead: the clock went back
    if beat.filter(recent).exists():
        return False
    if not beat.exists():
        WorkerBeat.objects.bulk_create([WorkerBeat(worker=WorkerBeat.SWEEP, loop_at=now)], ignore_conflicts=True)
    elif not beat.exclude(recent).update(loop_at=Now()):
        return False
    sweep(now)
    return True


def purge() -> None:
    """Delete jobs that ended well, or were cancelled, a week ago, and the beats of workers long gone."""
    over = (Job.State.DONE, Job.State.CANCELLED)
    Job.objects.filter(state__in=over, finished_at__lt=Now() - KEEP_DONE).delete()
    WorkerBeat.objects.exclude(pk=WorkerBeat.SWEEP).filter(loop_at__lt=Now() - KEEP_BEATS).delete()


def _guarded(named: Callable[..., object], run: Callable[[], object]) -> None:
    try:
        run()
    except Exception:
        logger.exception("sweep failed", extra={"sweep": f"{named.__module__}.{named.__qualname__}"})
        database.drop_if_broken()
