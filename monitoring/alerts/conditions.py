"""One debounced signal: which windows its ring holds, and the state that follows from them. No queries."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from monitoring.models import Alert, Condition
from monitoring.stats.gates import RING_SIZE, ConditionState, Observation, Rule, persist
from monitoring.stats.results import Verdict

LOOK_BACK = 4  # windows kept before the ring: 3 of 5 at its oldest window looks back on four
BURNING = frozenset({ConditionState.firing, ConditionState.clearing})
CRITICAL = frozenset({Verdict.drift, Verdict.worse})
UNKNOWN = frozenset({Verdict.no_data, Verdict.error})


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a model a signal speaks of; an empty text means all of it."""

    version: str = ""
    endpoint: str = ""
    signal: str = ""
    feature: str = ""
    segment: str = ""

    def document(self, model_id: UUID) -> dict[str, str]:
        """The scope as JSON, with its model."""
        return {
            "model": str(model_id),
            "version": self.version,
            "endpoint": self.endpoint,
            "signal": self.signal,
            "feature": self.feature,
            "segment": self.segment,
        }

    @classmethod
    def of(cls, document: Mapping[str, str]) -> "Scope":
        """The scope that JSON says."""
        return cls(**{name: document.get(name, "") for name in _SCOPE})


_SCOPE = tuple(one.name for one in fields(Scope))
Identity = tuple[str, Scope]  # source and scope: what a signal is about, within its model


@dataclass(frozen=True, slots=True)
class Signal:
    """What one window says about one thing that can go wrong.

    gap: distance from the baseline in the worse direction (for a divergence its value); threshold: where the gap
    begins to be a breach, in the same unit. An ok window counts as clear only while gap < 0.8 × threshold; without
    either of them an ok window is clear. A hard signal opens at once. value, low, high, n, base, limit: what the
    sentence says, in the unit of the metric; limit is the line that the value crossed, where it can be drawn as one.
    about: what it speaks of in words, where the scope cannot say it.
    """

    source: str
    family: Alert.Family
    verdict: Verdict
    scope: Scope = field(default_factory=Scope)
    gap: float | None = None
    threshold: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    base: float | None = None
    limit: float | None = None
    hard: bool = False
    measurement_id: int | None = None
    rule: Rule | None = None  # instead of the rule of the window
    about: str = ""


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """Which window was judged, by which revision of its run, under which rule of persistence.

    quiet: history; states move, but no message is written. reopens_within: how long after its end an episode goes on.
    """

    end: datetime
    revision: int
    rule: Rule
    reopens_within: timedelta
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One judged window of a ring, with the state and severity the condition had after it."""

    end: datetime
    revision: int
    verdict: Verdict
    gap: float | None = None
    threshold: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    base: float | None = None
    limit: float | None = None
    hard: bool = False
    about: str | None = None
    state: ConditionState = ConditionState.quiet
    severity: str = Alert.Severity.WARNING

    @property
    def observation(self) -> Observation:
        """What the pure rules of persistence need; an unknown distance of an ok window lies below every limit."""
        if self.gap is None or self.threshold is None:
            return Observation(self.verdict, -math.inf, 0.0, hard=self.hard)
        return Observation(self.verdict, self.gap, self.threshold, hard=self.hard)

    @property
    def is_breach(self) -> bool:
        return self.observation.is_breach

    @property
    def is_critical(self) -> bool:
        return self.verdict in CRITICAL or (self.is_breach and self.hard)

    def document(self) -> dict[str, Any]:
        """The entry as JSON; what is not known is left out.

        Not by dataclasses.asdict, whose deep copies took 13 times as long.
        """
        known = {name: value for name in _ENTRY if (value := getattr(self, name)) is not None}
        return known | {"end": self.end.astimezone(UTC).isoformat()}


_ENTRY = tuple(one.name for one in fields(Entry))


def entries(condition: Condition) -> list[Entry]:
    """The stored windows of a condition, the oldest first."""
    return [
        Entry(
            **row
            | {
                "end": datetime.fromisoformat(row["end"]),
                "verdict": Verdict(row["verdict"]),
                "state": ConditionState(row["state"]),
            }
        )
        for row in condition.ring
    ]


def identity(condition: Condition) -> Identity:
    """What the condition is about: the same as that of its signals."""
    return condition.source, Scope.of(condition.scope)


def fingerprint(model_id: UUID, seen: Signal) -> str:
    """The lasting identity of a signal: its source and scope, without thresholds: retuning opens nothing new."""
    identity = json.dumps([seen.source, seen.scope.document(model_id)], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


def is_burning(condition: Condition) -> bool:
    """Whether the condition keeps an alert open."""
    return condition.state in BURNING and not condition.dismissed


def is_too_late(condition: Condition, end: datetime) -> bool:
    """Whether the window is older than the ring, which it can no longer enter."""
    ring = condition.ring
    return len(ring) >= RING_SIZE and end < datetime.fromisoformat(ring[-RING_SIZE]["end"])


def take_in(condition: Condition, seen: Signal, window: JudgedWindow, *, now: datetime) -> bool:
    """Enter a window into the ring and work the state out anew; tell whether the condition changed.

    The same revision of a window again, or a lower one, changes nothing; a higher one replaces what stood there. A
    window that could not be judged never enters: it only marks a burning condition as unknown. A window older than
    the ring changes nothing.
    """
    if is_too_late(condition, window.end):
        return False
    ring = entries(condition)
    known = next((entry for entry in ring if entry.end == window.end), None)
    if known and known.revision >= window.revision:
        return False
    ring = [entry for entry in ring if entry.end != window.end]
    newest = not ring or window.end > ring[-1].end
    judged = seen.verdict not in UNKNOWN | {Verdict.insufficient}
    if not judged and known is None:
        return newest and _mark_unknown(condition, seen.verdict, window.end)
    if judged:
        ring.append(_entry(seen, window))
        ring.sort(key=lambda entry: entry.end)
    _store(condition, _walked(ring, window.end, seen.rule or window.rule), now)
    if judged and newest:
        condition.unknown_since = None
        condition.measurement_id = seen.measurement_id
    return True


def fired_at(condition: Condition) -> datetime:
    """The end of the window that opened the present episode, as far as the ring reaches back."""
    return _first(condition, lambda entry: entry.state in BURNING).end


def first_breach_at(condition: Condition) -> datetime:
    """The end of the first breaching window of the present episode, as far as the ring reaches back."""
    episode = _tail(condition, lambda entry: entry.state != ConditionState.quiet)
    return next((entry.end for entry in episode if entry.is_breach), episode[0].end)


def last_breach_at(condition: Condition) -> datetime | None:
    """The end of the newest breaching window, or None if the ring holds none."""
    return next((entry.end for entry in reversed(entries(condition)) if entry.is_breach), None)


def breach_count(condition: Condition) -> tuple[int, int]:
    """How many of the last eight judged windows breach, and how many there are."""
    ring = entries(condition)[-RING_SIZE:]
    return sum(entry.is_breach for entry in ring), len(ring)


def _first(condition: Condition, belongs: Any) -> Entry:
    return _tail(condition, belongs)[0]


def _tail(condition: Condition, belongs: Any) -> Sequence[Entry]:
    """The unbroken run of newest entries that belong; at least the newest."""
    ring = entries(condition)
    start = len(ring) - 1
    while start > 0 and belongs(ring[start - 1]):
        start -= 1
    return ring[start:]


def _entry(seen: Signal, window: JudgedWindow) -> Entry:
    return Entry(
        end=window.end,
        revision=window.revision,
        verdict=seen.verdict,
        gap=seen.gap,
        threshold=seen.threshold,
        value=seen.value,
        low=seen.low,
        high=seen.high,
        n=seen.n,
        base=seen.base,
        limit=seen.limit,
        hard=seen.hard,
        about=seen.about or None,
    )


def _walked(ring: Sequence[Entry], since: datetime, rule: Rule) -> list[Entry]:
    """The ring with states and severities worked out again from the window `since` on."""
    done = [entry for entry in ring if entry.end < since]
    state = done[-1].state if done else ConditionState.quiet
    severity = done[-1].severity if done else Alert.Severity.WARNING
    for entry in ring[len(done) :]:
        episode = [*_since_quiet(done), entry]
        state = persist(state, [one.observation for one in episode], rule)
        severity = _severity(episode, severity, state, rule)
        done.append(replace(entry, state=state, severity=severity))
    return done[-(RING_SIZE + LOOK_BACK) :]


def _since_quiet(done: Sequence[Entry]) -> Sequence[Entry]:
    """Going quiet empties the ring: windows before it do not count towards the next opening."""
    ends = [index for index, entry in enumerate(done) if entry.state == ConditionState.quiet]
    return done[ends[-1] + 1 :] if ends else done


def _severity(episode: Sequence[Entry], before: str, state: ConditionState, rule: Rule) -> str:
    """Critical once as many windows are critical as it takes to open, or one is a hard break; kept until quiet."""
    if state == ConditionState.quiet:
        return Alert.Severity.WARNING
    recent = episode[-rule.opens_m :]
    newest = recent[-1]
    is_critical = sum(entry.is_critical for entry in recent) >= rule.opens_n or (newest.hard and newest.is_breach)
    return Alert.Severity.CRITICAL if is_critical else before


def _store(condition: Condition, ring: Sequence[Entry], now: datetime) -> None:
    condition.ring = [entry.document() for entry in ring]
    newest = ring[-1] if ring else None
    state = newest.state if newest else ConditionState.quiet
    if state != condition.state or condition.changed_at is None:
        condition.changed_at = now
    if state == ConditionState.quiet:
        condition.dismissed = False
        condition.unknown_since = None
    condition.state = state
    condition.severity = newest.severity if newest else Alert.Severity.WARNING
    condition.verdict = newest.verdict if newest else ""
    condition.value = newest.value if newest else None
    condition.threshold = newest.threshold if newest else None


def _mark_unknown(condition: Condition, verdict: Verdict, end: datetime) -> bool:
    if verdict not in UNKNOWN or condition.state not in BURNING or condition.unknown_since:
        return False
    condition.unknown_since = end
    return True
