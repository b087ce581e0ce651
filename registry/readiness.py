"""Week-three readiness: would a model be understood when its authors are gone? What the inventory can say of it.

Each item is a yes or a no; unknown is no. The other apps add their own (`monitoring/readiness.py`,
`review/readiness.py`), and `mlops_portal/readiness.py` puts them together. It forbids nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from mlops_portal.kit.wording import listed, plural
from registry.models import (
    Consumer,
    Deployment,
    DeploymentArm,
    Endpoint,
    Feature,
    ModelVersion,
    RegisteredModel,
    ServingPointer,
)

NAMED = 3  # of the things a gap is about
ANEW_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ReadinessItem:
    """One question with its answer.

    gap: what is missing, in words; empty if it holds. fix: URL name and arguments of where that is mended.
    """

    key: str
    title: str
    gap: str
    fix: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the answer is yes."""
        return not self.gap

    def document(self) -> dict[str, Any]:
        """What is stored and what the API shows."""
        return {"key": self.key, "title": self.title, "holds": self.holds, "gap": self.gap, "fix": list(self.fix)}


Items = dict[UUID, list[ReadinessItem]]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is read about one model, for all models at once."""

    model: RegisteredModel
    endpoints: Sequence[Endpoint]
    features: Sequence[Feature]
    unused: frozenset[UUID]  # endpoints without a consumer
    pointers: Mapping[UUID, ServingPointer]
    reversible: frozenset[UUID]  # endpoints with an older revision that could serve again


def readiness(models: Iterable[RegisteredModel], *, now: datetime) -> Items:
    """The seven items of the inventory for each model; a few queries, however many models there are."""
    return {known.model.pk: [item(known) for item in _ITEMS] for known in _read(list(models))}


def due(now: datetime) -> QuerySet[RegisteredModel]:
    """The models whose readiness is not known, a day old, or older than a change of what it is made of.

    Changes are looked for among the last day's only, by index; what is older is found because a day has passed.
    """
    lately = (now - ANEW_AFTER, now)
    endpoints = Endpoint.objects.filter(updated_at__range=lately, updated_at__gt=F("model__readiness_at"))
    consumers = Consumer.objects.filter(updated_at__range=lately, updated_at__gt=F("endpoint__model__readiness_at"))
    fed = Feature.objects.current().filter(
        source__updated_at__range=lately, source__updated_at__gt=F("model__readiness_at")
    )
    moved = ServingPointer.objects.filter(moved_at__range=lately, moved_at__gt=F("endpoint__model__readiness_at"))
    stale = (
        Q(readiness_at=None)
        | Q(readiness_at__lt=now - ANEW_AFTER)
        | Q(updated_at__range=lately, updated_at__gt=F("readiness_at"))
        | Q(pk__in=endpoints.values("model"))
        | Q(pk__in=consumers.values("endpoint__model"))
        | Q(pk__in=fed.values("model"))
        | Q(pk__in=moved.values("endpoint__model"))
    )
    return RegisteredModel.objects.live().filter(stale)


def _read(models: Sequence[RegisteredModel]) -> list[_Known]:
    endpoints, features = defaultdict(list), defaultdict(list)
    for endpoint in Endpoint.objects.active().filter(model__in=models).order_by("slug"):
        endpoints[endpoint.model_id].append(endpoint)
    inputs = Feature.objects.current().filter(model__in=models, kind=Feature.Kind.INPUT)
    for feature in inputs.select_related("source").order_by("position", "name"):
        features[feature.model_id].append(feature)
    active = Endpoint.objects.active().filter(model__in=models)
    used = Consumer.objects.active().filter(endpoint=OuterRef("pk"))
    unused = frozenset(active.exclude(Exists(used)).values_list("pk", flat=True))
    pointers = ServingPointer.objects.filter(endpoint__in=active).select_related("deployment")
    reversible = frozenset(_older_that_could_serve(active).values_list("endpoint", flat=True))
    pointed = {pointer.endpoint_id: pointer for pointer in pointers}
    return [_Known(model, endpoints[model.pk], features[model.pk], unused, pointed, reversible) for model in models]


def _older_that_could_serve(endpoints: QuerySet[Endpoint]) -> QuerySet[Deployment]:
    """Revisions before the present one whose versions are all ready."""
    ready = Q(version__status=ModelVersion.Status.READY, version__deleted_at=None)
    unready = DeploymentArm.objects.filter(deployment=OuterRef("pk")).exclude(ready)
    older = Deployment.objects.filter(endpoint__in=endpoints, revision__lt=F("endpoint__pointer__revision"))
    return older.exclude(strategy=Deployment.Strategy.OFF).exclude(Exists(unready)).order_by().distinct()


def _people(known: _Known) -> ReadinessItem:
    model = known.model
    who = {"owner": model.owner, "deputy": model.deputy}
    gaps = [f"no {role}" for role, person in who.items() if person is None]
    gaps += [f"{role} {person.username} is disabled" for role, person in who.items() if person and not person.is_active]
    return _item("people", "Owner and deputy, both active", gaps, "registry:model-edit", model.slug)


def _described(known: _Known) -> ReadinessItem:
    model = known.model
    gaps = [f"no {name}" for name in ("purpose", "limitations") if not getattr(model, name)]
    if model.risk == RegisteredModel.Risk.UNRATED:
        gaps.append("risk is not rated")
    if not model.risk_reason:
        gaps.append("no reason for the risk")
    return _item("described", "Purpose, limitations and risk with its reason", gaps, "registry:model-edit", model.slug)


def _endpoints(known: _Known) -> ReadinessItem:
    title = "Every endpoint has kind, location and latency limit"
    if not known.endpoints:
        return _item("endpoints", title, ["no endpoint is noted"], "registry:endpoint-create", known.model.slug)
    bare = [one.slug for one in known.endpoints if not (one.kind and one.location and one.slo_p95_ms)]
    gaps = [f"{_names(bare)}: location or latency limit is missing"] if bare else []
    return _item("endpoints", title, gaps, "registry:endpoint-edit", *bare[:1])


def _sources(known: _Known) -> ReadinessItem:
    title = "Every input names its source, every source its latency, stability and volatility"
    if not known.features:
        return _item("sources", title, ["no input is named"], "registry:feature-list", known.model.slug)
    without = [feature.name for feature in known.features if feature.source is None]
    if without:
        gaps = [f"{plural(len(without), 'input')} without a source: {_names(without)}"]
        return _item("sources", title, gaps, "registry:feature-list", known.model.slug)
    used = {feature.source.slug: feature.source for feature in known.features if feature.source}
    vague = [slug for slug, one in sorted(used.items()) if not (one.latency and one.stability and one.volatility)]
    gaps = [f"{_names(vague)}: latency, stability or volatility is not said"] if vague else []
    return _item("sources", title, gaps, "registry:source-edit", *vague[:1])


def _consumers(known: _Known) -> ReadinessItem:
    title = "A consumer per endpoint"
    if not known.endpoints:
        return _item("consumers", title, ["no endpoint is noted"], "registry:endpoint-create", known.model.slug)
    lonely = [one.slug for one in known.endpoints if one.pk in known.unused]
    gaps = [f"nobody is noted to use {_names(lonely)}"] if lonely else []
    return _item("consumers", title, gaps, "registry:consumer-create", *lonely[:1])


def _serving(known: _Known) -> ReadinessItem:
    title = "A revision is active and has a fallback"
    served = _served(known)
    if not served:
        fix = ("registry:endpoint-edit", known.endpoints[0].slug) if known.endpoints else ()
        return _item("serving", title, ["no endpoint serves a revision"], *fix)
    bare = [slug for slug, one in served if one.fallback.get("kind", "none") == "none"]
    gaps = [f"{_names(bare)}: without a fallback"] if bare else []
    return _item("serving", title, gaps, "registry:endpoint-edit", *bare[:1])


def _rollback(known: _Known) -> ReadinessItem:
    title = "A rollback target: an older revision whose versions are all ready"
    served = _served(known)
    if not served:
        fix = ("registry:endpoint-edit", known.endpoints[0].slug) if known.endpoints else ()
        return _item("rollback", title, ["no endpoint serves a revision"], *fix)
    bound = [slug for slug, one in served if one.endpoint_id not in known.reversible]
    gaps = [f"{_names(bound)}: no older revision could serve again"] if bound else []
    return _item("rollback", title, gaps, "registry:endpoint-edit", *bound[:1])


def _served(known: _Known) -> list[tuple[str, Deployment]]:
    """What the endpoints serve now; an endpoint that is off or was never activated serves nothing."""
    found = []
    for endpoint in known.endpoints:
        pointer = known.pointers.get(endpoint.pk)
        if pointer and pointer.deployment and pointer.deployment.strategy != Deployment.Strategy.OFF:
            found.append((endpoint.slug, pointer.deployment))
    return found


def _item(key: str, title: str, gaps: Sequence[str], *fix: str) -> ReadinessItem:
    return ReadinessItem(key, title, "; ".join(gaps), tuple(fix) if gaps else ())


def _names(names: Sequence[str]) -> str:
    return listed(names, limit=NAMED)


_ITEMS = (_people, _described, _endpoints, _sources, _consumers, _serving, _rollback)
