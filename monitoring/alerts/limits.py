"""The line a measurement is held against, in the unit of its value, where there is one that a chart can show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.metrics import words
from monitoring.models import Measurement, MeasurementRow
from monitoring.stats.results import Verdict

RELATIVE = frozenset({"cost"})  # checks whose threshold is a share of the base value
UNDRAWN = frozenset({"rows", "mean_score", "positive_rate", "bias", "schema"})  # both ways, or in another unit


@dataclass(frozen=True, slots=True)
class Line:
    """A limit of a metric. is_floor: the bad side lies below it."""

    value: float
    is_warning: bool = False
    is_floor: bool = False


def lines(one: Measurement | MeasurementRow, config: Mapping[str, Any]) -> tuple[Line, ...]:
    """The limits of a measurement, the milder first; none where they cannot be said in the unit of the value.

    config: the content of the MonitorRevision that measured.
    """
    if one.threshold is None or {one.check_key, one.metric.partition(".")[0]} & UNDRAWN:
        return ()
    if one.check_key == "latency":
        limit = one.details.get("limit_ms")
        return () if limit is None else (Line(limit),)
    if one.gap is not None and one.gap == one.value:
        return _of_level(one, config)
    if one.base_value is None:
        return ()
    step = one.threshold * (abs(one.base_value) if one.check_key in RELATIVE else 1.0)
    is_floor = _is_floor(one)
    return (Line(one.base_value - step if is_floor else one.base_value + step, is_floor=is_floor),)


def _is_floor(one: Measurement | MeasurementRow) -> bool:
    """Whether the bad side lies below; of a skill also while all is well."""
    if one.check_key == "performance":
        return not words(one.metric).is_error
    return bool(one.gap) and one.value is not None and one.base_value is not None and one.value < one.base_value


def crossed(one: Measurement | MeasurementRow, config: Mapping[str, Any]) -> float | None:
    """The limit that its sentence names: of drift the one for drift, else the mildest."""
    found = lines(one, config)
    if not found:
        return None
    return (found[-1] if one.verdict in {Verdict.drift, Verdict.worse} else found[0]).value


def _of_level(one: Measurement | MeasurementRow, config: Mapping[str, Any]) -> tuple[Line, ...]:
    """A divergence is its own gap: it has a threshold for warn and one for drift."""
    mild = one.threshold or 0.0
    if not one.metric.startswith("psi."):
        return (Line(mild),)
    check: Mapping[str, Any] = config.get("checks", {}).get(one.check_key) or {}
    own: Mapping[str, Any] = check.get("overrides", {}).get(one.feature) or check
    hard = own.get("drift")
    return (Line(mild, is_warning=True), Line(hard)) if hard else (Line(mild),)
