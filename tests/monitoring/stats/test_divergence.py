"""Distances between histograms: golden values, scipy as oracle, invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from monitoring.stats.divergence import excess, hellinger, js, kl, linf, noise_floor, psi, tvd
from monitoring.stats.results import Divergence, Reason

EVERY = (psi, kl, js, tvd, linf, hellinger)
DICE = np.array([16, 18, 16, 14, 12, 12]), np.array([16, 16, 16, 16, 16, 8])
FOUR = np.array([500, 300, 150, 50]), np.array([400, 300, 200, 100])
NEW_BIN = np.array([500, 300, 200, 0]), np.array([450, 300, 200, 50])


def tables(least=0):
    sides = st.integers(2, 12).flatmap(
        lambda bins: st.tuples(*[st.lists(st.integers(least, 400), min_size=bins, max_size=bins) for _ in range(2)])
    )
    pairs = sides.map(lambda pair: (np.array(pair[0]), np.array(pair[1])))
    return pairs.filter(lambda pair: pair[0].any() and pair[1].any() and (pair[0] + pair[1] > 0).sum() > 1)


@pytest.mark.parametrize(
    ("metric", "sides", "expected"),
    [
        (psi, DICE, 0.0345101213),
        (kl, DICE, 0.0170001686),
        (js, DICE, 0.0817342133),
        (tvd, DICE, 0.0681818182),
        (hellinger, DICE, 0.0681277437),
        (psi, FOUR, 0.0708993622),
        (kl, FOUR, 0.0373325445),
        (js, FOUR, 0.1128213708),
        (tvd, FOUR, 0.1),
        (psi, NEW_BIN, 0.2355474071),
        (js, NEW_BIN, 0.1610887338),
    ],
)
def test_the_golden_values(metric, sides, expected):
    assert metric(*sides).value == pytest.approx(expected, abs=1e-9)


def test_the_golden_values_without_smoothing():
    assert psi(*DICE, smoothing=0).value == pytest.approx(0.0372183816, abs=1e-9)
    assert kl(*DICE, smoothing=0).value == pytest.approx(0.0183087046, abs=1e-9)
    assert kl(*reversed(DICE), smoothing=0).value == pytest.approx(0.0189096770, abs=1e-9)
    assert psi(*FOUR, smoothing=0).value == pytest.approx(0.0713558178, abs=1e-9)


def test_the_golden_value_of_an_equal_traffic():
    window = np.array([520, 480, 500, 510, 490, 505, 495, 500, 515, 485])

    result = psi(np.full(10, 5000), window)

    assert result.value == pytest.approx(0.0005990371, abs=1e-9)
    assert (result.bins, result.n_ref, result.n_cur) == (10, 50_000, 5_000)


def test_the_golden_value_of_a_traffic_that_moved_up():
    reference = np.array([4998, 5000, 5001, 5001, 5000, 4998, 5002, 4999, 5001, 5000])
    window = np.array([0, 9, 35, 101, 267, 417, 673, 1026, 1151, 1321])

    assert psi(reference, window).value == pytest.approx(1.837450, abs=1e-6)
    assert js(reference, window).value == pytest.approx(0.466581, abs=1e-6)


@pytest.mark.parametrize(
    ("bins", "n", "m", "expected"),
    [(10, 50_000, 5_000, 0.006133), (10, 10_000, 200, 0.142174), (2, 10_000, 200, 0.055221)],
)
def test_the_golden_noise_floors(bins, n, m, expected):
    assert noise_floor(bins, n, m) == pytest.approx(expected, abs=1e-6)


def test_psi_brings_its_floor_and_js_the_same_one_on_its_own_scale():
    assert psi(*FOUR).floor == pytest.approx(0.0325324724, abs=1e-9)
    assert js(*FOUR).floor == pytest.approx(np.sqrt(0.0325324724 / (8 * np.log(2))), abs=1e-9)


def test_excess_is_what_lies_above_chance_and_never_negative():
    assert excess(Divergence("psi.1", value=0.3, bins=11, n_ref=1000, n_cur=100)) == pytest.approx(0.19)
    assert excess(Divergence("psi.1", value=0.01, bins=11, n_ref=1000, n_cur=100)) == 0
    assert excess(Divergence("psi.1", reason=Reason.empty)) == 0


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    ("reference", "window", "reason"),
    [
        ([3, 4], [0, 0], Reason.empty),
        ([0, 0], [3, 4], Reason.no_reference),
        ([0, 0], [0, 0], Reason.no_reference),
        ([0, 7], [0, 9], Reason.constant),
        ([], [], Reason.no_reference),
    ],
)
def test_what_cannot_be_compared_has_a_reason_and_no_value(metric, reference, window, reason):
    result = metric(np.array(reference, dtype=np.int64), np.array(window, dtype=np.int64))

    assert (result.value, result.p_value, result.reason) == (None, None, reason)


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    ("reference", "window", "message"),
    [
        ([1, 2], [1, 2, 3], "same bins"),
        ([[1, 2]], [[1, 2]], "same bins"),
        ([1, 2], [1, -2], "negative"),
        ([-1, 2], [1, 2], "negative"),
    ],
)
def test_a_wrong_call_is_an_error(metric, reference, window, message):
    with pytest.raises(ValueError, match=message):
        metric(np.array(reference), np.array(window))


def test_without_smoothing_a_bin_empty_on_one_side_is_undefined():
    assert psi(np.array([1, 0]), np.array([1, 1]), smoothing=0).reason == Reason.undefined
    assert kl(np.array([1, 0]), np.array([1, 1]), smoothing=0).reason == Reason.undefined


def test_opposite_traffic_is_at_distance_one():
    for metric in (js, tvd, linf, hellinger):
        assert metric(np.array([5, 0]), np.array([0, 9])).value == pytest.approx(1.0)


@given(tables(least=1))
def test_scipy_agrees(pair):
    a, c = pair

    p, q = a / a.sum(), c / c.sum()
    assert psi(a, c, smoothing=0).value == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-9)
    assert kl(a, c, smoothing=0).value == pytest.approx(entropy(q, p), abs=1e-9)
    assert js(a, c).value == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-7)


@given(tables())
def test_no_distance_is_negative_and_equal_counts_have_none(pair):
    a, c = pair

    for metric in EVERY:
        assert metric(a, c).value >= 0
    same = a if (a > 0).sum() > 1 else np.append(a, [1, 1])
    for metric in EVERY:
        assert metric(same, same).value == 0
    assert psi(same, same).p_value == 1


@given(tables())
def test_psi_js_and_tvd_are_symmetric(pair):
    a, c = pair

    for metric in (psi, js, tvd, hellinger, linf):
        assert metric(a, c).value == pytest.approx(metric(c, a).value, abs=1e-12)


@given(tables(), st.integers(1, 5))
def test_bins_empty_on_both_sides_change_nothing(pair, extra):
    padding = np.zeros(extra, dtype=np.int64)

    for metric in EVERY:
        assert metric(*pair) == metric(*(np.concatenate((side, padding)) for side in pair))


@pytest.mark.parametrize("arguments", [(1, 10, 10), (2, 0, 10), (2, 10, 0), (2, 10, 10, 0.0)])
def test_a_floor_needs_two_bins_rows_and_a_probability(arguments):
    with pytest.raises(ValueError, match="two bins, rows on both sides"):
        noise_floor(*arguments)
