"""False alarms, finds and coverage over many seeded draws, against the promised bounds."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from monitoring.stats import rowwise
from monitoring.stats.classification import auc, average_precision, brier, log_loss, rates
from monitoring.stats.gates import (
    BREACHES,
    HOURLY,
    SINGLE_P,
    ConditionState,
    Observation,
    benjamini_hochberg,
    drift_verdict,
    replay,
)
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.intervals import auc_interval, delong
from monitoring.stats.profile import LatencyProfile, ScoreCounts, build
from monitoring.stats.quantiles import quantile
from monitoring.stats.regression import errors
from monitoring.stats.results import Confusion, Verdict

pytestmark = pytest.mark.simulation

BINS = 10


def judged(reference, windows):
    """Return the verdict of each window, a metric on its own, in one comparison of all of them."""
    base = np.broadcast_to(reference, windows.shape).copy()
    return [drift_verdict(psi, p <= SINGLE_P, 0.1, 0.25) for psi, p in rowwise.compare(base, windows)]


def shares_beyond(found):
    """Return the share of windows that alarm at all, and of those that are called drift."""
    return np.mean([verdict in BREACHES for verdict in found]), np.mean([verdict == Verdict.drift for verdict in found])


def normal_windows(rng, n, m, draws, shift=0.0):
    """Return counts on the deciles of a drawn reference of n rows, and of windows of m rows moved by shift."""
    reference = rng.normal(size=n)
    bounds = np.quantile(reference, np.arange(1, 10) / 10)
    shares = np.diff(np.concatenate(([0.0], norm.cdf(bounds - shift), [1.0])))
    before = np.bincount(np.searchsorted(bounds, reference, "right"), minlength=BINS)
    return before, rng.multinomial(m, shares, draws)


def category_windows(rng, n, m, draws, _shift=0.0):
    shares = np.arange(1, 11) / 55
    return rng.multinomial(n, shares), rng.multinomial(m, shares, draws)


@pytest.mark.parametrize("m", [50, 100, 200, 500, 1000, 5000])
@pytest.mark.parametrize("n", [1000, 10_000, 100_000])
@pytest.mark.parametrize("windows", [normal_windows, category_windows], ids=["numeric", "category"])
def test_without_drift_one_feature_alarms_in_at_most_half_a_percent(windows, n, m):
    """With the reference drawn too; PSI and p alone, and with the rule of 200 rows the verdict."""
    rng = np.random.default_rng([n, m])
    alarms, verdicts = [], []

    for _ in range(40):
        before, now = windows(rng, n, m, 100)
        alarms += [psi.value >= 0.1 and p <= SINGLE_P for psi, p in rowwise.compare(np.tile(before, (100, 1)), now)]
        verdicts += judged(before, now)

    any_alarm, drift = shares_beyond(verdicts)
    assert np.mean(alarms) <= 0.005
    assert any_alarm <= 0.005
    assert drift <= 0.0005
    if m < 200:
        assert set(verdicts) == {Verdict.insufficient}


@pytest.mark.parametrize(
    ("n", "m", "required"),
    [(1000, 200, 0.92), (10_000, 200, 0.98), (100_000, 200, 0.98), (1000, 500, 0.9995), (10_000, 500, 0.9995)],
)
def test_half_a_standard_deviation_is_found(n, m, required):
    rng = np.random.default_rng([1, n, m])
    found = []

    for _ in range(200):
        found += judged(*normal_windows(rng, n, m, 100, shift=0.5))

    assert shares_beyond(found)[0] >= required


@pytest.mark.parametrize("m", [200, 500, 5000])
@pytest.mark.parametrize("cell", [0, -1], ids=["far below", "far above"])
def test_one_outlier_neither_invents_a_shift_nor_hides_one(cell, m):
    rng = np.random.default_rng(m)
    still, moved, without = [], [], []

    for _ in range(40):
        for found, shift in ((still, 0.0), (moved, 0.5)):
            before, windows = normal_windows(rng, 10_000, m - 1, 100, shift)
            windows[:, cell] += 1
            found += judged(before, windows)
        without += judged(*normal_windows(rng, 10_000, m, 100, shift=0.5))

    assert shares_beyond(still)[0] <= 0.005
    assert shares_beyond(moved)[0] >= shares_beyond(without)[0] - 0.02


def test_one_outlier_among_the_values_of_a_profile_changes_no_verdict():
    rng = np.random.default_rng(3)
    reference = rng.normal(size=10_000)
    grid = freeze({"x": reference}, [FeatureSpec("x", "number")])
    before = build({"x": reference}, grid).headline("x")

    for shift, expected in ((0.0, {Verdict.ok}), (0.5, {Verdict.warn, Verdict.drift})):
        for _ in range(50):
            values = rng.normal(shift, 1, 500)
            values[rng.integers(500)] = 1e6
            (verdict,) = judged(before, build({"x": values}, grid).headline("x")[None])
            assert verdict in expected


def test_one_unseen_category_in_five_hundred_rows_is_no_drift():
    rng = np.random.default_rng(4)
    shares = np.array([0.5, 0.3, 0.2, 0.0])
    found = []

    for _ in range(20):
        windows = rng.multinomial(499, shares, 100)
        windows[:, -1] += 1
        found += judged(rng.multinomial(10_000, shares), windows)

    assert shares_beyond(found)[0] <= 0.005
    assert Verdict.drift not in found


def openings(values, threshold, rule):
    seen = [Observation(Verdict.warn if one >= threshold else Verdict.ok, max(one, 0.0), threshold) for one in values]
    fires = [state in {ConditionState.firing, ConditionState.clearing} for state in replay(seen, rule)]
    return sum(now and not before for before, now in pairwise([False, *fires]))


def crossings(values, threshold):
    return sum(now and not before for before, now in pairwise([False, *(values >= threshold)]))


def near_threshold(seed, threshold=0.1):
    """Return 30 days of an hourly metric a little below its threshold, with noise of a tenth of it."""
    return threshold * (1 + 0.1 * (np.random.default_rng(seed).normal(size=720) - 0.911))


def test_a_series_near_its_threshold_rarely_fires():
    month = near_threshold(seed=12)

    assert crossings(month, 0.1) == 107
    assert openings(month, 0.1, HOURLY) <= 10


def test_no_series_near_its_threshold_fires_more_than_ten_times_a_month():
    naive = [crossings(near_threshold(seed), 0.1) for seed in range(100)]
    ours = [openings(near_threshold(seed), 0.1, HOURLY) for seed in range(100)]

    assert np.mean(naive) > 100
    assert max(ours) <= 10
    assert min(ours) >= 1  # it is beyond the threshold often enough to be told of


@pytest.mark.parametrize("m", [200, 1000])
def test_a_clean_run_of_fifty_features_rarely_alarms(m):
    rng = np.random.default_rng(m)
    alarmed = 0

    for _ in range(2000):
        before = rng.multinomial(10_000, np.full(BINS, 0.1), 50)
        results = rowwise.compare(before, rng.multinomial(m, np.full(BINS, 0.1), 50))
        accepted = benjamini_hochberg([p for _, p in results])
        alarmed += any(yes and psi.value >= 0.1 for yes, (psi, _) in zip(accepted, results, strict=True))

    assert alarmed / 2000 <= 0.015


@pytest.mark.parametrize(("m", "required"), [(200, 0.92), (300, 0.99)])
def test_half_a_standard_deviation_in_one_of_fifty_features_is_found(m, required):
    rng = np.random.default_rng(m)
    found = 0

    for _ in range(1000):
        before, moved = normal_windows(rng, 10_000, m, 1, shift=0.5)
        still = rng.multinomial(m, np.full(BINS, 0.1), 49)
        results = rowwise.compare(np.tile(before, (50, 1)), np.concatenate((moved, still)))
        found += benjamini_hochberg([p for _, p in results])[0] and results[0][0].value >= 0.1

    assert found / 1000 >= required


@pytest.mark.parametrize(("positives", "negatives", "distance"), [(30, 300, 1.19), (60, 60, 0.74), (200, 2000, 1.81)])
def test_the_interval_of_an_area_covers_what_it_promises(positives, negatives, distance):
    rng = np.random.default_rng(positives)
    truth = {1.19: 0.79996, 0.74: 0.69958, 1.81: 0.89970}[distance]
    covered = 0

    for _ in range(1000):
        scores = np.concatenate((rng.normal(size=negatives), rng.normal(distance, 1, positives)))
        labels = np.repeat([0.0, 1.0], [negatives, positives])
        estimate = auc(ScoreCounts.of(labels, 1 / (1 + np.exp(-scores))))
        covered += estimate.low <= truth <= estimate.high

    assert 0.91 <= covered / 1000 <= 0.97


def test_an_interval_from_counts_is_that_of_delong():
    rng = np.random.default_rng(0)
    negatives, positives = rng.integers(0, 5, 40), rng.integers(0, 5, 40)

    area, se = delong(negatives, positives)

    low, high = auc_interval(area, se, positives.sum(), negatives.sum())
    assert low < area < high


def covering(draws, measure, truth):
    """Return how often the interval of each metric holds its true value."""
    held = dict.fromkeys(truth, 0)
    for number in range(draws):
        found = measure(number)
        for name, value in truth.items():
            held[name] += found[name].low <= value <= found[name].high
    return {name: count / draws for name, count in held.items()}


def scored(rng, n, base):
    """Return labels and calibrated scores of n rows around a base rate."""
    scores = 1 / (1 + np.exp(-1.3 * rng.normal(size=n) - np.log(base / (1 - base))))
    return (rng.random(n) < scores).astype(float), scores


@pytest.mark.parametrize(("n", "base"), [(300, 0.3), (2000, 0.3), (5000, 0.05)])
def test_intervals_from_score_cells_cover_what_they_promise(n, base):
    rng = np.random.default_rng(n)
    metrics = {"ap": average_precision, "log_loss": log_loss, "brier": brier, "auc": auc}
    everything = ScoreCounts.of(*scored(rng, 4_000_000, base))

    def measure(_number):
        counts = ScoreCounts.of(*scored(rng, n, base))
        return {name: metric(counts) for name, metric in metrics.items()}

    covered = covering(1200, measure, {name: metric(everything).value for name, metric in metrics.items()})

    assert all(0.925 <= share <= 0.975 for share in covered.values()), covered


TABLES = {
    "balanced": np.array([[0.6, 0.1], [0.05, 0.25]]),
    "rare": np.array([[0.85, 0.05], [0.04, 0.06]]),
    "three": np.array([[0.3, 0.05, 0.05], [0.05, 0.2, 0.05], [0.02, 0.03, 0.25]]),
}


@pytest.mark.parametrize("n", [300, 2000])
@pytest.mark.parametrize("kind", TABLES)
def test_intervals_of_a_confusion_table_cover_what_they_promise(kind, n):
    shares, rng = TABLES[kind], np.random.default_rng(n)
    labels = tuple(map(str, range(len(shares))))
    everything = rates(Confusion(labels, np.rint(shares * 1e9).astype(np.int64)), seed=None)

    def measure(number):
        counts = rng.multinomial(n, shares.ravel()).reshape(shares.shape)
        return rates(Confusion(labels, counts), seed=number)

    covered = covering(600, measure, {name: estimate.value for name, estimate in everything.items()})

    assert all(0.92 <= share <= 0.975 for share in covered.values()), covered


def forecasts(rng, n):
    y = rng.gamma(3, 20, n) + 40
    return y, y + rng.normal(1, 5, n)


@pytest.mark.parametrize("n", [300, 2000])
def test_intervals_of_a_regression_cover_what_they_promise(n):
    rng = np.random.default_rng(n)
    everything = errors(*forecasts(rng, 4_000_000))

    covered = covering(
        1000, lambda _number: errors(*forecasts(rng, n)), {name: one.value for name, one in everything.items()}
    )

    assert all(0.925 <= share <= 0.975 for share in covered.values()), covered


@pytest.mark.parametrize("n", [100, 300, 2000])
@pytest.mark.parametrize("tails", ["even", "growing"])
def test_the_interval_of_a_root_mean_square_covers_whatever_the_tails(n, tails):
    rng = np.random.default_rng(n)

    def drawn(rows):
        size = rng.gamma(1.5, 1, rows) if tails == "growing" else 5.0
        return np.zeros(rows), rng.normal(0, 1, rows) * size

    truth = errors(*drawn(4_000_000))["rmse"].value

    covered = covering(2000, lambda _number: errors(*drawn(n)), {"rmse": truth})["rmse"]

    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize(("n", "q"), [(100, 0.5), (1000, 0.95), (3000, 0.99)])
def test_intervals_of_a_latency_quantile_cover_what_they_promise(n, q):
    rng = np.random.default_rng(n)
    truth = float(np.exp(3 + norm.ppf(q)))

    def measure(_number):
        return {"latency": quantile(LatencyProfile.of(rng.lognormal(3, 1, n)), q)}

    covered = covering(1000, measure, {"latency": truth})["latency"]

    assert 0.93 <= covered <= 0.98
