"""The sentence of an alert: made once, stored with it, and read the same on pages, in e-mail and in the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_portal.kit import wording
from monitoring import metrics
from monitoring.alerts.conditions import Entry, entries
from monitoring.models import Alert, Condition
from monitoring.stats.results import Verdict

SUMMARY_LENGTH = 512
NO_DATA, CHECK_FAILED = "no_data", "error"  # last part of the source of the two conditions every monitor has
WHOLE_SENTENCES: Mapping[str, str] = {
    NO_DATA: "No predictions arrived in the last windows",
    CHECK_FAILED: "Checks fail: the last runs could not measure everything",
}
UNKNOWN_VERSION, BLOCKED_VERSION = "unknown_version.1", "blocked_version.1"  # metrics of `monitoring.arrivals`
OF_VERSIONS: Mapping[str, str] = {
    UNKNOWN_VERSION: (
        "Predictions of unregistered {about}: {n} refused within an hour; "
        "register what is missing, or correct the sender"
    ),
    BLOCKED_VERSION: "Predictions of blocked {about}: {n} within an hour; stop serving what is blocked, or unblock it",
}
DISTANCES: Mapping[str, str] = {"score": "Scores", "prediction": "Predictions"}  # output drift by signal
HAS: Mapping[str, str] = {
    "null_share": "has more nulls",
    "unseen_share": "has more unseen values",
    "out_of_range_share": "has more values out of range",
    "invalid_share": "has more invalid values",
    "nonfinite_share": "has more non-finite values",
    "reject_share": "is rejected more often",
    "stuck": "is stuck at one value",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the source of a condition is made of: `monitor:<id>:<check>:<metric>`."""

    kind: str
    owner: str
    check: str
    metric: str

    @property
    def stem(self) -> str:
        """The metric without the version of its definition."""
        return self.metric.partition(".")[0]


def parts(condition: Condition) -> Parts:
    """The parts of the condition's source; those it lacks are empty."""
    return Parts(*[*condition.source.split(":", 3), "", "", ""][:4])


def leading(conditions: Sequence[Condition]) -> Condition:
    """The condition that speaks for its group: the most severe, all traffic before segments, the furthest out."""
    return min(conditions, key=_rank)


def summary(conditions: Sequence[Condition]) -> str:
    """One sentence on the conditions of an alert: the leading one in full, the others counted.

    "trip_km drifted: PSI 0.41 (n = 12,345), limit 0.25, with 3 more features"
    """
    first = leading(conditions)
    others = [one for one in conditions if one.pk != first.pk]
    rest = f", with {wording.plural(len(others), f'more {_noun(first, others)}')}" if others else ""
    sentence, room = condition_sentence(first), SUMMARY_LENGTH - len(rest)
    return (sentence if len(sentence) <= room else f"{sentence[: room - 1]}…") + rest


def condition_sentence(condition: Condition) -> str:
    """What is wrong with one signal, with value, interval, n and limit of its newest breach."""
    source, seen = parts(condition), _telling(condition)
    if source.check in WHOLE_SENTENCES:
        return WHOLE_SENTENCES[source.check]
    if seen is None:
        return f"{name(condition)} is not as it should be"
    if source.metric in OF_VERSIONS:
        return OF_VERSIONS[source.metric].format(about=seen.about, n=wording.count(seen.n))
    if source.stem == "schema":
        return f"{name(condition)} is missing from every record (n = {wording.count(seen.n)})"
    said = metrics.words(source.metric)
    value = _value(seen, said.unit) + _against(seen, said.unit)
    if source.metric == metrics.SILENCE:
        return f"No predictions for {value}"
    if source.check == "data_quality":
        return f"{name(condition)} {HAS.get(source.stem, 'lost quality')}: {value}"
    if source.stem == "psi":
        return f"{name(condition)} {'drifted' if seen.verdict == Verdict.drift else 'shifted'}: PSI {value}"
    return f"{name(condition)} {_course(seen)} {value}"


def name(condition: Condition) -> str:
    """What the condition is about, in few words: the feature, else the metric; with segment and endpoint."""
    scope, source = condition.scope, parts(condition)
    subject = scope.get("feature") or metrics.words(source.metric).title
    if source.check in WHOLE_SENTENCES:
        return "Data" if source.check == NO_DATA else "Checks"
    if source.stem == "psi" and not scope.get("feature"):
        subject = DISTANCES.get(scope.get("signal", ""), subject)
    if segment := scope.get("segment", ""):
        subject += f" in {segment}"
    return subject + (f" at {scope['endpoint']}" if scope.get("endpoint") else "")


def _rank(condition: Condition) -> tuple[bool, bool, float, str]:
    is_segment = bool(condition.scope.get("segment"))
    return condition.severity != Alert.Severity.CRITICAL, is_segment, -_excess(condition), condition.fingerprint


def _excess(condition: Condition) -> float:
    """How far the newest judged window lies out, in multiples of its threshold; 0 where it has none."""
    newest = entries(condition)[-1:]
    if not newest or newest[0].gap is None or not newest[0].threshold:
        return 0.0
    return newest[0].gap / newest[0].threshold


def _noun(first: Condition, others: Sequence[Condition]) -> str:
    """ "feature" where each of the others is another feature, else "condition"."""
    features = {one.scope.get("feature", "") for one in others} - {"", first.scope.get("feature", "")}
    return "feature" if len(features) == len(others) else "condition"


def _telling(condition: Condition) -> Entry | None:
    """The newest breach, which is what the alert is about; a window that begins to clear does not reword it."""
    ring = entries(condition)
    return next((entry for entry in reversed(ring) if entry.is_breach), ring[-1] if ring else None)


def _value(seen: Entry, unit: str) -> str:
    """Value, interval and sample size; of a count the size would only repeat the value."""
    n = seen.n if seen.n and seen.n != seen.value else None
    return wording.estimate(seen.value, seen.low, seen.high, n, unit)


def _against(seen: Entry, unit: str) -> str:
    if seen.limit is not None:
        is_floor = seen.base is not None and seen.limit < seen.base
        return f", {'floor' if is_floor else 'limit'} {wording.quantity(seen.limit, unit)}"
    return f", reference {wording.quantity(seen.base, unit)}" if seen.base is not None else ""


def _course(seen: Entry) -> str:
    if seen.value is None or seen.base is None or seen.value == seen.base:
        return "is at"
    return "rose to" if seen.value > seen.base else "fell to"
