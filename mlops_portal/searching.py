"""Find models, features, sources, endpoints, consumers, runs and alerts, within what the viewer may see."""

import re
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from mlops_portal.kit import wording
from monitoring.models import Alert, Run
from registry.models import Consumer, Endpoint, Feature, RegisteredModel, Source, Viewer

SHOWN = 50
_ID = re.compile(r"[0-9a-f]{6,32}\Z")


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    kind: str
    name: str
    about: str
    url: str


def search(viewer: Viewer, query: str) -> list[Hit]:
    """What fits the words: names and slugs by substring in any case, ids by their first six or more digits."""
    finders = (_models, _endpoints, _sources, _consumers, _features, _by_id)
    return list(chain.from_iterable(find(viewer, query) for find in finders))[:SHOWN]


def _models(viewer: Viewer, query: str) -> list[Hit]:
    named = Q(name__icontains=query) | Q(slug__icontains=query) | Q(team__name__icontains=query)
    found = RegisteredModel.objects.visible_to(viewer).live().filter(named).select_related("team").order_by("name")
    return [
        Hit("model", model.name, model.team.name, reverse("registry:model-detail", args=[model.slug]))
        for model in found[:SHOWN]
    ]


def _endpoints(viewer: Viewer, query: str) -> list[Hit]:
    named = Q(slug__icontains=query) | Q(location__icontains=query)
    found = Endpoint.objects.visible_to(viewer).active().filter(named).select_related("model")
    return [
        Hit("endpoint", one.slug, one.model.name, reverse("registry:endpoint-edit", args=[one.slug]))
        for one in found.order_by("slug")[:SHOWN]
    ]


def _sources(viewer: Viewer, query: str) -> list[Hit]:
    named = Q(slug__icontains=query) | Q(name__icontains=query)
    found = Source.objects.visible_to(viewer).active().filter(named).select_related("team")
    return [
        Hit("source", one.name, f"{one.slug}, {one.team.name}", reverse("registry:source-detail", args=[one.slug]))
        for one in found.order_by("slug")[:SHOWN]
    ]


def _consumers(viewer: Viewer, query: str) -> list[Hit]:
    named = Q(name__icontains=query) | Q(contact__icontains=query)
    found = Consumer.objects.visible_to(viewer).active().filter(named, endpoint__retired_at=None)
    return [
        Hit(
            "consumer",
            one.name,
            f"uses {one.endpoint.slug}",
            f"{reverse('registry:consumer-list')}?endpoint={one.endpoint.slug}",
        )
        for one in found.select_related("endpoint").order_by("name", "pk")[:SHOWN]
    ]


def _features(viewer: Viewer, query: str) -> list[Hit]:
    models = RegisteredModel.objects.visible_to(viewer).live()
    found = Feature.objects.current().filter(model__in=models, name__icontains=query).select_related("model")
    return [
        Hit(
            "feature",
            one.name,
            one.model.name,
            f"{reverse('monitoring:model-inputs', args=[one.model.slug])}?q={one.name}",
        )
        for one in found.order_by("name")[:SHOWN]
    ]


def _by_id(viewer: Viewer, query: str) -> list[Hit]:
    digits = query.lower().replace("-", "")
    if not _ID.match(digits):
        return []
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    runs = Run.objects.visible_to(viewer).filter(pk__range=(low, high)).select_related("model", "monitor")
    alerts = Alert.objects.visible_to(viewer).filter(pk__range=(low, high)).select_related("model")
    return [
        *(
            Hit(
                "run",
                f"{run.monitor.slug} {wording.short_id(run.pk)}",
                f"{run.model.name}, window to {wording.moment(run.window_end)}",
                reverse("monitoring:run-detail", args=[run.pk]),
            )
            for run in runs[:SHOWN]
        ),
        *(
            Hit("alert", alert.summary, alert.model.name, reverse("monitoring:alert-detail", args=[alert.pk]))
            for alert in alerts[:SHOWN]
        ),
    ]
