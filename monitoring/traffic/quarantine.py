"""Rejected items as they may be kept: what privacy rules or ignorance forbid is taken out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from monitoring.traffic import times
from monitoring.traffic.privacy import REMOVED
from monitoring.traffic.records import FIELDS, OUTCOME_FIELDS
from monitoring.traffic.specs import VersionSpec

_HIDDEN = frozenset({"subject_id", "features"})


def _written(value: Any) -> str:
    """Values of tables that JSON does not know; times as clients write them."""
    if isinstance(value, times.Micros | times.Seconds):
        return times.written(value if isinstance(value, times.Micros) else round(value * 1_000_000))
    return str(value)


_json = msgspec.json.Encoder(enc_hook=_written).encode


def scrubbed(item: Any, version: VersionSpec | None) -> str:
    """The item as JSON text without the subject, without unknown fields and without any value whose rule is not `keep`.

    Of an item that is no object, or whose version is unknown, only the known plain fields are left.
    """
    if not isinstance(item, Mapping):
        return ""
    known = (*FIELDS, *OUTCOME_FIELDS)
    kept = {name: value for name, value in item.items() if name in known and name not in _HIDDEN}
    if "subject_id" in item:
        kept["subject_id"] = REMOVED
    features = item.get("features")
    if isinstance(features, Mapping):
        kept["features"] = _features(features, version)
    return str(_json(kept), "utf-8")


def _features(features: Mapping[str, Any], version: VersionSpec | None) -> dict[str, Any]:
    rules = {feature.name: feature.privacy for feature in version.features} if version else {}
    return {name: features[name] if rule == "keep" else REMOVED for name, rule in rules.items() if name in features}
