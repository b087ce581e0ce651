"""The model list: one text field, facets and an order, the same for page, API and CSV."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, Count, Exists, FloatField, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from mlops_portal.kit.errors import Malformed
from registry.models import (
    Consumer,
    Deployment,
    Endpoint,
    Feature,
    ModelVersion,
    RegisteredModel,
    Source,
    Tag,
    Viewer,
)

ORDERS = tuple(f"{sign}{name}" for name in ("name", "slug", "updated", "readiness", "risk") for sign in ("", "-"))
_COLUMNS = {"updated": "updated_at", "readiness": "readiness_order", "risk": "risk_order"}
TEXT_LIMIT = 200
NONE = "none"  # of a facet: the models that have nothing there
FACETS = (
    "team",
    "owner",
    "lifecycle",
    "risk",
    "task",
    "environment",
    "strategy",
    "source",
    "consumer",
    "readiness_lt",
    "tag",
)
PARAMETERS = ("q", "sort", *FACETS)


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """What somebody asks of the model list; `facets` holds the chosen value of each facet."""

    text: str = ""
    sort: str = "name"
    facets: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is filtered at all."""
        return bool(self.text or self.facets)

    def without(self, names: Sequence[str]) -> "ModelQuestion":
        """The same question with some facets lifted."""
        return ModelQuestion(self.text, self.sort, {key: v for key, v in self.facets.items() if key not in names})


def read_question(parameters: Mapping[str, str]) -> ModelQuestion:
    """The question that query parameters ask; other names are not looked at. Raises Malformed for a bad value."""
    sort = parameters.get("sort", "name") or "name"
    if sort not in ORDERS:
        raise _malformed("sort", sort, ORDERS)
    text = parameters.get("q", "").strip()
    if len(text) > TEXT_LIMIT:
        raise Malformed(f"q has {len(text)} characters; {TEXT_LIMIT} is the most.", code="malformed_parameter")
    facets = {name: parameters[name] for name in FACETS if parameters.get(name)}
    for name, choices in _FIXED.items():
        if name in facets and facets[name] not in choices:
            raise _malformed(name, facets[name], choices)
    if "readiness_lt" in facets:
        _share(facets["readiness_lt"])
    return ModelQuestion(text, sort, facets)


def fitting(question: ModelQuestion, viewer: Viewer) -> QuerySet[RegisteredModel]:
    """The models that fit, in no order."""
    models = RegisteredModel.objects.visible_to(viewer).live().filter(_text(question.text))
    for name, value in question.facets.items():
        models = models.filter(_FILTERS[name](value))
    return models


def answer(question: ModelQuestion, viewer: Viewer) -> QuerySet[RegisteredModel]:
    """The models that fit, in the order asked for; ties are broken by id, so that pages never overlap."""
    return ordered(fitting(question, viewer), question)


def ordered(models: QuerySet[RegisteredModel], question: ModelQuestion) -> QuerySet[RegisteredModel]:
    """The models in the order of the question. Not measured is less ready than nothing, not rated less than low."""
    descending, column = question.sort.startswith("-"), question.sort.lstrip("-")
    if column in _ANNOTATED:
        models = models.annotate(**_ANNOTATED[column])
    sign = "-" if descending else ""
    return models.order_by(f"{sign}{_COLUMNS.get(column, column)}", f"{sign}pk")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """What one row of the list shows."""

    model: RegisteredModel
    version_count: int
    endpoint_count: int
    strategies: str


def narrowed(models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
    """The models with the columns that a row of the list shows: long texts would be carried through the sorting."""
    return models.select_related("team", "owner").only(*LISTED)


def listed(models: Sequence[RegisteredModel]) -> list[ListedModel]:
    """The rows of models that are loaded: two counts and what serves, in one query for all of them."""
    ids = [model.pk for model in models]
    versions = ModelVersion.objects.live().filter(model__in=ids).order_by()
    endpoints = Endpoint.objects.active().filter(model__in=ids).order_by()
    counted = versions.values_list("model", Value("version")).annotate(n=Count("pk"))
    served = endpoints.values_list("model", "pointer__deployment__strategy")
    found: dict[Any, dict[str, int]] = {pk: {} for pk in ids}
    for pk, word, n in counted.union(served.annotate(n=Count("pk")), all=True):
        found[pk][word or "never"] = n
    return [_listed(model, found[model.pk]) for model in models]


def _listed(model: RegisteredModel, found: dict[str, int]) -> ListedModel:
    versions = found.pop("version", 0)
    strategies = ", ".join(sorted(str(_STRATEGIES[word]).lower() for word in found))
    return ListedModel(model, versions, sum(found.values()), strategies)


def exported(models: QuerySet[RegisteredModel], limit: int) -> Iterator[ListedModel]:
    """The rows of a file, fetched a thousand models at a time."""
    rows = narrowed(models)[:limit].iterator(chunk_size=EXPORT_CHUNK)
    chunk: list[RegisteredModel] = []
    for model in rows:
        chunk.append(model)
        if len(chunk) == EXPORT_CHUNK:
            yield from listed(chunk)
            chunk = []
    yield from listed(chunk) if chunk else ()


EXPORT_CHUNK = 1000
LISTED = (
    "slug",
    "name",
    "team__slug",
    "team__name",
    "owner__username",
    "lifecycle",
    "risk",
    "task",
    "readiness_share",
    "is_demo",
    "updated_at",
)
_STRATEGIES = dict(Deployment.Strategy.choices) | {"never": "Never activated"}


def _text(text: str) -> Q:
    """Substring of name, slug, owner, a tag's value or a source of the features; % and _ mean themselves.

    SQLite compares only ASCII letters in any case, so a text with others is looked for in its common spellings.
    """
    found = Q()
    for spelling in {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}:
        found |= _spelled(spelling) if spelling else Q()
    return found


def _spelled(text: str) -> Q:
    tagged = Tag.objects.of_models().filter(value__icontains=text)
    sources = Source.objects.filter(Q(slug__icontains=text) | Q(name__icontains=text))
    fed = Feature.objects.current().filter(source__in=sources)
    return (
        Q(name__icontains=text)
        | Q(slug__icontains=text)
        | Q(owner__username__icontains=text)
        | Q(pk__in=tagged.values("model"))
        | Q(pk__in=fed.values("model"))
    )


def _owner(value: str) -> Q:
    return Q(owner=None) if value == NONE else Q(owner__username=value)


def _environment(value: str) -> Q:
    served = Endpoint.objects.active().filter(model=OuterRef("pk"))
    return ~Q(Exists(served)) if value == NONE else Q(Exists(served.filter(environment=value)))


def _strategy(value: str) -> Q:
    """What an endpoint of the model does now; `never`: an endpoint that was never activated."""
    endpoints = Endpoint.objects.active()
    if value == "never":
        return Q(pk__in=endpoints.filter(pointer__deployment=None).values("model"))
    return Q(pk__in=endpoints.filter(pointer__deployment__strategy=value).values("model"))


def _source(value: str) -> Q:
    """A feature comes from the source; `none`: an input names no source."""
    features = Feature.objects.current()
    if value == NONE:
        return Q(pk__in=features.filter(kind=Feature.Kind.INPUT, source=None).values("model"))
    return Q(pk__in=features.filter(source__slug=value).values("model"))


def _consumer(value: str) -> Q:
    """Somebody of that name uses it; `none`: an endpoint that nobody is noted to use."""
    users = Consumer.objects.active()
    if value == NONE:
        endpoints = Endpoint.objects.active()
        return Q(pk__in=endpoints.exclude(Exists(users.filter(endpoint=OuterRef("pk")))).values("model"))
    return Q(pk__in=users.filter(name=value, endpoint__retired_at=None).values("endpoint__model"))


def _readiness_lt(value: str) -> Q:
    return Q(readiness_share=None) | Q(readiness_share__lt=_share(value))


def _tag(value: str) -> Q:
    """`key`, or `key:value`; keys and values may hold colons themselves, so any colon may be the one between."""
    wanted = Q(key=value)
    parts = value.split(":")
    for i in range(1, len(parts)):
        wanted |= Q(key=":".join(parts[:i]), value=":".join(parts[i:]))
    return Q(pk__in=Tag.objects.of_models().filter(wanted).values("model"))


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Malformed(f"readiness_lt={value[:64]!r} is not a share from 0 to 1.", code="malformed_parameter")
    return share


_RISKS = {"high": 3, "medium": 2, "low": 1}
_ANNOTATED: dict[str, dict[str, Any]] = {
    "readiness": {"readiness_order": Coalesce("readiness_share", Value(-1.0), output_field=FloatField())},
    "risk": {
        "risk_order": Case(
            *(When(risk=risk, then=Value(rank)) for risk, rank in _RISKS.items()),
            default=Value(0),
            output_field=IntegerField(),
        )
    },
}
_FIXED: dict[str, Sequence[str]] = {
    "lifecycle": RegisteredModel.Lifecycle.values,
    "risk": RegisteredModel.Risk.values,
    "task": (*RegisteredModel.Task.values, NONE),
    "strategy": (*Deployment.Strategy.values, "never"),
}
_FILTERS: dict[str, Callable[[str], Q]] = {
    "team": lambda value: Q(team__slug=value),
    "owner": _owner,
    "lifecycle": lambda value: Q(lifecycle=value),
    "risk": lambda value: Q(risk=value),
    "task": lambda value: Q(task="" if value == NONE else value),
    "environment": _environment,
    "strategy": _strategy,
    "source": _source,
    "consumer": _consumer,
    "readiness_lt": _readiness_lt,
    "tag": _tag,
}


def _malformed(name: str, value: str, allowed: Sequence[str]) -> Malformed:
    return Malformed(f"{name}={value[:64]!r} is none of {', '.join(allowed)}.", code="malformed_parameter")
