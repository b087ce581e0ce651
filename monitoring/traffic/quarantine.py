"""Rejected items as they may be kept: each value in the form in which it would be stored, or not at all.

What is kept whole can be replayed once the cause was mended (`replaying`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from monitoring.traffic import judge, limits, privacy, times, values
from monitoring.traffic.records import FIELDS, OUTCOME_FIELDS
from monitoring.traffic.specs import FeatureSpec
from monitoring.traffic.values import Rejected

_KNOWN = frozenset({*FIELDS, *OUTCOME_FIELDS})
_HIDDEN = frozenset({"subject_id", "features"})


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an item. text: JSON without the subject, unknown fields and values that must not be stored.

    rules: the privacy rules other than `keep` that its features have gone through, by name; kid: the key of hashes.
    is_whole: nothing of what the sender wrote was left out but what a rule drops.
    """

    text: str = ""
    subject_ref: str = ""
    kid: str = ""
    rules: dict[str, str] = field(default_factory=dict)
    is_whole: bool = False


def kept(item: Any, features: Sequence[FeatureSpec], team_id: UUID, kid: str, *, is_unknown: bool = False) -> Kept:
    """What may be kept of an item, given the features that its version reads.

    Values of other features have no privacy rule and go. is_unknown: the version is not registered, so that nobody
    knows whether it reads them; else they would not be stored anyway.
    """
    if not isinstance(item, Mapping):
        return Kept()
    plain = {name: value for name, value in item.items() if name in _KNOWN and name not in _HIDDEN}
    subject_ref = _subject_ref(item.get("subject_id"), team_id, kid)
    given = item.get("features", {})
    found = given if isinstance(given, Mapping) else {}
    specs = {feature.name: feature for feature in features if feature.name in found}
    stored = {name: _stored(found[name], spec, team_id, kid) for name, spec in specs.items()}
    known = {name: value for name, value in stored.items() if value is not msgspec.UNSET}
    is_whole = (
        item.keys() <= _KNOWN
        and subject_ref is not None
        and isinstance(given, Mapping)
        and (not is_unknown or found.keys() <= specs.keys())
        and all(name in known or spec.privacy == "drop" for name, spec in specs.items())
        and _is_finite([plain, known])
    )
    document = plain | ({"features": known} if "features" in item else {})
    rules = {name: spec.privacy for name, spec in specs.items() if spec.privacy != "keep"}
    return Kept(str(_json(document), "utf-8"), subject_ref or "", kid, rules, is_whole)


def _stored(value: Any, feature: FeatureSpec, team_id: UUID, kid: str) -> Any:
    """The value as it would be stored; UNSET if that is nothing: a rule drops it, or it does not fit its type.

    What may be kept as it is stays as it was sent, right or wrong: it may be the reason.
    """
    if feature.privacy == "keep" or value is None:
        return value
    try:
        typed = judge.feature(value, feature)
    except Rejected:
        return msgspec.UNSET
    if feature.privacy == "drop":
        return msgspec.UNSET
    return privacy.apply_value(feature, typed, team_id, kid)


def _subject_ref(subject_id: Any, team_id: UUID, kid: str) -> str | None:
    """The reference of a subject, an empty text without one, None if it is none."""
    try:
        text = values.text(subject_id, "/subject_id", limits.TEXT_LENGTH)
    except Rejected:
        return None
    return "" if text is None else privacy.subject_ref(team_id, text, kid)


def _is_finite(value: Any) -> bool:
    """Whether JSON can say every number in it."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))


def _written(value: Any) -> str:
    """Values of tables that JSON does not know; times as clients write them."""
    if isinstance(value, times.Micros | times.Seconds):
        return times.written(value if isinstance(value, times.Micros) else round(value * 1_000_000))
    return str(value)


_json = msgspec.json.Encoder(enc_hook=_written).encode
