"""How a model was at a moment: where its aliases pointed, and what its endpoints served."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F, OuterRef, Q, Subquery
from django.utils.dateparse import parse_date, parse_datetime

from mlops_portal.kit.errors import Malformed
from registry.deployments import Plan, summary
from registry.models import Alias, Deployment, Endpoint, RegisteredModel

YEARS = range(1970, 2200)  # others are typing mistakes, and overflow where days are added


@dataclass(frozen=True, slots=True)
class Serving:
    """What one endpoint served: nothing, if it was not activated by then."""

    endpoint: Endpoint
    deployment: Deployment | None
    summary: str
    versions: list[int]


def moment(name: str, value: str) -> datetime:
    """A time, or the beginning of a day, in UTC; a + that was sent unescaped arrives as a space.

    name: of the parameter, for the sentence. Raises Malformed if it is neither.
    """
    try:
        found = parse_datetime(value.replace(" ", "+"))
        on = parse_date(value) if len(value) <= 10 else None
    except ValueError:
        found = on = None
    if on is not None:
        found = datetime(on.year, on.month, on.day, tzinfo=UTC)
    if found is None or found.tzinfo is None or found.year not in YEARS:
        raise Malformed(
            f"{name}={value[:64]!r} is no day (2026-11-20) and no time with an offset (2026-11-20T09:31:07Z).",
            code="malformed_parameter",
        )
    return found.astimezone(UTC)


def aliases(model: RegisteredModel, at: datetime | None = None) -> list[Alias]:
    """The aliases with their versions, by name: where they pointed at the moment, or point now."""
    rows = Alias.objects.filter(model=model).select_related("version").order_by("name")
    if at is None:
        return list(rows.open())
    return list(rows.filter(Q(ended_at=None) | Q(ended_at__gt=at), set_at__lte=at))


def serving(model: RegisteredModel, at: datetime | None = None) -> list[Serving]:
    """What the endpoints of the model served at the moment, or serve now, by slug; two queries.

    A revision was served from the time it was made until that of the next one.
    """
    if at is None:
        endpoints = Endpoint.objects.active().filter(model=model)
        current: F | Subquery = F("pointer__deployment")
    else:
        endpoints = Endpoint.objects.filter(Q(retired_at=None) | Q(retired_at__gt=at), model=model, created_at__lte=at)
        made = Deployment.objects.filter(endpoint=OuterRef("pk"), created_at__lte=at).order_by("-revision")
        current = Subquery(made.values("pk")[:1])
    found = list(endpoints.annotate(shown=current).select_related("environment").order_by("slug"))
    return _with_deployments(found)


def _with_deployments(endpoints: Sequence[Endpoint]) -> list[Serving]:
    wanted = {endpoint.shown for endpoint in endpoints if endpoint.shown}  # type: ignore[attr-defined]
    found = Deployment.objects.in_bulk(list(wanted)) if wanted else {}
    return [_served(endpoint, found.get(endpoint.shown)) for endpoint in endpoints]  # type: ignore[attr-defined]


def _served(endpoint: Endpoint, deployment: Deployment | None) -> Serving:
    if deployment is None:
        return Serving(endpoint, None, "never activated", [])
    plan = Plan.of(deployment)
    return Serving(endpoint, deployment, summary(plan), [arm.version for arm in plan.arms])
