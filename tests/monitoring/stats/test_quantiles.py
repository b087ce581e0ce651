"""Latency quantiles from counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.profile import LatencyProfile
from monitoring.stats.quantiles import quantile, share_above
from monitoring.stats.results import Reason

THOUSAND = LatencyProfile.of(np.arange(1.0, 1001.0))


@pytest.mark.parametrize(("q", "expected"), [(0.5, 501), (0.95, 951), (0.99, 991)])
def test_the_golden_quantiles_of_a_thousand(q, expected):
    assert quantile(THOUSAND, q).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_one_value_is_every_quantile_of_itself(q):
    estimate = quantile(LatencyProfile.of(np.full(1000, 37.3)), q)

    assert (estimate.value, estimate.low, estimate.high) == (37.3, 37.3, 37.3)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95, 0.99, 0.999])
def test_the_error_is_below_the_width_of_a_cell(q):
    values = np.random.default_rng(0).lognormal(3, 1.5, 200_000)

    estimate = quantile(LatencyProfile.of(values), q)

    assert estimate.value == pytest.approx(np.quantile(values, q), rel=0.0079)
    assert estimate.low <= np.quantile(values, q) <= estimate.high * 1.0079


def test_the_tail_needs_ten_values_beyond_it():
    few = LatencyProfile.of(np.arange(1.0, 1000.0))

    assert quantile(few, 0.99).reason == Reason.too_few
    assert quantile(few, 0.95).value is not None
    assert quantile(THOUSAND, 0.999).reason == Reason.too_few


def test_nothing_has_no_quantile():
    assert quantile(LatencyProfile.empty(), 0.5).reason == Reason.empty
    assert share_above(LatencyProfile.empty(), 10).reason == Reason.empty


def test_zeros_are_exactly_zero():
    half = LatencyProfile.of(np.array([0.0] * 60 + [10.0] * 40))

    assert quantile(half, 0.5).value == 0
    assert quantile(half, 0.9).value == 10
    assert quantile(LatencyProfile.of(np.zeros(50)), 0.5).value == 0


@pytest.mark.parametrize("q", [0, 1, -0.5, 1.5])
def test_a_quantile_lies_between_zero_and_one(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(THOUSAND, q)


@pytest.mark.parametrize(("limit", "expected"), [(0, 1.0), (500.0, 0.501), (2000.0, 0.0), (-1, 1.0)])
def test_the_share_above_a_limit(limit, expected):
    share = share_above(THOUSAND, limit)

    assert share.value == pytest.approx(expected, abs=0.003)
    assert share.low <= share.value <= share.high


def test_a_limit_is_a_number():
    assert share_above(THOUSAND, np.inf).value == 0
    with pytest.raises(ValueError, match="no number"):
        share_above(THOUSAND, np.nan)


def test_zeros_are_above_a_negative_limit_only():
    zeros = LatencyProfile.of(np.zeros(10))

    assert (share_above(zeros, 0).value, share_above(zeros, -1).value) == (0, 1)


def test_merging_gives_the_quantiles_of_all():
    low, high = LatencyProfile.of(np.arange(1.0, 501.0)), LatencyProfile.of(np.arange(501.0, 1001.0))

    assert quantile(low + high, 0.95) == quantile(high + low, 0.95) == quantile(THOUSAND, 0.95)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=80), st.floats(0.01, 0.98))
def test_a_quantile_lies_within_the_values(values, q):
    estimate = quantile(LatencyProfile.of(np.array(values)), q)

    assert min(values) <= estimate.value <= max(values)
    assert estimate.low <= estimate.value + 1e-9 * max(values)
    assert estimate.value <= estimate.high + 1e-9 * max(values)
