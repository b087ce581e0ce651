"""False alarms and finds over many draws, against the promised bounds; fewer draws than the design measured."""

import numpy as np
import pytest

from monitoring.stats.classification import auc
from monitoring.stats.divergence import psi
from monitoring.stats.gates import SINGLE_P, benjamini_hochberg, noise_p
from monitoring.stats.grid import numeric_edges
from monitoring.stats.intervals import auc_interval, delong
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.twosample import chi2_homogeneity

pytestmark = pytest.mark.slow

BINS = 10


def draws(rng, n, shares, size):
    return rng.multinomial(n, shares, size)


def p_and_psi(reference, window):
    result = psi(reference, window)
    return noise_p(result, chi2_homogeneity(reference, window)), result.value


@pytest.mark.parametrize("m", [50, 200, 1000, 5000])
@pytest.mark.parametrize("n", [1000, 10_000])
@pytest.mark.parametrize("kind", ["numeric", "category"])
def test_without_drift_one_feature_alarms_in_at_most_half_a_percent(kind, n, m):
    rng = np.random.default_rng([n, m])
    shares = np.full(BINS, 0.1) if kind == "numeric" else np.arange(1, 11) / 55
    alarms = 0

    for window in draws(rng, m, shares, 1000):
        reference = np.full(BINS, n // BINS) if kind == "numeric" else rng.multinomial(n, shares)
        p, value = p_and_psi(reference, window)
        alarms += value >= 0.1 and p <= SINGLE_P

    assert alarms / 1000 <= 0.005


@pytest.mark.parametrize("m", [200, 1000])
def test_a_clean_run_of_fifty_features_rarely_alarms(m):
    rng = np.random.default_rng(m)
    reference = np.full(BINS, 1000)
    alarmed = 0

    for windows in draws(rng, m, np.full(BINS, 0.1), (300, 50)):
        found = [p_and_psi(reference, window) for window in windows]
        accepted = benjamini_hochberg([p for p, _ in found])
        alarmed += any(yes and value >= 0.1 for yes, (_, value) in zip(accepted, found, strict=True))

    assert alarmed / 300 <= 0.015


@pytest.mark.parametrize(("m", "required"), [(200, 0.92), (300, 0.99)])
def test_half_a_standard_deviation_in_one_of_fifty_features_is_found(m, required):
    rng = np.random.default_rng(m)
    grid = numeric_edges(rng.normal(size=10_000))
    reference = np.full(BINS, 1000)
    found = 0

    for _ in range(300):
        moved = np.bincount(grid.group_of(rng.normal(0.5, 1, m)), minlength=BINS)
        still = draws(rng, m, np.full(BINS, 0.1), 49)
        results = [p_and_psi(reference, window) for window in (moved, *still)]
        found += benjamini_hochberg([p for p, _ in results])[0] and results[0][1] >= 0.1

    assert found / 300 >= required


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
