"""The audit trail: one row per fact, chained by hash, so that a changed, deleted or reordered row shows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Model

from mlops_portal.kit import correlation
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.models import AuditEntry, Consumer, Deployment, RegisteredModel, Team, User

__all__ = ["Broken", "actor_label", "record", "verify"]

ATTEMPTS = 100
FIRST_HASH = "0" * 64
LATER = ("via", "model_id")
SECRET_FIELDS = frozenset({"password", "secret", "secret_sha256"})


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row at which the chain does not hold."""

    seq: int
    reason: str


@transaction.atomic
def record(
    verb: str,
    obj: Model,
    *,
    by: Actor,
    now: datetime,
    team: Team | None = None,
    changes: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Append one fact to the chain, as the last statement of the verb's transaction.

    changes: {field: [before, after]}; a secret is written as "changed". The row names the request in which a person or
    a key did it; what the portal does by itself may serve many at once, and names none. Numbers follow each other
    without a gap: of two writers one waits for the commit of the other and takes the next number.
    """
    row = {
        "at": now,
        "actor": actor_label(by)[:128],
        "actor_kind": _kind(by),
        "verb": verb,
        "object_type": obj._meta.model_name or "",
        "object_id": str(obj.pk),
        "label": str(obj)[:256],
        "team_id": team.pk if team else None,
        "changes": _plain(changes or {}),
        "reason": reason,
        "request_id": "" if isinstance(by, str) else correlation.request_id(),
        "via": _via(by),
        "model_id": _model_id(obj),
    }
    for _ in range(ATTEMPTS):
        last = AuditEntry.objects.order_by("-seq").values_list("seq", "hash").first()
        seq, previous = last or (0, FIRST_HASH)
        try:
            with transaction.atomic():
                return AuditEntry.objects.create(
                    seq=seq + 1, prev_hash=previous, hash=_hash(seq + 1, previous, row), **row
                )
        except IntegrityError:  # another transaction took the number and has committed
            continue
    raise RuntimeError("the audit chain grew too fast to append to it")


def verify() -> Broken | None:
    """The first row that breaks the chain, or None if every row is what was written, in the order it was written."""
    expected, previous = 1, FIRST_HASH
    for entry in AuditEntry.objects.order_by("seq").iterator(chunk_size=2000):
        if entry.seq != expected:
            return Broken(expected, "the row is missing")
        if entry.prev_hash != previous:
            return Broken(entry.seq, "it does not follow the row before it")
        if entry.hash != _hash(entry.seq, previous, _row(entry)):
            return Broken(entry.seq, "its content is not what was recorded")
        expected, previous = entry.seq + 1, entry.hash
    return None


def _kind(by: Actor) -> str:
    if isinstance(by, User):
        return AuditEntry.ActorKind.USER
    return AuditEntry.ActorKind.KEY if isinstance(by, KeyPrincipal) else AuditEntry.ActorKind.SYSTEM


def _via(by: Actor) -> str:
    """The way in; what the portal does by itself within somebody's request did not come in with it."""
    way = correlation.way()
    if isinstance(by, str) and way != AuditEntry.Via.MANIFEST:
        return AuditEntry.Via.JOB.value
    return way or AuditEntry.Via.JOB.value


def _model_id(obj: Model) -> UUID | None:
    """The registered model that the object is, or belongs to directly or by its endpoint."""
    if isinstance(obj, RegisteredModel):
        return obj.pk
    owner = obj.endpoint if isinstance(obj, Consumer | Deployment) else obj
    return getattr(owner, "model_id", None)


def _row(entry: AuditEntry) -> dict[str, Any]:
    names = (
        "at",
        "actor",
        "actor_kind",
        "verb",
        "object_type",
        "object_id",
        "label",
        "team_id",
        "changes",
        "reason",
        "request_id",
        *LATER,
    )
    return {name: getattr(entry, name) for name in names}


def _hash(seq: int, previous: str, row: Mapping[str, Any]) -> str:
    """SHA-256 over the previous hash and the canonical JSON of the row.

    Columns that came later are part of it where they hold something, so that older rows keep their hash.
    """
    known = {name: value for name, value in row.items() if value or name not in LATER}
    body = {"seq": seq, **known, "at": row["at"].astimezone(UTC).isoformat(timespec="milliseconds")}
    text = json.dumps(_plain(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    """The value in the one form in which both databases give it back."""
    if isinstance(value, Mapping):
        return {str(key): "changed" if key in SECRET_FIELDS else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # PostgreSQL gives 1e22 back as a whole number
    if value is None or isinstance(value, bool | int | float):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
