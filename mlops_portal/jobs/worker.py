"""Do due jobs: one, or until none is left. The Celery task, the embedded worker and `work --drain` all end here."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from mlops_portal.jobs import alarm, database, limits, queue, scrub, sql, sweep
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.jobs.queue import Lease, LostLease
from mlops_portal.kit import clock, memory, wiring
from mlops_portal.kit.errors import DomainError

logger = logging.getLogger(__name__)

UNKNOWN_KIND_WAIT_S = 30.0
LOOK_EVERY_S = 0.2
_STARTED = str(int(time.time()))


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain has done so far; `left` counts the open jobs when its time was up."""

    jobs: int = 0
    quarantined: int = 0
    left: int = 0


def name(started: str = "") -> str:
    """The name this process signs its leases with: host, process id and the moment it started."""
    return f"{socket.gethostname()}:{os.getpid()}:{started or _STARTED}"


def do_one(of_queue: str, *, drain_since: datetime | None = None, worker: str = "") -> bool:
    """Do the most urgent due job of the queue; False if there is none.

    A handler that fails costs its job an attempt and nothing else; this function raises only if the database is
    away, or if the process is told to stop (the job is then released first).
    """
    if drain_since is None and not Job.objects.due().filter(queue=of_queue).exists():
        return False  # a look takes no lock; a claim takes SQLite's only one
    lease = queue.claim(of_queue, worker=worker or name(), drain_since=drain_since)
    if lease is None:
        return False
    execute(lease)
    return True


def do_any(queues: Sequence[str], *, drain_since: datetime | None = None, worker: str = "") -> bool:
    """Do one job of the first queue that has any; False if none has."""
    return any(do_one(of_queue, drain_since=drain_since, worker=worker) for of_queue in queues)


def execute(lease: Lease) -> None:
    """Run the handler of a claimed job and settle how it ended."""
    handler = wiring.table("JOB_TABLES").get(lease.kind)
    if handler is None or lease.payload_v > queue.PAYLOAD_V:
        # Written by a newer release than this process: leave it to a worker that knows it (R16).
        logger.warning("job unknown to this worker", extra={"kind": lease.kind, "job": lease.job_id})
        queue.release(lease, after_s=UNKNOWN_KIND_WAIT_S)
        return
    memory.keep_freed()
    memory.spare_pandas()
    try:
        with renewing(lease), alarm.soft_limit(lease.queue):
            handler(lease)
    except LostLease:
        logger.warning("lease lost", extra={"kind": lease.kind, "job": lease.job_id, "fence": lease.fence})
    except alarm.Stopping:
        queue.release(lease)
        raise
    except Exception as error:
        _settle_failure(lease, error)
    else:
        queue.finish(lease)  # changes nothing if the handler has used `finishing`


def drain(
    queues: Sequence[str],
    *,
    timeout_s: float | None = None,
    report: Callable[[Drained], None] = lambda _: None,
) -> Drained:
    """Do every job that is due or that a sweep can create, without any waiting time, until none is left.

    Jobs that another worker holds are waited for: they may create more. A key that goes into quarantine on the way
    is not tried again. Ends early after timeout_s, or when the process is told to stop.
    """
    since = sql.database_now()
    deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    jobs = 0
    while time.monotonic() < deadline and not alarm.stopping.is_set():
        if do_any(queues, drain_since=since):
            jobs += 1
            report(_drained(jobs, queues, since))
            continue
        sweep.sweep(clock.now(), drain=True)
        if _claimable(queues, since):
            continue
        if not Job.objects.filter(queue__in=queues, state=Job.State.RUNNING).exists():
            return _drained(jobs, queues, since)
        time.sleep(LOOK_EVERY_S)
    left = Job.objects.open().filter(queue__in=queues).count()
    return replace(_drained(jobs, queues, since), left=left)


@contextmanager
def renewing(lease: Lease) -> Iterator[None]:
    """Renew the lease every 20 seconds from a thread with a database connection of its own, while the work goes on."""
    over = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(lease, over), name="job-renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def beat(worker: str, queues: Sequence[str], jobs_done: int) -> None:
    """Say that the main loop of this worker goes round."""
    WorkerBeat.objects.update_or_create(
        worker=worker, defaults={"queue": ",".join(queues), "loop_at": Now(), "jobs_done": jobs_done}
    )


def _renew_until(lease: Lease, over: threading.Event) -> None:
    try:
        while not over.wait(limits.RENEW_S):
            try:
                if not queue.renew(lease):
                    return
            except DatabaseError as error:  # the next try is due well before the lease ends
                logger.warning("lease not renewed", extra={"job": lease.job_id, "error": type(error).__name__})
                database.drop_if_broken()
    finally:
        connection.close()


def _settle_failure(lease: Lease, error: Exception) -> None:
    if isinstance(error, alarm.SoftLimit):
        connection.close()  # the alarm may have struck in the middle of a statement
    database.drop_if_broken()
    code = error.code if isinstance(error, DomainError) else type(error).__name__
    state = queue.fail(lease, code, scrub.describe(error))
    logger.warning(
        "job failed",
        extra={
            "kind": lease.kind,
            "job": lease.job_id,
            "attempt": lease.attempts,
            "state": state,
            "code": code,
        },
    )


def _claimable(queues: Sequence[str], since: datetime) -> bool:
    failed = Job.objects.filter(
        kind=OuterRef("kind"), key=OuterRef("key"), state=Job.State.QUARANTINED, finished_at__gte=since
    )
    waiting = Job.objects.filter(Q(state=Job.State.QUEUED) & ~Exists(failed), queue__in=queues)
    return waiting.exists() or Job.objects.due().filter(queue__in=queues).exists()


def _drained(jobs: int, queues: Sequence[str], since: datetime) -> Drained:
    failed = Job.objects.filter(queue__in=queues, state=Job.State.QUARANTINED, finished_at__gte=since)
    return Drained(jobs, failed.count())
