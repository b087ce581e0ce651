"""The job table as a queue: the only writer of a job's state.

Every step after a claim compares the fence, so a worker that lost its lease changes nothing. Times are those of
the database, whose clock judges every lease.
"""

import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, TextField, Value, When
from django.db.models.functions import Now

from mlops_portal.jobs import bell, limits, sql
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.models.job import JobQuerySet
from mlops_portal.jobs.sql import Order
from mlops_portal.kit.errors import Conflict

logger = logging.getLogger(__name__)

PAYLOAD_BYTES = 8192
PAYLOAD_V = 1
RETRY_FIRST_S = 5.0
RETRY_FACTOR = 3
RETRY_SPREAD = 0.2
RETRY_LONGEST_S = 3600.0


class LostLease(Exception):
    """Another worker holds the job, or nobody needs it any more: nothing of this attempt may be saved."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job until the lease ends; the fence tells this attempt from every other.

    has_failed: earlier work of the same kind and key lies in quarantine; while this job is open, none can join it.
    """

    job_id: UUID
    kind: str
    key: str
    queue: str
    fence: int
    attempts: int
    max_attempts: int
    payload: dict[str, Any]
    payload_v: int
    team: UUID | None
    has_failed: bool = False


_LEASED = ("kind", "key", "queue", "fence", "attempts", "max_attempts", "payload", "payload_v", "team")


def enqueue(
    kind: str,
    key: str,
    *,
    payload: dict[str, Any] | None = None,
    queue: str = Job.Queue.COMPUTE,
    priority: int = 50,
    team: UUID | None = None,
    not_before: datetime | None = None,
    max_attempts: int = 5,
) -> None:
    """Order a piece of work in the transaction of the caller.

    Idempotent: while a job of this kind and key waits, nothing is added (an earlier time or priority wins); while
    it runs, it will run once more. A key that is in quarantine since less than an hour waits out that hour.
    Raises ValueError if the payload is over 8 KB: it holds ids, never data.
    """
    order = Order(
        kind=kind,
        key=key,
        queue=queue,
        payload=_small(payload or {}, f"the payload of {kind}"),
        payload_v=PAYLOAD_V,
        priority=priority,
        team=team,
        not_before=not_before,
        max_attempts=max_attempts,
    )
    sql.insert(order, take_over=True)
    transaction.on_commit(lambda: bell.ring(queue), robust=True)


def take(
    kind: str,
    key: str,
    *,
    worker: str,
    payload: dict[str, Any] | None = None,
    queue: str = Job.Queue.MAINTAIN,
    team: UUID | None = None,
    max_attempts: int = 1,
) -> Lease | None:
    """Order a piece of work and claim it at once, for a command that does it itself; no worker ever sees it waiting.

    None if somebody else holds it.
    """
    order = Order(
        kind=kind,
        key=key,
        queue=queue,
        payload=_small(payload or {}, f"the payload of {kind}"),
        payload_v=PAYLOAD_V,
        team=team,
        max_attempts=max_attempts,
    )
    with transaction.atomic():
        sql.insert(order, take_over=False)
        return _lease(sql.claim_key(kind, key, worker=worker))


def claim(queue: str, *, worker: str = "", drain_since: datetime | None = None) -> Lease | None:
    """Win the most urgent due job of the queue for 60 seconds, or get None. Each due job goes to one claimer.

    drain_since: take waiting jobs before their time too, but none whose key was quarantined since then.
    """
    with transaction.atomic():
        if drain_since is None:
            return _lease(sql.claim_due(queue, worker=worker))
        return _lease(sql.claim_waiting(queue, worker=worker, since=drain_since))


@contextmanager
def finishing(lease: Lease, result: dict[str, Any] | None = None) -> Iterator[None]:
    """Close the job and save its results together, or raise LostLease and save nothing."""
    with transaction.atomic():
        if not finish(lease, result):
            raise LostLease(f"job {lease.job_id}: fence {lease.fence} is over")
        yield


def finish(lease: Lease, result: dict[str, Any] | None = None) -> bool:
    """Mark the job done, or waiting once more if work arrived meanwhile; False if the lease is lost.

    A success also answers earlier failures: quarantined jobs of the same kind and key become cancelled.
    """
    _small(result or {}, f"the result of {lease.kind}")
    ended: dict[str, Any] = {
        "finished_at": Now(),
        "again": False,
        "lease_until": None,
        "worker": "",
        "error_code": "",
        "error_text": "",
        "result": result,
    }
    waiting = {"state": Job.State.QUEUED, "not_before": Now(), "created_at": Now(), "attempts": 0}
    held = _held(lease)
    # Once work has arrived it stays arrived: what the first statement leaves to the second has it, or is lost.
    changed = held.filter(again=False).update(state=Job.State.DONE, **ended) or held.update(**ended | waiting)
    if changed and lease.has_failed:
        Job.objects.failed(lease.kind, lease.key).update(state=Job.State.CANCELLED)
    return bool(changed)


def renew(lease: Lease) -> bool:
    """Hold the job for another 60 seconds; False if the lease is lost."""
    return bool(_held(lease).update(lease_until=Now() + timedelta(seconds=limits.LEASE_S)))


def progress(lease: Lease, done: int, total: int | None, unit: str) -> None:
    """Show how far the work is, in units a person knows; raises LostLease if somebody else has it by now."""
    fields = {"progress_done": done, "progress_total": total, "progress_unit": unit}
    if not _held(lease).update(progress_at=Now(), **fields):
        raise LostLease(f"job {lease.job_id}: fence {lease.fence} is over")


def fail(lease: Lease, code: str, text: str) -> str:
    """Note the failure of an attempt: the job waits for the next one, or is quarantined after the last.

    Returns the state the job is in now; "" if the lease was lost and nothing changed.
    """
    if lease.attempts >= lease.max_attempts:
        return Job.State.QUARANTINED if quarantine(lease, code, text) else ""
    wait = Now() + timedelta(seconds=retry_wait_s(lease.attempts))
    changed = _held(lease).update(
        state=Job.State.QUEUED, not_before=wait, lease_until=None, error_code=code[:64], error_text=text
    )
    return Job.State.QUEUED if changed else ""


def quarantine(lease: Lease, code: str, text: str) -> bool:
    """Set the job aside for a person, with its traceback; False if the lease is lost."""
    changed = _held(lease).update(
        state=Job.State.QUARANTINED,
        again=False,
        lease_until=None,
        finished_at=Now(),
        error_code=code[:64],
        error_text=text,
    )
    if changed:
        logger.error("job quarantined", extra={"job": lease.job_id, "kind": lease.kind, "error_code": code})
    return bool(changed)


def release(lease: Lease, *, after_s: float = 0) -> bool:
    """Give the job back untouched: the attempt does not count. False if the lease is lost."""
    return bool(
        _held(lease).update(
            state=Job.State.QUEUED,
            not_before=Now() + timedelta(seconds=after_s) if after_s else Now(),
            lease_until=None,
            attempts=F("attempts") - 1,
            worker="",
        )
    )


def abandon(worker: str, code: str, text: str) -> int:
    """Free what a dead worker held, now instead of at the end of its lease; the attempt counts.

    Returns how many jobs it held. A job without attempts left is quarantined.
    """
    held = Job.objects.filter(state=Job.State.RUNNING, worker=worker)
    return _give_up(held, code, text) + held.update(
        state=Job.State.QUEUED, not_before=Now(), lease_until=None, error_code=code, error_text=text
    )


def quarantine_expired() -> int:
    """Quarantine the jobs whose last attempt ended without a word (its worker died); returns how many."""
    expired = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=Now())
    return _give_up(expired, "worker_died", "The worker of the last attempt died without a trace.")


def mend_times() -> int:
    """Undo what a clock set back leaves behind: times that lie further ahead than this module ever sets them.

    Returns how many jobs would have been stuck.
    """
    ahead = Now() + timedelta(seconds=5)
    leases = Job.objects.filter(state=Job.State.RUNNING, lease_until__gt=Now() + timedelta(seconds=2 * limits.LEASE_S))
    longest_wait = Now() + timedelta(seconds=RETRY_LONGEST_S * (1 + RETRY_SPREAD))
    retries = Job.objects.filter(state=Job.State.QUEUED, attempts__gt=0, not_before__gt=longest_wait)
    orders = Job.objects.filter(state=Job.State.QUEUED, created_at__gt=ahead)
    return (
        leases.update(lease_until=Now() + timedelta(seconds=limits.LEASE_S))
        + retries.update(not_before=Now())
        + orders.update(not_before=Now(), created_at=Now())
    )


def cancel(job: Job, by: object) -> None:
    """Withdraw a waiting or quarantined job.

    Raises Conflict if it is running or over: a worker has it, or had it.
    """
    row = Job.objects.filter(pk=job.pk, state__in=(Job.State.QUEUED, Job.State.QUARANTINED))
    if not row.update(state=Job.State.CANCELLED, finished_at=Now(), error_code="cancelled"):
        raise Conflict("Only a job that waits or is quarantined can be cancelled.", code="job_not_waiting")
    logger.info("job cancelled", extra={"job": job.pk, "kind": job.kind, "by": str(by)})


def retry_now(job: Job, by: object) -> None:
    """Have a quarantined job run again, with all its attempts.

    Raises Conflict if it is not quarantined, or if newer work of the same key already waits.
    """
    row = Job.objects.filter(pk=job.pk, state=Job.State.QUARANTINED)
    try:
        with transaction.atomic():
            changed = row.update(
                state=Job.State.QUEUED, attempts=0, not_before=Now(), finished_at=None, created_at=Now()
            )
    except IntegrityError:
        raise Conflict("The same work already waits in another job.", code="job_already_open") from None
    if not changed:
        raise Conflict("Only a quarantined job can be run again.", code="job_not_quarantined")
    logger.info("job run again", extra={"job": job.pk, "kind": job.kind, "by": str(by)})
    transaction.on_commit(lambda: bell.ring(job.queue), robust=True)


def retry_wait_s(attempts: int) -> float:
    """Seconds before the next attempt after so many: 5, 15, 45, 135 ... each give or take a fifth.

    >>> 4 <= retry_wait_s(1) <= 6 and 108 <= retry_wait_s(4) <= 162
    True
    """
    wait: float = min(RETRY_FIRST_S * RETRY_FACTOR ** (attempts - 1), RETRY_LONGEST_S)
    return wait * random.uniform(1 - RETRY_SPREAD, 1 + RETRY_SPREAD)  # noqa: S311 (spreads load, keeps no secret)


def _small(values: dict[str, Any], what: str) -> dict[str, Any]:
    if len(json.dumps(values)) > PAYLOAD_BYTES:
        raise ValueError(f"{what} is over {PAYLOAD_BYTES} bytes")
    return values


def _lease(job_id: UUID | None) -> Lease | None:
    if job_id is None:
        return None
    has_failed = Exists(Job.objects.failed(OuterRef("kind"), OuterRef("key")))
    return Lease(*Job.objects.values_list("pk", *_LEASED, has_failed).get(pk=job_id))


def _held(lease: Lease) -> JobQuerySet:
    return Job.objects.filter(pk=lease.job_id, fence=lease.fence, state=Job.State.RUNNING)


def _give_up(jobs: JobQuerySet, code: str, text: str) -> int:
    """Quarantine those of the running jobs that have no attempt left."""
    spent = jobs.filter(Q(attempts__gte=F("max_attempts")))
    return spent.update(
        state=Job.State.QUARANTINED,
        again=False,
        lease_until=None,
        finished_at=Now(),
        error_code=code,
        # What the attempt before said is worth more than that this one said nothing.
        error_text=Case(When(error_text="", then=Value(text, TextField())), default=F("error_text")),
    )
