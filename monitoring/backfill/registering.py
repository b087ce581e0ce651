"""What files name and the registry lacks: team, model, features, versions."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction

from mlops_portal.kit.errors import Invalid
from monitoring.backfill.inference import Inferred
from registry import inventory, permissions
from registry.inventory import FeatureDraft
from registry.models import Feature, ModelVersion, RegisteredModel, Team

BY = "system:backfill"


def number_versions(texts: Iterable[str], existing: Mapping[str, int]) -> dict[str, int]:
    """Positive whole numbers stay; other texts get the next free number as they appear.

    existing: numbers of earlier texts (`source_version`), which keep them.

    >>> number_versions(["2", "spring", "summer", "spring"], {})
    {'2': 2, 'spring': 3, 'summer': 4}
    """
    texts = list(dict.fromkeys(texts))
    numbers = {text: existing[text] for text in texts if text in existing}
    numbers |= {text: int(text) for text in texts if text not in numbers and _is_number(text)}
    free = max([0, *existing.values(), *numbers.values()]) + 1
    for text in texts:
        if text not in numbers:
            numbers[text] = free
            free += 1
    return {text: numbers[text] for text in texts}


def known_versions(model: RegisteredModel) -> dict[str, int]:
    """Numbers of the model's versions by number as text and by `source_version`."""
    rows = model.versions.filter(deleted_at=None).values_list("number", "source_version")
    known = {str(number): number for number, _ in rows}
    return known | {source: number for number, source in rows if source}


@transaction.atomic
def register(
    slug: str, team_slug: str, inferred: Inferred, versions: Mapping[str, int], *, now: datetime
) -> RegisteredModel:
    """The model of that slug with its features and versions; what exists already stays as it is.

    Raises Invalid if the model exists in another team, or no team is named for a new one.
    """
    model = RegisteredModel.objects.live().filter(slug=slug).select_related("team").first()
    if model is None:
        model = inventory.register_model(
            _team(team_slug, now),
            name=slug.replace("-", " ").replace("_", " ").capitalize(),
            slug=slug,
            task=inferred.task,
            output=dict(inferred.output),
            description="Registered from history files.",
            features=drafts(inferred),
            by=BY,
            now=now,
        )
    elif team_slug and model.team.slug != team_slug:
        raise Invalid(f"{slug} belongs to the team {model.team.slug}, not {team_slug}.", field="team")
    elif not Feature.objects.current().filter(model=model).exists():
        inventory.set_features(model, drafts(inferred), by=BY, now=now)
    _register_versions(model, versions, now)
    return model


def drafts(inferred: Inferred) -> list[FeatureDraft]:
    """The features as the registry takes them."""
    return [
        FeatureDraft(
            one.name, one.dtype, kind=one.kind, segment=one.segment, required=one.required, privacy=one.privacy
        )
        for one in inferred.features
    ]


def _register_versions(model: RegisteredModel, versions: Mapping[str, int], now: datetime) -> None:
    present = set(model.versions.values_list("number", flat=True))
    for text, number in sorted(versions.items(), key=lambda pair: pair[1]):
        if number not in present:
            source = "" if _is_number(text) else text
            inventory.register_version(model, number=number, source_version=source, by=BY, now=now)


def versions_of(model: RegisteredModel, numbers: Iterable[int]) -> list[ModelVersion]:
    """The registered versions with these numbers, in order."""
    return list(model.versions.filter(number__in=list(numbers), deleted_at=None).order_by("number"))


def _team(slug: str, now: datetime) -> Team:
    if not slug:
        raise Invalid("A new model needs a team: add --team SLUG.", field="team")
    team = Team.objects.filter(slug=slug).first()
    return team or permissions.create_team(slug, name=slug.replace("-", " ").capitalize(), by=BY, now=now)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text == str(int(text)) and int(text) > 0
