"""Regression metrics: golden values, scikit-learn as oracle, what is undefined."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from monitoring.stats.profile import ErrorCounts
from monitoring.stats.regression import errors, from_counts, pinball
from monitoring.stats.results import Reason

FOUR = np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])
EXPECTED = {"mae": 0.5, "rmse": 0.6123724357, "bias": 0.25, "wape": 0.16, "r2": 0.9486081370, "medae": 0.5}


def test_the_golden_rows_exactly_and_from_counts():
    exactly, counted = errors(*FOUR), from_counts(ErrorCounts.of(*FOUR))

    for name, expected in EXPECTED.items():
        assert exactly[name].value == pytest.approx(expected, abs=1e-9)
        assert counted[name].value == pytest.approx(expected, abs=1e-9, rel=0.0079 if name == "medae" else 0)


numbers = st.floats(-1000, 1000).map(lambda value: round(value, 3))
rows = st.lists(st.tuples(numbers, numbers, st.floats(0.1, 10)), min_size=2, max_size=40)


@given(rows)
def test_scikit_learn_agrees(drawn):
    y, prediction, w = (np.array(side) for side in zip(*drawn, strict=True))
    assume(np.ptp(y) > 0.01)

    weighted, plain = errors(y, prediction, w), errors(y, prediction)

    assert weighted["mae"].value == pytest.approx(metrics.mean_absolute_error(y, prediction, sample_weight=w))
    assert weighted["rmse"].value == pytest.approx(metrics.root_mean_squared_error(y, prediction, sample_weight=w))
    assert weighted["r2"].value == pytest.approx(metrics.r2_score(y, prediction, sample_weight=w), rel=1e-6, abs=1e-9)
    assert plain["medae"].value == pytest.approx(metrics.median_absolute_error(y, prediction))
    used = y != 0
    if used.any():
        oracle = metrics.mean_absolute_percentage_error(y[used], prediction[used])
        assert plain["mape"].value == pytest.approx(oracle)
    if min(y.min(), prediction.min()) > -1:
        assert plain["rmsle"].value == pytest.approx(metrics.root_mean_squared_log_error(y, prediction), abs=1e-9)
    else:
        assert plain["rmsle"].reason == Reason.undefined


@given(rows)
def test_counts_agree_with_rows(drawn):
    y, prediction, _ = (np.array(side) for side in zip(*drawn, strict=True))
    assume(y.any())

    exactly, counted = errors(y, prediction), from_counts(ErrorCounts.of(y, prediction))

    for name in ("mae", "rmse", "bias", "wape"):
        assert counted[name].value == pytest.approx(exactly[name].value, abs=1e-9, rel=1e-9)
    for name in ("mae", "bias"):
        assert counted[name].low == pytest.approx(exactly[name].low, abs=1e-6, rel=1e-6)


def test_positive_values_have_a_logarithmic_error():
    y, prediction = np.array([1.0, 10.0]), np.array([2.0, 8.0])

    assert errors(y, prediction)["rmsle"].value == pytest.approx(metrics.root_mean_squared_log_error(y, prediction))


def test_mape_says_how_many_rows_it_used():
    mape = errors(np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 4.0]))["mape"]

    assert (mape.value, mape.n) == (0.25, 2)


def test_rows_without_label_or_forecast_are_left_out():
    found = errors(np.array([1.0, np.nan, 3.0, 4.0]), np.array([2.0, 2.0, np.inf, 4.0]))

    assert (found["mae"].value, found["mae"].n) == (0.5, 2)


@pytest.mark.parametrize(
    "found", [errors(np.array([]), np.array([])), from_counts(ErrorCounts.of(np.zeros(0), np.zeros(0)))]
)
def test_nothing_gives_nothing(found):
    assert {(estimate.value, estimate.reason) for estimate in found.values()} == {(None, Reason.empty)}


def test_constant_labels_have_no_r2_and_zero_labels_no_wape():
    constant = errors(np.full(3, 0.1), np.ones(3))
    zeros = errors(np.zeros(3), np.ones(3))

    assert constant["r2"].reason == Reason.constant
    assert from_counts(ErrorCounts.of(np.full(3, 0.1), np.ones(3)))["r2"].reason == Reason.constant
    assert zeros["wape"].reason == Reason.zero_denominator
    assert zeros["mape"].reason == Reason.empty


def test_overflow_is_not_finite_and_no_infinity():
    found = errors(np.array([1e300, -1e300]), np.array([-1e300, 1e300]))

    assert (found["rmse"].value, found["rmse"].reason) == (None, Reason.not_finite)
    assert (found["mae"].value, found["mae"].low, found["mae"].high) == (2e300, None, None)


@given(rows, st.sampled_from([0.1, 0.5, 0.9]))
def test_scikit_learn_agrees_on_pinball(drawn, q):
    y, prediction, _ = (np.array(side) for side in zip(*drawn, strict=True))

    assert pinball(y, prediction, q).value == pytest.approx(metrics.mean_pinball_loss(y, prediction, alpha=q))


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="one length"):
        errors(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="one length"):
        errors(np.zeros(2), np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        pinball(np.zeros(2), np.zeros(2), 1.0)


def test_every_metric_of_rows_has_an_interval_around_it():
    rng = np.random.default_rng(1)
    y = rng.gamma(3, 20, 500)
    prediction = y + rng.normal(1, 5, 500)

    exactly, counted = errors(y, prediction + 20), from_counts(ErrorCounts.of(y, prediction + 20))

    for name, estimate in exactly.items():
        assert estimate.low < estimate.value < estimate.high, name
    for name in ("mae", "bias", "wape"):
        assert (counted[name].low, counted[name].high) == pytest.approx((exactly[name].low, exactly[name].high))
    assert (counted["rmse"].low, counted["rmse"].high) == pytest.approx(
        (exactly["rmse"].low, exactly["rmse"].high), rel=1e-3
    )
    assert (counted["r2"].low, counted["r2"].high) == (None, None)


def test_weights_widen_an_interval_as_their_effective_rows():
    rng = np.random.default_rng(2)
    y, prediction = rng.normal(100, 10, 400), rng.normal(100, 10, 400)

    plain, even = errors(y, prediction), errors(y, prediction, np.full(400, 7.0))
    uneven = errors(y, prediction, rng.pareto(1.5, 400) + 0.1)

    for name in ("mae", "rmse", "wape", "r2", "mape"):
        assert (even[name].low, even[name].high) == pytest.approx((plain[name].low, plain[name].high))
        assert uneven[name].n_eff < 400 == uneven[name].n


def test_only_nulls_are_told_from_nothing():
    found = errors(np.array([np.nan, 1.0]), np.array([1.0, np.inf]))

    assert {estimate.reason for estimate in found.values()} == {Reason.all_null}
    assert pinball(np.array([np.nan]), np.array([1.0]), 0.5).reason == Reason.all_null
    assert pinball(np.array([]), np.array([]), 0.5).reason == Reason.empty


def test_a_single_row_has_values_without_intervals():
    exactly, counted = errors(np.array([2.0]), np.array([3.0])), from_counts(ErrorCounts.of(np.ones(1), np.zeros(1)))

    for name in ("mae", "rmse", "bias", "wape"):
        assert (exactly[name].value, exactly[name].low) in {(1.0, None), (0.5, None)}
        assert (abs(counted[name].value), counted[name].low) == (1.0, None)


def test_an_exact_forecast_is_certainly_exact():
    found = errors(np.array([1.0, 2.0]), np.array([1.0, 2.0]))

    assert (found["rmse"].value, found["rmse"].low, found["rmse"].high) == (0, 0, 0)
    assert found["r2"].value == 1


def test_pinball_takes_weights():
    y, prediction, w = np.array([10.0, 10.0]), np.array([8.0, 12.0]), np.array([3.0, 1.0])

    oracle = metrics.mean_pinball_loss(y, prediction, alpha=0.9, sample_weight=w)
    assert pinball(y, prediction, 0.9, w).value == pytest.approx(oracle)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="weight is negative"):
        errors(np.zeros(2), np.zeros(2), np.array([1.0, -1.0]))


def test_counts_from_before_the_cross_sum_have_no_interval_of_wape():
    counts = ErrorCounts.of(np.array([3.0, 2.0, 7.0]), np.array([2.5, 2.0, 8.0]))

    found = from_counts(replace(counts, cross_abs=None))["wape"]

    assert found.value == from_counts(counts)["wape"].value
    assert (found.low, found.high) == (None, None)


def test_errors_beyond_the_largest_float_keep_their_value_and_lose_their_interval():
    found = from_counts(ErrorCounts.of(np.array([1e30, -1e30]), np.array([-1e30, 1e30])))

    assert found["mae"].value == pytest.approx(2e30)
    assert np.isfinite([found["rmse"].value, found["mae"].low]).all()


def test_a_ratio_too_large_to_square_has_no_interval():
    labels = np.array([1e-160, 2e-160, 1e-160])

    found = from_counts(ErrorCounts.of(labels, np.ones(3)))["wape"]

    assert found.value == pytest.approx(7.5e159)
    assert (found.low, found.high) == (None, None)
