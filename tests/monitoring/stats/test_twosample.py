"""Two samples from counts: golden values, scipy as oracle, edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp, kstwo, wasserstein_distance

from monitoring.stats.grid import NumericGrid, numeric_edges
from monitoring.stats.profile import count_numeric
from monitoring.stats.results import Reason
from monitoring.stats.twosample import (
    LARGEST_EXACT_SIZE,
    chi2_homogeneity,
    cramers_v,
    ks,
    ks_exact,
    pooled_z,
    two_proportions,
    wasserstein,
    wasserstein_exact,
)

DICE = np.array([16, 18, 16, 14, 12, 12]), np.array([16, 16, 16, 16, 16, 8])
counts = st.lists(st.integers(1, 300), min_size=2, max_size=9)


def counted(values, grid):
    return count_numeric(np.asarray(values, dtype=float), grid).counts


def test_the_golden_dice():
    chi2 = chi2_homogeneity(*DICE)

    assert ks(*DICE).value == pytest.approx(0.0454545455, abs=1e-9)
    assert (chi2.value, chi2.p_value) == pytest.approx((1.6224089636, 0.8985262394), abs=1e-9)
    assert chi2.bins == 6
    assert cramers_v(*DICE).value == 0


def test_the_golden_wasserstein_of_the_dice():
    faces = np.arange(1.0, 7.0)
    reference, window = (np.repeat(faces, side) for side in DICE)
    grid = numeric_edges(reference)

    raw = wasserstein(counted(reference, grid), counted(window, grid), grid, clip=False)

    assert raw.metric == "w1_raw.1"
    assert raw.value == pytest.approx(0.0909090909, abs=1e-9)
    assert raw.value / reference.std() == pytest.approx(0.0544331054, abs=1e-9)


def test_the_golden_four_bins():
    sides = np.array([500, 300, 150, 50]), np.array([400, 300, 200, 100])
    chi2 = chi2_homogeneity(*sides)

    assert chi2.value == pytest.approx(34.9206349206, abs=1e-9)
    assert chi2.p_value == pytest.approx(1.2662028946e-7, abs=1e-15)
    assert cramers_v(*sides).value == pytest.approx(0.1263627906, abs=1e-9)


def test_the_golden_new_bin_and_equal_traffic():
    new_bin = chi2_homogeneity(np.array([500, 300, 200, 0]), np.array([450, 300, 200, 50]))
    equal = chi2_homogeneity(np.full(10, 5000), np.array([520, 480, 500, 510, 490, 505, 495, 500, 515, 485]))

    assert new_bin.value == pytest.approx(52.6315789474, abs=1e-9)
    assert equal.p_value == pytest.approx(0.9741332835, abs=1e-9)


@pytest.mark.parametrize(
    ("reference", "window", "expected"),
    [([200, 800], [400, 600], 0.2171229617), ([200, 800], [200, 800], 0.0), ([1000, 0], [0, 1000], 1.0)],
)
def test_the_golden_values_of_cramers_v(reference, window, expected):
    assert cramers_v(np.array(reference), np.array(window)).value == pytest.approx(expected, abs=1e-9)


@given(counts, st.data())
def test_scipy_agrees_on_chi2(reference, data):
    window = data.draw(st.lists(st.integers(1, 300), min_size=len(reference), max_size=len(reference)))

    ours = chi2_homogeneity(np.array(reference), np.array(window))

    oracle = chi2_contingency([reference, window], correction=False)
    assert ours.value == pytest.approx(oracle.statistic, rel=1e-9, abs=1e-9)
    assert ours.p_value == pytest.approx(oracle.pvalue, rel=1e-9, abs=1e-12)


values = st.lists(st.integers(0, 30), min_size=2, max_size=60)


@given(values, values)
def test_scipy_agrees_on_ks_and_wasserstein_of_discrete_values(reference, window):
    grid = numeric_edges(np.array([*reference, *window], dtype=float))
    sides = counted(reference, grid), counted(window, grid)
    distance, p = ks(*sides), ks_2samp(reference, window, method="asymp")

    raw = wasserstein(*sides, grid, clip=False)

    if distance.value is None:
        assert set(reference) == set(window)
        assert len(set(reference)) == 1
    else:
        assert distance.value == pytest.approx(p.statistic, abs=1e-9)
        assert distance.p_value == pytest.approx(p.pvalue, abs=1e-9)
    assert raw.value == pytest.approx(wasserstein_distance(reference, window), abs=1e-6)


@pytest.mark.parametrize(("rise", "tolerance"), [(40, 1e-4), (86, 1e-4), (123, 1e-3), (203, 1e-2)])
def test_the_p_value_of_a_large_ks_is_close_to_the_exact_one(rise, tolerance):
    n = 10 * LARGEST_EXACT_SIZE
    distance = ks(np.array([n // 2, n // 2]), np.array([n // 2 + rise * 5, n // 2 - rise * 5]))

    exact = kstwo.sf(distance.value, n // 2)

    assert distance.value == pytest.approx(rise * 5 / n)
    assert distance.p_value == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "standard_t"])
def test_counting_costs_less_than_promised(draw):
    rng = np.random.default_rng(3)
    shape = (3.0,) if draw == "standard_t" else ()
    reference = getattr(rng, draw)(*shape, size=20_000)
    window = getattr(rng, draw)(*shape, size=5_000) + 0.1
    grid = numeric_edges(reference)
    sides = counted(reference, grid), counted(window, grid)

    clipped = [np.clip(side, grid.clip_low, grid.clip_high) for side in (reference, window)]
    assert ks(*sides).value == pytest.approx(ks_2samp(reference, window).statistic, abs=1e-3)
    assert wasserstein(*sides, grid).value == pytest.approx(wasserstein_distance(*clipped) / grid.scale, abs=2e-3)


def test_a_crossing_inside_a_cell_counts_both_triangles():
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    grid = NumericGrid(edges=edges, bounds=edges[1:], labels=(), minimum=0.0, maximum=3.0, n=4)
    reference, window = np.array([0, 3, 0, 1, 0]), np.array([0, 2, 2, 0, 0])

    for sides in ((reference, window), (window, reference)):
        assert wasserstein(*sides, grid, clip=False).value == pytest.approx(3 * 0.125)


def test_moving_one_of_four_rows_by_ten_is_two_and_a_half():
    grid = numeric_edges(np.array([0.0, 10.0, 20.0, 30.0]))
    reference, window = counted([0, 10, 10, 30], grid), counted([0, 10, 20, 30], grid)

    assert wasserstein(reference, window, grid, clip=False).value == pytest.approx(2.5)
    assert wasserstein(window, reference, grid, clip=False).value == pytest.approx(2.5)


def test_the_raw_distance_reaches_to_the_extremes_of_the_window():
    grid = numeric_edges(np.array([0.0, 1.0]))
    reference, window = counted([0, 1], grid), counted([0, 9], grid)

    near = wasserstein(reference, window, grid, clip=False)
    far = wasserstein(reference, window, grid, clip=False, low=0.0, high=9.0)

    assert near.value == 0
    assert far.value == pytest.approx(0.5 * 8 / 2)


@pytest.mark.parametrize("test", [ks, chi2_homogeneity, cramers_v])
@pytest.mark.parametrize(
    ("reference", "window", "reason"),
    [([0, 0], [1, 1], Reason.no_reference), ([1, 1], [0, 0], Reason.empty), ([5, 0], [9, 0], Reason.constant)],
)
def test_what_cannot_be_tested_has_a_reason(test, reference, window, reason):
    result = test(np.array(reference), np.array(window))

    assert (result.value, result.p_value, result.reason) == (None, None, reason)


def test_cramers_v_of_two_rows_is_too_few():
    assert cramers_v(np.array([1, 0]), np.array([0, 1])).reason == Reason.too_few


def test_wasserstein_says_why_it_has_no_value():
    grid = numeric_edges(np.array([1.0, 2.0]))
    nothing, something = np.zeros(grid.cells, dtype=np.int64), counted([1, 2], grid)
    constant = numeric_edges(np.array([4.0, 4.0]))
    same = counted([4.0], constant)

    assert wasserstein(nothing, something, grid).reason == Reason.no_reference
    assert wasserstein(something, nothing, grid).reason == Reason.empty
    assert wasserstein(same, same, constant).reason == Reason.constant
    assert wasserstein(same, same, constant, clip=False).value == 0


def test_wasserstein_beyond_the_largest_float_is_not_finite():
    grid = numeric_edges(np.array([-1.7e308, 1.7e308]))
    reference, window = counted([-1.7e308] * 4, grid), counted([1.7e308] * 4, grid)

    assert wasserstein(reference, window, grid, clip=False).reason == Reason.not_finite


def test_wasserstein_needs_counts_on_the_grid():
    grid = numeric_edges(np.array([1.0, 2.0]))

    with pytest.raises(ValueError, match="cells of the grid"):
        wasserstein(np.array([1, 2]), np.array([1, 2]), grid)
    with pytest.raises(ValueError, match="cells of the grid"):
        wasserstein(np.zeros(grid.cells, int), np.zeros(grid.cells + 1, int), grid)


def test_ks_leaves_out_a_p_value_that_nobody_needs():
    sides = np.array([30, 70]), np.array([50, 50])

    assert ks(*sides, with_p=False).p_value is None
    assert ks(*sides, with_p=False).value == ks(*sides).value


def test_equal_counts_have_no_distance_and_full_p():
    side = np.array([3, 4, 5])

    assert (ks(side, side).value, ks(side, side).p_value) == (0, 1)
    assert (chi2_homogeneity(side, side).value, chi2_homogeneity(side, side).p_value) == (0, 1)


def test_two_proportions_give_difference_and_p():
    result = two_proportions(10, 100, 20, 100)

    oracle = chi2_contingency([[10, 90], [20, 80]], correction=False)
    assert result.value == pytest.approx(0.1)
    assert result.p_value == pytest.approx(oracle.pvalue, abs=1e-12)


def test_two_proportions_need_both_sides():
    assert two_proportions(0, 0, 1, 10).reason == Reason.no_reference
    assert two_proportions(1, 10, 0, 0).reason == Reason.empty


def test_two_certain_proportions_do_not_differ():
    assert pooled_z(0, 10, 0, 20) == 0
    assert two_proportions(10, 10, 20, 20).p_value == 1


columns = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 2)), min_size=2, max_size=50)


@given(columns, columns)
def test_ks_is_unchanged_by_a_strictly_increasing_transform(reference, window):
    one, other = (np.array(side) for side in (reference, window))

    plain, bent = ks_exact(one, other), ks_exact(one**3 + one, other**3 + other)

    assert (plain.value, plain.p_value, plain.reason) == (bent.value, bent.p_value, bent.reason)


@given(columns, columns)
def test_scipy_agrees_on_the_exact_distances(reference, window):
    one, other = (np.array(side) for side in (reference, window))

    distance, raw = ks_exact(one, other), wasserstein_exact(one, other)

    if distance.reason != Reason.constant:
        assert distance.value == pytest.approx(ks_2samp(one, other, method="asymp").statistic, abs=1e-9)
    assert raw.value == pytest.approx(wasserstein_distance(one, other), rel=1e-9, abs=1e-9)
    assert raw.value == pytest.approx(wasserstein_exact(other, one).value, rel=1e-9, abs=1e-12)


def test_exact_distances_leave_out_what_is_not_finite():
    odd = np.array([1.0, np.nan, np.inf, 2.0])

    assert ks_exact(odd, np.array([1.0, 2.0])).value == 0
    assert (wasserstein_exact(odd, np.array([2.0])).value, wasserstein_exact(odd, odd).n_ref) == (0.5, 2)
    for exactly in (ks_exact, wasserstein_exact):
        assert exactly(np.full(3, np.nan), odd).reason == Reason.no_reference
        assert exactly(odd, np.array([])).reason == Reason.empty
    assert wasserstein_exact(np.array([-1.7e308]), np.array([1.7e308])).reason == Reason.not_finite


def test_on_a_grid_without_edges_nothing_can_be_measured():
    grid = numeric_edges(np.array([np.nan]))

    for clip in (True, False):
        assert wasserstein(np.array([4]), np.array([5]), grid, clip=clip).reason == Reason.no_reference


def test_counts_that_cannot_be_are_refused():
    grid = numeric_edges(np.array([1.0, 2.0]))

    with pytest.raises(ValueError, match="negative"):
        wasserstein(np.array([0, -1, 0, 0, 0]), np.array([0, 1, 0, 0, 0]), grid)
    for shares in ((5, 4, 1, 10), (-1, 4, 1, 10), (1, 4, 11, 10)):
        with pytest.raises(ValueError, match="k of n rows"):
            two_proportions(*shares)
    assert pooled_z(0, 0, 1, 2) == 0
