"""The statements on the job table that Django cannot express, for both databases: the one module with raw SQL.

Values are bound. What is put together as text are constants of this module, nothing that came from outside.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from mlops_portal.jobs import limits
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.models.job import TICK

REST_AFTER_QUARANTINE_S = 3600

_NOW = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    "postgresql": "statement_timestamp()",
}
_AFTER = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {start}, {seconds} || ' seconds')",
    "postgresql": "({start} + {seconds} * interval '1 second')",
}
_ONE_CLAIMER = {
    "sqlite": "",  # has one writer anyway: BEGIN IMMEDIATE
    "postgresql": "FOR UPDATE SKIP LOCKED",
}

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
    not_before = CASE WHEN {sooner} THEN excluded.not_before ELSE jobs_job.not_before END,
    priority = CASE WHEN {more_urgent} THEN excluded.priority ELSE jobs_job.priority END
WHERE (jobs_job.state = 'running' AND NOT jobs_job.again) OR ({sooner}) OR ({more_urgent})
""".replace(
    "{sooner}",
    "jobs_job.state = 'queued' AND jobs_job.attempts = 0 AND excluded.not_before < jobs_job.not_before",
).replace("{more_urgent}", "excluded.priority < jobs_job.priority")  # a sweep that orders the same again writes nothing
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


@dataclass(frozen=True, slots=True)
class Order:
    """A piece of work that somebody wants done."""

    kind: str
    key: str
    queue: str
    payload: dict[str, Any] = field(default_factory=dict)
    payload_v: int = 1
    priority: int = 50
    team: UUID | None = None
    not_before: datetime | None = None
    max_attempts: int = 5


def insert(order: Order, *, take_over: bool) -> None:
    """Write the order as a waiting job, unless an open job has its kind and key.

    take_over: that job then takes the order over: it runs once more, or sooner. Otherwise it is left as it is.
    """
    values = {
        "id": _stored("id", uuid4()),
        "kind": order.kind,
        "key": order.key,
        "queue": order.queue,
        "priority": order.priority,
        "team": _stored("team", order.team),
        "payload": _stored("payload", order.payload),
        "payload_v": order.payload_v,
        "max_attempts": order.max_attempts,
        "no": False,
    }
    wanted = "{now}"
    if order.not_before is not None:
        values["not_before"] = _stored_time(order.not_before)
        wanted = "CAST(%(not_before)s AS timestamp with time zone)" if _vendor() == "postgresql" else "%(not_before)s"
    rest_until = _after("max(finished_at)", REST_AFTER_QUARANTINE_S)
    statement = _INSERT.replace("{not_before}", wanted).replace("{rest_until}", rest_until)
    with connection.cursor() as cursor:
        cursor.execute(_with_now(statement) + (_TAKE_OVER if take_over else _LEAVE), values)


def claim_due(queue: str, *, worker: str) -> UUID | None:
    """Lease the most urgent due job of the queue to the worker; its id, or None."""
    return _claim(_IN_QUEUE, _TIME_HAS_COME, worker=worker, queue=queue)


def claim_waiting(queue: str, *, worker: str, since: datetime) -> UUID | None:
    """Like `claim_due`, but before its time too, unless its key was quarantined since that moment."""
    return _claim(_IN_QUEUE, _NOT_FAILED_SINCE, worker=worker, queue=queue, since=_stored_time(since))


def claim_key(kind: str, key: str, *, worker: str) -> UUID | None:
    """Lease exactly this job to the worker, whatever its time; None if it is held or not there."""
    return _claim(_OF_KEY, _AT_ONCE, worker=worker, kind=kind, key=key)


def database_now() -> datetime:
    """The clock that judges leases, as it stands now."""
    with connection.cursor() as cursor:
        cursor.execute(_with_now("SELECT {now}").replace("%%", "%"))
        moment = cursor.fetchone()[0]
    return moment if isinstance(moment, datetime) else datetime.fromisoformat(moment).replace(tzinfo=UTC)


def _claim(which: str, time_has_come: str, **values: Any) -> UUID | None:
    statement = (
        _CLAIM.replace("{which}", which)
        .replace("{time_has_come}", time_has_come)
        .replace("{lease_end}", _after("{now}", limits.LEASE_S))
        .replace("{tick}", _after("{now}", TICK.total_seconds()))
        .replace("{one_claimer}", _ONE_CLAIMER[_vendor()])
    )
    with connection.cursor() as cursor:
        cursor.execute(_with_now(statement), {"no": False, **values})
        rows = cursor.fetchall()
    return UUID(str(rows[0][0])) if rows else None


def _vendor() -> str:
    return connection.vendor


def _with_now(statement: str) -> str:
    return statement.replace("{now}", _NOW[_vendor()])


def _after(start: str, seconds: float) -> str:
    if _vendor() == "sqlite" and start == "{now}":
        start = "'now'"
    return _AFTER[_vendor()].replace("{start}", start).replace("{seconds}", str(seconds))


def _stored(name: str, value: Any) -> Any:
    return Job._meta.get_field(name).get_db_prep_save(value, connection)  # type: ignore[union-attr]


def _stored_time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
