"""Guarded tests of two live arms: intervals that hold however often one looks, and the check of the split."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import chdtrc, gammaln

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.results import Reason

N_STAR = 5000  # units at which the interval is tightest, fixed for a test
MIN_UNITS, MIN_EVENTS = 150, 10
PRIOR = 100  # of the split: as many units as the plan is trusted for
LOG_E_LIMIT = float(np.log(100))
SLACK = 1e-12


def half_width(se: float, n: float, alpha: float, sides: int = 1, n_star: int = N_STAR) -> float:
    """Return the half width of an asymptotic confidence sequence after n units.

    se: standard error of the estimate now. With probability 1 - alpha the truth stays within the half widths at
    all looks together; sides: 1 for a bound on one side, 2 for both.

    Raises ValueError for n below 1, an alpha outside (0, 0.5), other sides, or a negative se.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 52 (2024), section 2 and appendix.

    >>> round(half_width(1.0, 5000, 0.05), 3), round(half_width(1.0, 5000, 0.05, sides=2), 3)
    (2.779, 3.035)
    """
    if sides not in {1, 2} or not 0 < alpha < 0.5 or n < 1 or n_star < 1 or not se >= 0:
        raise ValueError("an error of at least 0, a unit or more, an alpha below one half, and 1 or 2 sides are needed")
    a = 2 * alpha if sides == 1 else alpha
    rho_sq = (-2 * np.log(a) + np.log(1 - 2 * np.log(a))) / n_star
    root = n * rho_sq + 1
    boundary = np.log1p(np.sqrt(root) / a) if sides == 1 else np.log(np.sqrt(root) / a)
    return float(se * np.sqrt(n) * np.sqrt(2 * root / (n * n * rho_sq) * boundary))


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm has shown: units, the mean of the metric and its variance; events, of a rate, of the rarer kind."""

    n: int
    mean: float
    variance: float
    events: int | None = None

    @classmethod
    def of_rate(cls, k: int, n: int) -> "Arm":
        """Return an arm whose metric is a share: k of n units.

        Raises ValueError unless 0 <= k <= n.

        >>> Arm.of_rate(25, 100)
        Arm(n=100, mean=0.25, variance=0.1875, events=25)
        """
        if not 0 <= k <= n:
            raise ValueError("a share needs 0 <= k <= n")
        share = k / n if n else 0.0
        return cls(n, share, share * (1 - share), min(k, n - k))

    @classmethod
    def of_sums(cls, n: int, total: float, total_sq: float) -> "Arm":
        """Return an arm whose metric is a mean, from the sums of its values and of their squares.

        >>> Arm.of_sums(4, 10.0, 30.0)
        Arm(n=4, mean=2.5, variance=1.6666666666666667, events=None)
        """
        mean = total / n if n else 0.0
        return cls(n, mean, max(total_sq - n * mean * mean, 0.0) / (n - 1) if n > 1 else 0.0)


class Outcome(StrEnum):
    """What a guardrail says at a look."""

    failed = "fail"
    passed = "pass"
    inconclusive = "inconclusive"


@dataclass(frozen=True, slots=True)
class Guard:
    """A guardrail at a look. d: benefit of T over C; half: half width of its one-sided confidence sequence."""

    outcome: Outcome
    d: float | None = None
    half: float | None = None
    n: int = 0
    reason: Reason | None = None


def guard(c: Arm, t: Arm, harm_margin: float, ni_margin: float, alpha: float, *, better: str = "higher") -> Guard:
    """Judge arm T against arm C on one guardrail.

    d = mean of T - mean of C, with the sign turned where lower is better. `fail` when d + half < -harm_margin,
    `pass` when d - half > -ni_margin (non-inferiority), else `inconclusive`; so it is below 150 units, or for a
    rate 10 events, in an arm. alpha: 0.05 / number of guardrails. It may be asked at every look: a guardrail
    without harm fails at any of them with probability alpha at most.

    A mean or variance that is not finite gives `not_finite`. Raises ValueError for a negative margin, or a better
    that is neither "higher" nor "lower".

    >>> found = guard(Arm.of_rate(400, 4000), Arm.of_rate(300, 4000), 0.0, 0.02, 0.05)
    >>> found.outcome.value, round(found.d, 3), round(found.half, 10)
    ('fail', -0.025, 0.0175974204)
    """
    if better not in {"higher", "lower"} or harm_margin < 0 or ni_margin < 0:
        raise ValueError("margins of at least 0 are needed, and better is higher or lower")
    n = c.n + t.n
    if min(c.n, t.n) < 1:
        return Guard(Outcome.inconclusive, n=n, reason=Reason.empty)
    with np.errstate(over="ignore", invalid="ignore"):
        d = (t.mean - c.mean) * (1 if better == "higher" else -1)
        variance = c.variance / c.n + t.variance / t.n
    if not np.isfinite((d, variance)).all():
        return Guard(Outcome.inconclusive, n=n, reason=Reason.not_finite)
    half = half_width(float(np.sqrt(variance)), n, alpha)
    if min(c.n, t.n) < MIN_UNITS or min(_events(c), _events(t)) < MIN_EVENTS:
        return Guard(Outcome.inconclusive, d, half, n, Reason.too_few)
    if d + half < -harm_margin:
        return Guard(Outcome.failed, d, half, n)
    return Guard(Outcome.passed if d - half > -ni_margin else Outcome.inconclusive, d, half, n)


def _events(arm: Arm) -> int:
    return MIN_EVENTS if arm.events is None else arm.events


def split_log_e(counts: IntArray, shares: FloatArray) -> float:
    """Return the logarithm of the evidence that units are not split as planned; at ln 100 the test is held.

    counts: units per arm; shares: planned, adding up to 1. The e-value of a Dirichlet mixture around the plan: it
    reaches 100 at any look, under the planned split, with probability 1 % at most.

    Raises ValueError for other shapes, negative counts, or shares that are not positive or do not add up to 1.

    Lindon and Malek, Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022.

    >>> round(split_log_e(np.array([5200, 4800]), np.array([0.5, 0.5])), 10)
    5.6136134118
    """
    _require_split(counts, shares)
    prior = PRIOR * shares
    log_e = gammaln(prior.sum()) - gammaln((prior + counts).sum())
    log_e += (gammaln(prior + counts) - gammaln(prior) - counts * np.log(shares)).sum()
    return float(log_e)


def is_mismatched(counts: IntArray, shares: FloatArray) -> bool:
    """Tell whether the split is so far from the plan that the test has to be held: evidence of at least 100.

    >>> is_mismatched(np.array([5200, 4800]), np.array([0.5, 0.5]))
    True
    """
    return split_log_e(counts, shares) >= LOG_E_LIMIT - SLACK


def split_p(counts: IntArray, shares: FloatArray) -> float:
    """Return Pearson's p-value of the planned split for a single look; looked at daily it alarms too often.

    To be shown beside the evidence, never to hold a test. 1 without units.

    >>> round(split_p(np.array([60, 40]), np.array([0.5, 0.5])), 4)
    0.0455
    """
    _require_split(counts, shares)
    due = counts.sum() * shares
    if not due.any():
        return 1.0
    return float(chdtrc(len(counts) - 1, ((counts - due) ** 2 / due).sum()))


def _require_split(counts: IntArray, shares: FloatArray) -> None:
    if counts.shape != shares.shape or counts.ndim != 1 or len(counts) < 2 or (counts < 0).any():
        raise ValueError("a count and a planned share of each of at least two arms are needed")
    if not (shares > 0).all() or abs(float(shares.sum()) - 1) > 1e-9:
        raise ValueError("planned shares are positive and add up to 1")
