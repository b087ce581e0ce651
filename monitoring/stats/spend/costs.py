"""What a thousand predictions cost, and which factor of the cost has changed."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from monitoring.stats.profile import CostProfile, StageCost
from monitoring.stats.results import Estimate, Reason

FACTORS = ("volume", "mix", "calls", "price")
Groups = Mapping[Hashable, StageCost]


def per_thousand(costs: CostProfile, n: int) -> Estimate:
    """Return the cost of a thousand predictions, in the currency of the amounts; no interval.

    n: predictions; those without the price of any stage are left out of the mean, and of the n of the answer.

    Raises ValueError if there are fewer predictions than those without a price.

    >>> per_thousand(CostProfile({"main": StageCost(n=4, calls=4, amount=0.5)}, n_missing=1), 5).value
    125.0
    """
    priced = n - costs.n_missing
    if priced < 0:
        raise ValueError("there are more predictions without a price than predictions")
    if not priced:
        return Estimate(None, method="ratio", reason=Reason.all_null if n else Reason.empty)
    value = 1000 * costs.amount / priced
    if not math.isfinite(value):
        return Estimate(None, n=priced, n_eff=priced, method="ratio", reason=Reason.not_finite)
    return Estimate(value, n=priced, n_eff=priced, method="ratio")


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A change of cost and what each factor contributed to it, in the currency of the amounts.

    volume: requests; mix: the groups they fall into, new and gone groups included; calls: calls per request of a
    group; price: amount per call. The four add up to the change. None, with the reason, for unusable amounts.
    """

    change: float | None
    volume: float | None = None
    mix: float | None = None
    calls: float | None = None
    price: float | None = None
    reason: Reason | None = None


def decompose(before: Groups, after: Groups, requests: tuple[float, float] | None = None) -> Decomposition:
    """Split the change of a cost into volume, mix, calls per request and unit price.

    before, after: what each group cost; a group is a (version, stage), and its requests, calls and amount are n,
    calls and amount of its StageCost; without counted calls it has one per request. requests: of both sides, if
    they pass more than one stage; else they are the sum over the groups.

    With c = volume x share of the group x calls per request x unit price, a factor x contributes
    sum_g L(c1, c0) ln(x1 / x0), L being the logarithmic mean, which leaves no remainder. Where a group cost nothing
    on one side, in the limit the change belongs to the calls if it had none there, else to the price. If a whole
    side has no requests, the change is one of volume. A negative or infinite number gives `undefined`.

    The logarithmic mean Divisia index; Ang, Energy Policy 33 (2005), and for zeros Ang and Liu, Energy Policy 35
    (2007).

    >>> found = decompose({"a": StageCost(1000, 1000, amount=2.0)}, {"a": StageCost(1200, 3600, amount=7.2)})
    >>> round(found.volume, 6), round(found.calls, 6), found.mix, round(found.price, 6), found.change
    (0.740141, 4.459859, 0.0, 0.0, 5.2)
    """
    sides = before, after
    of_all = requests or (sum(one.n for one in before.values()), sum(one.n for one in after.values()))
    numbers = [number for side in sides for one in side.values() for number in (one.n, one.calls, one.amount)]
    if not all(math.isfinite(number) and number >= 0 for number in (*numbers, *of_all)):
        return Decomposition(None, reason=Reason.undefined)
    change = sum(one.amount for one in after.values()) - sum(one.amount for one in before.values())
    effects = dict.fromkeys(FACTORS, 0.0)
    if not of_all[0] or not of_all[1]:
        effects["volume"] = change
    else:
        for key in sorted({*before, *after}, key=repr):
            one, other = before.get(key, StageCost()), after.get(key, StageCost())
            for name, effect in _effects(one, other, _log_ratio(*of_all)).items():
                effects[name] += effect
    if not all(map(math.isfinite, (change, *effects.values()))):
        return Decomposition(None, reason=Reason.not_finite)
    volume, mix, calls, price = (effects[name] for name in FACTORS)
    return Decomposition(change, volume, mix, calls, price)


def _effects(one: StageCost, other: StageCost, growth: float) -> dict[str, float]:
    """Return the contribution of each factor to the change of one group; growth: of all requests, a logarithm."""
    change = other.amount - one.amount
    if not one.n or not other.n:
        return {"mix": change}
    if not one.amount or not other.amount:
        free = other if one.amount else one
        return {"price" if free.calls else "calls": change}
    weight, requests = _logarithmic_mean(one.amount, other.amount), _log_ratio(one.n, other.n)
    calls = _log_ratio(one.calls or one.n, other.calls or other.n)
    return {
        "volume": weight * growth,
        "mix": weight * (requests - growth),
        "calls": weight * (calls - requests),
        "price": weight * (_log_ratio(one.amount, other.amount) - calls),
    }


def _log_ratio(one: float, other: float) -> float:
    return math.log(other) - math.log(one)


def _logarithmic_mean(one: float, other: float) -> float:
    if abs(other - one) <= 1e-6 * one:
        return one + (other - one) / 2  # the quotient below would have lost its digits
    return (other - one) / _log_ratio(one, other)
