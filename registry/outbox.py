"""Messages to the outside: written in the transaction that gave rise to them, sent by a job, marked after sending."""

import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock, wiring
from mlops_portal.kit.errors import Conflict
from mlops_portal.kit.faults import fault
from registry.models import OutboxMessage, Team

logger = logging.getLogger(__name__)

KIND = "registry.deliver_message"
# Seconds before the second, third … tenth attempt: 75 h 35 min in all, which outlasts a weekend.
WAITS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS = len(WAITS_S) + 1
WAIT_SPREAD = 0.1
SENDING_LIMIT = timedelta(seconds=120)  # a sender that has said nothing for so long is dead
TURN_WAIT = timedelta(seconds=5)  # before a message asks again whether the one before it is gone
OPEN = (OutboxMessage.State.PENDING, OutboxMessage.State.SENDING)
LOG_LENGTH, ERROR_LENGTH = 12, 1024
AT_ONCE = 500  # messages one sweep looks at


class NotTaken(Exception):
    """A transport says why the receiver did not take the message, and how long to wait at least."""

    def __init__(self, detail: str, *, status: int | None = None, wait_s: float = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.wait_s = wait_s


class Undeliverable(NotTaken):
    """No further attempt can help."""


class Postponed(Exception):
    """A transport has not tried, because it is not the message's turn; this is no attempt."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"not before {wait_s:g} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one copy of a message goes, and the bytes that go there; copies of one order_key go in their order."""

    transport: str
    address: str
    body: bytes
    dedup_key: str
    order_key: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended; without an error the receiver took the message."""

    started: float
    status: int | None = None
    error: str = ""
    is_final: bool = False
    wait_s: float = 0

    def entry(self, now: datetime) -> dict[str, Any]:
        """Its line in the message's attempt_log."""
        took_ms = round((time.perf_counter() - self.started) * 1000)
        return {"at": now.isoformat(), "ms": took_ms, "status": self.status, "error": self.error}


def publish(
    type: str,
    subject: str,
    data: Mapping[str, Any],
    *,
    team: Team,
    now: datetime,
) -> list[OutboxMessage]:
    """Write one message per destination and the jobs that send them, in the transaction of the caller.

    Destinations come from the functions that the setting OUTBOX_DESTINATIONS names. A message whose dedup_key was
    written before is not written again.
    """
    with transaction.atomic(savepoint=False):
        return [
            message
            for resolve in wiring.functions("OUTBOX_DESTINATIONS")
            for message in _write(type, resolve(type, subject, data, team, now), team, now)
        ]


def deliver(message_id: UUID) -> None:
    """Send the message if it is due, and mark it sent after the receiver has taken it.

    At least once: a sender that dies in between sends it again, with the same id and body. A failure moves the
    message to its next attempt; after the tenth, or when the transport raises Undeliverable, it is dead. A message
    with an order_key waits until the one before it is sent or dead.
    """
    now = clock.now()
    due = OutboxMessage.objects.filter(pk=message_id, state__in=OPEN)
    message = due.first()
    if message is None or (message.state == OutboxMessage.State.PENDING and message.next_at > now):
        return
    seen = due.filter(attempts=message.attempts)
    if message.order_key and (before := _before(message)):
        seen.update(next_at=max(before.next_at, now + TURN_WAIT))
        return
    if message.attempts >= ATTEMPTS:  # the last attempt died without a word
        seen.update(state=OutboxMessage.State.DEAD)
        _call_next(message, now)
        return
    claimed = seen.update(state=OutboxMessage.State.SENDING, attempts=message.attempts + 1, next_at=now + SENDING_LIMIT)
    if not claimed:
        return
    fault("deliver.claimed")
    message.refresh_from_db()
    _send(message)


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order the sending of every message whose time has come, and of those whose sender has died.

    A drain waits for no message: an attempt before its time would use up the attempts for nothing.
    """
    due = OutboxMessage.objects.filter(state__in=OPEN, next_at__lte=now).order_by("next_at")
    for pk, team_id in due.values_list("pk", "team_id")[:AT_ONCE]:
        _order(pk, team_id)


def replay(message: OutboxMessage, *, now: datetime) -> OutboxMessage:
    """Begin the attempts of a dead message anew, with the same id and body. Raises Conflict unless it is dead."""
    dead = OutboxMessage.objects.filter(pk=message.pk, state=OutboxMessage.State.DEAD)
    with transaction.atomic():
        if not dead.update(state=OutboxMessage.State.PENDING, attempts=0, next_at=now):
            raise Conflict("Only a message that was given up can be sent anew.")
        _order(message.pk, message.team_id)
    message.refresh_from_db()
    return message


def wait_s(attempts: int) -> float:
    """Seconds until the next attempt after so many, give or take a tenth.

    >>> 4.5 <= wait_s(1) <= 5.5 and 77_760 <= wait_s(9) <= 95_040
    True
    """
    return WAITS_S[attempts - 1] * random.uniform(1 - WAIT_SPREAD, 1 + WAIT_SPREAD)  # noqa: S311 (spreads load)


def _write(kind: str, destinations: Iterable[Destination], team: Team, now: datetime) -> Iterable[OutboxMessage]:
    for destination in destinations:
        message, is_new = OutboxMessage.objects.get_or_create(
            dedup_key=destination.dedup_key,
            defaults={
                "type": kind,
                "team": team,
                "transport": destination.transport,
                "destination": destination.address,
                "body": destination.body,
                "next_at": now,
                "order_key": destination.order_key,
                "created_at": _turn(destination, now),
            },
        )
        if is_new:
            _order(message.pk, team.pk)
            yield message


def _order(message_id: UUID, team_id: UUID) -> None:
    queue.enqueue(KIND, str(message_id), payload={"message": str(message_id)}, queue=Job.Queue.DELIVER, team=team_id)


def _send(message: OutboxMessage) -> None:
    """One attempt of a claimed message."""
    started = time.perf_counter()
    try:
        status = wiring.named("OUTBOX_TRANSPORTS")[message.transport](message)
    except Postponed as later:
        _mine(message).update(
            state=OutboxMessage.State.PENDING,
            attempts=message.attempts - 1,
            next_at=clock.now() + timedelta(seconds=later.wait_s),
        )
        return
    except Exception as error:
        told = error if isinstance(error, NotTaken) else None
        is_final = isinstance(error, Undeliverable | KeyError) or message.attempts >= ATTEMPTS
        text = str(told or f"{type(error).__name__}: {error}")[:ERROR_LENGTH]
        attempt = Attempt(started, told.status if told else None, text, is_final, told.wait_s if told else 0)
        logger.warning("message not delivered", extra={"outbox": message.pk, "attempt": message.attempts})
        _note(message, attempt)
        return
    fault("deliver.sent")
    _note(message, Attempt(started, status))
    fault("deliver.marked")


def _note(message: OutboxMessage, attempt: Attempt) -> None:
    """Write how the attempt ended, unless a later attempt of a faster sender has by now."""
    now = clock.now()
    fields: dict[str, Any] = {"attempt_log": [*message.attempt_log, attempt.entry(now)][-LOG_LENGTH:]}
    if not attempt.error:
        fields |= {"state": OutboxMessage.State.SENT, "sent_at": now}
    elif attempt.is_final:
        fields |= {"state": OutboxMessage.State.DEAD}
    else:
        again_at = now + timedelta(seconds=max(wait_s(message.attempts), attempt.wait_s))
        fields |= {"state": OutboxMessage.State.PENDING, "next_at": again_at}
    if _mine(message).update(**fields) and fields["state"] != OutboxMessage.State.PENDING:
        _call_next(message, now)


def _mine(message: OutboxMessage) -> Any:
    """The row, while this attempt is the one that holds it."""
    return OutboxMessage.objects.filter(pk=message.pk, state=OutboxMessage.State.SENDING, attempts=message.attempts)


def _turn(destination: Destination, now: datetime) -> datetime:
    """When the message is written: later than the one before it, where their order counts."""
    if not destination.order_key:
        return now
    same = OutboxMessage.objects.filter(order_key=destination.order_key, destination=destination.address)
    last = same.order_by("-created_at").values_list("created_at", flat=True).first()
    return max(now, last + timedelta(microseconds=1)) if last else now


def _line(message: OutboxMessage) -> Any:
    """Open messages of the same order to the same receiver, oldest first."""
    same = OutboxMessage.objects.filter(order_key=message.order_key, destination=message.destination)
    return same.filter(state__in=OPEN).order_by("created_at")


def _before(message: OutboxMessage) -> OutboxMessage | None:
    found: OutboxMessage | None = _line(message).filter(created_at__lt=message.created_at).first()
    return found


def _call_next(message: OutboxMessage, now: datetime) -> None:
    """Order the next message of the line, if the message stood in one."""
    following = _line(message).filter(created_at__gt=message.created_at).first() if message.order_key else None
    if following:
        OutboxMessage.objects.filter(pk=following.pk, state=OutboxMessage.State.PENDING).update(next_at=now)
        _order(following.pk, following.team_id)
