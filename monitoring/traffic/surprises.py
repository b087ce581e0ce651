"""What is stored although it surprises, counted per feature: evidence, not an error."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from monitoring.traffic import limits
from monitoring.traffic.records import EXACT
from monitoring.traffic.specs import FeatureSpec

Surprises = Counter[tuple[str, str]]  # (code, feature) → count; an empty feature means the envelope


def has_gaps(feature: FeatureSpec, values: Sequence[Any]) -> bool:
    """Whether a value is null or missing. Adding up or joining fails on those, and is the fastest way to look."""
    try:
        if feature.is_numeric:
            sum(values)
        else:
            "".join(values)
    except TypeError:
        return True
    return False


def of_column(feature: FeatureSpec, values: Sequence[Any], *, is_clean: bool) -> dict[str, int]:
    """The surprises of one feature's stored column: codes and counts. Clean columns can only lack values."""
    found = {}
    missing = values.count(UNSET) if UNSET in values else 0
    nulls = values.count(None) if None in values else 0
    if feature.required:
        found = {"missing_feature": missing, "null": nulls}
    if not is_clean and missing + nulls < len(values):
        present = [value for value in values if value is not None and value is not UNSET] if missing + nulls else values
        found |= _of_numbers(feature, present) if feature.is_numeric else _of_texts(feature, present)
    return {code: count for code, count in found.items() if count}


def _of_numbers(feature: FeatureSpec, values: Sequence[float]) -> dict[str, int]:
    smallest, largest = min(values), max(values)
    low = smallest if feature.low is None else feature.low
    high = largest if feature.high is None else feature.high
    found = {}
    if smallest < low or largest > high:
        found["feature_out_of_range"] = sum(not low <= value <= high for value in values)
    if smallest < -EXACT or largest > EXACT:
        found["inexact"] = sum(abs(value) > EXACT for value in values)
    if feature.dtype == "integer":
        found["not_integer"] = sum(not value.is_integer() for value in values)
    return found


def _of_texts(feature: FeatureSpec, values: Sequence[str]) -> dict[str, int]:
    found = {}
    if feature.categories:
        known = frozenset(feature.categories)
        found["unseen_category"] = sum(value not in known for value in values)
    if max(map(len, values)) > limits.TEXT_LENGTH:
        found["long_value"] = sum(len(value) > limits.TEXT_LENGTH for value in values)
    return found


def shortened(values: Iterable[Any]) -> list[Any]:
    """Texts beyond 256 characters cut to their start and a hash of the whole, so that different ones stay different."""
    return [_short(value) if isinstance(value, str) and len(value) > limits.TEXT_LENGTH else value for value in values]


def _short(text: str) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: limits.TEXT_LENGTH]}#{digest}"


def nested(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """As payloads and receipts hold them: {code: {feature: count}}, of unexpected names the 50 most frequent."""
    tree: dict[str, dict[str, int]] = {}
    for (code, feature), count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        level = tree.setdefault(code, {})
        if code != "unexpected_feature" or len(level) < limits.UNEXPECTED_NAMES:
            level[feature] = count
    return tree
