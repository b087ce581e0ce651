"""Ranking metrics: golden values, scikit-learn and plain loops as oracles, sums that add up."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from monitoring.stats.profile.rankings import RankCounts, count_rankings, population
from monitoring.stats.ranking import (
    METRICS,
    average_precision_at,
    each,
    hit_at,
    in_order,
    ndcg,
    over_queries,
    recall_at,
    reciprocal_rank,
)
from monitoring.stats.results import Reason

SHOWN, UNSHOWN = [0, 2, 0, 1], [3]
relevances = st.lists(st.sampled_from([0, 0, 1, 2, 0.5, 3]), max_size=12)
queries = st.lists(st.tuples(relevances, relevances), max_size=5)
cutoffs = st.integers(1, 14)


def by_hand(rel, k, unshown):
    """The five metrics in plain loops over one query."""
    every = sorted([*rel, *unshown], reverse=True)
    total = sum(one > 0 for one in every)
    if not total:
        return None
    gain = sum(one / math.log2(place + 2) for place, one in enumerate(rel[:k]))
    ideal = sum(one / math.log2(place + 2) for place, one in enumerate(every[:k]))
    precision, hits = 0.0, 0
    for place, one in enumerate(rel[:k], start=1):
        if one > 0:
            hits += 1
            precision += hits / place
    first = next((1 / place for place, one in enumerate(rel, start=1) if one > 0), 0.0)
    return gain / ideal, precision / min(total, k), hits / total, float(hits > 0), first


def test_the_golden_values():
    assert ndcg([3, 2, 3, 0, 1, 2], 6) == pytest.approx(0.9608081943, abs=1e-9)
    assert ndcg([3, 2, 3, 0, 1, 2], 3) == pytest.approx(0.9777813616, abs=1e-9)
    assert average_precision_at([0, 1, 0, 1], 4) == 0.5
    assert ndcg(SHOWN, 3, UNSHOWN) == pytest.approx(0.2649930149, abs=1e-9)
    found = [one(SHOWN, 3, UNSHOWN) for one in (average_precision_at, recall_at, hit_at)]
    assert found == pytest.approx([1 / 6, 1 / 3, 1], abs=1e-12)
    assert reciprocal_rank(SHOWN, UNSHOWN) == 0.5


@given(relevances, relevances, cutoffs)
def test_plain_loops_agree(rel, unshown, k):
    expected = by_hand(rel, k, unshown)

    found = [one(rel, k, unshown) for one in (ndcg, average_precision_at, recall_at, hit_at)]
    found.append(reciprocal_rank(rel, unshown))

    assert found == [None] * 5 if expected is None else found == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.sampled_from([0, 1, 2, 3]), min_size=2, max_size=15), cutoffs)
def test_scikit_learn_agrees_on_ndcg(rel, k):
    assume(any(rel))
    scores = [list(range(len(rel), 0, -1))]

    assert ndcg(rel, k) == pytest.approx(metrics.ndcg_score([rel], scores, k=k), abs=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=15))
def test_scikit_learn_agrees_on_average_precision(rel):
    assume(any(rel))
    scores = list(range(len(rel), 0, -1))

    assert average_precision_at(rel, len(rel)) == pytest.approx(metrics.average_precision_score(rel, scores))


@given(queries, cutoffs)
def test_many_queries_at_once_are_the_same_as_one_by_one(drawn, k):
    values, used = each(drawn, k)

    for query, found, is_used in zip(drawn, values, used, strict=True):
        alone, alone_used = each([query], k)
        assert (found == alone[0]).all()
        assert is_used == alone_used[0]
    assert not values[~used].any()


@given(relevances, relevances, cutoffs, st.sampled_from([1e-300, 0.5, 7, 1e300]))
def test_values_lie_between_0_and_1_whatever_the_unit_of_relevance(rel, unshown, k, unit):
    plain, used = each([(rel, unshown)], k)
    scaled, _ = each([([one * unit for one in rel], [one * unit for one in unshown])], k)

    assert ((plain >= 0) & (plain <= 1)).all()
    assert scaled == pytest.approx(plain, abs=1e-9)
    assert used[0] == any([*rel, *unshown])


@given(relevances, cutoffs)
def test_the_best_order_has_an_ndcg_of_1(rel, k):
    assume(any(rel))

    assert ndcg(sorted(rel, reverse=True), k) == 1.0


@given(relevances, relevances, cutoffs)
def test_moving_a_relevant_item_up_never_makes_it_worse(rel, unshown, k):
    assume(len(rel) > 1)
    place = max(range(1, len(rel)), key=lambda i: rel[i] - rel[i - 1])
    assume(rel[place] > rel[place - 1])
    better = [*rel]
    better[place - 1], better[place] = rel[place], rel[place - 1]

    assert (each([(better, unshown)], k)[0] >= each([(rel, unshown)], k)[0] - 1e-12).all()


@pytest.mark.parametrize(
    ("rel", "unshown"),
    [([], []), ([0, 0], [0]), ([math.nan, 1], []), ([1], [math.inf]), ([1, -1], [])],
    ids=["nothing", "no relevant item", "nan", "infinite", "negative"],
)
def test_a_query_without_sound_relevances_has_no_value(rel, unshown):
    assert [one(rel, 3, unshown) for one in (ndcg, average_precision_at, recall_at, hit_at)] == [None] * 4
    assert reciprocal_rank(rel, unshown) is None


def test_an_unsound_query_spoils_no_other():
    values, used = each([([1], []), ([math.inf], []), ([0, 1], [])])

    assert used.tolist() == [True, False, True]
    assert values[:, 4].tolist() == [1.0, 0.0, 0.5]


def test_nothing_relevant_shown_is_0_and_not_left_out():
    assert each([([], [1.0])])[0].tolist() == [[0.0] * 5]
    assert reciprocal_rank([], [1]) == 0


def test_relevances_in_order_name_what_was_not_shown():
    assert in_order(["b", "x", "a"], {"a": 1, "b": 2, "c": 3}) == ([2, 0.0, 1], [3])


def test_an_item_shown_twice_counts_once():
    rel, unshown = in_order(["a", "a"], {"a": 1.0})

    assert (rel, unshown) == ([1.0, 0.0], [])
    assert ndcg(rel, 2) == 1


def test_the_mean_over_queries_leaves_out_those_without_a_value():
    estimate = over_queries([0.2, None, 0.4, 0.9, None])

    half = 1.959963984540054 * np.std([0.2, 0.4, 0.9], ddof=1) / math.sqrt(3)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    assert estimate.n == 3
    assert over_queries([None]).reason == Reason.empty
    assert over_queries([]).value is None


def test_a_cutoff_below_1_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        ndcg([1], 0)


@st.composite
def traffic(draw):
    """Shown lists and relevances by id; some requests lack one of them."""
    ids = st.sampled_from("abcdefgh")
    shown = st.none() | st.lists(ids, max_size=6, unique=True)
    outcome = st.none() | st.dictionaries(ids, st.sampled_from([0.0, 1.0, 2.0]), max_size=4)
    return draw(st.lists(st.tuples(shown, outcome), max_size=8))


@settings(max_examples=50)
@given(traffic())
def test_sums_give_what_the_values_give(requests):
    shown, outcomes = [one for one, _ in requests], [one for _, one in requests]

    counts = RankCounts.of(shown, outcomes)

    answered = [(one, other) for one, other in requests if one is not None and other is not None]
    values = [by_hand(*_split(one, other)) for one, other in answered]
    found = counts.estimates()
    for place, name in enumerate(METRICS):
        expected = over_queries([None if value is None else value[place] for value in values])
        assert (found[name].n, found[name].reason) == (expected.n, expected.reason)
        for end in ("value", "low", "high"):
            assert getattr(found[name], end) == pytest.approx(getattr(expected, end), abs=1e-7)
    assert counts.queries == sum(value is not None for value in values)
    assert counts.left_out == sum(value is None for value in values)


def _split(shown, outcome):
    rel, unshown = in_order(shown, outcome)
    return rel, 10, unshown


@settings(max_examples=30)
@given(traffic(), traffic(), traffic())
def test_sums_merge_in_any_order(first, second, third):
    parts = (first, second, third)
    one, two, three = (RankCounts.of([a for a, _ in part], [b for _, b in part]) for part in parts)
    whole = RankCounts.of([a for part in parts for a, _ in part], [b for part in parts for _, b in part])
    nothing = RankCounts.of([], [])

    for merged in ((one + two) + three, one + (two + three), three + two + one, nothing + whole):
        assert (merged.queries, merged.left_out) == (whole.queries, whole.left_out)
        assert merged.totals == pytest.approx(whole.totals, abs=1e-9)
        assert merged.squares == pytest.approx(whole.squares, abs=1e-9)


def test_populations_are_counted_apart(monkeypatch):
    monkeypatch.setattr("monitoring.stats.profile.rankings._BLOCK", 2)  # more blocks than one
    shown = [["a"], ["b", "a"], None, ["a"], []]
    outcomes = [{"a": 1}, {"a": 1}, {"a": 1}, {}, {"a": 1}]
    side = np.array([1, 2, 1, 2, 2])

    arrays = count_rankings(shown, outcomes, [np.zeros(5, dtype=np.int64), side], 3)

    everybody, left, right = (population(arrays, index) for index in range(3))
    assert [(one.queries, one.left_out) for one in (everybody, left, right)] == [(3, 1), (1, 0), (2, 1)]
    assert everybody.estimates()["mrr"].value == 0.5
    assert right.estimates()["mrr"].value == 0.25


def test_shown_lists_and_relevances_of_one_length_are_needed():
    with pytest.raises(ValueError, match="as many"):
        RankCounts.of([["a"]], [])


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "chance"), [(100, 0.5), (300, 0.1)])
def test_the_interval_over_queries_covers_what_it_promises(n, chance):
    rng = np.random.default_rng(n)
    truth = np.mean([one for one, used in zip(*_drawn(rng, 200_000, chance), strict=True) if used])
    covered = 0

    for _ in range(1000):
        values, used = _drawn(rng, n, chance)
        estimate = over_queries(np.where(used, values, None).tolist())
        covered += estimate.low <= truth <= estimate.high

    assert 0.93 <= covered / 1000 <= 0.97


def _drawn(rng, n, chance):
    """ndcg at 10 of n queries of ten shown items, each relevant by chance."""
    relevant = rng.random((n, 10)) < chance
    discount = 1 / np.log2(np.arange(2, 12))
    number = relevant.sum(axis=1)
    ideal = np.concatenate(([1.0], np.cumsum(discount)))[number]
    return relevant @ discount / ideal, number > 0
