"""Cost per thousand, and the change of a cost split into its factors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.profile import CostProfile, StageCost
from monitoring.stats.results import Reason
from monitoring.stats.spend import decompose, per_thousand

FACTORS = ("volume", "mix", "calls", "price")


def group(requests, calls=1.0, price=0.002):
    """Requests, calls per request and the price of a call."""
    return StageCost(requests, requests * calls, amount=requests * calls * price)


def effects(found):
    return [getattr(found, name) for name in FACTORS]


def test_the_golden_decompositions():
    one = decompose({"a": group(1000)}, {"a": group(1200, 3)})
    two = decompose({"a": group(800), "b": group(200, 1, 0.01)}, {"a": group(600), "b": group(600, 1.5, 0.01)})

    assert effects(one) == pytest.approx([0.7401413374, 0, 4.4598586626, 0], abs=1e-8)
    assert effects(two) == pytest.approx([1.1020316413, 3.6109273308, 1.8870410278, 0], abs=1e-8)
    assert (one.change, two.change) == pytest.approx((5.2, 6.6))
    assert sum(effects(one)) == pytest.approx(5.2, abs=1e-9)
    assert sum(effects(two)) == pytest.approx(6.6, abs=1e-9)


positive = st.floats(1e-3, 1e3)
groups = st.dictionaries(
    st.tuples(st.sampled_from(["v1", "v2"]), st.sampled_from(["retrieve", "generate"])),
    st.builds(StageCost, st.integers(1, 10_000), calls=positive, amount=positive),
    min_size=1,
)


def by_hand(before, after):
    """The formula as it is written, for groups that are on both sides."""
    requests = [sum(one.n for one in side.values()) for side in (before, after)]
    found = dict.fromkeys(FACTORS, 0.0)
    for key in {*before, *after}:
        if key not in before or key not in after:
            found["mix"] += after.get(key, StageCost()).amount - before.get(key, StageCost()).amount
            continue
        factors = [
            (requests[i], side[key].n / requests[i], side[key].calls / side[key].n, side[key].amount / side[key].calls)
            for i, side in enumerate((before, after))
        ]
        c0, c1 = before[key].amount, after[key].amount
        mean = c0 if c0 == c1 else (c1 - c0) / math.log(c1 / c0)
        for name, x0, x1 in zip(FACTORS, *factors, strict=True):
            found[name] += mean * math.log(x1 / x0)
    return [found[name] for name in FACTORS]


@given(groups, groups)
def test_the_formula_as_written_agrees(before, after):
    found = decompose(before, after)

    assert effects(found) == pytest.approx(by_hand(before, after), rel=1e-6, abs=1e-6)


any_amount = st.floats(0, 1e6) | st.just(0.0)
any_groups = st.dictionaries(
    st.sampled_from("abc"), st.builds(StageCost, st.integers(0, 1000), calls=any_amount, amount=any_amount)
)


@given(any_groups, any_groups)
def test_the_effects_add_up_to_the_change_whatever_is_zero(before, after):
    found = decompose(before, after)

    size = sum(one.amount for side in (before, after) for one in side.values())
    assert math.fsum(effects(found)) == pytest.approx(found.change, abs=1e-9 * max(size, 1))


@given(any_groups, any_groups)
def test_the_way_back_has_the_opposite_effects(before, after):
    there, back = decompose(before, after), decompose(after, before)

    assert effects(there) == pytest.approx([-effect for effect in effects(back)], rel=1e-6, abs=1e-6)


@given(any_groups)
def test_without_a_change_every_effect_is_zero(groups):
    assert effects(decompose(groups, groups)) == [0.0] * 4


def test_a_tiny_change_keeps_its_digits():
    found = decompose({"a": group(1000)}, {"a": group(1000, 1, 0.002 * (1 + 1e-9))})

    assert found.price == pytest.approx(2e-9, rel=1e-5)
    assert found.price == pytest.approx(found.change, rel=1e-5)


def test_a_new_stage_of_the_same_requests_is_mix_and_not_volume():
    before, after = {"main": group(1000)}, {"main": group(1000), "rerank": group(1000, 1, 0.001)}

    found = decompose(before, after, requests=(1000, 1000))

    assert effects(found) == pytest.approx([0, 1, 0, 0])


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [
        ({"a": StageCost(100, 100, amount=0)}, {"a": StageCost(200, 400, amount=8)}, "price"),
        ({"a": StageCost(100, 100, amount=3)}, {"a": StageCost(200, 400, amount=0)}, "price"),
        ({"a": StageCost(100, 0, amount=0)}, {"a": StageCost(200, 400, amount=8)}, "calls"),
        ({"a": StageCost(0)}, {"a": StageCost(200, 400, amount=8)}, "volume"),
        ({}, {"a": StageCost(200, 400, amount=8)}, "volume"),
        ({"a": StageCost(200, 400, amount=8)}, {}, "volume"),
        ({"a": group(10), "b": group(5)}, {"a": group(10), "c": group(5)}, "mix"),
    ],
    ids=["no longer free", "now free", "called at last", "no requests", "nothing before", "nothing after", "replaced"],
)
def test_where_a_side_is_zero_the_change_has_one_factor(before, after, factor):
    found = decompose(before, after)

    assert getattr(found, factor) == pytest.approx(found.change)
    assert [name for name in FACTORS if abs(getattr(found, name)) > 1e-12] in ([factor], [])


def test_an_amount_without_calls_is_one_call_per_request():
    assert decompose({"a": StageCost(10, 0, amount=1)}, {"a": StageCost(10, 20, amount=2)}).calls == pytest.approx(1)


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_unusable_amounts_are_undefined(amount):
    found = decompose({"a": StageCost(1, 1, amount=amount)}, {"a": group(1)})

    assert (found.change, found.volume, found.reason) == (None, None, Reason.undefined)


def test_amounts_too_large_to_add_are_not_finite():
    huge = {key: StageCost(1, 1, amount=1.5e308) for key in "ab"}

    assert decompose({"a": group(1)}, huge).reason == Reason.not_finite


def test_cost_per_thousand_is_of_the_predictions_that_have_a_price():
    costs = CostProfile.of(np.array([0.5, np.nan, 0.25, 0.25]))

    found = per_thousand(costs, 4)

    assert (found.value, found.n) == (pytest.approx(1000 / 3), 3)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_cost_per_thousand_of_merged_chunks_is_that_of_all_rows(one, other):
    merged = CostProfile.of(np.array(one)) + CostProfile.of(np.array(other))

    assert per_thousand(merged, len(one + other)).value == pytest.approx(1000 * np.mean(one + other), abs=1e-9)


def test_nothing_priced_has_no_cost_and_says_why():
    assert per_thousand(CostProfile(), 0).reason == Reason.empty
    assert per_thousand(CostProfile(n_missing=3), 3).reason == Reason.all_null
    assert per_thousand(CostProfile({"main": StageCost(1, 1, amount=1e308)}), 1).reason == Reason.not_finite


def test_more_unpriced_predictions_than_predictions_are_refused():
    with pytest.raises(ValueError, match="more predictions"):
        per_thousand(CostProfile(n_missing=2), 1)
