"""Drift of features together: found where no feature shows it, and near 0.5 where there is none."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from monitoring.stats.basis import basis
from monitoring.stats.divergence import psi
from monitoring.stats.grid import numeric_edges
from monitoring.stats.multivariate import FOLDS, domain_auc, ridge_logistic
from monitoring.stats.results import Reason

NOTE = 0.65


def normal(seed, n, k=4, correlation=0.0):
    """Standard normal features, the first two of them correlated."""
    rows = np.random.default_rng(seed).normal(size=(n, k))
    if correlation:
        rows[:, 1] = correlation * rows[:, 0] + np.sqrt(1 - correlation**2) * rows[:, 1]
    return rows


def headline_psi(reference, window):
    grid = numeric_edges(reference)
    sides = [np.bincount(grid.group_of(side), minlength=10) for side in (reference, window)]
    return psi(*sides).value


def test_dependence_that_no_margin_shows_is_found():
    reference, window = normal(1, 1500), normal(2, 1500, correlation=0.8)

    assert max(headline_psi(*sides) for sides in zip(reference.T, window.T, strict=True)) < 0.05
    assert domain_auc(reference, window, seed=0).value > NOTE


def test_a_turned_dependence_is_found():
    assert domain_auc(normal(1, 1500, correlation=0.6), normal(2, 1500, correlation=-0.6), seed=0).value > NOTE


def test_a_change_of_spread_alone_is_found():
    assert domain_auc(normal(1, 1500), 3 * normal(2, 1500), seed=0).value > NOTE


def test_a_shift_that_leaves_no_doubt_has_an_area_of_nearly_1():
    found = domain_auc(normal(1, 400), normal(2, 400) + 6, seed=0)

    assert (found.value, found.n, found.low, found.high) == (pytest.approx(1, abs=0.001), 800, None, None)


def test_nulls_are_told_from_values():
    reference, window = normal(1, 1000), normal(2, 1000)
    window[:600, 0] = np.nan

    assert domain_auc(reference, window, seed=0).value > NOTE


def test_the_seed_alone_decides_and_only_the_order_of_values_counts():
    reference, window = normal(1, 400), normal(2, 400, correlation=0.5)

    first, again, other = (domain_auc(reference, window, seed) for seed in (1, 1, 2))
    bent = domain_auc(np.exp(3 * reference), np.exp(3 * window), seed=1)

    assert first == again == bent
    assert first.value == pytest.approx(other.value, abs=0.05)
    assert first.value != other.value


def test_at_most_5000_rows_of_a_side_are_used():
    found = domain_auc(normal(1, 6000, k=1), normal(2, 300, k=1), seed=0)

    assert found.n == 5300
    assert found.value == pytest.approx(0.5, abs=0.1)


def test_the_area_is_that_of_the_rows_left_out():
    """scikit-learn on the same folds; the folds are drawn as the function draws them."""
    reference, window = normal(1, 500), normal(2, 500, correlation=0.7)
    rng = np.random.default_rng(3)
    folds = np.concatenate([rng.permutation(np.arange(500) % FOLDS) for _ in range(2)])
    columns, labels = basis(np.concatenate((reference, window))), np.repeat([0, 1], 500)
    areas = []
    for fold in range(FOLDS):
        left_out = folds == fold
        model = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(columns[~left_out], labels[~left_out])
        areas.append(roc_auc_score(labels[left_out], model.decision_function(columns[left_out])))

    assert domain_auc(reference, window, seed=3).value == pytest.approx(np.mean(areas), abs=1e-4)


@pytest.mark.parametrize(("scale", "penalty"), [(1, 10.0), (5, 0.1), (0.01, 1000.0)])
def test_scikit_learn_agrees_on_the_weights(scale, penalty):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 5)) * scale
    y = (rng.random(300) < 1 / (1 + np.exp(-2 * x[:, 0] / scale + 1))).astype(float)

    found = ridge_logistic(x, y, penalty)

    oracle = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000).fit(x, y)
    assert found == pytest.approx([*oracle.intercept_, *oracle.coef_[0]], abs=1e-4)


def test_steps_that_lead_uphill_are_halved():
    x = np.array([[-20.0], [-442], [161], [-71], [244], [4419]])
    y = np.array([1.0, 1, 1, 1, 1, 0])

    found = ridge_logistic(x, y, 0.001)

    chance = 1 / (1 + np.exp(-(found[0] + x[:, 0] * found[1])))
    slope = [(chance - y).sum(), ((chance - y) * x[:, 0]).sum() + 0.001 * found[1]]
    assert slope == pytest.approx([0, 0], abs=1e-6)


def test_the_search_ends_after_so_many_steps(monkeypatch):
    monkeypatch.setattr("monitoring.stats.multivariate._MAX_STEPS", 1)

    assert np.isfinite(ridge_logistic(np.array([[-9.0], [9.0], [8.0]]), np.array([0.0, 1.0, 1.0]), 0.01)).all()


def test_constant_and_empty_features_tell_nothing():
    constant = np.column_stack((np.ones(300), np.full(300, np.nan)))

    assert domain_auc(constant, constant, seed=0).value == 0.5
    assert domain_auc(np.zeros((300, 0)), np.zeros((300, 0)), seed=0).value == 0.5


@pytest.mark.parametrize(
    ("n_ref", "n_cur", "reason"),
    [(0, 300, Reason.no_reference), (300, 0, Reason.empty), (300, 199, Reason.too_few), (199, 300, Reason.too_few)],
)
def test_too_few_rows_have_no_value_and_say_why(n_ref, n_cur, reason):
    found = domain_auc(np.zeros((n_ref, 2)), np.zeros((n_cur, 2)), seed=0)

    assert (found.value, found.reason, found.n) == (None, reason, n_ref + n_cur)


@pytest.mark.parametrize("shapes", [((300, 2), (300, 3)), ((300,), (300,)), ((300, 41), (300, 41))])
def test_tables_of_other_features_are_refused(shapes):
    with pytest.raises(ValueError, match="features"):
        domain_auc(*map(np.zeros, shapes), seed=0)


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "k"), [(300, 4), (1500, 4), (600, 8)])
def test_without_drift_the_area_is_near_one_half_and_never_noted(n, k):
    found = [domain_auc(normal((1, seed), n, k), normal((2, seed), n, k), seed).value for seed in range(40)]

    assert np.mean(found) == pytest.approx(0.5, abs=0.015)
    assert max(found) < NOTE


@pytest.mark.simulation
def test_dependence_is_found_in_every_draw():
    found = [domain_auc(normal((1, s), 600), normal((2, s), 600, correlation=0.8), s).value for s in range(40)]

    assert min(found) > NOTE
