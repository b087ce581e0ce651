"""Features: what a model reads. A version's list is a frozen copy of the model's current list, or a list of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import F

from mlops_portal.kit.errors import Conflict, Fault, Stale
from registry import audit
from registry.actors import Actor
from registry.models import Feature, ModelVersion, RegisteredModel, Source, Team
from registry.models.feature import FeatureQuerySet
from registry.permissions import Permission, require
from registry.rules import Checked, as_invalid, is_printable_name

NAME_LIMIT = 128
FEATURES_LIMIT = 512  # of one list, as many as a Parquet body may have columns
CATEGORIES_LIMIT = 1000
CATEGORY_LENGTH = 256
RESERVED_NAMES = frozenset({"__proto__", "constructor", "prototype"})  # would change objects of clients in JavaScript

# How much of the value a rule leaves, from everything to nothing.
STRICTNESS: dict[str, int] = {
    Feature.Privacy.KEEP: 0,
    Feature.Privacy.BUCKET: 1,
    Feature.Privacy.MASK: 2,
    Feature.Privacy.HASH: 3,
    Feature.Privacy.DROP: 4,
}
NUMERIC = frozenset({Feature.Dtype.NUMBER, Feature.Dtype.INTEGER, Feature.Dtype.TIMESTAMP})
WORDED = frozenset({Feature.Dtype.TEXT, Feature.Dtype.CATEGORY})
CHANGEABLE_WHEN_FROZEN = frozenset(
    {
        "privacy",
        "privacy_options",
        "abs_tolerance",
        "rel_tolerance",
        "description",
        "importance",
        "source",
        "source_field",
    }
)


@dataclass(frozen=True, slots=True)
class FeatureDraft:
    """One feature as somebody describes it; `privacy=None` asks for the default of its type."""

    name: str
    dtype: str
    kind: str = Feature.Kind.INPUT
    segment: bool = False
    required: bool = True
    privacy: str | None = None
    privacy_options: Mapping[str, Any] = field(default_factory=dict)
    allowed_min: float | None = None
    allowed_max: float | None = None
    categories: Sequence[str] = ()
    importance: float | None = None
    description: str = ""
    abs_tolerance: float = 1e-6
    rel_tolerance: float = 1e-3
    source: Source | None = None  # of the model's team; the field is how the source calls the feature
    source_field: str = ""

    @classmethod
    def of(cls, feature: Feature) -> "FeatureDraft":
        """The draft that would make this row."""
        values = {name: getattr(feature, name) for name in cls.__dataclass_fields__}
        return cls(**(values | {"categories": tuple(feature.categories)}))


def drafts_of(rows: FeatureQuerySet) -> list[FeatureDraft]:
    """The drafts that would make this list, in its order."""
    return [FeatureDraft.of(feature) for feature in rows.select_related("source").order_by("position", "name")]


def default_privacy(dtype: str, categories: Sequence[str] = ()) -> str:
    """Hash for text without declared categories, else keep.

    >>> default_privacy("text"), default_privacy("text", ("a", "b")), default_privacy("number")
    ('hash', 'keep', 'keep')
    """
    return str(Feature.Privacy.HASH if dtype == Feature.Dtype.TEXT and not categories else Feature.Privacy.KEEP)


@transaction.atomic
def set_features(
    model: RegisteredModel, drafts: Sequence[FeatureDraft], *, base: int | None = None, by: Actor, now: datetime
) -> list[Feature]:
    """Replace the model's current list; versions keep the copies they have.

    base: the lock_version the caller has seen, if it matters to them. Raises Refused without the right, Invalid
    naming every draft that will not do, Stale if the model changed since `base`.
    """
    require(by, Permission.INVENTORY_EDIT, model.team)
    checked = check_drafts(drafts, model.team)
    row = RegisteredModel.objects.live().filter(pk=model.pk, **({} if base is None else {"lock_version": base}))
    if not row.update(lock_version=F("lock_version") + 1, updated_at=now):
        raise Stale(f"{model.slug} was changed by somebody else since you read it. Read it again.")
    model.refresh_from_db(fields=["lock_version", "updated_at"])
    rows, changes = replace_current(model, checked)
    if changes:
        audit.record("features.changed", model, by=by, now=now, team=model.team, changes=changes)
    return rows


@transaction.atomic
def set_version_features(
    version: ModelVersion, drafts: Sequence[FeatureDraft], *, by: Actor, now: datetime
) -> list[Feature]:
    """Replace the list of one version.

    Once the version has received traffic only privacy (towards stricter), source, tolerances, importance and
    description may change. Raises Refused without the right, Invalid naming every draft that will not do, Conflict
    (`schema_frozen`) with every change that came too late.
    """
    require(by, Permission.INVENTORY_EDIT, version.model.team)
    checked = check_drafts(drafts, version.model.team)
    before = {draft.name: draft for draft in drafts_of(Feature.objects.filter(version=version))}
    after = {draft.name: draft for draft in checked}
    if version.schema_frozen_at is not None:
        _require_unfrozen(before, after)
    changes = _changes(before, after)
    rows = _replace(Feature.objects.filter(version=version), version.model, version, checked)
    ModelVersion.objects.filter(pk=version.pk).update(schema_revision=F("schema_revision") + 1)
    if changes:
        audit.record("features.changed", version, by=by, now=now, team=version.model.team, changes=changes)
    return rows


def write_list(model: RegisteredModel, version: ModelVersion | None, drafts: Sequence[FeatureDraft]) -> list[Feature]:
    """Insert the rows of a checked list, in its order."""
    rows = [
        Feature(model=model, version=version, position=position, **_columns(draft))
        for position, draft in enumerate(drafts)
    ]
    return list(Feature.objects.bulk_create(rows))


def replace_current(
    model: RegisteredModel, drafts: Sequence[FeatureDraft]
) -> tuple[list[Feature], dict[str, list[Any]]]:
    """Make the model's current list what the checked drafts say; its rows, and what changed for the audit trail."""
    present = Feature.objects.current().filter(model=model)
    before = {draft.name: draft for draft in drafts_of(present)}
    changes = _changes(before, {draft.name: draft for draft in drafts})
    return _replace(present, model, None, drafts), changes


def _replace(
    present: FeatureQuerySet, model: RegisteredModel, version: ModelVersion | None, drafts: Sequence[FeatureDraft]
) -> list[Feature]:
    """Make the list what the drafts say; a feature that keeps its name keeps its row."""
    rows = {feature.name: feature for feature in present.select_related("source")}
    wanted = {draft.name for draft in drafts}
    present.exclude(name__in=wanted).delete()
    made = []
    for position, draft in enumerate(drafts):
        columns = _columns(draft) | {"position": position}
        row = rows.get(draft.name)
        if row is None:
            made.append(Feature(model=model, version=version, **columns))
        elif any(getattr(row, name) != value for name, value in columns.items()):
            Feature.objects.filter(pk=row.pk).update(**columns)
    Feature.objects.bulk_create(made)
    return list(present.select_related("source").order_by("position", "name"))


def check_drafts(drafts: Sequence[FeatureDraft], team: Team) -> list[FeatureDraft]:
    """The drafts with privacy filled in, or Invalid with every fault of every draft."""
    faults: list[Fault] = []
    if len(drafts) > FEATURES_LIMIT:
        faults.append(Fault("too_large", f"{len(drafts)} features; {FEATURES_LIMIT} is the most.", "/features"))
        raise as_invalid(faults)
    seen: dict[str, str] = {}
    cleaned = [_check_draft(i, draft, team, seen, faults) for i, draft in enumerate(drafts)]
    if faults:
        raise as_invalid(faults)
    return cleaned


def _check_draft(
    index: int, draft: FeatureDraft, team: Team, seen: dict[str, str], faults: list[Fault]
) -> FeatureDraft:
    checked = Checked(f"/features/{index}")
    _check_name(checked, draft.name, seen)
    checked.choice("dtype", draft.dtype, Feature.Dtype.values)
    checked.choice("kind", draft.kind, Feature.Kind.values)
    for check in (_check_range, _check_categories, _check_privacy, _check_numbers):
        check(checked, draft)
    if draft.source is not None and draft.source.team_id != team.pk:  # another team's source does not exist here
        slug = draft.source.slug
        checked.refuse("source", f"{team.name} has no source {slug}; create it first.", received=slug)
    description = checked.text("description", draft.description, limit=4000)
    source_field = checked.line("source_field", draft.source_field, limit=256)
    faults += checked.faults
    privacy = draft.privacy or default_privacy(draft.dtype, draft.categories)
    return replace(
        draft,
        privacy=privacy,
        description=description,
        source_field=source_field,
        categories=tuple(draft.categories),
    )


def _check_name(checked: Checked, name: str, seen: dict[str, str]) -> None:
    shown = name[:64]
    if not name:
        checked.refuse("name", "A feature needs a name.", code="missing_field")
    elif len(name) > NAME_LIMIT:
        checked.refuse("name", f"{shown}… has {len(name)} characters; {NAME_LIMIT} is the most.", received=name)
    elif not name.isprintable() or not is_printable_name(name):
        checked.refuse("name", f"{shown!r} has characters that cannot be shown, or is not in NFC; rename it.")
    elif name in RESERVED_NAMES:
        checked.refuse("name", f"{shown} is a reserved word of JavaScript; rename the feature.", received=name)
    elif (same := seen.setdefault(name.casefold(), name)) != name:
        checked.refuse("name", f"{shown} differs from {same[:64]} only in case; rename one.", received=name)
    elif f"\x00{name}" in seen:
        checked.refuse("name", f"{shown} stands twice in the list; remove one.", received=name)
    seen[f"\x00{name}"] = name


def _check_range(checked: Checked, draft: FeatureDraft) -> None:
    low, high = (checked.number(side, getattr(draft, side)) for side in ("allowed_min", "allowed_max"))
    if draft.dtype not in NUMERIC and (low is not None or high is not None):
        checked.refuse("allowed_min", f"A feature of type {draft.dtype} has no range; leave both bounds empty.")
    elif low is not None and high is not None and low > high:
        checked.refuse("allowed_min", f"The range {low:g} to {high:g} runs backwards; swap the bounds.", received=low)


def _check_categories(checked: Checked, draft: FeatureDraft) -> None:
    if draft.categories and draft.dtype not in WORDED:
        checked.refuse("categories", f"A feature of type {draft.dtype} has no categories; remove them.")
    if len(draft.categories) > CATEGORIES_LIMIT:
        checked.refuse("categories", f"{len(draft.categories)} categories; {CATEGORIES_LIMIT} is the most.")
    if len(set(draft.categories)) < len(draft.categories):
        checked.refuse("categories", "A category stands twice; remove one.")
    for word in draft.categories[:CATEGORIES_LIMIT]:
        if len(word) > CATEGORY_LENGTH or not is_printable_name(word):
            checked.refuse("categories", f"{word[:64]!r} is too long or holds characters that cannot be shown.")
            break


def _check_privacy(checked: Checked, draft: FeatureDraft) -> None:
    options = dict(draft.privacy_options)
    if draft.privacy is None:
        return
    checked.choice("privacy", draft.privacy, Feature.Privacy.values)
    if draft.privacy == Feature.Privacy.BUCKET:
        _check_edges(checked, draft, options)
    elif options:
        checked.refuse("privacy_options", "Only the rule bucket has options; leave them empty.")
    if draft.privacy == Feature.Privacy.MASK and draft.dtype not in WORDED:
        checked.refuse("privacy", "Masking all but the last four characters takes a text; choose drop or bucket.")
    if draft.privacy == Feature.Privacy.HASH and draft.dtype not in WORDED:
        checked.refuse("privacy", "A keyed hash takes a text or a category; choose drop or bucket for this type.")


def _check_edges(checked: Checked, draft: FeatureDraft, options: dict[str, Any]) -> None:
    edges = options.get("edges")
    if draft.dtype not in NUMERIC:
        checked.refuse("privacy", "Buckets take a number or a time; choose hash, mask or drop for a text.")
    elif set(options) != {"edges"} or not _is_rising(edges):
        example = '{"edges": [0, 18, 30, 65]}'
        checked.refuse("privacy_options", f"Buckets need 1 to 100 rising edges, such as {example}.", received=options)


def _is_rising(edges: Any) -> bool:
    if not isinstance(edges, list | tuple) or not 1 <= len(edges) <= 100:
        return False
    if not all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in edges):
        return False
    rising = all(low < high for low, high in pairwise(edges))
    return rising and abs(edges[0]) + abs(edges[-1]) < 1e308


def _check_numbers(checked: Checked, draft: FeatureDraft) -> None:
    checked.number("importance", draft.importance)
    checked.number("abs_tolerance", draft.abs_tolerance, low=0)
    checked.number("rel_tolerance", draft.rel_tolerance, low=0)


def _columns(draft: FeatureDraft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in draft.__dataclass_fields__}
    return values | {"categories": list(draft.categories), "privacy_options": dict(draft.privacy_options)}


def _changes(before: Mapping[str, FeatureDraft], after: Mapping[str, FeatureDraft]) -> dict[str, list[Any]]:
    """What the audit trail says: per feature, what it was and what it is."""
    was, is_now = ({name: described(draft) for name, draft in side.items()} for side in (before, after))
    names = [*was, *(name for name in is_now if name not in was)]
    return {name: [was.get(name), is_now.get(name)] for name in names if was.get(name) != is_now.get(name)}


def described(draft: FeatureDraft) -> dict[str, Any]:
    """The draft without what is at its default, as the trail and manifests tell it."""
    plain = FeatureDraft(name=draft.name, dtype=draft.dtype)
    values = _columns(draft) | {"source": draft.source.slug if draft.source else None}
    usual = _columns(plain)
    return {key: value for key, value in values.items() if key == "dtype" or value != usual[key]}


def _require_unfrozen(before: Mapping[str, FeatureDraft], after: Mapping[str, FeatureDraft]) -> None:
    faults = [
        Fault("schema_frozen", f"{name} cannot be {word} any more.", "/features")
        for word, names in (("removed", before.keys() - after.keys()), ("added", after.keys() - before.keys()))
        for name in sorted(names)
    ]
    for i, (name, draft) in enumerate(after.items()):
        if name in before:
            faults += _frozen_faults(i, before[name], draft)
    if faults:
        detail = "This version has received traffic, so its features no longer change; register a new version."
        raise Conflict(f"{detail} {faults[0].detail}", code="schema_frozen", faults=faults)


def _frozen_faults(index: int, was: FeatureDraft, wanted: FeatureDraft) -> list[Fault]:
    say: Callable[[str, str], Fault] = lambda name, detail: Fault("schema_frozen", detail, f"/features/{index}/{name}")  # noqa: E731
    faults = [
        say(name, f"{was.name}: {name} cannot change any more.")
        for name in was.__dataclass_fields__
        if name not in CHANGEABLE_WHEN_FROZEN and getattr(was, name) != getattr(wanted, name)
    ]
    if STRICTNESS[str(wanted.privacy)] < STRICTNESS[str(was.privacy)]:
        faults.append(say("privacy", f"{was.name}: privacy may become stricter than {was.privacy}, not looser."))
    return faults
