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
LOG_LENGTH, ERROR_LENGTH = 12, 1024
AT_ONCE = 500  # messages one sweep looks at


class Undeliverable(Exception):
    """A transport says that no further attempt can help."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one copy of a message goes, and the bytes that go there."""

    transport: str
    address: str
    body: bytes
    dedup_key: str


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
            for message in _write(type, resolve(type, subject, data, team), team, now)
        ]


def deliver(message_id: UUID) -> None:
    """Send the message if it is due, and mark it sent after the receiver has taken it.

    At least once: a sender that dies in between sends it again, with the same id and body. A failure moves the
    message to its next attempt; after the tenth, or when the transport raises Undeliverable, it is dead.
    """
    now = clock.now()
    due = OutboxMessage.objects.filter(
        pk=message_id, state__in=(OutboxMessage.State.PENDING, OutboxMessage.State.SENDING)
    )
    message = due.first()
    if message is None or (message.state == OutboxMessage.State.PENDING and message.next_at > now):
        return
    seen = due.filter(attempts=message.attempts)
    if message.attempts >= ATTEMPTS:  # the last attempt died without a word
        seen.update(state=OutboxMessage.State.DEAD)
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
    open_states = (OutboxMessage.State.PENDING, OutboxMessage.State.SENDING)
    due = OutboxMessage.objects.filter(state__in=open_states, next_at__lte=now).order_by("next_at")
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
                "created_at": now,
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
        wiring.named("OUTBOX_TRANSPORTS")[message.transport](message)
    except Exception as error:
        is_final = isinstance(error, Undeliverable | KeyError) or message.attempts >= ATTEMPTS
        _note(message, started, error=f"{type(error).__name__}: {error}"[:ERROR_LENGTH], is_final=is_final)
        logger.warning("message not delivered", extra={"outbox": message.pk, "attempt": message.attempts})
        return
    fault("deliver.sent")
    _note(message, started)
    fault("deliver.marked")


def _note(message: OutboxMessage, started: float, *, error: str = "", is_final: bool = False) -> None:
    """Write how the attempt ended, unless a later attempt of a faster sender has by now."""
    now = clock.now()
    entry = {"at": now.isoformat(), "ms": round((time.perf_counter() - started) * 1000), "error": error}
    fields: dict[str, Any] = {"attempt_log": [*message.attempt_log, entry][-LOG_LENGTH:]}
    if not error:
        fields |= {"state": OutboxMessage.State.SENT, "sent_at": now}
    elif is_final:
        fields |= {"state": OutboxMessage.State.DEAD}
    else:
        again_at = now + timedelta(seconds=wait_s(message.attempts))
        fields |= {"state": OutboxMessage.State.PENDING, "next_at": again_at}
    mine = OutboxMessage.objects.filter(pk=message.pk, state=OutboxMessage.State.SENDING, attempts=message.attempts)
    mine.update(**fields)
