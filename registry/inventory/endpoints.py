"""Endpoints: where a model is served."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from mlops_portal.kit.errors import Conflict, Stale
from registry import audit
from registry.actors import Actor, actor_label
from registry.models import Endpoint, Environment, RegisteredModel
from registry.permissions import Permission, require
from registry.rules import Checked

TIMES = ("slo_p95_ms", "slo_p99_ms", "timeout_ms")
TIME_LIMIT_MS = 24 * 3600 * 1000
EDITABLE = frozenset({"environment", "kind", "location", *TIMES})


@transaction.atomic
def create_endpoint(
    model: RegisteredModel,
    *,
    slug: str,
    environment: str,
    kind: str = Endpoint.Kind.ONLINE,
    location: str = "",
    slo_p95_ms: int | None = None,
    slo_p99_ms: int | None = None,
    timeout_ms: int | None = None,
    client_key: str | None = None,
    client_body_sha: str = "",
    by: Actor,
    now: datetime,
) -> Endpoint:
    """Note a place where the model answers. The location is a text that is never fetched.

    Raises Refused without the right, Invalid naming every value that will not do, Conflict (`name_taken`) if the slug
    is taken in the installation.
    """
    require(by, Permission.INVENTORY_EDIT, model.team)
    times = {"slo_p95_ms": slo_p95_ms, "slo_p99_ms": slo_p99_ms, "timeout_ms": timeout_ms}
    with Checked() as checked:
        fields = _check(checked, {"environment": environment, "kind": kind, "location": location, **times})
        checked.slug("slug", slug)
    endpoint = Endpoint(
        model=model,
        slug=slug,
        client_key=client_key,
        client_body_sha=client_body_sha,
        created_at=now,
        created_by=actor_label(by),
        updated_at=now,
        **fields,
    )
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
    except IntegrityError:
        if client_key and not Endpoint.objects.filter(slug=slug).exists():
            raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None
        raise Conflict(f"The endpoint slug {slug} is taken.", code="name_taken", field="slug") from None
    changes = {"slug": [None, slug], "environment": [None, endpoint.environment_id]}
    audit.record("endpoint.created", endpoint, by=by, now=now, team=model.team, changes=changes)
    return endpoint


@transaction.atomic
def edit_endpoint(endpoint: Endpoint, patch: Mapping[str, Any], *, base: int, by: Actor, now: datetime) -> Endpoint:
    """Change what describes the endpoint. Raises Refused, Invalid, or Stale if it changed since `base`."""
    require(by, Permission.INVENTORY_EDIT, endpoint.model.team)
    before = {name: _value(endpoint, name) for name in EDITABLE}
    with Checked() as checked:
        merged = _check(checked, before | dict(patch))
    changes = {name: [before[name], _plain(value)] for name, value in merged.items() if before[name] != _plain(value)}
    _move(endpoint, base=base, now=now, **merged)
    if changes:
        audit.record("endpoint.changed", endpoint, by=by, now=now, team=endpoint.model.team, changes=changes)
    return endpoint


@transaction.atomic
def retire_endpoint(endpoint: Endpoint, *, base: int, by: Actor, now: datetime) -> Endpoint:
    """Note that the model no longer answers there. Raises Refused, or Stale if it changed since `base`."""
    require(by, Permission.INVENTORY_REMOVE, endpoint.model.team)
    _move(endpoint, base=base, now=now, retired_at=now)
    audit.record("endpoint.retired", endpoint, by=by, now=now, team=endpoint.model.team)
    return endpoint


def _check(checked: Checked, patch: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := patch.keys() - EDITABLE:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    fields = dict(patch)
    environment = Environment.objects.filter(slug=fields["environment"]).first()
    if environment is None:
        known = ", ".join(Environment.objects.values_list("slug", flat=True))
        checked.refuse("environment", f"{str(fields['environment'])[:64]!r} is none of {known}.")
    fields["environment"] = environment
    checked.choice("kind", fields["kind"], Endpoint.Kind.values)
    fields["location"] = checked.line("location", fields["location"], limit=2048)
    for name in TIMES:
        checked.number(name, fields[name], low=1, high=TIME_LIMIT_MS)
    p95, p99 = fields["slo_p95_ms"], fields["slo_p99_ms"]
    if p95 is not None and p99 is not None and p95 > p99:
        checked.refuse("slo_p99_ms", f"p99 of {p99} ms lies under p95 of {p95} ms; swap them.", received=p99)
    return fields


def _move(endpoint: Endpoint, *, base: int, now: datetime, **fields: Any) -> None:
    row = Endpoint.objects.filter(pk=endpoint.pk, lock_version=base, retired_at=None)
    if not row.update(lock_version=base + 1, updated_at=now, **fields):
        raise Stale(f"{endpoint.slug} was changed or retired since you read it. Read it again.")
    endpoint.refresh_from_db()


def _value(endpoint: Endpoint, name: str) -> Any:
    return endpoint.environment_id if name == "environment" else getattr(endpoint, name)


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Environment) else value
