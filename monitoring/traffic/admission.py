"""Who may send what: the key, its scope, the model, and the version that the body names first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, QuerySet, Value

from mlops_portal.kit.errors import Conflict, NotThere
from mlops_portal.kit.prepared import Prepared
from monitoring.traffic import specs
from monitoring.traffic.specs import ModelSpec, Target, VersionRow
from registry.models import ModelVersion, RegisteredModel, Scope
from registry.permissions import KeyPrincipal, authenticate_key, require_scope

_NOT_THERE = "There is nothing at this address that you may see."
_NO_TASK = "Nobody has said yet what this model predicts; say its task first, then send again."
_MODEL_COLUMNS = ("pk", "team_id", "task", "output")


@dataclass(frozen=True, slots=True)
class Question:
    """May this key send to this model? label: the version that the body names first, if it names one."""

    key_text: str
    slug: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Admission:
    """Yes: to whom the records belong, and the version if it exists."""

    principal: KeyPrincipal
    model: ModelSpec
    targets: Mapping[str, Target]


def admit(question: Question, now: datetime) -> Admission:
    """The model the key may send to.

    Raises Unauthenticated without a valid key, Refused (`insufficient_scope`) without the scope `ingest`, NotThere if
    the model does not exist or belongs to another team, Conflict (`task_not_said`) while its task is not said.
    Two queries, one more when the version's features are new.
    """
    [answer] = admit_all([(question, now)])
    if isinstance(answer, BaseException):
        raise answer
    return answer


def admit_all(asked: Sequence[tuple[Question, datetime]]) -> list[Admission | BaseException]:
    """The admission of each, or what `admit` raises for it; the database is asked once for what several ask."""
    principals: dict[str, KeyPrincipal | BaseException] = {}
    answers: dict[Question, Admission | BaseException] = {}
    for question, now in asked:
        if question not in answers:
            answers[question] = _answer(question, now, principals)
    return [answers[question] for question, _ in asked]


def _answer(
    question: Question, now: datetime, principals: dict[str, KeyPrincipal | BaseException]
) -> Admission | BaseException:
    try:
        if question.key_text not in principals:
            principals[question.key_text] = authenticate_key(question.key_text, now)
        principal = principals[question.key_text]
        if isinstance(principal, BaseException):
            return principal
        require_scope(principal, Scope.INGEST)
        return _model_of(question, principal)
    except Exception as error:
        return error


def _model_of(question: Question, principal: KeyPrincipal) -> Admission:
    number = specs.number_of(question.label) if question.label else None
    if number:
        for row in _VERSION.rows(question.slug, number):
            model = _visible(row[:4], principal)
            return Admission(principal, model, specs.targets([VersionRow(*row[4:])], model))
    for row in _MODEL.rows(question.slug):
        return Admission(principal, _visible(row, principal), {})
    raise NotThere(_NOT_THERE)


def _visible(row: Sequence[Any], principal: KeyPrincipal) -> ModelSpec:
    """The model of a row, if the key may see it: the same wall as `visible_to`, asked of a row that is here already."""
    model = ModelSpec.from_columns(*row)
    if model.team_id != principal.team_id or principal.model_id not in {None, model.id}:
        raise NotThere(_NOT_THERE)
    if not model.task:
        raise Conflict(_NO_TASK, code="task_not_said")
    return model


def _live_models(slug: str) -> QuerySet[RegisteredModel, Any]:
    return RegisteredModel.objects.live().filter(slug=slug).values_list(*_MODEL_COLUMNS)


def _numbered_versions(slug: str, number: str) -> QuerySet[ModelVersion, Any]:
    live = ModelVersion.objects.filter(model__slug=slug, model__deleted_at=None, deleted_at=None)
    numbered = live.filter(number=Value(number, output_field=CharField()))
    return numbered.values_list(*(f"model__{name}" for name in _MODEL_COLUMNS), *VersionRow._fields)


_MODEL = Prepared(_live_models, parameters=["slug"])
_VERSION = Prepared(_numbered_versions, parameters=["slug", "number"])
