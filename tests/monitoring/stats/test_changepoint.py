"""Onset of a shift: the golden series, plain loops, what is too little, and how often the hour is right."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from monitoring.stats.changepoint import baseline, cusum, lasting, two_sided
from monitoring.stats.results import Onset, Reason

GOLDEN = np.array([0, 0.2, -0.1, 0.3, 0, 2, 1.8, 2.2, 2.1, 1.9])
series = st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), max_size=40).map(np.array)


def by_hand(x, k=0.5, h=5.0):
    s, onset = 0.0, 0
    for place, value in enumerate(x):
        s = max(0.0, s + value - k)
        if s == 0:
            onset = place + 1
        if s > h:
            return Onset(place, onset)
    return Onset()


def test_the_golden_series():
    assert cusum(GOLDEN, 0.0, 1.0) == Onset(alarm=8, onset=5)


@given(series)
def test_plain_loops_agree(x):
    assert cusum(x, 0.0, 1.0) == by_hand(x)


@given(series, st.sampled_from([-3.0, 0.0, 128.0]), st.sampled_from([0.25, 1.0, 64.0]))
def test_unit_and_level_of_the_metric_change_nothing(x, centre, scale):
    x = np.round(x * 4) / 4  # exact in any of the units

    assert cusum(x * scale + centre, centre, scale) == cusum(x, 0.0, 1.0)


@given(series)
def test_what_falls_is_what_rises_upside_down(x):
    up, down = cusum(x, 0.0, 1.0), cusum(-x, 0.0, 1.0)

    found = two_sided(x, 0.0, 1.0)

    alarms = [one for one in (up, down) if one.alarm is not None]
    assert found == min(alarms, key=lambda one: one.alarm, default=Onset())
    assert two_sided(-x, 0.0, 1.0).alarm == found.alarm


def test_of_a_rise_and_a_fall_the_earlier_counts():
    rise_and_fall = np.repeat([0.0, 4, -6, 0], 5)

    assert two_sided(rise_and_fall, 0.0, 1.0) == Onset(alarm=6, onset=5)
    assert two_sided(-rise_and_fall, 0.0, 1.0) == Onset(alarm=6, onset=5)


@given(series)
def test_the_onset_is_at_or_before_the_alarm(x):
    for found in (cusum(x, 0.0, 1.0), lasting(x, 0.0, 1.0)):
        assert found.alarm is None or 0 <= found.onset <= found.alarm < len(x)


@given(series)
def test_a_shift_that_lasts_is_the_first_alarm_after_its_onset(x):
    found = lasting(x, 0.0, 1.0)

    if found.alarm is None:
        return
    after = cusum(x[found.onset :], 0.0, 1.0)
    assert after == Onset(found.alarm - found.onset, 0)


def test_a_sum_equal_to_the_limit_is_no_alarm():
    assert cusum(np.array([5.5]), 0.0, 1.0) == Onset()
    assert cusum(np.array([5.75]), 0.0, 1.0) == Onset(0, 0)


def test_hours_without_a_value_change_nothing():
    gaps = np.array([0, 3, np.nan, 3, np.inf, 3])

    assert cusum(gaps, 0.0, 1.0) == Onset(alarm=5, onset=1)
    assert cusum(np.array([0, np.nan, -np.inf, np.nan]), 0.0, 1.0) == Onset()


def test_a_shift_that_is_over_does_not_last():
    over = np.concatenate((np.full(5, 3.0), np.full(20, -1.0)))

    assert cusum(over, 0.0, 1.0).alarm == 2
    assert lasting(over, 0.0, 1.0) == Onset()
    assert lasting(np.append(over, [3, 3, 3]), 0.0, 1.0) == Onset(alarm=27, onset=25)


def test_nothing_has_no_alarm():
    assert cusum(np.zeros(0), 0.0, 1.0) == two_sided(np.zeros(0), 0.0, 1.0) == lasting(np.zeros(0), 0.0, 1.0) == Onset()


@given(st.lists(st.floats(-1e6, 1e6), min_size=24, max_size=60))
def test_scipy_agrees_on_the_baseline(values):
    x = np.array(values)

    centre, scale = baseline(np.concatenate((x, [np.nan, np.inf])))

    assert centre == np.median(x)
    assert scale == pytest.approx(1.4826 * median_abs_deviation(x))


@pytest.mark.parametrize(
    ("x", "centre"),
    [
        (np.zeros(0), 0.0),
        (np.full(50, np.nan), 0.0),
        (np.arange(23.0), 11.0),
        (np.append(np.full(30, 2.0), np.arange(20.0)), 2.0),
        (np.array([-1.7e308, 1.7e308] * 20), 0.0),
        (np.full(40, 1.7e308), 0.0),
    ],
    ids=["empty", "all missing", "23 hours", "mostly equal", "too wide", "too large"],
)
def test_a_series_too_short_or_too_even_finds_no_shift(x, centre):
    found = baseline(x)

    assert found == (centre, 0.0)
    for one in (cusum, two_sided, lasting):
        assert one(np.full(40, 1e6), *found) == Onset(reason=Reason.too_few)


def test_a_baseline_beyond_all_bounds_stays_finite():
    assert math.isfinite(baseline(np.linspace(-1e307, 1e307, 30))[1])
    assert cusum(np.array([1.7e308, 1.7e308]), -1e308, 1e-5) == Onset(0, 0)


@pytest.mark.parametrize("options", [{"scale": -1.0}, {"scale": 1.0, "k": -0.1}, {"scale": 1.0, "h": 0.0}])
def test_wrong_calls_are_refused(options):
    with pytest.raises(ValueError, match="positive limit"):
        cusum(GOLDEN, 0.0, **options)


SHIFT_AT = 48


def found_onset(x, centre, scale):
    """The onset that an alarm at or after the shift names; one before it starts the sum again."""
    start = 0
    while True:
        found = cusum(x[start:], centre, scale)
        if found.alarm is None or start + found.alarm >= SHIFT_AT:
            return None if found.onset is None else start + found.onset
        start += found.alarm + 1


@pytest.mark.simulation
@pytest.mark.parametrize(("correlation", "required"), [(0.0, 0.88), (0.6, 0.73)], ids=["white", "AR(1) 0.6"])
def test_the_onset_is_right_within_six_hours(correlation, required):
    rng = np.random.default_rng(8)
    near, runs = 0, 1000

    for _ in range(runs):
        noise = rng.normal(size=12 * 24 + SHIFT_AT + 96)
        for place in range(1, len(noise)):
            noise[place] = correlation * noise[place - 1] + math.sqrt(1 - correlation**2) * noise[place]
        x = noise[12 * 24 :]
        x[SHIFT_AT:] += 1.3
        onset = found_onset(x, *baseline(noise[: 12 * 24]))
        near += onset is not None and abs(onset - SHIFT_AT) <= 6

    assert near / runs >= required
