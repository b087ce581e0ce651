"""The basis of ranks, squares and products."""

import numpy as np
import pytest
from scipy import stats

from monitoring.stats.basis import MAX_FEATURES, basis, fit

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(200, 3))


def test_scores_are_the_normal_quantiles_of_the_ranks():
    table = np.round(ROWS, 1)

    expected = stats.norm.ppf((stats.rankdata(table, axis=0) - 0.5) / 200)

    np.testing.assert_allclose(basis(table)[:, :3], expected, atol=1e-12)


def test_squares_and_products_follow_the_scores():
    found = basis(ROWS)

    a, b, c = found[:, :3].T
    np.testing.assert_allclose(found[:, 3:], np.column_stack((a * a, a * b, a * c, b * b, b * c, c * c)))


def test_a_monotone_transform_and_an_outlier_change_nothing():
    bent = np.exp(ROWS)
    bent[bent[:, 0].argmax(), 0] = np.inf

    np.testing.assert_array_equal(basis(bent), basis(ROWS))


def test_new_rows_are_placed_among_the_fitted_ones():
    fitted = fit(ROWS)

    np.testing.assert_array_equal(fitted.apply(ROWS[:7]), basis(ROWS)[:7])
    ends = fitted.apply(np.array([[-9.0] * 3, [9.0] * 3]))[:, :3]
    np.testing.assert_allclose(ends, np.array([[-1.0] * 3, [1.0] * 3]) * stats.norm.ppf(1 - 0.5 / 200))


def test_a_null_scores_the_middle_and_is_told():
    table = np.array([[1.0, np.nan], [np.nan, np.nan], [2.0, np.nan], [3.0, np.nan]])

    found = basis(table)

    assert found.shape == (4, 2 + 3 + 2)
    assert found[1].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found[0, 5:].tolist() == [0, 1]


def test_a_constant_feature_and_no_rows_give_finite_numbers():
    assert not basis(np.full((4, 1), 7.0)).any()
    assert basis(np.empty((0, 2))).shape == (0, 5)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((3, MAX_FEATURES + 1))])
def test_other_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match="at most 40 features"):
        basis(wrong)
    with pytest.raises(ValueError, match="3 features"):
        fit(ROWS).apply(wrong)
