"""Sources: the systems whose data features are made of."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from mlops_portal.kit.errors import Conflict, Refused, Stale
from mlops_portal.kit.wording import listed
from registry import audit
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.models import Feature, RegisteredModel, Source, Team
from registry.permissions import Permission, require
from registry.rules import Checked

RESERVED_SLUGS = frozenset({"new"})  # addresses beside those of sources
LAG_LIMIT_S = 366 * 24 * 3600
_LINES = {"contract_url": 2048, "schema_version": 64, "managed_by": 128}
_WORDS: dict[str, list[str]] = {
    "latency": Source.Latency.values,
    "stability": Source.Stability.values,
    "volatility": Source.Volatility.values,
}
EDITABLE = frozenset({"name", "kind", "expected_lag_s", "description", "fed_by", *_LINES, *_WORDS})


@transaction.atomic
def create_source(
    team: Team,
    *,
    slug: str,
    name: str,
    kind: str,
    client_key: str | None = None,
    client_body_sha: str = "",
    by: Actor,
    now: datetime,
    **described: Any,
) -> Source:
    """Note a system that the team's models read from.

    described: any of latency, stability, volatility, expected_lag_s, contract_url (a text that is never fetched),
    schema_version, description, fed_by (another source of the team), managed_by.
    Raises Refused without the right, Invalid naming every value that will not do, Conflict (`name_taken`) if the slug
    is taken in the installation.
    """
    _require(by, Permission.INVENTORY_EDIT, team)
    with Checked() as checked:
        fields = _check(checked, {"name": name, "kind": kind, **described}, team)
        _check_slug(checked, slug)
    source = Source(
        team=team,
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
            source.save(force_insert=True)
    except IntegrityError:
        if client_key and not Source.objects.filter(slug=slug).exists():
            raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None
        raise Conflict(f"The source slug {slug} is taken; choose another.", code="name_taken", field="slug") from None
    changes = {"slug": [None, slug]} | {key: [None, _shown(value)] for key, value in fields.items()}
    audit.record("source.created", source, by=by, now=now, team=team, changes=changes)
    return source


@transaction.atomic
def edit_source(source: Source, patch: Mapping[str, Any], *, base: int, by: Actor, now: datetime) -> Source:
    """Change what describes the source. Raises Refused, Invalid, or Stale if it changed since `base`."""
    _require(by, Permission.INVENTORY_EDIT, source.team)
    if patch.get("fed_by") is not None:
        _take_turns(source.team)
    with Checked() as checked:
        fields = _check(checked, patch, source.team)
        if fields.get("fed_by") is not None:
            _check_circle(checked, source, fields["fed_by"])
    changes = {key: [_shown(getattr(source, key)), _shown(value)] for key, value in fields.items()}
    changes = {key: pair for key, pair in changes.items() if pair[0] != pair[1]}
    _move(source, base=base, now=now, **fields)
    if changes:
        audit.record("source.changed", source, by=by, now=now, team=source.team, changes=changes)
    return source


@transaction.atomic
def retire_source(source: Source, *, base: int, by: Actor, now: datetime) -> Source:
    """Note that nothing reads from it any more; its slug stays taken, and old versions go on naming it.

    Raises Refused without the right, Stale if it changed since `base`, Conflict (`source_in_use`) while the current
    features of a model or another source name it.
    """
    _require(by, Permission.INVENTORY_REMOVE, source.team)
    _move(source, base=base, now=now, retired_at=now)
    if readers := _readers(source):
        raise Conflict(
            f"{listed(readers)} still read from {source.slug}; give them another source first.", code="source_in_use"
        )
    audit.record("source.retired", source, by=by, now=now, team=source.team)
    return source


def _require(by: Actor, permission: Permission, team: Team) -> None:
    require(by, permission, team)
    if isinstance(by, KeyPrincipal) and by.model_id:
        raise Refused("This key is bound to one model; sources belong to the whole team.")


def _check_slug(checked: Checked, slug: str) -> None:
    if slug in RESERVED_SLUGS:
        checked.refuse("slug", f"{slug} is an address of the portal itself; choose another.", received=slug)
    checked.slug("slug", slug)


def _check(checked: Checked, patch: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """The patch with cleaned values; every fault is noted in `checked`."""
    if unknown := patch.keys() - EDITABLE:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    fields = dict(patch)
    if "name" in fields:
        fields["name"] = checked.line("name", fields["name"], limit=128, required=True)
    if "kind" in fields:
        checked.choice("kind", fields["kind"], Source.Kind.values)
    for key, words in _WORDS.items():
        if fields.get(key):  # empty: not said
            checked.choice(key, fields[key], words)
    for key, limit in _LINES.items():
        if key in fields:
            fields[key] = checked.line(key, fields[key], limit=limit)
    if "description" in fields:
        fields["description"] = checked.text("description", fields["description"])
    checked.number("expected_lag_s", fields.get("expected_lag_s"), low=0, high=LAG_LIMIT_S)
    feeder = fields.get("fed_by")
    if feeder is not None and feeder.team_id != team.pk:  # another team's source does not exist here
        checked.refuse("fed_by", f"{team.name} has no source {feeder.slug}; create it first.", received=feeder.slug)
    return fields


def _check_circle(checked: Checked, source: Source, feeder: Source) -> None:
    """Refuse a source that would, over however many steps, feed itself."""
    path, above = [source.slug], feeder
    while above.slug not in path:
        path.append(above.slug)
        if above.fed_by is None:
            return
        above = above.fed_by
    circle = " ← ".join([*path, source.slug])
    checked.refuse("fed_by", f"{source.slug} would feed itself: {circle}.", received=feeder.slug)


def _take_turns(team: Team) -> None:
    """Make a second writer of the team's feeds wait: two of them could each close one half of a circle."""
    Team.objects.filter(pk=team.pk).update(slug=F("slug"))


def _readers(source: Source) -> list[str]:
    """What names the source now: live models in their current features, and sources it feeds."""
    current = Feature.objects.current().filter(source=source, model__deleted_at=None)
    in_use = current.exclude(model__lifecycle=RegisteredModel.Lifecycle.RETIRED)
    models = in_use.order_by("model__slug").values_list("model__slug", flat=True).distinct()
    return [*models, *Source.objects.active().filter(fed_by=source).order_by("slug").values_list("slug", flat=True)]


def _shown(value: Any) -> Any:
    return value.slug if isinstance(value, Source) else value


def _move(source: Source, *, base: int, now: datetime, **fields: Any) -> None:
    row = Source.objects.active().filter(pk=source.pk, lock_version=base)
    if not row.update(lock_version=base + 1, updated_at=now, **fields):
        raise Stale(f"{source.slug} was changed or retired since you read it. Read it again.")
    source.refresh_from_db()
