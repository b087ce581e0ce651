"""What intervals and optimised thresholds promise, over many draws of a population whose truth is known."""

import numpy as np
import pytest
from scipy.special import expit, ndtri
from scipy.stats import norm

from monitoring.stats.classification import auc_exact, rates
from monitoring.stats.estimation import cbpe_exact, fit_errors, reweighted_accuracy
from monitoring.stats.intervals import auc_interval, delong
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Confusion
from monitoring.stats.value import per_decision, snap, sweep, uplift, uplift_of_rows

pytestmark = pytest.mark.simulation

MATRIX = [[0, -5], [-20, 10]]


def population(rng, n):
    """Return labels and scores of a model that is not calibrated: z ~ N(-1, 1.3), P(y) = expit(1.3 z + 0.4)."""
    z = rng.normal(-1, 1.3, n)
    return (rng.random(n) < expit(1.3 * z + 0.4)).astype(float), expit(z)


Z = np.linspace(-12, 10, 200_001)
MASS = norm.pdf(Z, -1, 1.3) * (Z[1] - Z[0])
CHANCE = expit(1.3 * Z + 0.4)
DECLINED = np.cumsum(MASS * CHANCE * -20)
APPROVED = np.cumsum((MASS * ((1 - CHANCE) * -5 + CHANCE * 10))[::-1])[::-1]


def true_value(threshold):
    """Return the value per decision of a threshold in the whole population."""
    below = int(np.searchsorted(expit(Z), threshold))
    return (DECLINED[below - 1] if below else 0.0) + (APPROVED[below] if below < len(Z) else 0.0)


def share(covered):
    return float(np.mean(covered))


@pytest.mark.parametrize("n", [500, 2000, 20_000])
@pytest.mark.parametrize(("new", "current"), [(0.3, 0.5), (0.1, 0.2)])
def test_a_paired_bootstrap_covers_the_true_uplift(new, current, n):
    rng = np.random.default_rng(n)
    truth, covered = true_value(snap(new)) - true_value(snap(current)), []

    for seed in range(600):
        found = uplift(ScoreCounts.of(*population(rng, n)), new, current, MATRIX, seed, reps=500)
        covered.append(found.low <= truth <= found.high)

    assert 0.93 <= share(covered) <= 0.965


def test_the_value_of_the_best_threshold_is_not_its_luck():
    rng = np.random.default_rng(1)
    in_sample, cross_fitted = [], []

    for seed in range(1000):
        found = sweep(ScoreCounts.of(*population(rng, 2000)), MATRIX, 1 / 7, seed=seed)
        truth = true_value(found.best)
        in_sample.append(found.value.max() - truth)
        cross_fitted.append(found.best_value.value - truth)

    assert np.mean(in_sample) >= 0.04
    assert abs(np.mean(cross_fitted)) <= 0.02


def test_a_cross_fitted_value_is_that_of_what_the_halves_choose():
    rng = np.random.default_rng(2)
    missed, covered = [], []

    for _ in range(400):
        halves = [ScoreCounts.of(*population(rng, 1000)) for _ in range(2)]
        folds = np.stack([np.stack((half.negatives, half.positives)) for half in halves])
        whole = ScoreCounts(folds[:, 0].sum(axis=0), folds[:, 1].sum(axis=0), np.zeros(4096, dtype=np.int64))
        found = sweep(whole, MATRIX, 1 / 7, folds=folds).best_value
        truth = np.mean([true_value(sweep(half, MATRIX, 1 / 7).best) for half in halves])
        missed.append(found.value - truth)
        covered.append(found.low <= truth <= found.high)

    assert abs(np.mean(missed)) <= 3 * np.std(missed) / np.sqrt(len(missed))
    assert 0.93 <= share(covered) <= 0.97


@pytest.mark.parametrize("n", [200, 1000])
def test_the_interval_of_a_value_per_decision_covers(n):
    chances = np.array([0.6, 0.1, 0.05, 0.25])
    tables = np.random.default_rng(n).multinomial(n, chances, 2000).reshape(-1, 2, 2)

    found = [per_decision(Confusion(("0", "1"), table), MATRIX) for table in tables]

    truth = chances @ np.ravel(MATRIX)
    assert 0.93 <= share([one.low <= truth <= one.high for one in found]) <= 0.97


def test_the_interval_of_an_uplift_from_amounts_covers():
    rng = np.random.default_rng(3)
    covered = []

    for _ in range(1500):
        loans = rng.gamma(4, 250, 1000)
        true, new, old = (rng.random((3, 1000)) < [[0.1], [0.6], [0.5]]).astype(float)
        found = uplift_of_rows(true, new, old, [[0.0, 0.1 * loans], [0.0, -loans]])
        truth = (0.6 - 0.5) * (0.9 * 0.1 - 0.1) * 1000
        covered.append(found.low <= truth <= found.high)

    assert 0.93 <= share(covered) <= 0.97


@pytest.mark.parametrize(
    ("area", "positives", "negatives", "most"),
    [
        (0.6, 30, 30, 0.97),
        (0.8, 30, 3000, 0.97),
        (0.85, 30, 300, 0.97),
        (0.9, 60, 600, 0.97),
        (0.95, 100, 1000, 0.97),
        (0.9, 30, 3000, 0.97),
        (0.97, 30, 3000, 0.97),
        (0.97, 300, 30, 0.97),
        (0.97, 30, 30, 0.98),  # where a placement or two is all that lies apart, the interval is rather too wide
    ],
)
def test_the_interval_of_an_area_covers(area, positives, negatives, most):
    rng = np.random.default_rng(0)
    distance, covered = ndtri(area) * np.sqrt(2), []

    for _ in range(2000):
        scores = np.append(rng.normal(distance, 1, positives), rng.normal(size=negatives))
        is_positive = np.argsort(scores) < positives
        estimate, se = delong(~is_positive * 1, is_positive * 1)
        low, high = auc_interval(estimate, se, positives, negatives)
        covered.append(low <= area <= high)

    assert 0.93 <= share(covered) <= most


@pytest.mark.parametrize(("a", "b", "threshold", "n"), [(1, 3, 0.3, 500), (0.5, 0.5, 0.5, 1000), (1, 30, 0.1, 5000)])
def test_an_estimate_without_labels_covers_what_the_labels_say(a, b, threshold, n):
    rng = np.random.default_rng(4)
    covered = {}

    for _ in range(600):
        scores = rng.beta(a, b, n)
        labels = (rng.random(n) < scores).astype(float)
        found = cbpe_exact(scores, scores, threshold, MATRIX)
        for name, realised in realised_metrics(labels, scores, threshold).items():
            covered.setdefault(name, []).append(found[name].low <= realised <= found[name].high)

    assert {name: share(held) for name, held in covered.items() if not 0.93 <= share(held) <= 0.97} == {}


def realised_metrics(labels, scores, threshold):
    """Return what the labels say of everything that CBPE estimates."""
    counts = np.bincount((2 * labels + (scores >= threshold)).astype(int), minlength=4).reshape(2, 2)
    table = Confusion(("0", "1"), counts)
    found = {name: estimate for name, estimate in rates(table).items() if name not in {"macro_f1", "mcc", "kappa"}}
    found |= {"auc": auc_exact(labels, scores), "value": per_decision(table, MATRIX)}
    return {name: estimate.value for name, estimate in found.items()}


def test_the_interval_of_a_reweighted_accuracy_covers():
    rng = np.random.default_rng(5)
    accuracy, labelled, window = np.array([0.95, 0.8, 0.6]), np.array([400, 200, 100]), np.array([100, 300, 600])

    found = [reweighted_accuracy(hits, labelled, window) for hits in rng.binomial(labelled, accuracy, (3000, 3))]

    truth = window @ accuracy / 1000
    assert 0.93 <= share([one.low <= truth <= one.high for one in found]) <= 0.97


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_an_estimate_from_errors_covers_what_the_labels_say(shift):
    rng = np.random.default_rng(7)
    covered = []

    def rows(n, shift):
        columns = rng.normal([shift, 0, 0], size=(n, 3))
        spread = 1 + np.maximum(columns[:, 0] + 2, 0) / 2 + np.abs(columns[:, 1]) / 2
        return columns, rng.normal(size=n) * spread

    for _ in range(300):
        model = fit_errors(*rows(2000, 0.0))
        for columns, errors in (rows(500, shift) for _ in range(4)):
            found = model.estimate(columns)
            covered.append(found.low <= np.abs(errors).mean() <= found.high)

    assert 0.93 <= share(covered) <= 0.97
