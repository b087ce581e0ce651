"""The inbox: an accepted body is one durable row, its receipt another; both or neither.

Bodies of one process that arrive together are committed together, so many senders share one wait for the disk. The
answer to each is given after the commit.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q

from mlops_portal.kit.api import SHOWN_FAULTS, fault_document
from mlops_portal.kit.errors import Invalid
from mlops_portal.kit.faults import fault
from mlops_portal.kit.insertion import Insertion
from monitoring.models import InboxRow, IngestBatch, QuarantinedItem, RejectCount
from monitoring.traffic import payload
from monitoring.traffic.schema import Decoded, Reject
from monitoring.traffic.specs import ModelSpec
from monitoring.traffic.together import Together
from registry import inventory
from registry.models import ModelVersion, RegisteredModel

_ROUND = 64  # bodies of one commit
_ATTEMPTS = 3  # another process may store the same key between our look and our insert
_UNKNOWN_LABELS = 20  # of versions that do not exist, counted by name; the rest together
_DETAIL, _POINTER = 512, 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One decoded body on its way into the inbox."""

    model_id: UUID
    team_id: UUID
    kind: str
    decoded: Decoded
    key: str
    body_sha256: str
    via: str
    now: datetime
    blob: bytes = b""
    batch_id: UUID = field(default_factory=uuid4)

    @property
    def stored_key(self) -> str:
        """A body with nothing to accept does not use up its key: it can be sent again once the cause is mended."""
        return self.key if self.decoded.accepted else f"refused {self.body_sha256}"

    @property
    def identity(self) -> tuple[UUID, UUID, str, str]:
        """What the receipt is unique by."""
        return (self.team_id, self.model_id, self.kind, self.stored_key)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender is told, and whether the body had been stored before this call."""

    batch_id: UUID
    accepted: int
    answer: dict[str, Any]
    is_replay: bool


def accept(
    model: RegisteredModel, kind: str, decoded: Decoded, *, key: str, body_sha256: str, via: str, now: datetime
) -> IngestBatch:
    """Store the accepted records of a body, once per key, and give its receipt.

    The same body under the same key gives the first receipt again and stores nothing. A body without a single good
    record leaves its counts and quarantine, and a receipt that accepted nothing. Raises Invalid
    (`idempotency_key_reused`) if the key was used for another body.
    """
    one = entry(ModelSpec.of(model), kind, decoded, key=key, body_sha256=body_sha256, via=via, now=now)
    return IngestBatch.objects.get(pk=receive(one).batch_id)


def entry(
    model: ModelSpec, kind: str, decoded: Decoded, *, key: str, body_sha256: str, via: str, now: datetime
) -> Entry:
    """A decoded body ready to be stored."""
    blob = payload.encode(decoded.groups) if decoded.accepted else b""
    return Entry(model.id, model.team_id, kind, decoded, key, body_sha256, via, now, blob)


def receive(one: Entry) -> Receipt:
    """Store a body as `accept` does, in one commit with others that arrive meanwhile."""
    return _receive(one)


def store(
    model: ModelSpec, kind: str, decoded: Decoded, *, key: str, body_sha256: str, via: str, now: datetime
) -> UUID:
    """Store accepted records in the transaction of the caller, who sees to it that they come once; the batch's id."""
    blob = payload.encode(decoded.groups)
    [told] = _insert([Entry(model.id, model.team_id, kind, decoded, key, body_sha256, via, now, blob)])
    return told.batch_id


def find(model: ModelSpec, kind: str, key: str, body_sha256: str) -> Receipt | None:
    """The receipt of an earlier request with this key. Raises Invalid if that had another body."""
    known = IngestBatch.objects.filter(team_id=model.team_id, model_id=model.id, kind=kind, key=key).first()
    return _again(known, body_sha256) if known else None


def answer(batch_id: UUID, decoded: Decoded) -> dict[str, Any]:
    """What the sender is told: received = accepted + rejected, and the first hundred faults."""
    return {
        "batch": str(batch_id),
        "received": decoded.received,
        "accepted": decoded.accepted,
        "rejected": len(decoded.rejects),
        "errors_total": len(decoded.rejects),
        "errors": [fault_document(one) for one in decoded.errors[:SHOWN_FAULTS]],
    }


def receive_all(entries: Sequence[Entry]) -> list[Receipt | BaseException]:
    """Store bodies in one transaction; if one of them spoils it, each in its own.

    The receipt of each in order, or what `accept` raises for it.
    """
    if len({entry.identity for entry in entries}) == len(entries) and all(entry.decoded.accepted for entry in entries):
        try:
            return list(_insert(entries))
        except (IntegrityError, DataError):
            pass
    return [_commit_one(entry) for entry in entries]


def _commit_one(entry: Entry) -> Receipt | BaseException:
    for attempt in range(_ATTEMPTS):
        try:
            return _known(entry) or _insert([entry])[0]
        except IntegrityError as error:
            if attempt == _ATTEMPTS - 1:
                return error
        except Exception as error:
            return error
    raise AssertionError("unreachable")


def _known(entry: Entry) -> Receipt | None:
    """The receipt of an earlier body under the key of this one."""
    rows = IngestBatch.objects.filter(team_id=entry.team_id, model_id=entry.model_id, kind=entry.kind)
    found = rows.filter(key__in={entry.key, entry.stored_key}).order_by("-accepted").first()
    return _again(found, entry.body_sha256) if found else None


def _again(batch: IngestBatch, body_sha256: str) -> Receipt:
    if batch.body_sha256 != body_sha256:
        raise Invalid("The idempotency key was used for another body.", code="idempotency_key_reused")
    return Receipt(batch.pk, batch.accepted, batch.answer, is_replay=True)


@transaction.atomic
def _insert(entries: Sequence[Entry]) -> list[Receipt]:
    answers = [answer(entry.batch_id, entry.decoded) for entry in entries]
    _BATCHES.rows(_batch(entry, told) for entry, told in zip(entries, answers, strict=True))
    _ROWS.rows(_row(entry) for entry in entries if entry.decoded.accepted)
    for entry in entries:
        if entry.decoded.rejects:
            _keep_rejects(entry)
    for version_id in {version_id for entry in entries for version_id in entry.decoded.unfrozen}:
        inventory.freeze_schema(ModelVersion(pk=version_id), now=entries[0].now)
    for model_id in {entry.model_id for entry in entries if entry.decoded.unfrozen}:
        inventory.go_live(RegisteredModel(pk=model_id), by="system:ingest", now=entries[0].now)
    fault("ingest.in_txn")
    return [
        Receipt(entry.batch_id, entry.decoded.accepted, told, is_replay=False)
        for entry, told in zip(entries, answers, strict=True)
    ]


def _batch(entry: Entry, told: dict[str, Any]) -> tuple[Any, ...]:
    decoded = entry.decoded
    return (
        entry.batch_id,
        entry.team_id,
        entry.model_id,
        str(entry.kind),
        entry.stored_key,
        entry.body_sha256,
        str(entry.via),
        told,
        decoded.received,
        decoded.accepted,
        len(decoded.rejects),
        *(0, 0, 0, 0),
        decoded.surprises,
        entry.now,
    )


def _row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.batch_id,
        entry.model_id,
        str(entry.kind),
        entry.decoded.accepted,
        payload.CODEC,
        payload.PAYLOAD_V,
        entry.blob,
        len(entry.blob),
        entry.now,
    )


_BATCHES = Insertion(
    IngestBatch,
    (
        *("id", "team", "model", "kind", "key", "body_sha256", "via", "answer", "received", "accepted", "rejected"),
        *("stored", "duplicates", "conflicts", "parked", "surprises", "received_at"),
    ),
)
_ROWS = Insertion(
    InboxRow, ("batch", "model", "kind", "items", "codec", "payload_v", "payload", "size_bytes", "received_at")
)


def _keep_rejects(entry: Entry) -> None:
    rejects = entry.decoded.rejects
    QuarantinedItem.objects.bulk_create([_quarantined(entry, reject) for reject in rejects], batch_size=500)
    _count(entry, rejects)


def _quarantined(entry: Entry, reject: Reject) -> QuarantinedItem:
    return QuarantinedItem(
        batch_id=entry.batch_id,
        model_id=entry.model_id,
        index=reject.fault.index or 0,
        code=reject.fault.code,
        pointer=reject.fault.pointer[:_POINTER],
        detail=reject.fault.detail[:_DETAIL],
        item=reject.kept.text,
        subject_ref=reject.kept.subject_ref,
        kid=reject.kept.kid,
        rules=reject.kept.rules,
        is_whole=reject.kept.is_whole,
        created_at=entry.now,
    )


def _count(entry: Entry, rejects: Iterable[Reject]) -> None:
    """Add to the hour's counts; missing rows are made first, all in one order, so that two senders never deadlock."""
    hour = entry.now.replace(minute=0, second=0, microsecond=0)
    counts = sorted(_by_rule(rejects).items())
    RejectCount.objects.bulk_create(
        [
            RejectCount(model_id=entry.model_id, hour=hour, version_label=label, feature=feature, code=code, n=0)
            for (label, feature, code), _ in counts
        ],
        ignore_conflicts=True,
    )
    for (label, feature, code), n in counts:
        same = Q(version_label=label, feature=feature, code=code)
        RejectCount.objects.filter(same, model_id=entry.model_id, hour=hour).update(n=F("n") + n)


def _by_rule(rejects: Iterable[Reject]) -> Counter[tuple[str, str, str]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    unknown: set[str] = set()
    for reject in rejects:
        label = reject.version
        if reject.fault.code == "unknown_version":
            if len(unknown) < _UNKNOWN_LABELS:
                unknown.add(label)
            label = label if label in unknown else ""
        counts[label, reject.feature, reject.fault.code] += 1
    return counts


_receive: Together[Entry, Receipt] = Together(receive_all, at_most=_ROUND)
