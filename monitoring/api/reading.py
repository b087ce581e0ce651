"""What the reading routes share: the model within the wall, and filters that are a closed list."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from mlops_portal.kit.api import only_parameters
from mlops_portal.kit.errors import Malformed
from registry import permissions
from registry.models import RegisteredModel, User
from registry.permissions import KeyPrincipal, Permission

Narrow = Callable[[str, str], Q]  # name of the parameter, its text
Row = TypeVar("Row", bound=Model)
LONGEST = 4096  # characters of one parameter
MOST_VALUES = 200


def caller(request: Request) -> User | KeyPrincipal:
    """Who asks: the routes let nobody in who is neither."""
    return cast("User | KeyPrincipal", request.user)


def model_for(request: Request, slug: str, permission: Permission) -> RegisteredModel:
    """The live model of that slug. Another team's is 404; one's own without the right is refused."""
    visible = RegisteredModel.objects.visible_to(caller(request)).live().select_related("team")
    model = get_object_or_404(visible, slug=slug)
    permissions.require(caller(request), permission, model.team)
    return model


def narrowed(
    rows: QuerySet[Row], request: Request, filters: Mapping[str, Narrow], *, besides: Collection[str] = ()
) -> QuerySet[Row]:
    """The rows that pass every filter of the query string. Raises Malformed for a name or value that is not one."""
    given = only_parameters(request._request, {*filters, *besides})
    for name, text in given.items():
        if name in filters:
            rows = rows.filter(filters[name](name, text))
    return rows


def among(field: str) -> Narrow:
    """Texts by comma, compared exactly; an empty one finds what has none."""
    return lambda name, text: Q(**{f"{field}__in": values(name, text)})


def among_choices(field: str, choices: Collection[str]) -> Narrow:
    """Words of a closed list by comma."""

    def narrow(name: str, text: str) -> Q:
        chosen = values(name, text)
        for value in chosen:
            if value not in choices:
                raise malformed(name, value, f"one of {', '.join(choices)}")
        return Q(**{f"{field}__in": chosen})

    return narrow


def among_numbers(field: str) -> Narrow:
    """Whole numbers by comma."""

    def narrow(name: str, text: str) -> Q:
        chosen = values(name, text)
        for value in chosen:
            if not (value.isascii() and value.isdecimal() and len(value) < 10):
                raise malformed(name, value, "a whole number")
        return Q(**{f"{field}__in": [int(value) for value in chosen]})

    return narrow


def among_ids(field: str) -> Narrow:
    """UUIDs by comma."""

    def narrow(name: str, text: str) -> Q:
        try:
            return Q(**{f"{field}__in": [UUID(value) for value in values(name, text)]})
        except ValueError:
            raise malformed(name, text, "a UUID") from None

    return narrow


def among_times(field: str) -> Narrow:
    """Points in time by comma."""
    return lambda name, text: Q(**{f"{field}__in": [moment(name, value) for value in values(name, text)]})


def bounded(lookup: str) -> Narrow:
    """One point in time on one side, as `window_end__lte`."""
    return lambda name, text: Q(**{lookup: moment(name, text)})


def revisions(name: str, text: str) -> Q:
    """`latest`, the default, or `all`."""
    if text not in {"latest", "all"}:
        raise malformed(name, text, "latest or all")
    return Q(is_latest=True) if text == "latest" else Q()


def values(name: str, text: str) -> list[str]:
    """The values of a parameter."""
    if len(text) > LONGEST or text.count(",") >= MOST_VALUES:
        raise Malformed(f"{name!r} holds more than {MOST_VALUES} values.", code="malformed_parameter")
    return text.split(",")


def moment(name: str, text: str) -> datetime:
    """An RFC 3339 time with its zone; a plus sign that the client did not encode is forgiven."""
    try:
        at = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise malformed(name, text, "a time such as 2026-11-20T00:00:00Z")
    return at


def malformed(name: str, value: str, wanted: str) -> Malformed:
    """The refusal of one value, which names a good one."""
    return Malformed(f"{name}={value[:64]!r} is not {wanted}.", code="malformed_parameter")


def parameters(described: Mapping[str, str]) -> list[Any]:
    """The query parameters for the schema."""
    return [OpenApiParameter(name, str, description=text) for name, text in described.items()]


WINDOW_PARAMETERS = {
    "window_start": "Starts of windows, exact.",
    "window_start_gte": "Windows that start at this time or later.",
    "window_end_lte": "Windows that end at this time or earlier.",
    "revision": "`latest` (the default) or `all` revisions of a window.",
}
WINDOW_FILTERS: Mapping[str, Narrow] = {
    "window_start": among_times("window_start"),
    "window_start_gte": bounded("window_start__gte"),
    "window_end_lte": bounded("window_end__lte"),
    "revision": revisions,
}
