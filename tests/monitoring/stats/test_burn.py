"""Burn of a budget: by hand, at its edges, on healthy months and on steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.results import Reason
from monitoring.stats.spend import BURN_RULES, FLAT_BURN_RULES, burn, burning, expected

WEEK_H, MONTH_H = 168, 720
WEEK = np.arange(WEEK_H, dtype=float)


@pytest.mark.parametrize("history_h", [336, 672, 900])
def test_what_is_expected_has_the_shape_of_the_week(history_h):
    found = expected(np.resize(WEEK, history_h), history_h, MONTH_H, 500.0)

    shape = np.resize(np.roll(WEEK, -(history_h % WEEK_H)), MONTH_H)
    assert found == pytest.approx(500 * shape / shape.sum())


def test_only_the_last_28_days_are_looked_at():
    history = np.concatenate((np.full(WEEK_H, 1e6), np.resize(WEEK, 672)))

    assert expected(history, len(history), WEEK_H, WEEK.sum()) == pytest.approx(WEEK)


def test_a_month_may_have_begun_before_or_begin_after_the_record():
    history = np.resize(WEEK, 672)

    running, coming = expected(history, 672 - 24, 48, 1.0), expected(history, 672 + 24, 48, 1.0)

    assert running == pytest.approx(WEEK[np.arange(144, 192) % WEEK_H] / WEEK[np.arange(144, 192) % WEEK_H].sum())
    assert coming == pytest.approx(WEEK[24:72] / WEEK[24:72].sum())


@pytest.mark.parametrize("history", [np.arange(335.0), np.zeros(672), np.zeros(0)], ids=["short", "nothing", "none"])
def test_without_a_profile_every_hour_is_alike(history):
    assert expected(history, len(history), 10, 5.0) == pytest.approx(np.full(10, 0.5))


def test_a_profile_that_is_zero_for_the_whole_month_is_flat():
    history = np.resize(np.repeat([1.0, 0.0], [24, 144]), 672)

    assert expected(history, 672 + 24, 12, 6.0) == pytest.approx(np.full(12, 0.5))


@given(st.lists(st.floats(0, 100), max_size=700), st.integers(1, 744), st.floats(0, 1e6))
def test_what_is_expected_adds_up_to_the_budget(history, length, budget):
    found = expected(np.array(history), len(history), length, budget)

    assert found.shape == (length,)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(budget, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("odd", [-1.0, np.nan, np.inf])
def test_amounts_that_cannot_be_are_left_out_of_the_profile(odd):
    history = np.resize(WEEK, 672)
    history[:WEEK_H] = odd
    never = np.resize(WEEK, 672)
    never[5::WEEK_H] = odd

    found, filled = expected(history, 672, WEEK_H, WEEK.sum()), expected(never, 672, WEEK_H, 1.0)

    assert found == pytest.approx(WEEK)
    assert filled[5] == pytest.approx(np.mean(filled))
    assert expected(np.full(672, odd), 672, 10, 5.0) == pytest.approx(np.full(10, 0.5))


@pytest.mark.parametrize(("length", "budget"), [(0, 1.0), (10, -1.0), (10, np.inf), (10, np.nan)])
def test_a_month_without_hours_or_budget_is_refused(length, budget):
    with pytest.raises(ValueError, match="at least"):
        expected(WEEK, 0, length, budget)


def test_burn_is_spend_over_what_is_expected_of_the_same_hours():
    found = burn(np.array([9.0, 1.0, 3.0]), np.array([1.0, 1.0, 1.0]), 2)

    assert (found.value, found.n) == (2.0, 2)


def test_burn_says_why_it_is_not_known():
    ones = np.ones(3)

    assert burn(ones, ones, 4).reason == Reason.too_few
    assert burn(ones, np.zeros(3), 2).reason == Reason.zero_denominator
    assert burn(np.array([np.inf]), np.ones(1), 1).reason == Reason.not_finite
    assert burn(np.array([np.nan]), np.ones(1), 1).reason == Reason.not_finite
    assert burn(np.ones(1), np.array([np.inf]), 1).reason == Reason.not_finite
    assert burn(np.full(2, 1.7e308), np.ones(2), 2).reason == Reason.not_finite


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="as many hours"):
        burn(np.ones(3), np.ones(4), 1)
    with pytest.raises(ValueError, match="at least one"):
        burn(np.ones(3), np.ones(3), 0)


@pytest.mark.parametrize(
    ("hourly", "severity"),
    [
        (np.full(72, 2.1), "critical"),
        (np.full(72, 2.0), "warning"),  # at the limit is not above it
        (np.full(72, 1.3), "info"),
        (np.full(72, 1.1), None),
        (np.append(np.full(71, 9.0), 0.5), "warning"),  # the hour is quiet again, the last three are not
        (np.append(np.full(60, 9.0), np.full(12, 0.5)), None),
        (np.full(5, 9.0), None),
    ],
)
def test_both_windows_of_a_rule_have_to_be_above_its_limit(hourly, severity):
    found = burning(hourly, np.ones(len(hourly)))

    assert (found.severity if found else None) == severity


def test_without_history_only_a_day_of_it_warns():
    assert burning(np.full(24, 1.6), np.ones(24), FLAT_BURN_RULES).severity == "warning"
    assert burning(np.full(23, 9.0), np.ones(23), FLAT_BURN_RULES) is None


def month(seed, factor=1.0, at=0):
    """Four weeks of history and a month: weekdays, times of day, 20 % noise an hour, 5 % a day, a slow walk."""
    rng = np.random.default_rng(seed)
    hour = np.arange(672 + MONTH_H)
    day = hour // 24
    level = np.exp(np.cumsum(rng.normal(0, 0.003, day[-1] + 1))) * rng.lognormal(-0.00125, 0.05, day[-1] + 1)
    shape = np.array([1, 1.06, 1.08, 1.05, 1, 0.62, 0.55])[day % 7] * (1 + 0.7 * np.sin((hour % 24 - 8) / 12 * np.pi))
    spend = shape * level[day] * rng.lognormal(-0.02, 0.2, len(hour))
    due = expected(spend[:672], 672, MONTH_H, float(spend[672:].sum()))
    return spend[672:] * np.where(hour[672:] - 672 >= at, factor, 1.0), due


def alarms(spend, due):
    """What burns after each hour of the month."""
    return [burning(spend[:hour], due[:hour]) for hour in range(1, MONTH_H + 1)]


@pytest.mark.simulation
def test_sixty_healthy_months_do_not_burn():
    assert [seed for seed in range(60) if any(alarms(*month(seed)))] == []


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("factor", "severities", "within_h"),
    [(3.0, {"critical"}, 6), (1.5, {"critical", "warning"}, 24), (1.2, {"critical", "warning", "info"}, 72)],
)
def test_a_step_burns_in_time(factor, severities, within_h):
    waits = []

    for seed in range(20):
        at = 200 + 17 * seed
        found = alarms(*month(seed, factor, at))
        waits.append(next(wait for wait, rule in enumerate(found[at:], 1) if rule and rule.severity in severities))

    assert np.median(waits) <= within_h
    assert factor < 3 or max(waits) <= within_h


def test_the_rules_are_those_of_the_alerts_page():
    assert [(rule.long_h, rule.short_h, rule.limit, rule.severity) for rule in BURN_RULES] == [
        (6, 1, 2.0, "critical"),
        (24, 3, 1.4, "warning"),
        (72, 12, 1.15, "info"),
    ]
