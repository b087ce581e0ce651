"""Decision rules and fallbacks: what is done with a score, and what is done without one."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from registry.deployments.plan import NO_FALLBACK, NO_RULE, Arm
from registry.models import DeploymentArm, Feature, ModelVersion, RegisteredModel
from registry.rules import Checked, is_printable_name

RULE_KINDS = ("none", "bands", "argmax")
FALLBACK_KINDS = ("none", "action", "arm")
REVIEW = "review"  # the reserved action: a human decides
BANDS_LIMIT, SEGMENTS_LIMIT, VALUES_LIMIT = 50, 100, 200
ACTION_LENGTH, VALUE_LENGTH = 64, 256
_KEYS = {
    "none": {"kind"},
    "bands": {"kind", "score", "bands", "segments"},
    "argmax": {"kind", "min_confidence", "otherwise"},
}
_FALLBACK_KEYS = {"none": {"kind"}, "action": {"kind", "action"}, "arm": {"kind", "arm"}}
Range = tuple[float | None, float | None]


def check_rule(
    checked: Checked, rule: Mapping[str, Any], model: RegisteredModel, answering: Sequence[ModelVersion]
) -> Mapping[str, Any]:
    """The rule in canonical form; its faults are noted. answering: the versions whose scores it decides on."""
    kind = _kind(checked, "decision_rule", rule, RULE_KINDS, _KEYS)
    if kind == "bands":
        return _bands_rule(checked, rule, model, answering)
    return _argmax_rule(checked, rule, model) if kind == "argmax" else NO_RULE


def check_fallback(checked: Checked, fallback: Mapping[str, Any], arms: Sequence[Arm]) -> Mapping[str, Any]:
    """The fallback in canonical form; its faults are noted. An arm with the role fallback has to be the one named."""
    kind = _kind(checked, "fallback", fallback, FALLBACK_KINDS, _FALLBACK_KEYS)
    reserved = next((arm.label for arm in arms if arm.role == DeploymentArm.Role.FALLBACK), None)
    named = fallback.get("arm") if kind == "arm" else None
    if reserved is not None and named != reserved:
        checked.refuse("fallback", f"The arm {reserved} has the role fallback, but the fallback is not that arm.")
    if kind == "arm":
        able = [arm.label for arm in arms if arm.role != DeploymentArm.Role.SHADOW]
        if named not in able:
            known = ", ".join(able) or "none"
            checked.refuse("fallback/arm", f"{str(named)[:64]!r} is no arm that can answer; those are {known}.")
        return {"kind": "arm", "arm": named}
    if kind == "action":
        return {"kind": "action", "action": _action(checked, "fallback/action", fallback.get("action"))}
    return NO_FALLBACK


def _kind(
    checked: Checked, field: str, value: Mapping[str, Any], kinds: Sequence[str], keys: Mapping[str, set[str]]
) -> str | None:
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        checked.refuse(f"{field}/kind", f"{str(kind)[:64]!r} is none of {', '.join(kinds)}.", received=kind)
        return None
    for unknown in sorted(map(str, value.keys() - keys[kind])):
        known = ", ".join(sorted(keys[kind]))
        checked.refuse(f"{field}/{unknown[:64]}", f"A {field} of kind {kind} takes {known}.", code="unknown_field")
    return kind


def _bands_rule(
    checked: Checked, rule: Mapping[str, Any], model: RegisteredModel, answering: Sequence[ModelVersion]
) -> dict[str, Any]:
    score = model.output.get("score", "none")
    said = rule.get("score", score)
    if score == "none":
        checked.refuse("decision_rule/score", f"{model.slug} gives no score, so there is nothing to put into bands.")
    elif said != score:
        checked.refuse("decision_rule/score", f"{model.slug} gives a {score}, not {str(said)[:64]!r}.", received=said)
    bounds = model.output.get("range") or (None, None)
    within: Range = (bounds[0], bounds[1])
    canonical = {
        "kind": "bands",
        "score": score,
        "bands": _bands(checked, "decision_rule/bands", rule.get("bands"), within),
    }
    segments = rule.get("segments", [])
    if segments:
        canonical["segments"] = _segments(checked, segments, within, answering)
    return canonical


def _bands(checked: Checked, field: str, bands: Any, within: Range) -> list[dict[str, Any]]:
    """Bands name only their lower end, so that neither gaps nor overlaps can be written."""
    if not isinstance(bands, list | tuple) or not 1 <= len(bands) <= BANDS_LIMIT:
        checked.refuse(field, f"Give 1 to {BANDS_LIMIT} bands, each with `from` and `action`, lowest first.")
        return []
    read = [_band(checked, f"{field}/{i}", band, within, is_first=i == 0) for i, band in enumerate(bands)]
    for i, (lower, upper) in enumerate(pairwise(read), 1):
        if lower["from"] is not None and upper["from"] is not None and not lower["from"] < upper["from"]:
            checked.refuse(
                f"{field}/{i}/from",
                f"{upper['from']:g} does not lie above {lower['from']:g}, where the band before begins; order them.",
                received=upper["from"],
            )
    return read


def _band(checked: Checked, field: str, band: Any, within: Range, *, is_first: bool) -> dict[str, Any]:
    if not isinstance(band, Mapping) or band.keys() != {"from", "action"}:
        checked.refuse(field, "A band has exactly `from` and `action`.")
        return {"from": None, "action": ""}
    start = _start(checked, f"{field}/from", band["from"], within, is_first=is_first)
    return {"from": start, "action": _action(checked, f"{field}/action", band["action"])}


def _start(checked: Checked, field: str, start: Any, within: Range, *, is_first: bool) -> float | None:
    low, high = within
    if is_first and low is None:
        if start is not None:
            checked.refuse(field, "The score has no lowest value, so the first band begins at null.", received=start)
        return None
    number = _finite(checked, field, start)
    if number is None:
        return None
    if is_first and number != low:
        checked.refuse(
            field, f"The first band begins at the low end of the score, {low:g}, not at {number:g}.", received=start
        )
    elif (low is not None and number < low) or (high is not None and number > high):
        checked.refuse(field, f"{number:g} lies outside the score's range, {low:g} to {high:g}.", received=start)
    return number


def _finite(checked: Checked, field: str, value: Any) -> float | None:
    """A finite number as a double; true, texts, NaN and infinity are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        checked.refuse(field, f"{str(value)[:64]!r} is not a number.", code="wrong_type")
        return None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        checked.refuse(field, f"{str(value)[:64]} is not a finite number.", code="not_finite", received=value)
        return None
    return number + 0.0  # -0.0 is 0.0


def _action(checked: Checked, field: str, action: Any) -> str:
    if not isinstance(action, str) or not 0 < len(action) <= ACTION_LENGTH or not is_printable_name(action):
        checked.refuse(
            field, f"An action is a short text such as approve or {REVIEW}, of up to {ACTION_LENGTH} characters."
        )
        return ""
    return action


def _segments(
    checked: Checked, segments: Any, within: Range, answering: Sequence[ModelVersion]
) -> list[dict[str, Any]]:
    """Bands of their own for some callers; the first segment that fits decides."""
    if not isinstance(segments, list | tuple) or len(segments) > SEGMENTS_LIMIT:
        checked.refuse("decision_rule/segments", f"Segments are a list of up to {SEGMENTS_LIMIT}.")
        return []
    known = _segment_features(answering)
    read = []
    for i, segment in enumerate(segments):
        field = f"decision_rule/segments/{i}"
        if not isinstance(segment, Mapping) or segment.keys() != {"where", "bands"}:
            checked.refuse(field, "A segment has exactly `where` and `bands`.")
            continue
        where = _where(checked, f"{field}/where", segment["where"], known)
        read.append({"where": where, "bands": _bands(checked, f"{field}/bands", segment["bands"], within)})
    return read


def _segment_features(answering: Sequence[ModelVersion]) -> dict[str, Sequence[str]]:
    """Names and categories of the features by which every answering version can be segmented."""
    rows = Feature.objects.filter(version__in=answering, segment=True).values_list("name", "categories", "version")
    names: dict[str, list[Sequence[str]]] = {}
    for name, categories, _ in rows:
        names.setdefault(name, []).append(categories)
    wanted = len({version.pk for version in answering})
    return {name: found[0] for name, found in names.items() if len(found) == wanted}


def _where(checked: Checked, field: str, where: Any, known: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    if not isinstance(where, Mapping) or not where:
        checked.refuse(field, 'A segment names features with values, such as {"region": ["EU"]}.')
        return {}
    read = {}
    for name, values in where.items():
        if name not in known:
            able = ", ".join(sorted(known)) or "none"
            checked.refuse(
                f"{field}/{str(name)[:64]}",
                f"It is no segment feature of every version that answers; those are {able}.",
            )
        elif not isinstance(values, list | tuple) or not 1 <= len(values) <= VALUES_LIMIT:
            checked.refuse(f"{field}/{name}", f"Give 1 to {VALUES_LIMIT} values in a list.")
        else:
            read[str(name)] = _values(checked, f"{field}/{name}", values, known[name])
    return read


def _values(checked: Checked, field: str, values: Sequence[Any], categories: Sequence[str]) -> list[Any]:
    for value in values:
        fits = isinstance(value, bool) or (isinstance(value, str) and len(value) <= VALUE_LENGTH) or _is_number(value)
        if not fits:
            checked.refuse(field, f"{str(value)[:64]!r} is neither a text, a number nor true or false.")
        elif categories and value not in categories:
            checked.refuse(field, f"{str(value)[:64]!r} is none of {', '.join(categories[:10])}.", received=value)
    if len(set(map(repr, values))) < len(values):
        checked.refuse(field, "A value stands twice; name each once.")
    return list(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _argmax_rule(checked: Checked, rule: Mapping[str, Any], model: RegisteredModel) -> dict[str, Any]:
    if not model.classes:
        checked.refuse("decision_rule/kind", f"{model.slug} names no classes, so there is none to choose.")
    canonical: dict[str, Any] = {"kind": "argmax"}
    confidence = rule.get("min_confidence")
    if confidence is None and rule.get("otherwise") is None:
        return canonical
    number = _finite(checked, "decision_rule/min_confidence", confidence)
    if number is not None and not 0 <= number <= 1:
        checked.refuse(
            "decision_rule/min_confidence", f"{number:g} lies outside 0 to 1.", code="invalid", received=confidence
        )
    otherwise = _action(checked, "decision_rule/otherwise", rule.get("otherwise"))
    return canonical | {"min_confidence": number, "otherwise": otherwise}
