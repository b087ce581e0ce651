"""Versions: numbered for ever, each with its own frozen copy of the features."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from mlops_portal.kit.errors import Conflict, Invalid
from registry import audit, serving
from registry.actors import Actor, actor_label
from registry.inventory.aliases import close
from registry.inventory.features import FeatureDraft, check_drafts, drafts_of, write_list
from registry.inventory.locations import check_source, storage_of
from registry.inventory.tags import check_tags, write_tags
from registry.inventory.telling import tell
from registry.models import Alias, Feature, ModelVersion, RegisteredModel
from registry.permissions import Permission, require
from registry.rules import Checked

NUMBER_LIMIT = 2_000_000_000
DESCRIPTION_LIMIT = 100_000
_LINES = {"source_version": 128, "framework": 128, "git_sha": 64, "artifact_sha256": 64}
_OPAQUE = {"run_id": 255, "run_link": 2000, "mlflow_model_id": 255}  # of other systems, kept as they came
_PLACES = ("source", "storage_uri")


@transaction.atomic
def register_version(
    model: RegisteredModel,
    *,
    features: Sequence[FeatureDraft] | None = None,
    number: int | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    client_key: str | None = None,
    client_body_sha: str = "",
    by: Actor,
    now: datetime,
    **described: str,
) -> ModelVersion:
    """Register the next version of the model, with a copy of its current features or with a list of its own.

    number: only for history brought in from elsewhere; later versions are numbered after it. described: any of
    source (a URI that is never fetched), storage_uri (where it really lies; else found from the source), run_id,
    run_link, mlflow_model_id, source_version, framework, git_sha, artifact_sha256.
    Numbers are drawn by one conditional update, so two callers never get the same. Raises Refused without the right,
    Invalid naming every value that will not do, Conflict if the number or the client key is taken.
    """
    require(by, Permission.INVENTORY_EDIT, model.team)
    fields = _check(description, described, tags or {}, by)
    drafts = _drafts(model, features)
    version = ModelVersion(
        model=model,
        number=_draw_number(model, number, now),
        client_key=client_key,
        client_body_sha=client_body_sha,
        created_at=now,
        created_by=actor_label(by),
        updated_at=now,
        **fields,
    )
    try:
        with transaction.atomic():
            version.save(force_insert=True)
    except IntegrityError:
        if client_key and ModelVersion.objects.filter(model=model, client_key=client_key).exists():
            raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None
        raise Conflict(f"{model.slug} has a version {version.number} already.", field="number") from None
    write_list(model, version, drafts)
    write_tags(model, version, tags or {})
    changes = {"number": [None, version.number], "features": [None, len(drafts)]}
    audit.record("version.registered", version, by=by, now=now, team=model.team, changes=changes)
    told = {name: getattr(version, name) for name in ("source", "run_id", "description")}
    tell("version.registered", version, now=now, tags=dict(tags or {}), **told)
    return version


@transaction.atomic
def edit_version(version: ModelVersion, *, description: str, by: Actor, now: datetime) -> ModelVersion:
    """Describe the version anew; everything else about it is fixed. Raises Refused, Invalid, or Conflict if deleted."""
    require(by, Permission.INVENTORY_EDIT, version.model.team)
    with Checked() as checked:
        checked.verbatim("description", description, limit=DESCRIPTION_LIMIT)
    changes = {"description": [version.description, description]}
    if not ModelVersion.objects.live().filter(pk=version.pk).update(updated_at=now, description=description):
        raise Conflict(f"Version {version.number} was deleted meanwhile.")
    version.refresh_from_db()
    audit.record("version.changed", version, by=by, now=now, team=version.model.team, changes=changes)
    return version


@transaction.atomic
def block_version(version: ModelVersion, *, reason: str, by: Actor, now: datetime) -> ModelVersion:
    """Forbid the version to serve; its predictions are still taken, and raise an alert.

    Raises Refused without the right, Invalid without a reason, Conflict unless the version is ready.
    """
    require(by, Permission.INVENTORY_REMOVE, version.model.team)
    with Checked() as checked:
        reason = checked.text("reason", reason, limit=4000)
        if not reason:
            checked.refuse(
                "reason", "Say why, in a sentence that helps whoever wants to serve it.", code="missing_field"
            )
    _move(version, ModelVersion.Status.READY, status=ModelVersion.Status.BLOCKED, blocked_reason=reason, updated_at=now)
    audit.record("version.blocked", version, by=by, now=now, team=version.model.team, reason=reason)
    tell("version.blocked", version, now=now, reason=reason)
    return version


@transaction.atomic
def unblock_version(version: ModelVersion, *, by: Actor, now: datetime) -> ModelVersion:
    """Let a blocked version serve again. Raises Refused without the right, Conflict unless it is blocked."""
    require(by, Permission.INVENTORY_REMOVE, version.model.team)
    _move(version, ModelVersion.Status.BLOCKED, status=ModelVersion.Status.READY, blocked_reason="", updated_at=now)
    audit.record("version.unblocked", version, by=by, now=now, team=version.model.team)
    return version


@transaction.atomic
def delete_version(version: ModelVersion, *, by: Actor, now: datetime) -> None:
    """Hide the version everywhere and end its aliases; its number is never used again, its rows stay for the trail.

    Raises Refused without the right, Conflict (`version_in_use`) naming the endpoints that serve it, Conflict if it
    was deleted before.
    """
    model = version.model
    require(by, Permission.INVENTORY_REMOVE, model.team)
    RegisteredModel.objects.filter(pk=model.pk).update(updated_at=now)
    if not ModelVersion.objects.live().filter(pk=version.pk).update(deleted_at=now, updated_at=now):
        raise Conflict(f"{model.name} version {version.number} was deleted before.")
    serving.require_unused(version)
    close(Alias.objects.open().filter(version=version), now)
    version.refresh_from_db(fields=["deleted_at", "updated_at"])
    audit.record("version.deleted", version, by=by, now=now, team=model.team)
    tell("version.deleted", version, now=now)


def freeze_schema(version: ModelVersion, *, now: datetime) -> bool:
    """Fix the features of the version, because traffic was accepted for it; False if that had happened before."""
    unfrozen = ModelVersion.objects.filter(pk=version.pk, schema_frozen_at=None)
    return bool(unfrozen.update(schema_frozen_at=now))


def _drafts(model: RegisteredModel, features: Sequence[FeatureDraft] | None) -> list[FeatureDraft]:
    if features is not None:
        return check_drafts(features, model.team)
    return drafts_of(Feature.objects.current().filter(model=model))


def _draw_number(model: RegisteredModel, number: int | None, now: datetime) -> int:
    """The version's number; the row of the model is locked until the transaction ends."""
    row = RegisteredModel.objects.live().filter(pk=model.pk)
    if number is not None and not 1 <= number <= NUMBER_LIMIT:
        raise Invalid(f"A version number lies between 1 and {NUMBER_LIMIT}, not {number}.", field="number")
    following = F("next_version") + 1 if number is None else Greatest(F("next_version"), Value(number + 1))
    if not row.update(next_version=following, updated_at=now):
        raise Conflict(f"{model.slug} was deleted meanwhile.")
    model.refresh_from_db(fields=["next_version", "updated_at"])
    return model.next_version - 1 if number is None else number


def _check(description: str, described: Mapping[str, str], tags: Mapping[str, str], by: Actor) -> dict[str, Any]:
    """The values of the row, with the place where the artefact lies."""
    if unknown := described.keys() - _LINES.keys() - _OPAQUE.keys() - set(_PLACES):
        raise TypeError(f"register_version does not take {', '.join(sorted(unknown))}")
    with Checked() as checked:
        fields = {
            name: checked.line(name, value, limit=_LINES[name]) for name, value in described.items() if name in _LINES
        }
        for name in described.keys() & _OPAQUE.keys():
            fields[name] = checked.verbatim(name, described[name], limit=_OPAQUE[name], controls="")
        for name in described.keys() & set(_PLACES):
            fields[name] = check_source(checked, name, described[name])
        fields["storage_uri"] = fields.get("storage_uri") or storage_of(checked, fields.get("source", ""), by)
        fields["description"] = checked.verbatim("description", description, limit=DESCRIPTION_LIMIT)
        check_tags(checked, tags)
    return fields


def _move(version: ModelVersion, source: str, **fields: Any) -> None:
    row = ModelVersion.objects.filter(pk=version.pk, status=source, deleted_at=None)
    if not row.update(**fields):
        raise Conflict(f"Version {version.number} is not {ModelVersion.Status(source).label.lower()}.")
    version.refresh_from_db()
