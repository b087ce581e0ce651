import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.stats import divergence, gates, rowwise, twosample

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
