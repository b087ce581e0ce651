import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.stats import divergence, gates, rowwise, twosample
from monitoring.stats.grid import numeric_edges
from monitoring.stats.profile import count_numeric

counts = st.lists(st.integers(0, 3000), min_size=6, max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=5))
def test_each_row_is_what_the_single_functions_say(rows):
    reference = np.array([one for one, _ in rows], dtype=np.int64)
    current = np.array([other for _, other in rows], dtype=np.int64)

    for (psi, noise_p), a, c in zip(rowwise.compare(reference, current), reference, current, strict=True):
        expected = divergence.psi(a, c)
        assert (psi.bins, psi.n_ref, psi.n_cur, psi.reason) == (
            expected.bins,
            expected.n_ref,
            expected.n_cur,
            expected.reason,
        )
        assert psi.value == pytest.approx(expected.value, abs=1e-9)
        assert psi.p_value == pytest.approx(expected.p_value, abs=1e-9)
        assert psi.floor == pytest.approx(expected.floor, abs=1e-9)
        assert noise_p == pytest.approx(gates.noise_p(expected, twosample.chi2_homogeneity(a, c)), abs=1e-9)


def test_rows_of_different_length_are_compared_on_their_own_bins():
    short, long = np.array([10, 20]), np.array([5, 5, 5])
    table = rowwise.stacked([short, long])

    (first, _), (second, _) = rowwise.compare(table, rowwise.stacked([np.array([20, 10]), np.array([9, 1, 5])]))

    assert (first.bins, second.bins) == (2, 3)
    assert first.value == pytest.approx(divergence.psi(short, np.array([20, 10])).value, abs=1e-12)


def test_no_rows_give_no_comparisons():
    assert rowwise.compare(np.zeros((0, 4), dtype=np.int64), np.zeros((0, 4), dtype=np.int64)) == []
    assert rowwise.stacked([]).shape == (0, 0)


@pytest.mark.parametrize("smoothing", [0.0, -1.0])
def test_without_smoothing_there_is_no_table(smoothing):
    with pytest.raises(ValueError, match="positive smoothing"):
        rowwise.compare(np.ones((1, 2), dtype=np.int64), np.ones((1, 2), dtype=np.int64), smoothing=smoothing)


def test_other_bins_are_refused():
    with pytest.raises(ValueError, match="same bins"):
        rowwise.compare(np.ones((1, 2), dtype=np.int64), np.ones((1, 3), dtype=np.int64))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=5))
def test_other_distances_of_a_row_are_what_the_single_functions_say(rows):
    reference = np.array([one for one, _ in rows], dtype=np.int64)
    current = np.array([other for _, other in rows], dtype=np.int64)
    single = (divergence.kl, divergence.js, twosample.chi2_homogeneity, twosample.cramers_v)

    found = rowwise.distances(reference, current)

    for row, (a, c) in enumerate(zip(reference, current, strict=True)):
        for seen in (distance(a, c) for distance in single):
            # The root of a difference of nearly equal shares is right to half of the digits only.
            assert found[seen.metric][row] == pytest.approx(seen.value, abs=1e-7)


def columns(seed: int):
    """Reference and window of columns of several shapes, with their grids."""
    r = np.random.default_rng(seed)
    shapes = [
        lambda shift, n: r.normal(shift, size=n),
        lambda shift, n: r.lognormal(shift, size=n),
        lambda shift, n: r.poisson(3 + shift, size=n).astype(float),
        lambda shift, n: np.where(r.random(n) < 0.6, 0.0, r.exponential(1 + shift, n)),
        lambda shift, n: np.full(n, 4.0),
        lambda shift, n: np.full(n, np.nan),
    ]
    for shape in shapes:
        before, now = shape(0, 3_000), shape(r.random(), 500)
        grid = numeric_edges(before)
        yield count_numeric(before, grid).counts, count_numeric(now, grid).counts, grid


@pytest.mark.parametrize("seed", range(5))
def test_distances_on_fine_cells_are_what_the_single_functions_say(seed):
    before, now, grids = zip(*columns(seed), strict=True)

    found = rowwise.cell_distances(rowwise.stacked(before), rowwise.stacked(now), grids)

    for row, (a, c, grid) in enumerate(zip(before, now, grids, strict=True)):
        assert found["ks.1"][row] == pytest.approx(twosample.ks(a, c).value, abs=1e-12)
        assert found["w1.1"][row] == pytest.approx(twosample.wasserstein(a, c, grid).value, abs=1e-12)


def test_distances_on_cells_that_reach_to_infinity_have_no_value():
    grid = numeric_edges(np.array([-1.7e308, 1.7e308, 0.0, 1.0]))
    before, now = (count_numeric(np.full(9, at), grid).counts for at in (-1.7e308, 1.7e308))

    found = rowwise.cell_distances(rowwise.stacked([before]), rowwise.stacked([now]), [grid])

    assert found == {"ks.1": [1.0], "w1.1": [None]}


def test_no_rows_give_no_distances():
    nothing = rowwise.stacked([])

    assert {len(values) for values in rowwise.distances(nothing, nothing).values()} == {0}
    assert {len(values) for values in rowwise.cell_distances(nothing, nothing, []).values()} == {0}


@pytest.mark.parametrize("distances", [rowwise.distances, lambda a, c: rowwise.cell_distances(a, c, [])])
def test_distances_refuse_other_bins_and_negative_counts(distances):
    with pytest.raises(ValueError, match="same bins"):
        distances(np.ones((1, 2), dtype=np.int64), np.ones((1, 3), dtype=np.int64))
    with pytest.raises(ValueError, match="same bins"):
        distances(np.array([[1, -1]]), np.array([[1, 1]]))
