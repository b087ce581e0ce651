"""What may be kept of a value: the privacy rules of features, applied before the first write.

`keep` stores the value, `drop` nothing, `hash` a keyed hash (comparable under the same key, reversible by nobody),
`bucket` the lower edge of the bucket a number falls into, `mask` the last four characters of a text.
"""

import base64
import hmac
import math
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from mlops_portal.kit import keyring
from monitoring.traffic.specs import FeatureSpec

_HASH_BYTES = 16
_SHOWN_OF_MASKED = 4
_SUBJECT = "\x00subject"  # no feature name holds U+0000


def current_kid() -> str:
    """The id of the key that hashes are made with now."""
    return keyring.ring().current


def apply(
    features: Sequence[FeatureSpec], columns: Mapping[str, list[Any]], team_id: UUID, kid: str
) -> dict[str, list[Any]]:
    """The feature columns as they may be stored, in the order of the features; dropped ones are absent."""
    kept = {}
    for feature in features:
        if feature.privacy == "keep":
            kept[feature.name] = columns[feature.name]
        elif feature.privacy != "drop":
            kept[feature.name] = apply_column(feature, columns[feature.name], team_id, kid)
    return kept


def apply_column(feature: FeatureSpec, values: Sequence[Any], team_id: UUID, kid: str) -> list[Any]:
    """The values of one feature as they may be stored; nulls stay, equal values are worked out once."""
    rule = _rule(feature, team_id, kid)
    known: dict[Any, Any] = {None: None}
    stored = []
    for value in values:
        if value not in known:
            known[value] = rule(value)
        stored.append(known[value])
    return stored


def apply_value(feature: FeatureSpec, value: Any, team_id: UUID, kid: str) -> Any:
    """One value as it may be stored; None if the feature's rule is `drop`."""
    return None if value is None else _rule(feature, team_id, kid)(value)


def subject_ref(team_id: UUID, subject_id: str, kid: str) -> str:
    """The keyed hash under which records of a person are found again for erasure."""
    return _keyed_hash(_team_key(team_id, kid), _SUBJECT, subject_id)


def subject_refs(team_id: UUID, subject_ids: Sequence[str | None], kid: str) -> list[str | None]:
    """`subject_ref` of many."""
    key = _team_key(team_id, kid)
    return [None if subject is None else _keyed_hash(key, _SUBJECT, subject) for subject in subject_ids]


def _rule(feature: FeatureSpec, team_id: UUID, kid: str) -> Callable[[Any], Any]:
    if feature.privacy == "hash":
        key = _team_key(team_id, kid)
        return lambda value: _keyed_hash(key, feature.name, str(value))
    if feature.privacy == "bucket":
        return lambda value: _lower_edge(feature.edges, value)
    if feature.privacy == "mask":
        return _masked
    return (lambda value: None) if feature.privacy == "drop" else (lambda value: value)


def _team_key(team_id: UUID, kid: str) -> bytes:
    return keyring.ring().derived(kid, f"privacy:{team_id}")


def _keyed_hash(key: bytes, name: str, value: str) -> str:
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
    digest = hmac.digest(key, f"{name}\x00{value}".encode(), "sha256")
    return base64.b32encode(digest[:_HASH_BYTES]).decode().rstrip("=").lower()


def _lower_edge(edges: Sequence[float], value: float) -> float:
    """The edge at or below the value; just under the first edge for everything that lies below all of them."""
    i = bisect_right(edges, value)
    return edges[i - 1] if i else math.nextafter(edges[0], -math.inf)


def _masked(value: str) -> str:
    hidden = "*" * _SHOWN_OF_MASKED
    return hidden + value[-_SHOWN_OF_MASKED:] if len(value) > _SHOWN_OF_MASKED else hidden
