"""The job table as a queue: the only writer of a job's state, and the one module of the portal with raw SQL.

Every step after a claim compares the fence, so a worker that lost its lease changes nothing. Times are those of
the database. Both databases run the same statements; the two that Django cannot express are written out below.
"""

import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, connection, transaction
from django.db.models import Case, F, PositiveSmallIntegerField, Q, TextField, Value, When
from django.db.models.functions import Now

from mlops_portal.jobs import bell, limits
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.models.job import TICK
from mlops_portal.kit.errors import Conflict

logger = logging.getLogger(__name__)

PAYLOAD_BYTES = 8192
PAYLOAD_V = 1
REST_AFTER_QUARANTINE_S = 3600
RETRY_FIRST_S = 5.0
RETRY_FACTOR = 3
RETRY_SPREAD = 0.2
RETRY_LONGEST_S = 3600.0

_NOW = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    "postgresql": "statement_timestamp()",
}
_AFTER = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {start}, {seconds} || ' seconds')",
    "postgresql": "({start} + {seconds} * interval '1 second')",
}
_ONE_CLAIMER = {
    "sqlite": "",
    "postgresql": "FOR UPDATE SKIP LOCKED",
}  # SQLite has one writer: BEGIN IMMEDIATE

# A key that has just been quarantined is tried again by itself only after a rest; else a sweep that sees the work
# still undone would feed the same failure for ever. An open job of the key takes the new order over.
_INSERT = """
INSERT INTO jobs_job (id, kind, key, queue, priority, team, payload, payload_v, state, again, not_before, attempts,
    max_attempts, fence, worker, progress_done, progress_unit, created_at, error_code, error_text)
SELECT %(id)s, %(kind)s, %(key)s, %(queue)s, %(priority)s, %(team)s, %(payload)s, %(payload_v)s, 'queued', %(no)s,
    CASE WHEN wanted.rest_until > wanted.not_before THEN wanted.rest_until ELSE wanted.not_before END,
    0, %(max_attempts)s, 0, '', 0, '', {now}, '', ''
FROM (SELECT {not_before} AS not_before,
    (SELECT {rest_until} FROM jobs_job WHERE kind = %(kind)s AND key = %(key)s AND state = 'quarantined')
    AS rest_until) AS wanted
WHERE TRUE
ON CONFLICT (kind, key) WHERE state IN ('queued', 'running')
"""
_TAKE_OVER = """
DO UPDATE SET again = (jobs_job.state = 'running'),
    not_before = CASE
        WHEN jobs_job.state = 'queued' AND jobs_job.attempts = 0 AND excluded.not_before < jobs_job.not_before
        THEN excluded.not_before ELSE jobs_job.not_before END,
    priority = CASE WHEN excluded.priority < jobs_job.priority THEN excluded.priority ELSE jobs_job.priority END
"""
_LEAVE = "DO NOTHING"

_CLAIM = """
UPDATE jobs_job SET state = 'running', again = %(no)s, fence = fence + 1, attempts = attempts + 1,
    lease_until = {lease_end}, worker = %(worker)s, started_at = {now}, finished_at = NULL,
    progress_done = 0, progress_total = NULL, progress_unit = '', progress_at = NULL
WHERE id = (
    SELECT id FROM jobs_job AS due
    WHERE {which} AND (
        (state = 'queued' AND {time_has_come})
        OR (state = 'running' AND lease_until < {now} AND attempts < max_attempts))
    ORDER BY priority, not_before, created_at LIMIT 1 {one_claimer})
RETURNING id
"""
_IN_QUEUE = "queue = %(queue)s"
_OF_KEY = "kind = %(kind)s AND key = %(key)s"
_TIME_HAS_COME = "not_before <= {tick}"
_NOT_FAILED_SINCE = """NOT EXISTS (SELECT 1 FROM jobs_job AS failed WHERE failed.kind = due.kind
    AND failed.key = due.key AND failed.state = 'quarantined' AND failed.finished_at >= %(since)s)"""
_AT_ONCE = "TRUE"


class LostLease(Exception):
    """Another worker holds the job, or nobody needs it any more: nothing of this attempt may be saved."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job until the lease ends; the fence tells this attempt from every other."""

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
    _insert(_TAKE_OVER, kind, key, payload, queue, priority, team, not_before, max_attempts)
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
    with transaction.atomic():
        _insert(_LEAVE, kind, key, payload, queue, 50, team, None, max_attempts)
        return _claim(_OF_KEY, _AT_ONCE, worker=worker, kind=kind, key=key)


def claim(queue: str, *, worker: str = "", drain_since: datetime | None = None) -> Lease | None:
    """Win the most urgent due job of the queue for 60 seconds, or get None. Each due job goes to one claimer.

    drain_since: take waiting jobs before their time too, but none whose key was quarantined since then.
    """
    with transaction.atomic():
        if drain_since is None:
            return _claim(_IN_QUEUE, _TIME_HAS_COME, worker=worker, queue=queue)
        return _claim(_IN_QUEUE, _NOT_FAILED_SINCE, worker=worker, queue=queue, since=_stored_time(drain_since))


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
    if result is not None and len(json.dumps(result)) > PAYLOAD_BYTES:
        raise ValueError(f"the result of {lease.kind} is over {PAYLOAD_BYTES} bytes")
    changed = _held(lease).update(
        state=_if_again(Value(Job.State.QUEUED), Value(Job.State.DONE)),
        not_before=_if_again(Now(), F("not_before")),
        created_at=_if_again(Now(), F("created_at")),
        attempts=_if_again(Value(0, PositiveSmallIntegerField()), F("attempts")),
        finished_at=Now(),
        again=False,
        lease_until=None,
        worker="",
        error_code="",
        error_text="",
        result=result,
    )
    if changed:
        failed = Job.objects.filter(kind=lease.kind, key=lease.key, state=Job.State.QUARANTINED)
        failed.update(state=Job.State.CANCELLED)
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


def database_now() -> datetime:
    """The clock that judges leases, as it stands now."""
    with connection.cursor() as cursor:
        cursor.execute(_with_now("SELECT {now}").replace("%%", "%"))
        moment = cursor.fetchone()[0]
    return moment if isinstance(moment, datetime) else datetime.fromisoformat(moment).replace(tzinfo=UTC)


def retry_wait_s(attempts: int) -> float:
    """Seconds before the next attempt after so many: 5, 15, 45, 135 ... each give or take a fifth.

    >>> 4 <= retry_wait_s(1) <= 6 and 108 <= retry_wait_s(4) <= 162
    True
    """
    wait = min(RETRY_FIRST_S * RETRY_FACTOR ** (attempts - 1), RETRY_LONGEST_S)
    return wait * random.uniform(1 - RETRY_SPREAD, 1 + RETRY_SPREAD)  # noqa: S311 (spreads load, keeps no secret)


def _insert(
    on_conflict: str,
    kind: str,
    key: str,
    payload: dict[str, Any] | None,
    queue: str,
    priority: int,
    team: UUID | None,
    not_before: datetime | None,
    max_attempts: int,
) -> None:
    if len(json.dumps(payload or {})) > PAYLOAD_BYTES:
        raise ValueError(f"the payload of {kind} is over {PAYLOAD_BYTES} bytes")
    values = {
        "id": _stored("id", uuid4()),
        "kind": kind,
        "key": key,
        "queue": queue,
        "priority": priority,
        "team": _stored("team", team),
        "payload": _stored("payload", payload or {}),
        "payload_v": PAYLOAD_V,
        "max_attempts": max_attempts,
        "no": False,
    }
    wanted = "{now}"
    if not_before is not None:
        values["not_before"] = _stored_time(not_before)
        wanted = "CAST(%(not_before)s AS timestamp with time zone)" if _vendor() == "postgresql" else "%(not_before)s"
    rest_until = _after("max(finished_at)", str(REST_AFTER_QUARANTINE_S))
    statement = _INSERT.replace("{not_before}", wanted).replace("{rest_until}", rest_until)
    with connection.cursor() as cursor:
        cursor.execute(_with_now(statement) + on_conflict, values)


def _claim(which: str, time_has_come: str, *, worker: str, **values: Any) -> Lease | None:
    statement = (
        _CLAIM.replace("{which}", which)
        .replace("{time_has_come}", time_has_come)
        .replace("{lease_end}", _after("{now}", str(limits.LEASE_S)))
        .replace("{tick}", _after("{now}", str(TICK.total_seconds())))
        .replace("{one_claimer}", _ONE_CLAIMER[_vendor()])
    )
    with connection.cursor() as cursor:
        cursor.execute(_with_now(statement), {"worker": worker, "no": False, **values})
        rows = cursor.fetchall()
    return _lease(Job.objects.get(pk=rows[0][0])) if rows else None


def _lease(job: Job) -> Lease:
    return Lease(
        job_id=job.pk,
        kind=job.kind,
        key=job.key,
        queue=job.queue,
        fence=job.fence,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        payload=job.payload,
        payload_v=job.payload_v,
        team=job.team,
    )


def _held(lease: Lease) -> Any:
    return Job.objects.filter(pk=lease.job_id, fence=lease.fence, state=Job.State.RUNNING)


def _if_again(then: Any, otherwise: Any) -> Case:
    return Case(When(again=True, then=then), default=otherwise)


def _give_up(jobs: Any, code: str, text: str) -> int:
    """Quarantine those of the running jobs that have no attempt left."""
    spent = jobs.filter(Q(attempts__gte=F("max_attempts")))
    return int(
        spent.update(
            state=Job.State.QUARANTINED,
            again=False,
            lease_until=None,
            finished_at=Now(),
            error_code=code,
            # What the attempt before said is worth more than that this one said nothing.
            error_text=Case(When(error_text="", then=Value(text, TextField())), default=F("error_text")),
        )
    )


def _vendor() -> str:
    return connection.vendor


def _with_now(statement: str) -> str:
    return statement.replace("{now}", _NOW[_vendor()])


def _after(start: str, seconds: str) -> str:
    if _vendor() == "sqlite" and start == "{now}":
        start = "'now'"
    return _AFTER[_vendor()].replace("{start}", start).replace("{seconds}", seconds)


def _stored(field: str, value: Any) -> Any:
    return Job._meta.get_field(field).get_db_prep_save(value, connection)


def _stored_time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
