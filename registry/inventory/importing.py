"""Taking in models of another registry with their history: numbers, times, stages, tags and aliases as they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Greatest

from mlops_portal.kit.errors import Conflict
from registry import audit
from registry.actors import Actor, actor_label
from registry.inventory.aliases import set_alias
from registry.inventory.locations import check_source
from registry.inventory.registration import register_model
from registry.inventory.tags import check_tags
from registry.models import Alias, ModelVersion, RegisteredModel, Tag, Team
from registry.permissions import Permission, require
from registry.rules import Checked

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ForeignVersion:
    """A version as the other registry tells it."""

    number: int
    created_at: datetime
    updated_at: datetime
    source: str = ""
    storage_uri: str = ""  # where it really lies, if that is not the source
    run_id: str = ""
    run_link: str = ""
    mlflow_model_id: str = ""
    description: str = ""
    stage: str = ModelVersion.Stage.NONE
    status: str = ModelVersion.Status.READY
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A model as the other registry tells it; aliases: {name: number}."""

    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    versions: Sequence[ForeignVersion] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one model. is_new: whether the model itself is."""

    is_new: bool
    versions: int
    aliases: int


@transaction.atomic
def take_model(team: Team, foreign: ForeignModel, *, by: Actor, now: datetime) -> Taken:
    """Bring one model in, or what of it is not here yet; matched by name and by number, nothing is deleted.

    What is here keeps its tags and texts; aliases are moved to where the other registry has them. Later versions are
    numbered after the highest. Raises Refused without the right, Conflict (`name_taken`) if the name belongs to another
    team, Invalid naming what will not do.
    """
    require(by, Permission.INVENTORY_EDIT, team)
    _check(foreign)
    model = RegisteredModel.objects.live().filter(name=foreign.name).first()
    if model is not None and model.team_id != team.pk:
        raise Conflict(f"The name {foreign.name} is taken; choose another.", code="name_taken", field="name")
    is_new = model is None
    if model is None:
        model = register_model(
            team, name=foreign.name, description=foreign.description, tags=foreign.tags, by=by, now=foreign.created_at
        )
    made = _take_versions(model, foreign.versions, by)
    following = max((version.number for version in foreign.versions), default=0) + 1
    changes = {"next_version": Greatest("next_version", Value(following))}
    times = {"updated_at": foreign.updated_at} if is_new else {"updated_at": now} if made else {}
    RegisteredModel.objects.filter(pk=model.pk).update(**changes, **times)
    moved = _take_aliases(model, foreign.aliases, by, now)
    if made:
        numbers = [version.number for version in made]
        span = {"versions": [None, len(numbers)], "numbers": [None, [min(numbers), max(numbers)]]}
        audit.record("model.imported", model, by=by, now=now, team=team, changes=span)
    return Taken(is_new, len(made), moved)


def _check(foreign: ForeignModel) -> None:
    """Every fault of every version before the first write."""
    with Checked() as checked:
        check_tags(checked, foreign.tags)
        for version in foreign.versions:
            check_source(checked, f"versions/{version.number}/source", version.source)
            check_source(checked, f"versions/{version.number}/storage_uri", version.storage_uri)
            check_tags(checked, version.tags)


def _take_versions(model: RegisteredModel, foreign: Sequence[ForeignVersion], by: Actor) -> list[ModelVersion]:
    present = set(ModelVersion.objects.filter(model=model).values_list("number", flat=True))
    wanted = [version for version in foreign if version.number not in present]
    rows = [
        ModelVersion(
            model=model,
            number=one.number,
            source=one.source,
            storage_uri=one.storage_uri or one.source,
            run_id=one.run_id,
            run_link=one.run_link,
            mlflow_model_id=one.mlflow_model_id,
            description=one.description,
            stage=one.stage,
            status=one.status,
            created_at=one.created_at,
            created_by=actor_label(by),
            updated_at=one.updated_at,
        )
        for one in wanted
    ]
    try:
        with transaction.atomic():
            ModelVersion.objects.bulk_create(rows, batch_size=AT_ONCE)
    except IntegrityError:
        raise Conflict(f"Versions of {model.name} were registered meanwhile; start the import again.") from None
    tags = [
        Tag(model=model, version=row, key=key, value=value)
        for row, one in zip(rows, wanted, strict=True)
        for key, value in one.tags.items()
    ]
    Tag.objects.bulk_create(tags, batch_size=AT_ONCE)
    return rows


def _take_aliases(model: RegisteredModel, aliases: Mapping[str, int], by: Actor, now: datetime) -> int:
    """Move the aliases that point elsewhere or nowhere here; how many."""
    pointed = dict(Alias.objects.open().filter(model=model).values_list("name", "version__number"))
    moved = {name: number for name, number in aliases.items() if pointed.get(name) != number}
    versions = {one.number: one for one in ModelVersion.objects.live().filter(model=model, number__in=moved.values())}
    found = {name: versions[number] for name, number in moved.items() if number in versions}
    for name, version in found.items():
        set_alias(model, name, version, by=by, now=now)
    return len(found)
