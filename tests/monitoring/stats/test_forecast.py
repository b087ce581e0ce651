"""The forecast of a month's spend: by hand, at its edges, and against many simulated months."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.stats.results import Reason
from monitoring.stats.spend import forecast

WEEK = np.array([10.0, 11.0, 12.0, 11.0, 10.0, 4.0, 3.0])
MANY = 1e9


def test_few_days_are_continued_as_they_were():
    found = forecast(np.array([1.0, 2.0, 3.0, 2.0]), 0, 30, 70.0, seed=1)

    assert (found.value, found.spent, found.method) == (pytest.approx(60), 8.0, "linear")
    assert found.low < 60 < found.high
    assert 0 < found.p_over < 0.5
    assert found.coverage.reason == Reason.too_few


def test_what_was_spent_counts_for_its_own_month():
    found = forecast(np.array([5.0, 5.0, 2.0, 2.0]), 2, 10, MANY, seed=1)

    assert found.spent == 4
    assert found.value == pytest.approx(4 + 8 * 3.5)


def test_a_record_that_begins_in_the_month_owes_nothing_for_the_days_before():
    found = forecast(np.full(5, 2.0), -10, 30, MANY, seed=1)

    assert (found.spent, found.value) == (10, pytest.approx(10 + 2 * 15))


@pytest.mark.parametrize("days", [14, 21, 28, 40, 100])
def test_two_weeks_know_the_weekdays(days):
    daily = np.resize(WEEK, days)

    found = forecast(daily, days, 31, MANY, seed=1)

    ahead = np.resize(np.roll(WEEK, -days), 31)
    assert found.value == pytest.approx(ahead.sum())
    assert (found.low, found.high) == pytest.approx((found.value, found.value))
    assert found.method == "weekday"


def test_the_level_is_that_of_the_last_week():
    daily = np.concatenate((np.resize(WEEK, 21), 2 * WEEK))

    found = forecast(daily, 28, 7, MANY, seed=1)

    assert found.value == pytest.approx(2 * WEEK.sum())  # each week is its level times the week: no noise is left
    assert found.low < found.value < found.high


def test_a_month_that_ends_today_is_known():
    found = forecast(np.resize(WEEK, 30), 0, 30, 200.0, seed=1)

    total = float(np.resize(WEEK, 30).sum())
    assert (found.value, found.low, found.high, found.p_over) == (total, total, total, 1.0)


def test_a_budget_equal_to_the_end_is_not_exceeded():
    assert forecast(np.full(10, 2.0), 0, 30, 60.0, seed=0).p_over == 0.0


def test_days_without_spend_are_part_of_what_is_expected():
    rng = np.random.default_rng(0)
    daily = np.where(rng.random(84) < 0.25, 0.0, 10.0)

    found = forecast(daily, 84, 28, MANY, seed=1)

    assert found.value == pytest.approx(28 * 7.5, rel=0.25)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("days", [5, 20])
def test_nothing_spent_is_forecast_as_nothing(days):
    found = forecast(np.zeros(days), 0, 30, 0.0, seed=1)

    assert (found.value, found.low, found.high, found.p_over) == (0, 0, 0, 0)


def test_a_service_switched_off_a_week_ago_costs_nothing_more():
    daily = np.concatenate((np.resize(WEEK, 28), np.zeros(7)))

    found = forecast(daily, 28, 30, MANY, seed=1)

    assert found.value == 0


@pytest.mark.parametrize("days", [0, 1, 2])
def test_under_three_days_there_is_no_forecast(days):
    found = forecast(np.full(days, 2.0), 0, 30, MANY, seed=1)

    assert (found.value, found.p_over, found.spent, found.reason) == (None, None, 2.0 * days, Reason.too_few)


@pytest.mark.parametrize("amount", [-1.0, np.nan, np.inf])
def test_unusable_amounts_are_undefined(amount):
    assert forecast(np.array([1.0, amount, 1.0, 1.0]), 0, 30, MANY, seed=1).reason == Reason.undefined


def test_amounts_too_large_to_add_are_not_finite():
    found = forecast(np.full(20, 1e308), 0, 30, MANY, seed=1)

    assert (found.value, found.low, found.reason) == (None, None, Reason.not_finite)


@pytest.mark.parametrize(("first_day", "length"), [(11, 30), (0, 9), (0, 0), (-30, 30)])
def test_a_month_that_is_not_running_is_refused(first_day, length):
    with pytest.raises(ValueError, match="month"):
        forecast(np.ones(10), first_day, length, MANY, seed=1)


def test_the_same_seed_gives_the_same_forecast():
    daily = np.resize(WEEK, 60) * np.random.default_rng(2).lognormal(0, 0.2, 60)

    first, again, other = (forecast(daily, 40, 31, 300.0, seed) for seed in (1, 1, 2))

    assert first == again
    assert first.value == other.value
    assert first.low != other.low


@settings(max_examples=30)
@given(st.lists(st.floats(0, 100), min_size=3, max_size=50), st.integers(1, 31), st.sampled_from([0.1, 7.0]))
def test_a_forecast_is_finite_and_scales_with_the_currency(amounts, days_left, unit):
    daily = np.array(amounts)

    found = forecast(daily, len(daily), days_left, 100.0, seed=1)
    scaled = forecast(daily * unit, len(daily), days_left, 100.0 * unit, seed=1)

    assert 0 <= found.low <= found.high
    assert found.spent == 0
    for name in ("value", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(found, name) * unit, rel=1e-6, abs=1e-9)


def test_the_backtest_says_how_often_earlier_bands_held():
    rng = np.random.default_rng(3)
    daily = np.resize(WEEK, 120) * rng.lognormal(0, 0.1, 120)

    found = forecast(daily, 110, 31, MANY, seed=1)

    assert found.coverage.n == 24
    assert found.coverage.n_eff == pytest.approx(1 + 69 / 21)
    assert 0.5 <= found.coverage.value <= 1


def test_a_backtest_of_unforeseen_steps_says_that_the_bands_did_not_hold():
    daily = np.concatenate((np.full(44, 1.0), np.full(10, 5.0)))

    assert forecast(daily, 54, 30, MANY, seed=1).coverage.value == 0


def months(seed, days):
    """Daily spend with quiet weekends, 10 % noise and a level that walks 1.2 % a day."""
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(0, 0.012, days)))
    week = np.array([1, 1.06, 1.08, 1.05, 1, 0.62, 0.55])
    return 100 * np.resize(week, days) * level * rng.lognormal(-0.005, 0.1, days)


@pytest.mark.simulation
@pytest.mark.parametrize(("day", "error"), [(3, 0.05), (10, 0.04), (20, 0.025)])
def test_a_month_is_foreseen_and_its_band_holds(day, error):
    errors, covered, backtests = [], 0, []

    for seed in range(150):
        daily = months((seed, day), 56 + 30)
        truth = daily[56:].sum()
        found = forecast(daily[: 56 + day], 56, 30, MANY, seed)
        errors.append(abs(found.value - truth) / truth)
        covered += found.low <= truth <= found.high
        backtests.append(found.coverage.value)

    assert np.mean(errors) <= error
    assert 0.70 <= covered / 150 <= 0.92
    assert np.mean(backtests) == pytest.approx(covered / 150, abs=0.1)


@pytest.mark.simulation
@pytest.mark.parametrize("headroom", [0.95, 1.0, 1.05])
def test_the_probability_to_exceed_a_budget_is_what_happens(headroom):
    said, happened = [], []

    for seed in range(150):
        daily = months((seed, 7), 56 + 30)
        budget = headroom * 30 / 56 * daily[:56].sum()
        said.append(forecast(daily[: 56 + 10], 56, 30, budget, seed).p_over)
        happened.append(daily[56:].sum() > budget)

    assert np.mean(said) == pytest.approx(np.mean(happened), abs=0.08)
