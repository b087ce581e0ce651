"""Executing runs, and computing an old one again; for workers, as it brings scipy with it."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mlops_portal.jobs import queue, scrub
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from mlops_portal.kit.errors import Conflict
from mlops_portal.kit.faults import fault
from monitoring import alerts, windows
from monitoring.checks import config as configs
from monitoring.checks.base import Finding, WindowData
from monitoring.checks.config import Checks
from monitoring.checks.judging import judge
from monitoring.checks.table import CHECKS
from monitoring.models import Run
from monitoring.runs import saving
from monitoring.runs.loading import load
from monitoring.stats.results import Verdict

logger = logging.getLogger(__name__)

BEGINNABLE = (Run.State.PLANNED, Run.State.RUNNING, Run.State.FAILED)
WITHOUT_ROWS = frozenset({"volume"})  # checks that have something to say about a window without a prediction


def execute(run_id: UUID, lease: Lease, *, now: datetime | None = None) -> None:
    """Measure a window and save the result together with the end of the job.

    Safe to call twice, and harmless when overtaken: a run that is over is left alone, and a worker without a lease
    saves nothing (LostLease). A check that fails makes a measurement `error` and stops no other; if the window
    itself cannot be read the job is tried again, and the run is `failed` after the last attempt.
    now: takes the place of the clock, at the beginning and at the end.
    """
    started_at = now or clock.now()
    run = _begin(run_id, started_at)
    if run is None:
        return
    try:
        config = configs.load(run.config.config)
        loaded = load(run, config, started_at)
        fault("run.loaded")
        findings = measure(loaded.data, config.checks)
        fault("run.computed")
    except Exception as error:
        if lease.attempts >= lease.max_attempts and queue.renew(lease):
            _fail(run, scrub.describe(error), now or _end(started_at))
        raise
    with queue.finishing(lease):
        saving.save(run, loaded, findings, now or _end(started_at))
        fault("run.in_txn")
    fault("run.committed")


def _end(started_at: datetime) -> datetime:
    """The present moment; a clock that was set back meanwhile does not make an end before the start."""
    return max(started_at, clock.now())


def _begin(run_id: UUID, now: datetime) -> Run | None:
    """Mark the run as running, unless it is over or was withdrawn. What came until now it will read."""
    row = Run.objects.filter(pk=run_id, state__in=BEGINNABLE)
    if not row.update(state=Run.State.RUNNING, started_at=now, dirty_at=None, dirty_rows=0, error=""):
        return None
    return Run.objects.select_related("monitor", "model__team", "config").get(pk=run_id)


@transaction.atomic
def _fail(run: Run, text: str, now: datetime) -> None:
    """Note that the last attempt failed; the job goes to quarantine with the traceback."""
    row = Run.objects.filter(pk=run.pk, state=Run.State.RUNNING)
    if row.update(state=Run.State.FAILED, error=text, finished_at=now):
        run.refresh_from_db(fields=["state"])
        windows.postpone(run, now)
        alerts.observe_run(run, [], now=now)


def measure(data: WindowData, checks: Checks) -> list[Finding]:
    """Call each check and judge all findings together. A check that raises is `error`; the others go on."""
    found: list[Finding] = []
    for key, config in checks.items():
        if data.rows or key in WITHOUT_ROWS:
            found += _guarded(key, data, config)
    drift = checks.input_drift
    return judge(found, q=drift.q, top=drift.top) if drift else judge(found)


def _guarded(key: str, data: WindowData, config: object) -> Sequence[Finding]:
    try:
        return CHECKS[key].measure(data, config)
    except Exception as error:
        logger.exception("check failed", extra={"check": key})
        about = {"error": type(error).__name__, "text": scrub.message(str(error))[:500]}
        return [Finding(key, "check.1", verdict=Verdict.error, reason="failed", details=about)]


def recompute(run: Run) -> list[Finding]:
    """Return the findings of a run computed again from what it read; nothing is stored.

    Equal to what is stored as long as no traffic came to its days since. Raises InputsMoved if some did.
    """
    config = configs.load(run.config.config)
    loaded = load(run, config, run.finished_at or run.planned_at, mature=run.mature)
    if loaded.pins.generations() != run.inputs["generations"]:
        raise InputsMoved("Traffic came to the days of this run since it was measured.")
    if list(loaded.references) != run.inputs["references"]:
        raise InputsMoved("What this run was compared with has changed since it was measured.")
    return measure(loaded.data, config.checks)


class InputsMoved(Conflict):
    """The days a run read have changed."""

    code = "inputs_moved"
