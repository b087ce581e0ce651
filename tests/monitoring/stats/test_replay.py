"""Skew replay: equality within tolerance, and the pattern of what is not equal."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.agreement import Pattern, replay
from monitoring.stats.columns import CodedColumn
from monitoring.stats.results import Reason, Verdict

N = 1000
CITIES = ["Bern", "Genf", "Basel", "Chur", "Thun"]


def seeded(seed):
    return np.random.default_rng(seed)


def amounts(seed, n=N):
    """Offline values of a continuous feature, and the same served online with a rounding below the tolerance."""
    rng = seeded(seed)
    offline = rng.lognormal(3, 1, n)
    return offline * (1 + rng.uniform(-2e-4, 2e-4, n)), offline


def places(seed, n=N):
    return seeded(seed).choice(CITIES, n, p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(object)


@pytest.mark.parametrize(
    ("wrong", "low", "verdict"), [(25, 0.0169901, Verdict.warn), (15, 0.0091110, Verdict.ok), (0, 0.0, Verdict.ok)]
)
def test_the_golden_shares(wrong, low, verdict):
    offline = np.arange(1000.0)
    online = np.where(np.arange(1000) < wrong, -5.0, offline)

    found = replay(online, offline)

    assert found.mismatch.low == pytest.approx(low, abs=1e-7)
    assert found.verdict == verdict
    assert found.mismatch.value == wrong / 1000


@pytest.mark.parametrize(
    ("online", "offline", "equal"),
    [
        (1.0, 1.0, True),
        (np.nan, np.nan, True),
        (np.nan, 0.0, False),
        (0.0, np.nan, False),
        (1000.9, 1000.0, True),
        (1001.1, 1000.0, False),
        (1e-6, 0.0, True),
        (2.1e-6, 0.0, False),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (np.inf, 1e300, False),
        (1e300, np.inf, False),
        (1e308, -1e308, False),
    ],
)
def test_numbers_are_equal_within_tolerance(online, offline, equal):
    assert replay(np.array([online]), np.array([offline])).mismatch.value == (0 if equal else 1)


def test_a_feature_may_have_tolerances_of_its_own():
    online, offline = np.full(300, 10.4), np.full(300, 10.0)

    assert replay(online, offline, atol=0.5).mismatch.value == 0
    assert replay(online, offline, atol=0, rtol=0.05).mismatch.value == 0
    assert replay(online, offline, atol=0, rtol=0.01).mismatch.value == 1


def test_categories_are_equal_if_their_texts_are():
    online, offline = ["a", None, "b", "c", None], ["a", None, "B", None, "d"]

    assert replay(online, offline).mismatch.value == 3 / 5
    assert replay(pd.Series(online, dtype="category"), offline).mismatch.value == 3 / 5
    assert replay(CodedColumn(np.array([0, -1]), ("a",)), ["a", None]).mismatch.value == 0
    assert replay([True, False], ["true", "true"]).mismatch.value == 0.5


def test_numbers_in_lists_are_numbers_and_against_texts_are_texts():
    assert replay([1, None, 2.0], [1.0005, None, 2]).mismatch.value == 0
    assert replay(pd.Series([1, 2]), [1.0, 2.0]).mismatch.value == 0
    assert replay(np.array([True, False]), [True, False]).mismatch.value == 0
    assert replay([1, 2], ["1", "2"]).mismatch.value == 0
    assert replay([1.5, 2], ["1.50", "2"]).mismatch.value == 0.5


def test_no_rows_have_no_data_and_few_are_insufficient():
    nothing = replay([], [])

    assert (nothing.verdict, nothing.mismatch.reason, nothing.pattern) == (Verdict.no_data, Reason.empty, None)
    few = replay(np.ones(199), np.zeros(199))
    assert (few.verdict, few.mismatch.value) == (Verdict.insufficient, 1)
    assert replay(np.ones(200), np.zeros(200)).verdict == Verdict.warn


def test_columns_of_other_length_and_negative_tolerances_are_refused():
    with pytest.raises(ValueError, match="one length"):
        replay([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="one length"):
        replay([1.0], [1.0], entities=[])
    with pytest.raises(ValueError, match="negative"):
        replay([1.0], [1.0], atol=-1)
    with pytest.raises(ValueError, match="negative"):
        replay([1.0], [1.0], rtol=-1)


numbers = st.none() | st.sampled_from([0.0, 1.0, -2.5, 1e9, float("inf")])
values = st.lists(st.tuples(numbers, numbers), max_size=30)


@given(values)
def test_two_nulls_are_equal_and_nothing_else_raises(drawn):
    online, offline = ([one[side] for one in drawn] for side in (0, 1))

    found = replay(online, offline)

    assert found.mismatch.value == (pytest.approx(np.mean([a != b for a, b in drawn])) if drawn else None)
    assert (found.pattern is None) == (not found.mismatch.value)
    assert replay(offline, offline).pattern is None


@given(st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.sampled_from("abc")), max_size=30))
def test_categories_neither_raise_nor_find_what_is_not_there(drawn):
    online, offline = ([one[side] for one in drawn] for side in (0, 1))

    found = replay(online, offline, entities=offline)

    assert (found.pattern is None) == all(a == b for a, b in drawn)


def some(seed, share, n=N):
    """A part of the rows."""
    return seeded((seed, 99)).random(n) < share


def of_offset(seed):
    online, offline = amounts(seed)
    return np.where(some(seed, 0.3), online + 4.0, online), offline


def of_scale(seed):
    online, offline = amounts(seed)
    return np.where(some(seed, 0.3), online * 1.609, online), offline


def of_nulls(seed):
    online, offline = amounts(seed)
    return np.where(some(seed, 0.1), np.nan, online), offline


def of_null_places(seed):
    offline = places(seed)
    return np.where(some(seed, 0.1), None, offline), offline


def of_offline_nulls(seed):
    online, offline = amounts(seed)
    return online, np.where(some(seed, 0.1), np.nan, offline)


def of_stale_rates(seed):
    """A rate that changes every forty rows is served one change too late in half of them."""
    rates = seeded(seed).normal(100, 5, 25)
    period = np.arange(N) // 40
    late = (period > 0) & some(seed, 0.5)
    return rates[np.where(late, period - 1, period)], rates[period]


def of_stuck(seed):
    """Since row 700 the pipeline has served the last value it had."""
    _, offline = amounts(seed)
    offline = np.repeat(offline[: N // 4], 4)
    return np.where(np.arange(N) < 700, offline, offline[699]), offline


def of_recoded(seed):
    offline = places(seed)
    return np.where(offline == "Genf", "Geneva", np.where(offline == "Basel", "Basle", offline)), offline


def of_collapsed(seed):
    offline = places(seed)
    return np.where(np.isin(offline, ["Chur", "Thun"]), "other", offline), offline


def of_turned_flag(seed):
    offline = seeded(seed).integers(0, 2, N)
    return 1 - offline, offline


def of_a_sentinel(seed):
    online, offline = amounts(seed)
    unknown = some(seed, 0.1)
    return np.where(unknown, -1.0, online), np.where(unknown, 999.0, offline)


def of_noise(seed):
    online, offline = amounts(seed)
    return np.where(some(seed, 0.1), online * seeded((seed, 7)).lognormal(0, 0.5, N), online), offline


def of_wrong_rows(seed):
    online, offline = amounts(seed)
    return np.where(some(seed, 0.2), seeded((seed, 7)).permutation(offline), online), offline


def of_defaults(seed):
    online, offline = amounts(seed)
    return np.where(some(seed, 0.1), 0.0, online), offline


def of_random_flags(seed):
    offline = seeded(seed).integers(0, 2, N)
    return np.where(some(seed, 0.1), 1 - offline, offline), offline


def of_random_places(seed):
    offline = places(seed)
    return np.where(some(seed, 0.2), places((seed, 7)), offline), offline


def of_random_counts(seed):
    """Small numbers return all the time: that a wrong one was there before means nothing."""
    offline = seeded(seed).poisson(5, N).astype(float)
    return np.where(some(seed, 0.2), seeded((seed, 7)).poisson(5, N), offline), offline


PLANTED = [
    (of_offset, Pattern.offset),
    (of_scale, Pattern.scale),
    (of_nulls, Pattern.null_only),
    (of_null_places, Pattern.null_only),
    (of_offline_nulls, Pattern.null_only),
    (of_stale_rates, Pattern.stale),
    (of_stuck, Pattern.stale),
    (of_recoded, Pattern.recoded),
    (of_collapsed, Pattern.recoded),
    (of_turned_flag, Pattern.recoded),
    (of_a_sentinel, Pattern.recoded),
    (of_noise, Pattern.mixed),
    (of_wrong_rows, Pattern.mixed),
    (of_defaults, Pattern.mixed),
    (of_random_flags, Pattern.mixed),
    (of_random_places, Pattern.mixed),
    (of_random_counts, Pattern.mixed),
]


@pytest.mark.parametrize(("plant", "pattern"), PLANTED, ids=[plant.__name__[3:] for plant, _ in PLANTED])
def test_what_was_planted_is_named(plant, pattern):
    found = replay(*plant(0))

    assert (found.verdict, found.pattern) == (Verdict.warn, pattern)


def test_an_offset_and_a_scale_are_measured():
    assert replay(*of_offset(0)).amount == pytest.approx(4.0, abs=0.01)
    assert replay(*of_scale(0)).amount == pytest.approx(1.609, abs=0.001)
    assert replay(*of_nulls(0)).amount is None


def test_an_offset_of_large_numbers_is_no_scale_and_the_other_way_round():
    offline = np.linspace(9_000, 11_000, 500)

    assert replay(offline + 100, offline).pattern == Pattern.offset
    assert replay(offline * 1.01, offline).pattern == Pattern.scale


def test_errors_of_one_sign_just_above_the_tolerance_are_no_constant_scale_or_offset():
    offline = seeded(5).uniform(90, 110, 400)
    online = offline * (1 + seeded(6).uniform(0.0012, 0.0028, 400))

    found = replay(online, offline)

    assert (found.mismatch.value, found.pattern) == (1, Pattern.mixed)


def test_a_value_of_the_same_customer_may_be_stale_though_values_return_among_all():
    rng = seeded(3)
    customer = rng.integers(0, 20, N)
    levels = rng.permuted(np.tile(np.arange(50.0), (20, 1)), axis=1)  # each customer's value changes with time
    step = np.arange(N) // 25
    offline = levels[customer, step]
    late = (step > 10) & some(3, 0.3)
    last = [
        next((offline[j] for j in range(i - 1, -1, -1) if customer[j] == customer[i] and step[j] < step[i]), offline[i])
        for i in range(N)
    ]
    online = np.where(late, last, offline)

    assert replay(online, offline, entities=customer).pattern == Pattern.stale
    assert replay(online, offline).pattern == Pattern.mixed


def test_few_mismatches_have_no_pattern():
    _, offline = amounts(0)
    online = offline.copy()
    online[:4] += 3

    assert replay(online, offline).pattern == Pattern.mixed


def test_two_patterns_at_once_are_mixed():
    online, offline = of_offset(0)

    found = replay(np.where(some(1, 0.2), np.nan, online), offline)

    assert found.pattern == Pattern.mixed


def test_a_constant_feature_that_differs_is_recoded():
    constant = np.full(300, 3.0)

    assert replay(np.full(300, 7.0), constant).pattern == Pattern.recoded
    assert replay(np.where(np.arange(300) % 2, 7.0, constant), constant).pattern == Pattern.mixed


def test_numbers_as_texts_of_another_form_are_recoded():
    offline = seeded(0).integers(1, 6, 400)

    assert replay([f"{one:02d}" for one in offline], offline).pattern == Pattern.recoded


def test_infinite_values_are_mismatches_without_a_pattern():
    online, offline = amounts(0)

    assert replay(np.where(some(0, 0.1), np.inf, online), offline).pattern == Pattern.mixed


@pytest.mark.simulation
@pytest.mark.parametrize(("plant", "pattern"), PLANTED, ids=[plant.__name__[3:] for plant, _ in PLANTED])
def test_planted_patterns_are_named_in_nearly_every_draw(plant, pattern):
    assert sum(replay(*plant(seed)).pattern == pattern for seed in range(1, 101)) >= 99


@pytest.mark.simulation
def test_clean_features_are_ok():
    fine = 0

    for seed in range(200):
        online, offline = amounts(seed)
        rare = np.where(some(seed, 0.008), online * 2, online)  # 0.8 % of mismatches is below what warns
        category = places(seed)
        found = [replay(online, offline), replay(rare, offline), replay(category, category.copy())]
        fine += all(one.verdict == Verdict.ok for one in found)

    assert fine / 200 >= 0.99
