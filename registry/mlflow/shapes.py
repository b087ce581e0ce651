"""Models and versions as MLflow's client reads them, for a whole page in a constant number of queries.

A field without a value is left out, never null; times are milliseconds; the number of a version is a text.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from registry.models import Alias, ModelVersion, RegisteredModel, Tag

Document = dict[str, Any]
Texts = dict[str, list[tuple[str, str]]]  # by owner, as 32 hex digits: (key, value) of its tags
Stage, Status = ModelVersion.Stage, ModelVersion.Status
_STATUSES = {Status.PENDING.value: "PENDING_REGISTRATION", Status.FAILED.value: "FAILED_REGISTRATION"}
_READY = "READY"
_STAGES = {stage: position for position, stage in enumerate(Stage.values)}
_KEY = itemgetter(1)


class VersionRow(NamedTuple):
    """What an answer says of a version, without what hangs on it."""

    pk: UUID
    model__name: str
    number: int
    created_at: datetime
    updated_at: datetime
    created_by: str
    stage: str
    description: str
    source: str
    run_id: str
    run_link: str
    mlflow_model_id: str
    status: str
    status_message: str
    blocked_reason: str

    @classmethod
    def of(cls, version: ModelVersion) -> "VersionRow":
        """The row of one version."""
        own = {name: getattr(version, name) for name in cls._fields if name != "model__name"}
        return cls(**own, model__name=version.model.name)


class ModelRow(NamedTuple):
    """What an answer says of a model, without what hangs on it; and its newest version in each stage."""

    pk: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    created_by: str
    description: str
    newest_none: UUID | None = None
    newest_staging: UUID | None = None
    newest_production: UUID | None = None
    newest_archived: UUID | None = None

    @property
    def newest(self) -> list[UUID]:
        """The newest version of each stage in use."""
        return [pk for pk in self[-4:] if pk is not None]


def version_rows(versions: QuerySet[ModelVersion]) -> list[VersionRow]:
    """The rows of the versions, in one query."""
    return [VersionRow(*row) for row in versions.values_list(*VersionRow._fields)]


def model_rows(models: QuerySet[RegisteredModel]) -> list[ModelRow]:
    """The rows of the models, in one query that also finds the newest version of each stage by an index."""
    newest = {f"newest_{stage.lower()}": _newest(stage) for stage in Stage.values}
    return [ModelRow(*row) for row in models.annotate(**newest).values_list(*ModelRow._fields)]


def version(row: ModelVersion | VersionRow) -> Document:
    """One version, with its tags and aliases: two queries."""
    return versions([row])[0]


def versions(rows: Sequence[ModelVersion | VersionRow]) -> list[Document]:
    """Versions with their tags and aliases: two queries for all of them."""
    plain = [VersionRow.of(row) if isinstance(row, ModelVersion) else row for row in rows]
    pks = [row.pk for row in plain]
    tags, aliases = _tags((), pks), _aliases_by_version(pks)
    return [_version(row, tags.get(row.pk.hex, ()), aliases.get(row.pk, ())) for row in plain]


def model(of: RegisteredModel) -> Document:
    """One model with everything: four queries."""
    return models(model_rows(RegisteredModel.objects.filter(pk=of.pk)))[0]


def models(rows: Sequence[ModelRow]) -> list[Document]:
    """Models with tags, aliases and latest versions (these without their aliases): three queries for all of them."""
    pks, newest = [row.pk for row in rows], [pk for row in rows for pk in row.newest]
    found = version_rows(ModelVersion.objects.filter(pk__in=newest)) if newest else []
    latest = {one.pk: one for one in found}
    tags = _tags(pks, newest)
    aliases = _aliases_by_model(pks)
    return [_model(row, tags, aliases[row.pk], [latest[pk] for pk in row.newest if pk in latest]) for row in rows]


def _newest(stage: str) -> Subquery:
    versions = ModelVersion.objects.live().filter(model=OuterRef("pk"), stage=stage).order_by("-number")
    return Subquery(versions.values("pk")[:1])


def _model(row: ModelRow, tags: Texts, aliases: Iterable[tuple[str, int]], latest: Collection[VersionRow]) -> Document:
    document: Document = {
        "name": row.name,
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
        "user_id": _user(row.created_by),
    }
    ordered = sorted(latest, key=lambda one: _STAGES[one.stage])
    lists = {
        "description": row.description,
        "latest_versions": [_version(one, tags.get(one.pk.hex, ()), ()) for one in ordered],
        "tags": [{"key": key, "value": value} for key, value in tags.get(row.pk.hex, ())],
        "aliases": [{"alias": name, "version": str(number)} for name, number in aliases],
    }
    return document | {name: value for name, value in lists.items() if value}


def _version(row: VersionRow, tags: Iterable[tuple[str, str]], aliases: Iterable[str]) -> Document:
    document: Document = {
        "name": row.model__name,
        "version": str(row.number),
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
        "user_id": _user(row.created_by),
        "current_stage": row.stage,
        "description": row.description,
        "source": row.source,
        "run_id": row.run_id,
        "status": _STATUSES.get(row.status, _READY),
        "run_link": row.run_link,
    }
    lists = {
        "status_message": f"blocked: {row.blocked_reason}" if row.blocked_reason else row.status_message,
        "tags": [{"key": key, "value": value} for key, value in tags],
        "aliases": list(aliases),
        "model_id": row.mlflow_model_id,
    }
    return document | {name: value for name, value in lists.items() if value}


def milliseconds(moment: datetime) -> int:
    """A time as the client counts it."""
    return round(moment.timestamp() * 1000)


def _user(label: str) -> str:
    return label.removeprefix("key:")


def _tags(models: Collection[UUID], versions: Collection[UUID]) -> Texts:
    """The tags of these models and of these versions, in one query of two parts, each with an index of its own.

    Owners come as texts: to make an object of each would take longer than to find the tags.
    """
    found: Texts = defaultdict(list)
    rows = Tag.objects.order_by()
    both = rows.filter(version__in=versions).values_list(_text("version_id"), "key", "value")
    if models:
        of_models = rows.filter(version=None, model__in=models).values_list(_text("model_id"), "key", "value")
        both = both.union(of_models, all=True)
    for owner, key, value in sorted(both, key=_KEY) if models or versions else ():
        found[owner.replace("-", "")].append((key, value))
    return found


def _text(column: str) -> Cast:
    """A key as the database writes it."""
    return Cast(column, CharField())


def _aliases_by_version(pks: Collection[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    rows = Alias.objects.open().filter(version__in=pks).order_by("name").values_list("version_id", "name")
    for version_id, name in rows if pks else ():
        found[version_id].append(name)
    return found


def _aliases_by_model(pks: Collection[UUID]) -> dict[UUID, list[tuple[str, int]]]:
    found: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    rows = Alias.objects.open().filter(model__in=pks).order_by("name")
    for model_id, name, number in rows.values_list("model_id", "name", "version__number") if pks else ():
        found[model_id].append((name, number))
    return found
