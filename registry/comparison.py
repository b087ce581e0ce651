"""Two versions of a model side by side: what they say of themselves, their tags, and their features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.models import Feature, ModelVersion, Tag

FACTS = (
    ("status", "State"),
    ("stage", "Stage"),
    ("source", "Source"),
    ("storage_uri", "Stored at"),
    ("source_version", "Elsewhere"),
    ("framework", "Framework"),
    ("run_id", "Training run"),
    ("git_sha", "Commit"),
    ("artifact_sha256", "Hash of the artefact"),
    ("description", "Description"),
    ("created_at", "Registered"),
    ("created_by", "Registered by"),
    ("schema_frozen_at", "Features fixed since"),
)
COLUMNS = (
    ("dtype", "type"),
    ("kind", "kind"),
    ("required", "required"),
    ("segment", "segment"),
    ("allowed_min", "lowest"),
    ("allowed_max", "highest"),
    ("categories", "categories"),
    ("privacy", "privacy"),
    ("privacy_options", "privacy options"),
    ("source_slug", "source"),
    ("source_field", "name in the source"),
    ("abs_tolerance", "absolute tolerance"),
    ("rel_tolerance", "relative tolerance"),
    ("importance", "importance"),
    ("description", "description"),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing on both sides; None where a side has none."""

    name: str
    left: Any
    right: Any

    @property
    def is_same(self) -> bool:
        """Whether both sides say the same."""
        return bool(self.left == self.right)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two versions, and how many features do not."""

    facts: list[Pair]
    tags: list[Pair]
    added: list[Feature]
    removed: list[Feature]
    changed: list[tuple[str, list[Pair]]]
    same_count: int


def compare(left: ModelVersion, right: ModelVersion) -> Comparison:
    """The right version as it differs from the left one. Reads four lists, whatever their length."""
    before, after = _features(left), _features(right)
    both = [name for name in after if name in before]
    changes = {name: _changes(before[name], after[name]) for name in both}
    return Comparison(
        facts=[Pair(label, _shown(left, name), _shown(right, name)) for name, label in FACTS],
        tags=_pairs(_tags(left), _tags(right)),
        added=[feature for name, feature in after.items() if name not in before],
        removed=[feature for name, feature in before.items() if name not in after],
        changed=[(name, pairs) for name, pairs in changes.items() if pairs],
        same_count=sum(not pairs for pairs in changes.values()),
    )


def _features(version: ModelVersion) -> dict[str, Feature]:
    rows = Feature.objects.filter(version=version).select_related("source").order_by("position", "name")
    return {feature.name: feature for feature in rows}


def _tags(version: ModelVersion) -> dict[str, str]:
    return dict(Tag.objects.filter(version=version).values_list("key", "value"))


def _changes(left: Feature, right: Feature) -> list[Pair]:
    pairs = [Pair(label, _value(left, name), _value(right, name)) for name, label in COLUMNS]
    return [pair for pair in pairs if not pair.is_same]


def _value(feature: Feature, name: str) -> Any:
    if name == "source_slug":
        return feature.source.slug if feature.source else None
    return getattr(feature, name)


def _shown(version: ModelVersion, name: str) -> Any:
    return getattr(version, name) or None


def _pairs(left: Mapping[str, str], right: Mapping[str, str]) -> list[Pair]:
    return [Pair(key, left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())]
