"""Consumers: who depends on what an endpoint answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from mlops_portal.kit.errors import Conflict, Stale
from registry import audit
from registry.actors import Actor, actor_label
from registry.models import Consumer, Endpoint
from registry.permissions import Permission, require
from registry.rules import Checked

_LINES = {"name": 128, "output": 64, "contact": 254, "managed_by": 128}
_WORDS: dict[str, list[str]] = {
    "kind": Consumer.Kind.values,
    "use": Consumer.Use.values,
    "criticality": Consumer.Criticality.values,
}
EDITABLE = frozenset({*_LINES, *_WORDS})


@transaction.atomic
def create_consumer(
    endpoint: Endpoint,
    *,
    name: str,
    kind: str,
    use: str,
    client_key: str | None = None,
    client_body_sha: str = "",
    by: Actor,
    now: datetime,
    **described: Any,
) -> Consumer:
    """Note a service, report or group of people that uses what the endpoint answers.

    described: any of output (which part of the answer it uses), criticality, contact, managed_by.
    Raises Refused without the right, Invalid naming every value that will not do, Conflict if the endpoint is retired
    or (`name_taken`) has a consumer of this name.
    """
    team = endpoint.model.team
    require(by, Permission.INVENTORY_EDIT, team)
    with Checked() as checked:
        fields = _check(checked, {"name": name, "kind": kind, "use": use, **described})
    if endpoint.retired_at is not None:
        raise Conflict(f"{endpoint.slug} is retired; nothing consumes it any more.", field="endpoint")
    consumer = Consumer(
        endpoint=endpoint,
        client_key=client_key,
        client_body_sha=client_body_sha,
        created_at=now,
        created_by=actor_label(by),
        updated_at=now,
        **fields,
    )
    _save_or_taken(lambda: consumer.save(force_insert=True), consumer, fields["name"])
    changes = {"endpoint": [None, endpoint.slug]} | {key: [None, value] for key, value in fields.items()}
    audit.record("consumer.created", consumer, by=by, now=now, team=team, changes=changes)
    return consumer


@transaction.atomic
def edit_consumer(consumer: Consumer, patch: Mapping[str, Any], *, base: int, by: Actor, now: datetime) -> Consumer:
    """Change what describes the consumer.

    Raises Refused, Invalid, Conflict (`name_taken`), or Stale if it changed since `base`.
    """
    team = consumer.endpoint.model.team
    require(by, Permission.INVENTORY_EDIT, team)
    with Checked() as checked:
        fields = _check(checked, patch)
    changes = {key: [getattr(consumer, key), value] for key, value in fields.items()}
    changes = {key: pair for key, pair in changes.items() if pair[0] != pair[1]}
    _move(consumer, base=base, now=now, **fields)
    if changes:
        audit.record("consumer.changed", consumer, by=by, now=now, team=team, changes=changes)
    return consumer


@transaction.atomic
def retire_consumer(consumer: Consumer, *, base: int, by: Actor, now: datetime) -> Consumer:
    """Note that it no longer depends on the endpoint. Raises Refused, or Stale if it changed since `base`."""
    team = consumer.endpoint.model.team
    require(by, Permission.INVENTORY_REMOVE, team)
    _move(consumer, base=base, now=now, retired_at=now)
    audit.record("consumer.retired", consumer, by=by, now=now, team=team)
    return consumer


def _check(checked: Checked, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The patch with cleaned values; every fault is noted in `checked`."""
    if unknown := patch.keys() - EDITABLE:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    fields = dict(patch)
    for key, limit in _LINES.items():
        if key in fields:
            fields[key] = checked.line(key, fields[key], limit=limit, required=key == "name")
    for key, words in _WORDS.items():
        if key in fields:
            checked.choice(key, fields[key], words)
    return fields


def _move(consumer: Consumer, *, base: int, now: datetime, **fields: Any) -> None:
    row = Consumer.objects.active().filter(pk=consumer.pk, lock_version=base)

    def write() -> None:
        if not row.update(lock_version=base + 1, updated_at=now, **fields):
            raise Stale(f"{consumer.name} was changed or retired since you read it. Read it again.")

    _save_or_taken(write, consumer, fields.get("name", consumer.name))
    consumer.refresh_from_db()


def _save_or_taken(write: Any, consumer: Consumer, name: str) -> None:
    """Write, and turn the violated unique constraint into the sentence that says what is taken."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        others = Consumer.objects.active().filter(endpoint=consumer.endpoint).exclude(pk=consumer.pk)
        if others.filter(name=name).exists():
            detail = f"{consumer.endpoint.slug} has a consumer {name} already; choose another name."
            raise Conflict(detail, code="name_taken", field="name") from None
        raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None
