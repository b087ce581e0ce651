"""Who may send what: the key, its scope, the model, and the version that the body names first.

Requests of one process that arrive together ask the database together; none is answered from before it came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops_portal.kit.errors import NotThere
from monitoring.traffic import specs
from monitoring.traffic.specs import ModelSpec, Target
from monitoring.traffic.together import Together
from registry.models import ModelVersion, RegisteredModel, Scope
from registry.permissions import KeyPrincipal, authenticate_key, require_scope

_ROUND = 64


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
    model: RegisteredModel
    targets: Mapping[str, Target]


def admit(key_text: str, slug: str, label: str | None, now: datetime) -> Admission:
    """The model the key may send to.

    Raises Unauthenticated without a valid key, Refused (`insufficient_scope`) without the scope `ingest`, NotThere if
    the model does not exist or belongs to another team. Two queries, one more when the version's features are new.
    """
    return _admissions((Question(key_text, slug, label), now))


def _admit_all(asked: Sequence[tuple[Question, datetime]]) -> list[Admission | BaseException]:
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
    visible = RegisteredModel.objects.visible_to(principal).live()
    number = specs.number_of(question.label) if question.label else None
    if number:
        numbered = ModelVersion.objects.filter(model__in=visible, model__slug=question.slug, deleted_at=None)
        found = list(specs.with_stamp(numbered.filter(number=number)).select_related("model"))
        if found:
            model = found[0].model
            return Admission(principal, model, specs.of_versions(found, ModelSpec.of(model)))
    known = visible.filter(slug=question.slug).first()
    if known is None:
        raise NotThere("There is nothing at this address that you may see.")
    return Admission(principal, known, {})


_admissions = Together(_admit_all, at_most=_ROUND)
