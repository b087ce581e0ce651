"""Models: register, describe, retire, delete."""

import posixpath
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from mlops_portal.kit.errors import Conflict, Refused, Stale
from mlops_portal.kit.ruling import Ruling
from registry import audit, serving
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.inventory.features import FeatureDraft, check_drafts, replace_current, write_list
from registry.inventory.output import check_output
from registry.inventory.tags import check_tags, write_tags
from registry.inventory.telling import tell
from registry.models import Membership, RegisteredModel, Team, User
from registry.permissions import Permission, require, ruling
from registry.rules import Checked

NAME_LIMIT, SLUG_LIMIT = 256, 63
SLUG_ATTEMPTS = 50  # each is lost only to another model that took just that slug
DESCRIPTION_LIMIT = 100_000
MANAGED_BY_LIMIT = 128
RESERVED_SLUGS = frozenset({"new", "filters"})  # addresses beside those of models
EDITABLE = frozenset(
    {
        "name",
        "description",
        "purpose",
        "intended_use",
        "limitations",
        "risk",
        "risk_reason",
        "review_due_on",
        "owner",
        "deputy",
        "output",
        "task",
        "managed_by",
    }
)


@transaction.atomic
def register_model(
    team: Team,
    *,
    name: str,
    task: str = "",
    slug: str = "",
    output: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    by: Actor,
    now: datetime,
    is_demo: bool = False,
    client_key: str | None = None,
    client_body_sha: str = "",
    features: Sequence[FeatureDraft] = (),
    **described: Any,
) -> RegisteredModel:
    """Register a model of the team, as a draft, with its current features.

    slug: made from the name unless it is given; it never changes. task: empty if nobody has said it yet; traffic is
    taken once `edit_model` says it. described: any of purpose, intended_use,
    description, limitations, risk, risk_reason, review_due_on, owner, deputy, managed_by (the manifest it comes from).
    Raises Refused without the right, Invalid naming every value that will not do, Conflict (`name_taken`) if name or
    slug is taken in the installation.
    """
    require(by, Permission.INVENTORY_EDIT, team)
    if isinstance(by, KeyPrincipal) and by.model_id:
        raise Refused("This key is bound to one model and registers no other.")
    with Checked() as checked:
        fields = _check({"name": name, **described}, team, checked)
        checked.choice("task", task, ["", *RegisteredModel.Task.values])
        fields["output"] = check_output(checked, task, output)
        check_tags(checked, tags or {})
        chosen = _check_slug(checked, slug) if slug else suggest_slug(fields["name"])
    drafts = check_drafts(features, team)
    model = RegisteredModel(
        team=team,
        slug=chosen,
        task=task,
        is_demo=is_demo,
        client_key=client_key,
        client_body_sha=client_body_sha,
        created_at=now,
        created_by=actor_label(by),
        updated_at=now,
        **fields,
    )
    _insert(model, is_slug_given=bool(slug))
    write_list(model, None, drafts)
    write_tags(model, None, tags or {})
    changes = {"slug": [None, model.slug], "features": [None, len(drafts)]}
    audit.record("model.registered", model, by=by, now=now, team=team, changes=changes)
    tell("model.registered", model, now=now, tags=dict(tags or {}), description=model.description)
    return model


@transaction.atomic
def edit_model(
    model: RegisteredModel,
    patch: Mapping[str, Any],
    *,
    features: Sequence[FeatureDraft] | None = None,
    base: int | None,
    by: Actor,
    now: datetime,
) -> RegisteredModel:
    """Change what describes the model, and its current features if they are given.

    base: the lock_version the caller has seen, or None if it does not matter to them. Of two writers with one base one
    wins; the other gets Stale. A task that was not said yet may be said; one that was said stays.
    Raises Refused without the right (a rename takes inventory.remove), Invalid, Conflict (`name_taken`).
    """
    require(by, Permission.INVENTORY_EDIT, model.team)
    with Checked() as checked:
        fields = _check(patch, model.team, checked)
        task = _check_task(checked, model, fields)
        if "output" in fields or task != model.task:
            fields["output"] = check_output(checked, task, fields.get("output"))
    changes = {key: [_shown(getattr(model, key)), _shown(value)] for key, value in fields.items()}
    changes = {key: pair for key, pair in changes.items() if pair[0] != pair[1]}
    if "name" in changes:
        require(by, Permission.INVENTORY_REMOVE, model.team)
    drafts = None if features is None else check_drafts(features, model.team)
    _move(model, base=base, now=now, **fields)
    if drafts is not None:
        changes |= {f"feature {name}": pair for name, pair in replace_current(model, drafts)[1].items()}
    verb = "model.renamed" if changes.keys() == {"name"} else "model.changed"
    if changes:
        audit.record(verb, model, by=by, now=now, team=model.team, changes=changes)
    if "name" in changes:
        tell("model.renamed", model, now=now, before=changes["name"][0])
    return model


@transaction.atomic
def rename_model(
    model: RegisteredModel, name: str, *, base: int | None = None, by: Actor, now: datetime
) -> RegisteredModel:
    """Give the model another name, and free the old one; the slug, and with it every address, stays.

    One row changes, however many versions there are. Raises Refused without the right inventory.remove, Invalid,
    Conflict (`name_taken`), Stale if the model changed since `base`.
    """
    require(by, Permission.INVENTORY_REMOVE, model.team)
    return edit_model(model, {"name": name}, base=base, by=by, now=now)


@transaction.atomic
def go_live(model: RegisteredModel, *, even_if_retired: bool = False, by: Actor, now: datetime) -> bool:
    """Mark a draft as live, because it serves; False if it was not a draft. Idempotent.

    even_if_retired: for who decides to serve it again; late traffic alone does not bring a retired model back.
    """
    idle = [RegisteredModel.Lifecycle.DRAFT, *([RegisteredModel.Lifecycle.RETIRED] if even_if_retired else [])]
    row = RegisteredModel.objects.filter(pk=model.pk, lifecycle__in=idle)
    if not row.update(lifecycle=RegisteredModel.Lifecycle.LIVE, lock_version=F("lock_version") + 1, updated_at=now):
        return False
    model.refresh_from_db()
    audit.record("model.went_live", model, by=by, now=now, team=model.team)
    return True


@transaction.atomic
def retire_model(model: RegisteredModel, *, base: int, by: Actor, now: datetime) -> RegisteredModel:
    """Take the model out of service; its history stays.

    Raises Refused without the right, Conflict (`version_in_use`) while an endpoint serves it, Stale if it changed since
    `base`.
    """
    require(by, Permission.INVENTORY_REMOVE, model.team)
    _move(model, base=base, now=now, lifecycle=RegisteredModel.Lifecycle.RETIRED)
    serving.require_unused(model)
    audit.record("model.retired", model, by=by, now=now, team=model.team)
    tell("model.retired", model, now=now)
    return model


@transaction.atomic
def delete_model(model: RegisteredModel, *, base: int | None = None, by: Actor, now: datetime) -> None:
    """Hide the model everywhere and free its name and slug; its rows stay for the trail.

    Raises Refused without the right, Conflict (`version_in_use`) while an endpoint serves it, Stale if it changed since
    `base`.
    """
    require(by, Permission.INVENTORY_REMOVE, model.team)
    _move(model, base=base, now=now, deleted_at=now)
    serving.require_unused(model)
    audit.record("model.deleted", model, by=by, now=now, team=model.team)


def may_edit(actor: Actor, model: RegisteredModel) -> Ruling:
    """Whether somebody may change what the inventory says about the model."""
    return ruling(actor, Permission.INVENTORY_EDIT, model.team)


def may_remove(actor: Actor, model: RegisteredModel) -> Ruling:
    """Whether somebody may rename, retire or delete the model."""
    return ruling(actor, Permission.INVENTORY_REMOVE, model.team)


def suggest_slug(name: str) -> str:
    """A free slug that reads like the name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[: SLUG_LIMIT - 5].rstrip("-_") or "model"
    starts = RegisteredModel.objects.live().filter(slug__startswith=stem)
    taken = RESERVED_SLUGS | set(starts.values_list("slug", flat=True))
    free = (slug for slug in (stem, *(f"{stem}-{i}" for i in range(2, 10_000))) if slug not in taken)
    return next(free)


def _check_slug(checked: Checked, slug: str) -> str:
    if slug in RESERVED_SLUGS:
        checked.refuse("slug", f"{slug} is an address of the portal itself; choose another.", received=slug)
    return checked.slug("slug", slug)


def _check(patch: Mapping[str, Any], team: Team, checked: Checked) -> dict[str, Any]:
    """The patch with cleaned values; every fault is noted in `checked`."""
    if unknown := patch.keys() - EDITABLE:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    fields = dict(patch)
    if "name" in fields:
        fields["name"] = _check_name(checked, fields["name"])
    if "description" in fields:
        checked.verbatim("description", fields["description"], limit=DESCRIPTION_LIMIT)
    for key in ("purpose", "intended_use", "limitations", "risk_reason"):
        if key in fields:
            fields[key] = checked.text(key, fields[key])
    if "managed_by" in fields:
        fields["managed_by"] = checked.line("managed_by", fields["managed_by"], limit=MANAGED_BY_LIMIT)
    if "risk" in fields:
        checked.choice("risk", fields["risk"], RegisteredModel.Risk.values)
    for key in ("owner", "deputy"):
        if fields.get(key) is not None and not _belongs(fields[key], team):
            checked.refuse(key, f"{fields[key].username} is not a member of {team.name}; add them first.")
    return fields


def _check_name(checked: Checked, name: str) -> str:
    name = checked.line("name", name, limit=NAME_LIMIT, required=True)
    if "/" in name or ":" in name:
        # The words of MLflow, whose clients know them.
        checked.refuse("name", f"Invalid model name {name[:64]!r}. Names cannot contain '/' or ':'.", received=name)
    elif name and (posixpath.normpath(name) != name or name.startswith("..") or name == "."):
        checked.refuse("name", f"Invalid model name {name[:64]!r}. Names cannot be '.' or start with '..'.")
    return name


def _check_task(checked: Checked, model: RegisteredModel, fields: dict[str, Any]) -> str:
    """The task that holds after the patch; one that was said before stays."""
    task = str(fields.get("task", model.task))
    checked.choice("task", task, ["", *RegisteredModel.Task.values])
    if model.task and task != model.task:
        checked.refuse("task", f"The task of {model.slug} is {model.task}; register another model.", received=task)
    return task


def _belongs(user: User, team: Team) -> bool:
    return user.is_active and Membership.objects.filter(team=team, user=user).exists()


def _shown(value: Any) -> Any:
    if isinstance(value, User):
        return value.username
    return value.isoformat() if isinstance(value, date) else value


def _move(model: RegisteredModel, *, base: int | None, now: datetime, **fields: Any) -> None:
    """Change the row if it is still the one the caller has seen; without a base, if it is there at all."""
    row = RegisteredModel.objects.live().filter(pk=model.pk, **({} if base is None else {"lock_version": base}))

    def write() -> None:
        if not row.update(lock_version=F("lock_version") + 1, updated_at=now, **fields):
            raise Stale(f"{model.slug} was changed by somebody else since you read it. Read it again.")

    _save_or_taken(write, model, fields.get("name"))
    model.refresh_from_db()


def _insert(model: RegisteredModel, *, is_slug_given: bool) -> None:
    """Insert; where the slug was ours to choose and somebody else just took it, under another one."""
    for attempt in range(1, SLUG_ATTEMPTS + 1):
        try:
            _save_or_taken(lambda: model.save(force_insert=True), model)
        except Conflict as taken:
            if is_slug_given or taken.field != "slug" or attempt == SLUG_ATTEMPTS:
                raise
            model.slug = suggest_slug(model.name)
        else:
            return


def _save_or_taken(write: Any, model: RegisteredModel, name: str | None = None) -> None:
    """Write, and turn the violated unique constraint into the sentence that says what is taken (never by whom)."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        name = name or model.name
        others = RegisteredModel.objects.live().exclude(pk=model.pk)
        if others.filter(name=name).exists():
            raise Conflict(f"The name {name} is taken; choose another.", code="name_taken", field="name") from None
        if others.filter(slug=model.slug).exists():
            raise Conflict(f"The slug {model.slug} is taken.", code="name_taken", field="slug") from None
        if model.client_key and others.filter(team=model.team, client_key=model.client_key).exists():
            raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None
        raise
