"""One record at a time, read field by field: the way of records that surprise or are wrong, and of their explanation.

What is right comes out as the same `Row` the compiled types make; what is wrong raises `Rejected` with its code and
JSON pointer. Values are plain Python values, so JSON and tables share these rules.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from monitoring.traffic import limits, times, values
from monitoring.traffic.records import (
    FIELDS,
    OUTCOME_FIELDS,
    OUTCOME_REQUIRED,
    REQUIRED,
    Row,
    Stage,
)
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Task, VersionSpec
from monitoring.traffic.values import CONTROL, SHOWN, Rejected

KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
TOLERANCE = 1e-9
SUM_TOLERANCE = 1e-6
STAGE_FIELDS = ("name", "ms", "calls", "units", "cost")


@dataclass(slots=True)
class Judgement:
    """A record that is right, and what surprised: (code, feature) → count; an empty feature means the envelope."""

    row: Row
    surprises: Counter[tuple[str, str]] = field(default_factory=Counter)


def prediction(item: Any, version: VersionSpec) -> Judgement:
    """The record of a prediction. Raises Rejected with the first thing that is wrong, in the order of the fields."""
    _require_object(item, FIELDS, REQUIRED)
    made = Judgement(())
    model = version.model
    found = {
        "request_id": values.request_id(item["request_id"]),
        "version": version.label,
        "predicted_at": values.time(item["predicted_at"], "/predicted_at"),
        "features": _features(item["features"], version, made.surprises),
        "prediction": _prediction(item.get("prediction"), model),
        "score": _score(item.get("score"), model, made.surprises),
        "scores": _scores(item.get("scores"), model, made.surprises),
        "action": values.name(item.get("action"), "/action"),
        "endpoint": values.name(item.get("endpoint"), "/endpoint"),
        "revision": values.whole_number(item.get("revision"), "/revision"),
        "latency_ms": values.amount(item.get("latency_ms"), "/latency_ms"),
        "cost": values.amount(item.get("cost"), "/cost"),
        "stages": _stages(item.get("stages")),
        "fallback": values.flag(item.get("fallback"), "/fallback"),
        "error": _remark(item.get("error"), made.surprises),
        "subject_id": values.text(item.get("subject_id"), "/subject_id", limits.TEXT_LENGTH, is_shown=False),
        "trace_id": values.name(item.get("trace_id"), "/trace_id"),
    }
    made.row = tuple(found[name] for name in FIELDS)
    return made


def outcome(item: Any, model: ModelSpec) -> Judgement:
    """The record of an outcome: a row of `OUTCOME_FIELDS`. Raises Rejected with the first thing that is wrong."""
    _require_object(item, OUTCOME_FIELDS, OUTCOME_REQUIRED)
    made = Judgement(())
    hint = item.get("predicted_at")
    kind = item["kind"]
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        detail = "A kind is `truth` or a name of small letters, digits and _, such as click."
        raise Rejected("bad_kind", detail, "/kind", received=kind)
    made.row = (
        values.request_id(item["request_id"]),
        kind,
        outcome_value(item["value"], kind, model),
        values.time(item["observed_at"], "/observed_at"),
        None if hint is None else values.time(hint, "/predicted_at"),
    )
    return made


def outcome_value(value: Any, kind: str, model: ModelSpec) -> Any:
    """The value as it is kept: label, number, truth value, text, or relevances by id. Raises Rejected."""
    if kind != "truth":
        return _signal(value)
    if model.task == Task.REGRESSION:
        return values.number(value, "/value")
    if model.task == Task.RANKING:
        return _relevances(value)
    return label(value, model, "/value")


def label(value: Any, model: ModelSpec, pointer: str) -> str:
    """The class a classifier's value names; whole numbers and truth values count as their text.

    Raises Rejected with `unknown_label` if classes are registered and it is none of them.
    """
    text = _as_label(value)
    if text is None:
        raise Rejected("wrong_type", "A label is a text.", pointer, received=value)
    values.require_length(text, limits.NAME_LENGTH, pointer)
    values.require_no_control(text, pointer)
    if model.classes and text not in model.classes and isinstance(value, bool):
        text = str(int(value))  # true and false for the classes 1 and 0
    if model.classes and text not in model.classes:
        raise Rejected(
            "unknown_label", f"The label is none of {', '.join(model.classes[:10])}.", pointer, received=text
        )
    return text


def category(value: Any) -> str | None:
    """The text of a category; whole numbers and truth values count as their text, anything else is none."""
    return _as_label(value)


def pointer_part(name: str) -> str:
    """A name as one part of a JSON pointer."""
    return name[: limits.NAME_LENGTH].replace("~", "~0").replace("/", "~1")


def _as_label(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return str(value) if isinstance(value, int) else None


def _require_object(item: Any, fields: tuple[str, ...], required: tuple[str, ...]) -> None:
    if not isinstance(item, dict):
        raise Rejected("wrong_type", "An item is a JSON object.")
    for key in item:
        if CONTROL.search(key):
            raise Rejected("invalid_character", "A key holds a control character.")
        if key not in fields:
            detail = f"There is no field {key[:SHOWN]}; context belongs into features."
            raise Rejected("unknown_field", detail, f"/{pointer_part(key)}")
    for name in required:
        if item.get(name) is None:
            raise Rejected("missing_field", f"{name} is missing.", f"/{name}")


def _features(value: Any, version: VersionSpec, surprises: Counter[tuple[str, str]]) -> tuple[Any, ...]:
    if not isinstance(value, dict):
        raise Rejected("wrong_type", "features is a JSON object of names and values.", "/features")
    known = {feature.name for feature in version.features}
    for name in value:
        if CONTROL.search(name):
            raise Rejected("invalid_character", "The name of a feature holds a control character.", "/features")
        if name not in known:
            surprises["unexpected_feature", name[: limits.NAME_LENGTH]] += 1
    return tuple(feature(value.get(one.name, UNSET), one) for one in version.features)


def feature(value: Any, spec: FeatureSpec) -> Any:
    """The value of a feature, typed; null and UNSET stay. Raises Rejected if it does not fit."""
    if value is UNSET or value is None:
        return value
    pointer = f"/features/{pointer_part(spec.name)}"
    shown = value if spec.privacy == "keep" else None
    if spec.dtype == "boolean":
        if not isinstance(value, bool):
            raise _wrong_feature(spec, "true or false", shown, pointer)
        return value
    if spec.dtype == "timestamp":
        return _moment(value, spec, pointer)
    if spec.is_numeric:
        return _feature_number(value, spec, pointer, shown)
    text = category(value) if spec.dtype == "category" else value
    if not isinstance(text, str):
        raise _wrong_feature(spec, "a text", shown, pointer)
    if "\x00" in text:
        raise Rejected("invalid_character", f"{spec.name} holds U+0000.", pointer, feature=spec.name)
    return text


def _moment(value: Any, feature: FeatureSpec, pointer: str) -> float:
    if isinstance(value, times.Seconds):
        return float(value)
    return values.time(value, pointer, feature=feature.name, is_shown=feature.privacy == "keep") / 1_000_000


def _feature_number(value: Any, feature: FeatureSpec, pointer: str, shown: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_feature(feature, "a number", shown, pointer)
    number = values.double(value)
    if not math.isfinite(number):
        raise Rejected("not_finite", f"{feature.name} is not a finite number.", pointer, feature=feature.name)
    return number


def _wrong_feature(feature: FeatureSpec, wanted: str, shown: Any, pointer: str) -> Rejected:
    return Rejected("wrong_type", f"{feature.name} must be {wanted}.", pointer, received=shown, feature=feature.name)


def _prediction(value: Any, model: ModelSpec) -> Any:
    if value is None:
        return None
    if model.task == Task.REGRESSION:
        return values.number(value, "/prediction")
    if model.task == Task.RANKING:
        return _shown_ids(value)
    return label(value, model, "/prediction")


def _shown_ids(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Rejected("wrong_type", "A ranking's prediction is the list of shown ids.", "/prediction")
    if len(value) > limits.SHOWN_IDS:
        detail = f"At most {limits.SHOWN_IDS} shown ids, not {len(value)}."
        raise Rejected("too_large", detail, "/prediction")
    ids = []
    for i, shown in enumerate(value):
        text = _as_label(shown)
        if not text:
            raise Rejected("wrong_type", "An id is a text.", f"/prediction/{i}", received=shown)
        values.require_length(text, limits.NAME_LENGTH, f"/prediction/{i}")
        values.require_no_control(text, f"/prediction/{i}")
        ids.append(text)
    return ids


def _score(value: Any, model: ModelSpec, surprises: Counter[tuple[str, str]]) -> float | None:
    if value is None:
        return None
    number = values.number(value, "/score")
    if model.low is None or model.high is None or model.low <= number <= model.high:
        return number
    if not model.low - TOLERANCE <= number <= model.high + TOLERANCE:
        detail = f"A score lies between {model.low:g} and {model.high:g}."
        raise Rejected("score_out_of_range", detail, "/score", received=value)
    surprises["clamped", ""] += 1
    return min(max(number, model.low), model.high)


def _scores(value: Any, model: ModelSpec, surprises: Counter[tuple[str, str]]) -> dict[str, float] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Rejected("wrong_type", "scores is a JSON object of labels and probabilities.", "/scores")
    scores = {}
    for name, share in value.items():
        pointer = f"/scores/{pointer_part(name)}"
        values.require_no_control(name, "/scores")
        values.require_length(name, limits.NAME_LENGTH, "/scores")
        scores[name] = values.number(share, pointer)
    _require_classes(scores, model)
    if model.low is None or model.high is None:
        return scores
    return _require_probabilities(scores, model.low, model.high, surprises)


def _require_classes(scores: Mapping[str, float], model: ModelSpec) -> None:
    if model.classes and set(scores) != set(model.classes):
        other = sorted(set(scores) ^ set(model.classes))[0]
        raise Rejected("bad_probabilities", f"scores names each class once; look at {other[:SHOWN]}.", "/scores")


def _require_probabilities(
    scores: dict[str, float], low: float, high: float, surprises: Counter[tuple[str, str]]
) -> dict[str, float]:
    if any(not low - TOLERANCE <= share <= high + TOLERANCE for share in scores.values()):
        raise Rejected("bad_probabilities", f"Each probability lies between {low:g} and {high:g}.", "/scores")
    if not is_whole(scores, low, high):
        total = sum(scores.values())
        raise Rejected("bad_probabilities", f"Probabilities add up to 1, not {total:g}.", "/scores", received=total)
    clamped = {name: min(max(share, low), high) for name, share in scores.items()}
    if clamped != scores:
        surprises["clamped", ""] += 1
    return clamped


def is_whole(scores: Mapping[str, float], low: float | None, high: float | None) -> bool:
    """Whether probabilities add up to one; scores on another scale need not."""
    return (low, high) != (0, 1) or abs(math.fsum(scores.values()) - 1) <= SUM_TOLERANCE


def _stages(value: Any) -> list[Stage] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise Rejected("wrong_type", "stages is a list of JSON objects.", "/stages")
    if len(value) > limits.STAGES:
        raise Rejected("too_large", f"At most {limits.STAGES} stages, not {len(value)}.", "/stages")
    return [_stage(stage, f"/stages/{i}") for i, stage in enumerate(value)]


def _stage(value: Any, pointer: str) -> Stage:
    if not isinstance(value, dict):
        raise Rejected("wrong_type", "A stage is a JSON object.", pointer)
    for key in value:
        if key not in STAGE_FIELDS:
            detail = f"There is no field {key[:SHOWN]!r} in a stage."
            code = "invalid_character" if CONTROL.search(key) else "unknown_field"
            raise Rejected(code, detail, pointer)
    if value.get("name") is None:
        raise Rejected("missing_field", "name is missing.", f"{pointer}/name")
    name = values.name(value["name"], f"{pointer}/name")
    if not name:
        raise Rejected("missing_field", "A stage needs a name.", f"{pointer}/name")
    calls = values.whole_number(value.get("calls"), f"{pointer}/calls")
    amounts = {key: values.amount(value.get(key), f"{pointer}/{key}") for key in ("ms", "units", "cost")}
    return Stage(name, calls=1 if calls is None else calls, **amounts)


def _signal(value: Any) -> bool | float | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return values.number(value, "/value")
    if not isinstance(value, str):
        raise Rejected("wrong_type", "A signal is true or false, a number or a text.", "/value")
    if "\x00" in value:
        raise Rejected("invalid_character", "The value holds U+0000.", "/value")
    return value


def _relevances(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise Rejected("wrong_type", "The truth of a ranking is an object of ids and relevances.", "/value")
    relevances = {}
    for name, relevance in value.items():
        values.require_no_control(name, "/value")
        values.require_length(name, limits.NAME_LENGTH, "/value")
        relevances[name] = values.not_negative(values.number(relevance, "/value"), "/value")
    return relevances


def _remark(value: Any, surprises: Counter[tuple[str, str]]) -> str | None:
    """The text of an error, cut to what is kept."""
    if value is None:
        return None
    text = values.require_text(value, "/error")
    if "\x00" in text:
        raise Rejected("invalid_character", "error holds U+0000.", "/error")
    if len(text) > limits.TEXT_LENGTH:
        surprises["long_value", ""] += 1
    return text[: limits.TEXT_LENGTH]
