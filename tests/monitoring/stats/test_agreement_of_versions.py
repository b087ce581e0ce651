"""Disagreement of two versions: by hand, against scipy and scikit-learn, and intervals that cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from monitoring.stats.agreement import (
    cohen,
    disagreement,
    discordant_accuracy,
    mcnemar,
    pair_up,
    pair_up_by,
    ranking_disagreement,
    score_bins,
    score_gap,
    value_at_stake,
)
from monitoring.stats.columns import CodedColumn
from monitoring.stats.intervals import wilson
from monitoring.stats.results import Confusion, Reason

labels = st.sampled_from(["low", "mid", "high"])
ORDER = ["low", "mid", "high"]
decisions = st.lists(
    st.tuples(st.none() | labels, st.none() | labels, st.sampled_from(["EU", "US", None])), max_size=30
)


def columns(drawn):
    return [[one[side] for one in drawn] for side in range(3)]


@given(decisions)
def test_pairs_are_counted_as_they_come(drawn):
    a, b, _ = columns(drawn)

    table = pair_up(a, b, ORDER)

    assert table.counts.tolist() == [
        [sum(one == x and other == y for one, other, _ in drawn) for y in ORDER] for x in ORDER
    ]


@given(decisions)
def test_groups_add_up_to_all_that_have_one(drawn):
    a, b, groups = columns(drawn)

    found = pair_up_by(a, b, ORDER, groups)

    kept = [one for one in drawn if one[2]]
    whole = pair_up([one[0] for one in kept], [one[1] for one in kept], ORDER)
    assert sum((table.counts for table in found.values()), np.zeros((3, 3))).tolist() == whole.counts.tolist()
    for name, table in found.items():
        assert table.n == sum(one[2] == name and None not in one for one in drawn)


@given(decisions)
def test_swapping_the_versions_swaps_up_and_down(drawn):
    a, b, _ = columns(drawn)

    there, back = disagreement(pair_up(a, b, ORDER)), disagreement(pair_up(b, a, ORDER))

    assert (there.share, there.up, there.down) == (back.share, back.down, back.up)
    known = [(one, other) for one, other, _ in drawn if one and other]
    if known:
        assert there.share.value == pytest.approx(np.mean([one != other for one, other in known]))
        assert there.up.value == pytest.approx(np.mean([ORDER.index(one) < ORDER.index(other) for one, other in known]))
    else:
        assert there.share.reason == there.kappa.reason == Reason.empty


def test_a_disagreement_by_hand():
    table = Confusion(("0", "1"), np.array([[900, 30], [10, 60]]))

    found = disagreement(table)

    assert (found.share.value, found.up.value, found.down.value) == (0.04, 0.03, 0.01)
    assert (found.share.low, found.share.high) == wilson(40, 1000)
    assert found.kappa == cohen(table)


def test_a_column_may_be_coded_and_name_labels_it_does_not_hold():
    coded = CodedColumn(np.array([0, -1, 0]), ("1", "unused"))

    assert pair_up(coded, np.array([1, 0, 0]), [0, 1]).counts.tolist() == [[0, 0], [1, 1]]


def test_an_unknown_label_and_columns_of_other_length_are_refused():
    with pytest.raises(ValueError, match="tram is not one of the labels"):
        pair_up(["bike", "tram"], ["bike", "bike"], ["bike"])
    with pytest.raises(ValueError, match="one length"):
        pair_up([0], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="one length"):
        pair_up_by([0, 1], [0, 1], [0, 1], ["EU"])


def test_score_bins_have_about_equal_mass():
    scores = np.random.default_rng(1).beta(1, 30, 5000)

    found = score_bins(np.append(scores, [np.nan, 1.5, -0.1]))

    assert found.codes[-3:].tolist() == [-1, -1, -1]
    assert found.values == tuple("0123456789")
    sizes = np.bincount(found.codes[:-3])
    assert (np.abs(sizes - 500) < 60).all()
    assert (np.diff([scores[found.codes[:-3] == one].mean() for one in range(10)]) > 0).all()


def test_scores_that_are_alike_share_a_bin_and_none_have_none():
    assert set(score_bins(np.full(100, 0.3)).codes.tolist()) == {0}
    assert score_bins(np.zeros(0)).values == ()
    assert score_bins(np.array([np.nan])).codes.tolist() == [-1]


def test_versions_can_be_compared_by_score_bin():
    scores = np.linspace(0, 1, 1000)
    a, b = scores >= 0.5, scores >= 0.55

    found = {name: disagreement(table) for name, table in pair_up_by(a, b, [False, True], score_bins(scores)).items()}

    assert [name for name, one in sorted(found.items()) if one.share.value > 0] == ["5"]
    assert found["5"].down.value > 0.4


def test_the_gap_of_scores_is_their_mean_absolute_difference():
    found = score_gap(np.array([0.1, 0.5, np.nan, 0.2]), np.array([0.3, 0.4, 0.5, np.inf]))

    assert (found.value, found.n) == (pytest.approx(0.15), 2)
    assert score_gap(np.zeros(0), np.zeros(0)).reason == Reason.empty
    with pytest.raises(ValueError, match="either version"):
        score_gap(np.zeros(1), np.zeros(2))


matrices = st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=3, max_size=3)


@given(decisions, matrices, labels)
def test_no_labels_can_make_more_difference_than_what_is_at_stake(drawn, rows, truth):
    a, b, _ = columns(drawn)
    matrix, pairs = np.array(rows, dtype=float), pair_up(a, b, ORDER)

    stake = value_at_stake(pairs, matrix)

    of_truth = matrix[ORDER.index(truth)]
    a_value, b_value = (of_truth @ pairs.counts.sum(axis=axis) for axis in (1, 0))
    assert abs(a_value - b_value) <= stake + 1e-9
    assert value_at_stake(Confusion(("0",), np.array([[7]])), np.array([[3.0]])) == 0


def test_what_is_at_stake_by_hand():
    table = Confusion(("0", "1"), np.array([[900, 30], [10, 60]]))

    assert value_at_stake(table, np.array([[0.0, -10.0], [-50.0, 5.0]])) == 40 * 55


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.zeros((3, 3)), np.array([[0, np.inf], [0, 0]])])
def test_a_matrix_of_another_shape_is_refused(matrix):
    with pytest.raises(ValueError, match="finite matrix"):
        value_at_stake(Confusion(("0", "1"), np.eye(2, dtype=np.int64)), matrix)


def test_rankings_disagree_by_what_they_do_not_share():
    a, b = [["a", "b", "c"], ["a"], [], ["a", "b"]], [["b", "a", "x"], [], [], ["b", "a"]]

    found = ranking_disagreement(a, b, k=2)

    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)
    assert ranking_disagreement(a, b, k=3).value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert ranking_disagreement(a, a, k=2).value == 0
    assert ranking_disagreement([], [], k=2).reason == Reason.empty


def test_rankings_need_as_many_queries_and_a_cutoff():
    with pytest.raises(ValueError, match="as many queries"):
        ranking_disagreement([[]], [], k=1)
    with pytest.raises(ValueError, match="at least 1"):
        ranking_disagreement([[]], [[]], k=0)


def test_the_golden_mcnemar():
    assert mcnemar(10, 25) == pytest.approx(0.0166738478, abs=1e-10)


@given(st.integers(0, 300), st.integers(0, 300))
def test_scipy_agrees_on_mcnemar(b, c):
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0

    assert mcnemar(b, c) == pytest.approx(expected, abs=1e-9)
    assert mcnemar(c, b) == mcnemar(b, c)


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="not negative"):
        mcnemar(-1, 2)


def test_a_change_of_accuracy_from_discordant_labels():
    found = discordant_accuracy(0.1, 0.75, 400)

    variance = 0.1**2 * 4 * 0.75 * 0.25 / 400
    assert found.value == pytest.approx(0.05)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * variance**0.5, rel=0.02)
    assert discordant_accuracy(0.1, 0.75, 0).reason == Reason.empty


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 500), st.none() | st.integers(1, 5000))
def test_an_interval_of_the_change_holds_it_and_turns_with_the_versions(d, q, m, n):
    found, turned = discordant_accuracy(d, q, m, n), discordant_accuracy(d, 1 - q, m, n)

    assert -1 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    if n:
        exact = discordant_accuracy(d, q, m)
        assert found.low <= exact.low + 1e-12


def test_where_every_label_says_the_same_the_share_of_pairs_decides():
    low, high = wilson(50, 1000)

    better, worse = (discordant_accuracy(0.05, q, 10**9, 1000) for q in (1.0, 0.0))

    assert (better.low, better.high) == pytest.approx((low, high), abs=1e-6)
    assert (worse.low, worse.high) == pytest.approx((-high, -low), abs=1e-6)


@pytest.mark.parametrize("call", [(1.1, 0.5, 1), (0.5, -0.1, 1), (0.5, 0.5, -1), (0.5, 0.5, 1, 0)])
def test_shares_outside_0_and_1_are_refused(call):
    with pytest.raises(ValueError, match="two shares"):
        discordant_accuracy(*call)


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "d", "q"), [(1000, 0.05, 0.7), (5000, 0.04, 0.9), (2000, 0.2, 0.5), (2000, 0.1, 0.3)])
def test_the_interval_of_the_change_covers_what_it_promises(n, d, q):
    rng = np.random.default_rng(n)
    covered = {"all labelled": 0, "half labelled": 0}

    for discordant in rng.binomial(n, d, 3000):
        for name, part in (("all labelled", 1), ("half labelled", 2)):
            m = max(int(discordant) // part, 1)
            found = discordant_accuracy(discordant / n, rng.binomial(m, q) / m, m, n)
            covered[name] += found.low <= d * (2 * q - 1) <= found.high

    assert all(0.93 <= share / 3000 <= 0.97 for share in covered.values())


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "noise"), [(300, 0.02), (1000, 0.2)])
def test_the_interval_of_the_score_gap_covers_what_it_promises(n, noise):
    rng = np.random.default_rng(n)
    a, b = scored(rng, 500_000, noise)
    truth = np.abs(a - b).mean()
    covered = 0

    for _ in range(2000):
        found = score_gap(*scored(rng, n, noise))
        covered += found.low <= truth <= found.high

    assert 0.93 <= covered / 2000 <= 0.97


def scored(rng, n, noise):
    """Scores of two versions that differ by a noise on the scale of log odds."""
    logit = rng.normal(-1, 1.5, n)
    return [1 / (1 + np.exp(-(logit + shift))) for shift in (0, rng.normal(0, noise, n))]


@pytest.mark.simulation
def test_the_interval_of_ranking_disagreement_covers_what_it_promises():
    rng = np.random.default_rng(4)
    covered = 0

    for _ in range(600):
        a, b = ([list(map(str, rng.permutation(8)[:4])) for _ in range(100)] for _ in range(2))
        found = ranking_disagreement(a, b, k=4)
        covered += found.low <= 0.5 <= found.high

    assert 0.93 <= covered / 600 <= 0.97


@settings(max_examples=20)
@given(decisions, decisions)
def test_tables_of_two_days_add_up(one, other):
    parts = [pair_up(*columns(day)[:2], ORDER).counts for day in (one, other)]

    assert (sum(parts) == pair_up(*columns(one + other)[:2], ORDER).counts).all()
