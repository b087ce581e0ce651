"""Typed records: msgspec structs generated per version, so that C code checks the bodies.

Two strictnesses. *Clean*: the record has nothing that surprises; whole bodies are tried with it. *Plain*: types are
right, values may surprise. What passes neither is read by `judge`, which finds out why.

A record leaves here as a `Row`: the values of `FIELDS` in order, its features as one struct or tuple.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import astuple

from monitoring.traffic import limits
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Task, VersionSpec

FIELDS = (
    "request_id",
    "version",
    "predicted_at",
    "features",
    "prediction",
    "score",
    "scores",
    "action",
    "endpoint",
    "revision",
    "latency_ms",
    "cost",
    "stages",
    "fallback",
    "error",
    "subject_id",
    "trace_id",
)
REQUIRED = FIELDS[:4]
OUTCOME_FIELDS = ("request_id", "kind", "value", "observed_at", "predicted_at")
OUTCOME_REQUIRED = OUTCOME_FIELDS[:4]
EXACT = 2.0**53  # beyond it not every whole number is a double
REVISIONS = 2_147_483_647
_LITERALS = 200  # more categories than this are looked up, not compiled

Row = tuple[Any, ...]


class Stage(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One step of answering a request."""

    name: Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
    ms: Annotated[float, Meta(ge=0)] | None = None
    calls: Annotated[int, Meta(ge=0, le=REVISIONS)] = 1
    units: Annotated[float, Meta(ge=0)] | None = None
    cost: Annotated[float, Meta(ge=0)] | None = None


class Outcome(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What truly happened, or a signal of it."""

    request_id: Annotated[str, Meta(min_length=1, max_length=128)]
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
    value: bool | float | str | dict[str, Annotated[float, Meta(ge=0)]]
    observed_at: Annotated[str, Meta(max_length=limits.TEXT_LENGTH)]
    predicted_at: Annotated[str, Meta(max_length=limits.TEXT_LENGTH)] | None = None


class OutcomeBody(Struct, forbid_unknown_fields=True):
    """A JSON body of outcomes."""

    items: list[Outcome]


class RawBody(Struct, forbid_unknown_fields=True):
    """A JSON body whose items are looked at one by one."""

    items: list[msgspec.Raw]


class Versioned(Struct):
    """The one field that says how to read the others."""

    version: Any = None


raw_body = msgspec.json.Decoder(RawBody).decode
versioned = msgspec.json.Decoder(Versioned).decode
outcome_body = msgspec.json.Decoder(OutcomeBody).decode
outcome = msgspec.json.Decoder(Outcome)


@lru_cache(maxsize=256)
def clean_body(version: VersionSpec) -> Callable[[bytes], Any]:
    """Decodes a JSON body of clean records of one version (`.items`), or raises."""
    body = msgspec.defstruct("Body", [("items", list[_record(version, is_clean=True)])], forbid_unknown_fields=True)  # type: ignore[misc]
    return msgspec.json.Decoder(body).decode


@lru_cache(maxsize=256)
def clean_lines(version: VersionSpec) -> Callable[[bytes], list[Any]]:
    """Decodes NDJSON of clean records of one version, or raises; lets values span lines, which the caller counts."""
    return msgspec.json.Decoder(_record(version, is_clean=True)).decode_lines


@lru_cache(maxsize=256)
def plain_item(version: VersionSpec) -> Callable[[msgspec.Raw | bytes], Any]:
    """Decodes one JSON record of the version whose types are right, or raises."""
    return msgspec.json.Decoder(_record(version, is_clean=False)).decode


@lru_cache(maxsize=256)
def flat_type(version: VersionSpec, *, is_clean: bool) -> Any:
    """The same checks for records that come as tuples (rows of a table); times are texts or whole microseconds."""
    return _record(version, is_clean=is_clean, is_flat=True)


def is_compilable(version: VersionSpec) -> bool:
    """Whether msgspec can decode the version's features; it takes no quote and no backslash in a field's name."""
    return not any('"' in feature.name or "\\" in feature.name for feature in version.features)


def values_of(features: Struct | tuple[Any, ...]) -> tuple[Any, ...]:
    """The features of a row as a tuple, in the order of the version."""
    return features if isinstance(features, tuple) else astuple(features)


def _record(version: VersionSpec, *, is_clean: bool, is_flat: bool = False) -> type[Struct]:
    label = Annotated[str, Meta(max_length=limits.NAME_LENGTH)]
    amount = Annotated[float, Meta(ge=0)] | None
    score = _bounded(version.model.low, version.model.high)
    time: Any = Annotated[str, Meta(max_length=limits.TEXT_LENGTH)]
    types: dict[str, Any] = {
        "request_id": Annotated[str, Meta(min_length=1, max_length=128)],
        "version": Literal[version.label],
        "predicted_at": time | int if is_flat else time,
        "features": _features(version.features, is_clean=is_clean, is_flat=is_flat),
        "prediction": _prediction(version.model) | None,
        "score": score | None,
        "scores": dict[_label(version.model), score] | None,  # type: ignore[misc]
        "action": label | None,
        "endpoint": label | None,
        "revision": Annotated[int, Meta(ge=0, le=REVISIONS)] | None,
        "latency_ms": amount,
        "cost": amount,
        "stages": Annotated[list[Stage], Meta(max_length=limits.STAGES)] | None,
        "fallback": bool | None,
        "error": Annotated[str, Meta(max_length=limits.TEXT_LENGTH)] | None,
        "subject_id": Annotated[str, Meta(max_length=limits.TEXT_LENGTH)] | None,
        "trace_id": label | None,
    }
    fields = [(name, types[name]) if name in REQUIRED else (name, types[name], None) for name in FIELDS]
    return msgspec.defstruct("Record", fields, forbid_unknown_fields=True, gc=False, array_like=is_flat)


def _bounded(low: float | None, high: float | None) -> Any:
    if low is None or high is None:
        return float
    return Annotated[float, Meta(ge=low, le=high)]


def _label(model: ModelSpec) -> Any:
    return Literal[model.classes] if model.classes else Annotated[str, Meta(max_length=limits.NAME_LENGTH)]


def _prediction(model: ModelSpec) -> Any:
    if model.task == Task.REGRESSION:
        return float
    if model.task == Task.RANKING:
        item = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
        return Annotated[list[item], Meta(max_length=limits.SHOWN_IDS)]
    return _label(model)


def _features(features: Sequence[FeatureSpec], *, is_clean: bool, is_flat: bool) -> type[Struct]:
    """Fields are called f0, f1, … and renamed, because a feature's name need not be an identifier."""
    fields = []
    for i, feature in enumerate(features):
        value = _value(feature, is_clean=is_clean, is_flat=is_flat)
        fields.append((f"f{i}", value | None | UnsetType, UNSET))
    names = None if is_flat else {f"f{i}": feature.name for i, feature in enumerate(features)}
    return msgspec.defstruct("Features", fields, rename=names, forbid_unknown_fields=True, gc=False, array_like=is_flat)


def _value(feature: FeatureSpec, *, is_clean: bool, is_flat: bool) -> Any:
    if feature.dtype == "boolean":
        return bool
    if feature.dtype == "timestamp":
        return str | float if is_flat else str
    if feature.is_numeric:
        return _number(feature) if is_clean else float
    if not is_clean:
        return str | int | bool if feature.dtype == "category" else str
    if 0 < len(feature.categories) <= _LITERALS:
        return Literal[feature.categories]
    return Annotated[str, Meta(max_length=limits.TEXT_LENGTH)]


def _number(feature: FeatureSpec) -> Any:
    low = -EXACT if feature.low is None else max(feature.low, -EXACT)
    high = EXACT if feature.high is None else min(feature.high, EXACT)
    if feature.dtype == "integer":
        return Annotated[float, Meta(ge=low, le=high, multiple_of=1)]
    return Annotated[float, Meta(ge=low, le=high)]
