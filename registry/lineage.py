"""Who feeds what: the models and features that depend on a source, through other sources too."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from registry.models import Feature, RegisteredModel, Source, Viewer


@dataclass(frozen=True, slots=True)
class Dependent:
    """One model, and which of its current features come from the source; `by_way_of` names the source between."""

    model: RegisteredModel
    features: Sequence[Feature]
    by_way_of: Source | None = None


def sources(viewer: Viewer) -> QuerySet[Source]:
    """The sources in use that the viewer may see, with how many models and features read from each."""
    live = Feature.objects.current().filter(source=OuterRef("pk"), model__deleted_at=None).order_by().values("source")
    visible = Source.objects.visible_to(viewer).active().select_related("team", "fed_by")
    return visible.annotate(
        model_count=_number(live.annotate(n=Count("model", distinct=True))),
        feature_count=_number(live.annotate(n=Count("pk"))),
    )


def _number(grouped: Any) -> Coalesce:
    return Coalesce(Subquery(grouped.values("n")), Value(0), output_field=IntegerField())


def dependents(source: Source, viewer: Viewer) -> list[Dependent]:
    """The models that read from the source, directly first, then those that read from a source it feeds."""
    fed = _fed_by(source)
    visible = RegisteredModel.objects.visible_to(viewer).live()
    features = Feature.objects.current().filter(source__in=[source, *fed], model__in=visible)
    grouped: dict[tuple[Source, RegisteredModel], list[Feature]] = defaultdict(list)
    for feature in features.select_related("model__team", "source").order_by("position", "name"):
        if feature.source is not None:
            grouped[feature.source, feature.model].append(feature)
    found = [Dependent(model, rows, None if one == source else one) for (one, model), rows in grouped.items()]
    return sorted(found, key=lambda one: (one.by_way_of is not None, one.model.slug))


def _fed_by(source: Source) -> list[Source]:
    """The sources that get their data from this one, over however many steps."""
    by_feeder = defaultdict(list)
    for one in Source.objects.active().filter(team=source.team_id).exclude(fed_by=None):
        by_feeder[one.fed_by_id].append(one)
    found: list[Source] = []
    waiting = [source]
    while waiting:
        following = [one for one in by_feeder[waiting.pop().pk] if one not in found]
        found += following
        waiting += following
    return found
