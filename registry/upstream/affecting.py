"""Which models a change may explain, and how far from it they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from registry.models import ChangeEvent, Feature, RegisteredModel


@dataclass(frozen=True, slots=True)
class Affected:
    """A model that the change may explain.

    distance: 0 its own feature, or a source that one of its features names; 1 the same model or endpoint, or what
    feeds such a source; 2 the same team.
    """

    model: RegisteredModel
    distance: int
    reason: str


def affected_by(event: ChangeEvent) -> list[Affected]:
    """The live models that the event may explain, nearest first, each once with its nearest reason.

    Three queries, however many models there are. Models of other teams are among them if they read the source: show
    only those that the viewer may see.
    """
    nearest: dict[UUID, Affected] = {}
    for found in (*_by_features(event), *_by_subject(event)):
        known = nearest.get(found.model.pk)
        if found.model.deleted_at is None and (known is None or found.distance < known.distance):
            nearest[found.model.pk] = found
    return sorted(nearest.values(), key=lambda one: (one.distance, one.model.slug))


def _by_features(event: ChangeEvent) -> Iterator[Affected]:
    if event.feature_name and event.model:
        yield Affected(event.model, 0, f"its feature {event.feature_name} changed")
    if not event.source_id:
        return
    rows = Feature.objects.current().select_related("model", "source")
    changed = rows.filter(source_id=event.source_id)
    if event.feature_name:
        changed = changed.filter(name=event.feature_name)
    for feature in changed.order_by("position"):
        yield Affected(feature.model, 0, f"{feature.name} comes from {feature.source}")
    for feature in rows.filter(source__fed_by_id=event.source_id).order_by("position"):
        yield Affected(feature.model, 1, f"{feature.name} comes from {feature.source}, which {event.source} feeds")


def _by_subject(event: ChangeEvent) -> Iterator[Affected]:
    if event.endpoint:
        yield Affected(event.endpoint.model, 1, f"it serves at {event.endpoint}")
    elif event.model:
        yield Affected(event.model, 1, "it is about this model")
    for model in RegisteredModel.objects.live().filter(team_id=event.team_id):
        yield Affected(model, 2, "it is of the same team")
