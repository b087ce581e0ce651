"""Intervals: golden values, scipy as oracle, exact coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from monitoring.stats.intervals import (
    auc_interval,
    delong,
    hanley_mcneil,
    mean_interval,
    order_statistic,
    percentile_interval,
    poisson_bootstrap,
    rate,
    wilson,
)
from monitoring.stats.results import Reason


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        (0, 10, (0, 0.2775327999)),
        (1, 20, (0.0088814488, 0.2361311934)),
        (250, 1000, (0.2241530990, 0.2777602803)),
        (10, 10, (1 - 0.2775327999, 1)),
        (0, 0, (0, 1)),
    ],
)
def test_the_golden_wilson_intervals(k, n, expected):
    assert wilson(k, n) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_scipy_agrees_on_wilson(pair, level):
    oracle = binomtest(*pair).proportion_ci(level, method="wilson")

    assert wilson(*pair, level) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


@pytest.mark.parametrize("n", [100, 200, 1000])
def test_wilson_covers_what_it_promises(n):
    k = np.arange(n + 1)
    low, high = np.array([wilson(int(one), n) for one in k]).T
    for share in np.linspace(0.02, 0.5, 25):
        covered = binom.pmf(k, n, share)[(low <= share) & (share <= high)].sum()
        assert 0.93 <= covered <= 0.975


def test_a_rate_without_rows_has_a_reason():
    assert rate(0, 0).reason == Reason.empty
    assert rate(0, 0, Reason.no_positives).reason == Reason.no_positives


def test_a_weighted_rate_is_as_wide_as_its_effective_rows():
    plain, weighted = rate(10, 20), rate(50.0, 100.0, n_eff=20)

    assert (weighted.value, weighted.low, weighted.high) == (plain.value, plain.low, plain.high)
    assert (weighted.n, weighted.n_eff) == (100, 20)


@pytest.mark.parametrize(
    ("area", "sizes", "expected"), [(0.8, (50, 100), 0.0412472221), (0.5, (100, 100), 0.0409267639)]
)
def test_the_golden_hanley_mcneil_errors(area, sizes, expected):
    assert hanley_mcneil(area, *sizes) == pytest.approx(expected, abs=1e-9)


def test_an_area_needs_both_classes():
    with pytest.raises(ValueError, match="both classes"):
        hanley_mcneil(0.8, 0, 10)
    with pytest.raises(ValueError, match="both classes"):
        delong(np.array([1, 2]), np.array([0, 0]))


def test_the_error_of_one_row_is_unknown():
    assert delong(np.array([1, 0]), np.array([0, 5])) == (1.0, None)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=15))
def test_delong_is_the_variance_of_placements(cells):
    negatives, positives = (np.array(side) for side in zip(*cells, strict=True))
    if min(negatives.sum(), positives.sum()) < 2:
        return
    below, above = (np.repeat(np.arange(len(cells)), side) for side in (negatives, positives))
    kernel = (above[:, None] > below) + 0.5 * (above[:, None] == below)

    area, se = delong(negatives, positives)

    variance = kernel.mean(1).var(ddof=1) / len(above) + kernel.mean(0).var(ddof=1) / len(below)
    assert area == pytest.approx(kernel.mean(), abs=1e-9)
    assert se == pytest.approx(np.sqrt(variance), abs=1e-9)


@pytest.mark.parametrize(("area", "se"), [(1.0, 0.0), (0.0, 0.1), (0.7, 0.0), (0.7, None)])
def test_an_area_without_width_falls_back_to_wilson(area, se):
    assert auc_interval(area, se, 40, 100) == wilson(area * 40, 40)


def test_the_interval_of_an_area_stays_between_zero_and_one():
    low, high = auc_interval(0.99, 0.02, 50, 50)

    assert 0 < low < 0.99 < high < 1


def test_a_mean_is_normal_around_itself():
    values = np.array([1.0, 2.0, 3.0, 4.0])

    estimate = mean_interval(4, values.sum(), (values**2).sum())

    half = 1.959963984540054 * values.std(ddof=1) / 2
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


def test_a_mean_of_nothing_or_one_has_no_interval():
    assert mean_interval(0, 0, 0).reason == Reason.empty
    one = mean_interval(1, 5, 25)
    assert (one.value, one.low, one.high) == (5, None, None)


@given(st.integers(1, 3000), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]))
def test_scipy_agrees_on_order_statistics(n, q):
    low, high = order_statistic(q, n)

    assert (low, high) == (max(int(binom.ppf(0.025, n, q)), 1), min(int(binom.ppf(0.975, n, q)) + 1, n))


def test_a_bootstrap_of_cells_scatters_as_one_of_rows():
    rng = np.random.default_rng(0)
    values = np.array([0.0, 1.0, 5.0])
    rows = rng.choice(values, 400, p=[0.6, 0.3, 0.1])
    cells = np.array([(rows == value).sum() for value in values])

    of_cells = poisson_bootstrap(cells, lambda some: some @ values / some.sum(axis=1), 4000, seed=1)
    of_rows = rows[rng.integers(0, 400, (4000, 400))].mean(axis=1)

    assert of_cells.mean() == pytest.approx(rows.mean(), abs=0.01)
    assert of_cells.std() == pytest.approx(of_rows.std(), rel=0.05)


def test_a_bootstrap_follows_its_seed_however_it_is_cut_into_blocks(monkeypatch):
    cells = np.arange(12).reshape(3, 4)

    whole = poisson_bootstrap(cells, lambda some: some.sum(axis=2), 100, seed=3)
    monkeypatch.setattr("monitoring.stats.intervals._DRAWS_AT_ONCE", 50)
    cut = poisson_bootstrap(cells, lambda some: some.sum(axis=2), 100, seed=3)

    assert whole.shape == (100, 3)
    assert (whole == cut).all()
    assert (whole != poisson_bootstrap(cells, lambda some: some.sum(axis=2), 100, seed=4)).any()


def test_percentiles_are_taken_column_by_column():
    draws = np.random.default_rng(1).normal(size=(1000, 2, 3))

    low, high = percentile_interval(draws, 0.9)

    np.testing.assert_allclose(low, np.percentile(draws, 5, axis=0))
    np.testing.assert_allclose(high, np.percentile(draws, 95, axis=0))


def test_a_bootstrap_needs_counts_and_resamples():
    for cells, reps in ((np.array([-1]), 10), (np.array([1]), 0)):
        with pytest.raises(ValueError, match="at least one resample"):
            poisson_bootstrap(cells, lambda some: some, reps)
