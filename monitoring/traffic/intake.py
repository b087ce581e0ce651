"""From a body to its receipt: admitted, decoded, stored.

Small bodies of one process that arrive together go this way together: they ask the database once and wait for the disk
once. Python does one thing at a time, so going apart would gain them nothing.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops_portal.kit.faults import fault
from monitoring.models import IngestBatch
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import admission, inbox, room, schema
from monitoring.traffic.admission import Admission, Question
from monitoring.traffic.inbox import Entry, Receipt
from monitoring.traffic.schema import Decoded
from monitoring.traffic.together import Together

_ROUND = 64  # bodies
_SMALL_BYTES = 64 * 1024  # a larger one would keep its company waiting


@dataclass(frozen=True, slots=True)
class Terms:
    """How the sender wants it taken. is_strict: all items or none; key: the Idempotency-Key, if there is one."""

    is_strict: bool
    key: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """A body as it came. terms: read after admission, so that a stranger learns nothing about his request."""

    key_text: str
    slug: str
    kind: Kind
    body: bytes
    content_type: str
    terms: Callable[[], Terms]
    now: datetime

    @property
    def question(self) -> Question:
        """May the sender do this?"""
        is_named = self.kind == Kind.PREDICTION and self.content_type != schema.PARQUET
        return Question(self.key_text, self.slug, schema.peek_version(self.body) if is_named else None)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body. receipt: None if a bad item refused all of it and nothing was stored."""

    decoded: Decoded
    receipt: Receipt | None


def take(order: Order) -> Taken:
    """Store the good records of a body once and say what became of each item.

    Raises what admission, decoding and the inbox raise: Unauthenticated, Refused, NotThere; Malformed, TooLarge,
    WrongMedia, Invalid; DiskLow, TooMany.
    """
    if len(order.body) <= _SMALL_BYTES and order.content_type != schema.PARQUET:
        return _small(order)
    read = _read(order, admission.admit(order.question, order.now))
    if isinstance(read, Taken):
        return read
    receipt = inbox.receive(read)
    fault("ingest.committed")
    return Taken(read.decoded, receipt)


def _take_all(orders: Sequence[Order]) -> list[Taken | BaseException]:
    admitted = admission.admit_all([(order.question, order.now) for order in orders])
    read = [_tried(order, admission) for order, admission in zip(orders, admitted, strict=True)]
    entries = [one for one in read if isinstance(one, Entry)]
    receipts = iter(inbox.receive_all(entries) if entries else ())
    return [_stored(one, next(receipts)) if isinstance(one, Entry) else one for one in read]


def _tried(order: Order, admitted: Admission | BaseException) -> Entry | Taken | BaseException:
    if isinstance(admitted, BaseException):
        return admitted
    try:
        return _read(order, admitted)
    except Exception as error:
        return error


def _read(order: Order, admitted: Admission) -> Entry | Taken:
    """The body ready for the inbox; or already Taken, where one bad item refuses all."""
    terms = order.terms()
    room.require_room()
    reading = schema.start(admitted.model, order.now, targets=admitted.targets)
    decoded = schema.read(order.body, order.content_type, order.kind, reading)
    fault("ingest.decoded")
    sha256 = hashlib.sha256(order.body).hexdigest()
    key = terms.key or sha256
    if terms.is_strict and decoded.rejects:
        return Taken(decoded, inbox.find(admitted.model, order.kind, key, sha256))
    return inbox.entry(
        admitted.model, order.kind, decoded, key=key, body_sha256=sha256, via=IngestBatch.Via.API, now=order.now
    )


def _stored(entry: Entry, told: Receipt | BaseException) -> Taken | BaseException:
    fault("ingest.committed")
    return told if isinstance(told, BaseException) else Taken(entry.decoded, told)


_small: Together[Order, Taken] = Together(_take_all, at_most=_ROUND)
