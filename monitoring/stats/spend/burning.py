"""Burn: how fast a budget is spent, against what each hour of a week usually takes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.results import Estimate, Reason

_WEEK = 168
_PROFILE_HOURS, _MIN_PROFILE_HOURS = 28 * 24, 14 * 24


@dataclass(frozen=True, slots=True)
class BurnRule:
    """A budget burns when a long and a short window ending now are both above the limit, strictly.

    The long window makes the evidence, the short one ends the alarm soon after the cause has gone.
    """

    long_h: int
    short_h: int
    limit: float
    severity: str


# The gravest first. The second list is for less than two weeks of history, where every hour is expected alike.
BURN_RULES = (BurnRule(6, 1, 2.0, "critical"), BurnRule(24, 3, 1.4, "warning"), BurnRule(72, 12, 1.15, "info"))
FLAT_BURN_RULES = (BurnRule(24, 2, 1.5, "warning"),)


def expected(hourly: FloatArray, first_hour: int, length: int, budget: float) -> FloatArray:
    """Return what each hour of a month may cost for the month to cost its budget, shape (length,).

    hourly: spend per hour, the oldest first. The mean of each hour of the week in its last 28 days is scaled to
    the budget; leave out the hours that are to be judged, or they judge themselves. An amount that is negative or
    not finite is left out, and an hour of the week without any other takes the mean of all. first_hour: the place
    of the month's first hour in it, at or after its end if the record stops there. Under 14 days, or if nothing was
    spent, every hour is expected alike.

    Raises ValueError for a length below 1 or a budget that is negative or not finite.

    >>> expected(np.zeros(24), first_hour=24, length=4, budget=8.0).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    if length < 1 or not 0 <= budget < np.inf:
        raise ValueError("a budget of at least 0, and a month of at least an hour, are needed")
    amounts = np.asarray(hourly, dtype=np.float64)
    shares = np.ones(length)
    if len(amounts) >= _MIN_PROFILE_HOURS:
        shares = _profile(amounts)[(first_hour + np.arange(length)) % _WEEK]
    total = float(shares.sum())
    return shares * (budget / total) if total else np.full(length, budget / length)


def _profile(amounts: FloatArray) -> FloatArray:
    """Return the mean of each hour of the week over the last 28 days, in parts of the largest amount."""
    recent = amounts[-_PROFILE_HOURS:]
    hour = np.arange(len(amounts) - len(recent), len(amounts)) % _WEEK
    usable = np.isfinite(recent) & (recent >= 0)
    hour, recent = hour[usable], recent[usable]
    if not recent.any():
        return np.zeros(_WEEK)
    recent = recent / recent.max()
    known = np.bincount(hour, minlength=_WEEK)
    return np.where(known > 0, np.bincount(hour, recent, minlength=_WEEK) / np.maximum(known, 1), recent.mean())


def burn(hourly: FloatArray, expected_hourly: FloatArray, hours: int) -> Estimate:
    """Return spend over expected spend of the last hours; 1 is just as the budget allows.

    hourly, expected_hourly: for the same hours, the last one at the end. Fewer hours than asked for: `too_few`;
    nothing expected: `zero_denominator`.

    Raises ValueError if the two differ in length or hours is below 1.

    >>> burn(np.array([1.0, 3.0, 3.0]), np.array([1.0, 1.0, 2.0]), hours=2).value
    2.0
    """
    if len(hourly) != len(expected_hourly) or hours < 1:
        raise ValueError("as many hours of spend as of expected spend, and at least one to judge, are needed")
    if len(hourly) < hours:
        return Estimate(None, n=len(hourly), method="ratio", reason=Reason.too_few)
    with np.errstate(over="ignore", invalid="ignore"):
        spent, due = float(hourly[-hours:].sum()), float(expected_hourly[-hours:].sum())
    if due == 0:
        return Estimate(None, n=hours, n_eff=hours, method="ratio", reason=Reason.zero_denominator)
    if not np.isfinite((spent, due, spent / due)).all():
        return Estimate(None, n=hours, n_eff=hours, method="ratio", reason=Reason.not_finite)
    return Estimate(spent / due, n=hours, n_eff=hours, method="ratio")


def burning(hourly: FloatArray, expected_hourly: FloatArray, rules: Sequence[BurnRule] = BURN_RULES) -> BurnRule | None:
    """Return the first of the rules, the gravest, that holds at the end of the hours; None if none does.

    >>> burning(np.full(6, 3.0), np.ones(6)).severity
    'critical'
    """
    return next((rule for rule in rules if _holds(rule, hourly, expected_hourly)), None)


def _holds(rule: BurnRule, hourly: FloatArray, expected_hourly: FloatArray) -> bool:
    found = (burn(hourly, expected_hourly, hours).value for hours in (rule.long_h, rule.short_h))
    return all(value is not None and value > rule.limit for value in found)
