"""The sentence of an alert: made once, stored with it, and read the same on pages, in e-mail and in the API."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_portal.kit import wording
from monitoring import metrics
from monitoring.alerts.conditions import entries
from monitoring.models import Alert, Condition

SUMMARY_LENGTH = 512
NO_DATA, CHECK_FAILED = "no_data", "error"  # last part of the source of the two conditions every monitor has


@dataclass(frozen=True, slots=True)
class Parts:
    """What the source of a condition is made of: `monitor:<id>:<check>:<metric>`."""

    kind: str
    owner: str
    check: str
    metric: str


def parts(condition: Condition) -> Parts:
    """The parts of the condition's source; those it lacks are empty."""
    return Parts(*[*condition.source.split(":", 3), "", "", ""][:4])


def leading(conditions: Sequence[Condition]) -> Condition:
    """The condition that speaks for its group: the most severe, then the one furthest beyond its limit."""
    return min(conditions, key=lambda one: (one.severity != Alert.Severity.CRITICAL, -excess(one), one.fingerprint))


def excess(condition: Condition) -> float:
    """How far the newest judged window lies beyond its limit, in multiples of the limit; 0 where it has none."""
    ring = entries(condition)
    if not ring or ring[-1].gap is None or not ring[-1].threshold:
        return 0.0
    return ring[-1].gap / ring[-1].threshold


def summary(conditions: Sequence[Condition]) -> str:
    """One sentence on the conditions of an alert: the leading one in full, the others counted.

    "trip_km drifted: PSI 0.41 (n = 12,345), limit 0.25, with 3 more features"
    """
    first = leading(conditions)
    sentence = condition_sentence(first)
    others = [one for one in conditions if one.pk != first.pk]
    if others:
        features = {one.scope.get("feature", "") for one in others} - {"", first.scope.get("feature", "")}
        noun = "feature" if len(features) == len(others) else "condition"
        sentence += f", with {wording.plural(len(others), f'more {noun}')}"
    return sentence if len(sentence) <= SUMMARY_LENGTH else f"{sentence[: SUMMARY_LENGTH - 1]}…"


def condition_sentence(condition: Condition) -> str:
    """What is wrong with one signal, with value, n and limit of its newest judged window."""
    source = parts(condition)
    if source.check == NO_DATA:
        return "No predictions arrived in the last windows"
    if source.check == CHECK_FAILED:
        return "Checks fail: the last runs could not measure everything"
    return f"{_finding(condition, source)}: {measured(condition)}"


def measured(condition: Condition) -> str:
    """Metric, value, sample size and limit of the newest judged window."""
    said = metrics.words(parts(condition).metric)
    ring = entries(condition)
    n = ring[-1].n if ring else None
    text = f"{said.name} {wording.estimate(condition.value, n=n or None, unit=said.unit)}"
    limit = limit_text(condition)
    return f"{text}, {limit}" if limit else text


def limit_text(condition: Condition) -> str:
    """The limit in words: of the value where the gap is the value, else of the change."""
    newest = entries(condition)[-1:]
    if not newest or newest[0].threshold is None:
        return ""
    said = metrics.words(parts(condition).metric)
    is_level = newest[0].gap is not None and newest[0].gap == newest[0].value
    if is_level:
        return f"limit {wording.quantity(newest[0].threshold, said.unit)}"
    unit = "pp" if said.unit == "%" else said.unit
    allowed = wording.quantity(newest[0].threshold, unit).lstrip("+")
    return f"allowed change {allowed}"


def name(condition: Condition) -> str:
    """What the condition is about, in few words: the feature, else the metric; with segment and endpoint."""
    scope = condition.scope
    subject = (
        scope.get("feature") or _SUBJECTS.get(parts(condition).check) or metrics.words(parts(condition).metric).title
    )
    where = [part for part in (scope.get("segment", ""), scope.get("endpoint", "")) if part]
    return f"{subject} in {', '.join(where)}" if where else subject


_SUBJECTS = {NO_DATA: "No data", CHECK_FAILED: "Checks", "output_drift": "Output", "volume": "Volume"}
_VERBS = {
    ("input_drift", "drift"): "drifted",
    ("input_drift", "warn"): "shifted",
    ("output_drift", "drift"): "drifted",
    ("output_drift", "warn"): "shifted",
    ("data_quality", "drift"): "lost quality",
    ("data_quality", "warn"): "loses quality",
    ("volume", "drift"): "changed",
    ("volume", "warn"): "changed",
}


def _finding(condition: Condition, source: Parts) -> str:
    breach = next((entry.verdict for entry in reversed(entries(condition)) if entry.is_breach), condition.verdict)
    return f"{name(condition)} {_VERBS.get((source.check, str(breach)), 'is worse')}"
