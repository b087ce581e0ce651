"""Endpoints: where a model is served."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from mlops_portal.kit.errors import Conflict, Stale
from registry import audit, serving
from registry.actors import Actor, actor_label
from registry.inventory.aliases import check_alias
from registry.inventory.telling import tell_of_endpoint
from registry.models import Endpoint, Environment, Feature, RegisteredModel
from registry.permissions import Permission, require
from registry.rules import Checked

RESERVED_SLUGS = frozenset({"new"})  # addresses beside those of endpoints
TIMES = ("slo_p95_ms", "slo_p99_ms", "timeout_ms")
TIME_LIMIT_MS = 24 * 3600 * 1000
RATE_LIMIT_RPS = 1_000_000
ROUTING_UNIT_LIMIT = 128
REQUEST_ID = "request_id"
# What a person has to know before another revision is served; it stays while the endpoint serves.
FIXED_WHILE_SERVING = ("environment", "alias")
EDITABLE = frozenset(
    {"environment", "kind", "location", "alias", "rate_limit_rps", "routing_unit", "managed_by", *TIMES}
)


@transaction.atomic
def create_endpoint(
    model: RegisteredModel,
    *,
    slug: str,
    environment: str,
    kind: str = Endpoint.Kind.ONLINE,
    location: str = "",
    alias: str = "",
    routing_unit: str = REQUEST_ID,
    slo_p95_ms: int | None = None,
    slo_p99_ms: int | None = None,
    timeout_ms: int | None = None,
    rate_limit_rps: int | None = None,
    managed_by: str = "",
    client_key: str | None = None,
    client_body_sha: str = "",
    by: Actor,
    now: datetime,
) -> Endpoint:
    """Note a place where the model answers; it is at revision 0, never activated.

    The location is a text that is never fetched. alias: an alias of the model that is to mirror the primary arm.
    routing_unit: what keeps a caller on one arm, the request id or a feature. managed_by: the manifest it comes from.
    Raises Refused without the right, Invalid naming every value that will not do, Conflict (`name_taken`) if the slug
    is taken in the installation.
    """
    require(by, Permission.INVENTORY_EDIT, model.team)
    described = {
        "environment": environment,
        "kind": kind,
        "location": location,
        "alias": alias,
        "routing_unit": routing_unit,
        "slo_p95_ms": slo_p95_ms,
        "slo_p99_ms": slo_p99_ms,
        "timeout_ms": timeout_ms,
        "rate_limit_rps": rate_limit_rps,
        "managed_by": managed_by,
    }
    with Checked() as checked:
        fields = _check(checked, described, model)
        _check_slug(checked, slug)
    endpoint = Endpoint(
        model=model,
        slug=slug,
        routing_salt=serving.new_salt(),
        client_key=client_key,
        client_body_sha=client_body_sha,
        created_at=now,
        created_by=actor_label(by),
        updated_at=now,
        **fields,
    )
    _save_or_taken(endpoint)
    serving.place_pointer(endpoint, now=now)
    changes = {"slug": [None, slug], "environment": [None, endpoint.environment_id]}
    audit.record("endpoint.created", endpoint, by=by, now=now, team=model.team, changes=changes)
    tell_of_endpoint(endpoint, changes, now=now)
    return endpoint


@transaction.atomic
def edit_endpoint(endpoint: Endpoint, patch: Mapping[str, Any], *, base: int, by: Actor, now: datetime) -> Endpoint:
    """Change what describes the endpoint; another routing unit takes effect with the next revision.

    Raises Refused, Invalid, Stale if it changed since `base`, Conflict if the alias is bound elsewhere, or if
    environment or alias would change while it serves: who has to agree to a revision hangs on them.
    """
    require(by, Permission.INVENTORY_EDIT, endpoint.model.team)
    before = {name: _value(endpoint, name) for name in EDITABLE}
    with Checked() as checked:
        merged = _check(checked, before | dict(patch), endpoint.model)
    changes = {name: [before[name], _plain(value)] for name, value in merged.items() if before[name] != _plain(value)}
    _move(endpoint, base=base, now=now, **merged)
    fixed = next((name for name in FIXED_WHILE_SERVING if name in changes), None)
    if fixed and serving.endpoints_serving(endpoint):
        raise Conflict(f"{endpoint.slug} serves now; switch it off before its {fixed} changes.", field=fixed)
    if changes:
        audit.record("endpoint.changed", endpoint, by=by, now=now, team=endpoint.model.team, changes=changes)
        tell_of_endpoint(endpoint, changes, now=now)
    return endpoint


@transaction.atomic
def retire_endpoint(endpoint: Endpoint, *, base: int, by: Actor, now: datetime) -> Endpoint:
    """Note that the model no longer answers there.

    Raises Refused, Conflict (`version_in_use`) while it serves, Stale if it changed since `base`.
    """
    require(by, Permission.INVENTORY_REMOVE, endpoint.model.team)
    _move(endpoint, base=base, now=now, retired_at=now)
    serving.require_unused(endpoint)
    audit.record("endpoint.retired", endpoint, by=by, now=now, team=endpoint.model.team)
    tell_of_endpoint(endpoint, ["retired_at"], now=now)
    return endpoint


def _check_slug(checked: Checked, slug: str) -> None:
    if slug in RESERVED_SLUGS:
        checked.refuse("slug", f"{slug} is an address of the portal itself; choose another.", received=slug)
    checked.slug("slug", slug)


def _check(checked: Checked, patch: Mapping[str, Any], model: RegisteredModel) -> dict[str, Any]:
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
    fields["managed_by"] = checked.line("managed_by", fields["managed_by"], limit=128)
    for name in TIMES:
        checked.number(name, fields[name], low=1, high=TIME_LIMIT_MS)
    p95, p99 = fields["slo_p95_ms"], fields["slo_p99_ms"]
    if p95 is not None and p99 is not None and p95 > p99:
        checked.refuse("slo_p99_ms", f"p99 of {p99} ms lies under p95 of {p95} ms; swap them.", received=p99)
    checked.number("rate_limit_rps", fields["rate_limit_rps"], low=1, high=RATE_LIMIT_RPS)
    if fields["alias"]:
        check_alias(checked, fields["alias"])
    fields["routing_unit"] = _routing_unit(checked, fields["routing_unit"], model)
    return fields


def _routing_unit(checked: Checked, unit: str, model: RegisteredModel) -> str:
    unit = checked.line("routing_unit", unit, limit=ROUTING_UNIT_LIMIT) or REQUEST_ID
    if unit != REQUEST_ID and not Feature.objects.filter(model=model, name=unit).exists():
        sentence = f"{unit[:64]!r} is neither {REQUEST_ID} nor a feature of {model.slug}."
        checked.refuse("routing_unit", sentence, received=unit)
    return unit


def _save_or_taken(endpoint: Endpoint) -> None:
    """Insert, and turn the violated constraint into the sentence that says what is taken."""
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
    except IntegrityError:
        if Endpoint.objects.filter(slug=endpoint.slug).exists():
            raise Conflict(f"The endpoint slug {endpoint.slug} is taken.", code="name_taken", field="slug") from None
        if _bound(endpoint, endpoint.alias):
            raise _alias_taken(endpoint, endpoint.alias) from None
        raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None


def _bound(endpoint: Endpoint, alias: str) -> bool:
    others = Endpoint.objects.active().filter(model=endpoint.model_id, alias=alias).exclude(pk=endpoint.pk)
    return bool(alias) and others.exists()


def _alias_taken(endpoint: Endpoint, alias: str) -> Conflict:
    return Conflict(
        f"The alias {alias} mirrors another endpoint of {endpoint.model.slug}; choose another.",
        code="name_taken",
        field="alias",
    )


def _move(endpoint: Endpoint, *, base: int, now: datetime, **fields: Any) -> None:
    row = Endpoint.objects.filter(pk=endpoint.pk, lock_version=base, retired_at=None)
    try:
        with transaction.atomic():
            changed = row.update(lock_version=base + 1, updated_at=now, **fields)
    except IntegrityError:
        raise _alias_taken(endpoint, fields["alias"]) from None
    if not changed:
        raise Stale(f"{endpoint.slug} was changed or retired since you read it. Read it again.")
    endpoint.refresh_from_db()


def _value(endpoint: Endpoint, name: str) -> Any:
    return endpoint.environment_id if name == "environment" else getattr(endpoint, name)


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Environment) else value
