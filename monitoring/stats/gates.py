"""From numbers to verdicts, and from verdicts over time to the state of a condition."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.results import Divergence, Estimate, Verdict

_NORMAL = NormalDist()

SLACK = 1e-12
MIN_WINDOW = 200
MIN_REFERENCE = 500
MIN_SMALLER_CLASS = 30
FALSE_DISCOVERY_RATE = 0.01
SINGLE_P = 0.001
RING_SIZE = 8
MATURE_SHARE = 0.9
SEGMENT_EXCESS = 2.0
LADDER_DAYS = (1, 3, 7, 28)
BREACHES = frozenset({Verdict.warn, Verdict.drift, Verdict.worse})
UNJUDGED = frozenset({Verdict.insufficient, Verdict.no_data, Verdict.error})


def benjamini_hochberg(p_values: Sequence[float] | FloatArray, q: float = FALSE_DISCOVERY_RATE) -> list[bool]:
    """Tell which p-values are accepted as evidence at false discovery rate q, in the order given.

    NaN, a p-value that is unknown, is never accepted but counts as one of the tests.

    Raises ValueError unless the p-values are one row and 0 < q < 1.
    Benjamini and Hochberg, JRSS B 57 (1995).

    >>> benjamini_hochberg([0.001, 0.004, 0.0029, 0.5], 0.01)
    [True, True, True, False]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not 0 < q < 1:
        raise ValueError("a row of p-values and a rate between 0 and 1 are needed")
    if not len(p):
        return []
    ordered = np.sort(p)
    limits = q * np.arange(1, len(p) + 1) / len(p)
    passed = np.flatnonzero(ordered <= limits + SLACK)
    largest = ordered[passed[-1]] if len(passed) else -1.0
    return [bool(accepted) for accepted in p <= largest]


def noise_p(psi: Divergence, chi2: Divergence) -> float:
    """Return the p-value of the noise gate, the larger of both; 1 where one is missing.

    >>> noise_p(Divergence("psi.1", p_value=0.01), Divergence("chi2.1", p_value=0.02))
    0.02
    """
    return max(1.0 if result.p_value is None else result.p_value for result in (psi, chi2))


def drift_verdict(result: Divergence, p_accepted: bool, warn: float, drift: float) -> Verdict:  # noqa: FBT001
    """Judge a divergence: a verdict needs effect (a threshold) and evidence (an accepted p-value).

    No rows: `no_data`; under 200 rows, or under 500 of reference, `insufficient`; a result without a value
    (both sides constant) is ok.

    >>> drift_verdict(Divergence("psi.1", value=0.3, n_ref=1000, n_cur=500), True, 0.1, 0.25).value
    'drift'
    """
    if not result.n_cur:
        return Verdict.no_data
    if result.n_cur < MIN_WINDOW or result.n_ref < MIN_REFERENCE:
        return Verdict.insufficient
    if result.value is None or not p_accepted or result.value < warn - SLACK:
        return Verdict.ok
    return Verdict.drift if result.value >= drift - SLACK else Verdict.warn


def widened(window: timedelta, is_enough: Callable[[timedelta], bool]) -> timedelta:
    """Return the length of the shortest window with the same end that has enough rows to judge.

    The window itself, else 1, 3, 7, 28 days; where none of them has enough, the window as it is.

    >>> rows_a_day = 40
    >>> widened(timedelta(days=1), lambda length: rows_a_day * length.days >= MIN_WINDOW).days
    7
    """
    longer = (timedelta(days=days) for days in LADDER_DAYS if timedelta(days=days) > window)
    return next((length for length in (window, *longer) if is_enough(length)), window)


def segment_speaks(segment: Verdict, gap: float | None, aggregate: Verdict | None, aggregate_gap: float | None) -> bool:
    """Tell whether a segment may alert beside its aggregate: where that is quiet, or at most half as far out.

    gap: distance from the baseline in the worse direction, None if unknown. What does not breach always speaks.

    >>> segment_speaks(Verdict.drift, 0.5, Verdict.warn, 0.2), segment_speaks(Verdict.drift, 0.3, Verdict.warn, 0.2)
    (True, False)
    """
    if segment not in BREACHES or aggregate not in BREACHES:
        return True
    return gap is not None and aggregate_gap is not None and gap >= SEGMENT_EXCESS * aggregate_gap - SLACK


def performance_verdict(
    estimate: Estimate, base: float | None, delta: float, better: str, *, smaller_class: int | None = None
) -> Verdict:
    """Judge a performance metric against its base value; an improvement never alerts.

    `worse` when the value is worse than the base by at least delta and even the better end of its interval is
    worse than the base. better: "higher" or "lower". smaller_class: rows of the rarer label; under 30 is
    `insufficient`, as is a missing value, base or interval. No rows at all: `no_data`.

    >>> performance_verdict(Estimate(0.70, 0.68, 0.72, n=4000), 0.80, 0.02, "higher").value
    'worse'
    """
    if better not in {"higher", "lower"}:
        raise ValueError(f"better is higher or lower, not {better}")
    if not estimate.n:
        return Verdict.no_data
    if estimate.value is None or base is None or estimate.low is None or estimate.high is None:
        return Verdict.insufficient
    if smaller_class is not None and smaller_class < MIN_SMALLER_CLASS:
        return Verdict.insufficient
    sign, best_end = (1.0, estimate.high) if better == "higher" else (-1.0, estimate.low)
    worse_by, still_worse_by = sign * (base - estimate.value), sign * (base - best_end)
    return Verdict.worse if worse_by >= delta - SLACK and still_worse_by > 0 else Verdict.ok


def is_beyond_chance(estimate: Estimate, base: Estimate, better: str, *, alpha: float = 0.001) -> bool:
    """Tell whether a value is worse than its base by more than both their intervals allow, one-sided.

    The second gate of a metric that is one of many, such as that of a segment: the 95 % intervals of both sides are
    read as normal, and the difference has to have p <= alpha. False where a value or an interval is missing.

    >>> is_beyond_chance(Estimate(0.70, 0.66, 0.74), Estimate(0.76, 0.73, 0.79), "higher")
    False
    >>> is_beyond_chance(Estimate(0.60, 0.56, 0.64), Estimate(0.76, 0.73, 0.79), "higher")
    True
    """
    widths = [
        None if side.low is None or side.high is None else (side.high - side.low) / (2 * _NORMAL.inv_cdf(0.975))
        for side in (estimate, base)
    ]
    if estimate.value is None or base.value is None or widths[0] is None or widths[1] is None:
        return False
    worse_by = base.value - estimate.value if better == "higher" else estimate.value - base.value
    spread = math.hypot(widths[0], widths[1])
    return worse_by > 0 if spread == 0 else worse_by / spread >= _NORMAL.inv_cdf(1 - alpha)


def mature(coverage: float, usual: float, age_h: float, p95_delay_h: float | None) -> bool:
    """Tell whether a window's labels are complete enough to alert on.

    coverage: labelled share; usual: that of the version in mature windows. p95_delay_h: None until 200 delays
    are known; then full coverage or 72 h count instead.

    >>> mature(0.85, 0.9, 10, 48.0), mature(0.5, 0.9, 10, 48.0), mature(0.5, 0.9, 80, None)
    (True, False, True)
    """
    if p95_delay_h is None:
        return coverage >= 1 - SLACK or age_h >= 72
    return coverage >= MATURE_SHARE * usual - SLACK or age_h >= p95_delay_h


class ConditionState(StrEnum):
    """What a condition, one debounced signal, is doing."""

    quiet = "quiet"
    pending = "pending"
    firing = "firing"
    clearing = "clearing"


@dataclass(frozen=True, slots=True)
class Rule:
    """When a condition opens and clears.

    opens_n breaches among the last opens_m judged windows open it; `clears` windows in a row with a gap below
    clear_below x threshold end it.
    """

    opens_n: int
    opens_m: int
    clears: int
    clear_below: float = 0.8

    def __post_init__(self) -> None:
        if not 1 <= self.opens_n <= self.opens_m <= RING_SIZE or not 1 <= self.clears <= RING_SIZE:
            raise ValueError(f"a rule needs 1 <= n <= m <= {RING_SIZE} and 1 to {RING_SIZE} clear windows")


HOURLY = Rule(3, 5, 3)
DAILY = Rule(2, 3, 2)
EVENT = Rule(1, 1, 1)
HARD_BREAK_HOURLY = Rule(1, 1, 3)
HARD_BREAK_DAILY = Rule(1, 1, 2)
BUDGET = Rule(1, 1, 3, clear_below=0.9)


@dataclass(frozen=True, slots=True)
class Observation:
    """One window of a condition. gap: distance from the baseline in the worse direction.

    hard: a hard break (schema, error rate, critical quality, PSI of at least 0.5), which opens at once.
    """

    verdict: Verdict
    gap: float
    threshold: float
    hard: bool = False

    @property
    def is_judged(self) -> bool:
        return self.verdict not in UNJUDGED

    @property
    def is_breach(self) -> bool:
        return self.verdict in BREACHES

    def is_clear(self, rule: Rule) -> bool:
        return self.is_judged and not self.is_breach and self.gap < rule.clear_below * self.threshold - SLACK


@dataclass(frozen=True, slots=True)
class Condition:
    """A state with the judged windows it rests on, the oldest first."""

    state: ConditionState = ConditionState.quiet
    ring: tuple[Observation, ...] = ()


def observe(condition: Condition, seen: Observation, rule: Rule) -> Condition:
    """Return the condition after one more window.

    A window that could not be judged changes nothing. Going quiet empties the ring.

    >>> observe(Condition(), Observation(Verdict.warn, 0.12, 0.1), EVENT).state.value
    'firing'
    """
    if not seen.is_judged:
        return condition
    ring = (*condition.ring, seen)[-RING_SIZE:]
    state = _STEPS[condition.state](ring, rule)
    return Condition(state) if state == ConditionState.quiet else Condition(state, ring)


def persist(state: ConditionState, ring: Sequence[Observation], rule: Rule) -> ConditionState:
    """Return the state after the last window of the ring, given the state before it.

    ring: the judged windows since the condition was last quiet, the oldest first, the newest included; the
    caller keeps the last eight and empties it when the answer is quiet. A last window that could not be
    judged, or an empty ring, leaves the state as it is.

    >>> breach = Observation(Verdict.warn, 0.12, 0.1)
    >>> persist(ConditionState.pending, [breach, breach], DAILY).value
    'firing'
    """
    judged = tuple(seen for seen in ring if seen.is_judged)
    if not ring or not ring[-1].is_judged:
        return state
    return _STEPS[state](judged[-RING_SIZE:], rule)


def replay(observations: Iterable[Observation], rule: Rule) -> list[ConditionState]:
    """Return the state after each window of a whole series that starts quiet.

    >>> breach, fine = Observation(Verdict.warn, 0.12, 0.1), Observation(Verdict.ok, 0.02, 0.1)
    >>> [state.value for state in replay([breach, fine, breach, fine, fine], DAILY)]
    ['pending', 'pending', 'firing', 'clearing', 'quiet']
    """
    condition, states = Condition(), []
    for seen in observations:
        condition = observe(condition, seen, rule)
        states.append(condition.state)
    return states


def _before_opening(ring: tuple[Observation, ...], rule: Rule) -> ConditionState:
    recent = ring[-rule.opens_m :]
    breaches = sum(seen.is_breach for seen in recent)
    if breaches >= rule.opens_n or (ring[-1].is_breach and ring[-1].hard):
        return ConditionState.firing
    return ConditionState.pending if breaches else ConditionState.quiet


def _after_opening(ring: tuple[Observation, ...], rule: Rule) -> ConditionState:
    if not ring[-1].is_clear(rule):
        return ConditionState.firing
    cleared = len(ring) >= rule.clears and all(seen.is_clear(rule) for seen in ring[-rule.clears :])
    return ConditionState.quiet if cleared else ConditionState.clearing


_STEPS = {
    ConditionState.quiet: _before_opening,
    ConditionState.pending: _before_opening,
    ConditionState.firing: _after_opening,
    ConditionState.clearing: _after_opening,
}
