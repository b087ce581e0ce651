"""The model list: one text field, facets and an order, the same for page, API and CSV."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from mlops_portal.kit.errors import Malformed
from registry.models import Endpoint, Environment, RegisteredModel, Team, Viewer

ORDERS = ("name", "-name", "slug", "-slug", "updated", "-updated")
_COLUMNS = {"updated": "updated_at"}
TEXT_LIMIT = 200


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


FACETS = ("team", "owner", "lifecycle", "risk", "task", "environment")
PARAMETERS = ("q", "sort", *FACETS)


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
    return ModelQuestion(text, sort, facets)


def answer(question: ModelQuestion, viewer: Viewer) -> QuerySet[RegisteredModel]:
    """The models that fit, in the order asked for; ties are broken by id, so that pages never overlap."""
    models = RegisteredModel.objects.visible_to(viewer).live().filter(_text(question.text))
    for name, value in question.facets.items():
        models = models.filter(_FILTERS[name](value))
    descending, column = question.sort.startswith("-"), question.sort.lstrip("-")
    sign = "-" if descending else ""
    return models.order_by(f"{sign}{_COLUMNS.get(column, column)}", f"{sign}pk")


def choices(viewer: Viewer) -> dict[str, list[tuple[str, str]]]:
    """What each facet may be set to, as (value, word), for the models the viewer may see; at most four queries."""
    models = RegisteredModel.objects.visible_to(viewer).live()
    owners = models.exclude(owner=None).order_by("owner__username").values_list("owner__username", flat=True)
    return {
        "team": list(Team.objects.visible_to(viewer).order_by("name").values_list("slug", "name")),
        "owner": [("none", "Nobody"), *((name, name) for name in owners.distinct())],
        "lifecycle": list(RegisteredModel.Lifecycle.choices),
        "risk": list(RegisteredModel.Risk.choices),
        "task": list(RegisteredModel.Task.choices),
        "environment": list(Environment.objects.values_list("slug", "name")),
    }


def with_counts(models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
    """The models with what a row of the list shows: owner, team, and how many versions and endpoints."""
    return models.select_related("team", "owner").annotate(
        version_count=Count("versions", filter=Q(versions__deleted_at=None), distinct=True),
        endpoint_count=Count("endpoints", filter=Q(endpoints__retired_at=None), distinct=True),
    )


def _text(text: str) -> Q:
    """Substring of name, slug or owner in any case; % and _ mean themselves."""
    if not text:
        return Q()
    return Q(name__icontains=text) | Q(slug__icontains=text) | Q(owner__username__icontains=text)


def _owner(value: str) -> Q:
    return Q(owner=None) if value == "none" else Q(owner__username=value)


def _environment(value: str) -> Q:
    served = Endpoint.objects.active().filter(model=OuterRef("pk"), environment=value)
    return Q(Exists(served))


_FIXED = {
    "lifecycle": RegisteredModel.Lifecycle.values,
    "risk": RegisteredModel.Risk.values,
    "task": RegisteredModel.Task.values,
}
_FILTERS = {
    "team": lambda value: Q(team__slug=value),
    "owner": _owner,
    "lifecycle": lambda value: Q(lifecycle=value),
    "risk": lambda value: Q(risk=value),
    "task": lambda value: Q(task=value),
    "environment": _environment,
}


def _malformed(name: str, value: str, allowed: tuple[str, ...] | list[str]) -> Malformed:
    return Malformed(f"{name}={value[:64]!r} is none of {', '.join(allowed)}.", code="malformed_parameter")
