"""Agreement of reviewers: golden tables, definitions counted pair by pair, intervals that cover."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from monitoring.stats.agreement import (
    alpha,
    cohen,
    fleiss,
    negative_agreement,
    positive_agreement,
    raw_agreement,
    specific_agreement,
)
from monitoring.stats.intervals import wilson
from monitoring.stats.results import Confusion, Reason

# Fleiss (1971) as it is printed in the textbooks: ten subjects, fourteen raters, five categories.
TEXTBOOK = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
# Krippendorff's example: four observers, twelve units, labels 1 to 5, some missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
DOUBLE = np.array(
    [[3, 0], [2, 1], [0, 2], [3, 0], [1, 2], [2, 0], [0, 3], [3, 0], [2, 0], [1, 1], [1, 0]]
)  # fmt: skip


def square(counts):
    return Confusion(("0", "1"), np.array(counts))


def counted(answers, labels):
    """Ratings per item and label of answers per item, None for missing."""
    return np.array([[sum(one == label for one in item) for label in labels] for item in answers]).reshape(
        len(answers), len(labels)
    )


def test_the_golden_table_of_two_raters():
    table = square([[150, 10], [6, 34]])

    kappa = cohen(table)
    assert kappa.value == pytest.approx(0.75904, abs=5e-6)
    assert (kappa.high - kappa.low) / 2 / 1.959963984540054 == pytest.approx(0.05710, abs=5e-6)
    assert positive_agreement(table).value == pytest.approx(0.80952, abs=5e-6)
    assert negative_agreement(table).value == pytest.approx(0.94937, abs=5e-6)
    pairs = np.repeat([[2, 0], [1, 1], [0, 2]], [150, 16, 34], axis=0)
    assert raw_agreement(pairs).value == pytest.approx(0.92)


def test_the_paradox_of_a_rare_label():
    table = square([[940, 25], [25, 10]])

    kappa = cohen(table)
    assert (kappa.value, kappa.low, kappa.high) == pytest.approx((0.2598, 0.1182, 0.4014), abs=5e-5)
    assert positive_agreement(table).value == pytest.approx(0.2857, abs=5e-5)


def test_the_golden_counts_with_unequal_numbers_of_ratings():
    assert alpha(DOUBLE).value == pytest.approx(0.50980, abs=5e-6)
    assert alpha(DOUBLE).n == 10
    units = counted(list(zip(*OBSERVERS, strict=True)), [1, 2, 3, 4, 5])
    assert alpha(units).value == pytest.approx(0.743, abs=5e-4)


def test_the_textbook_table_of_many_raters():
    assert fleiss(TEXTBOOK).value == pytest.approx(0.210, abs=5e-4)


labels = st.sampled_from("abc")


@settings(max_examples=30)
@given(st.lists(st.tuples(labels, labels), min_size=2, max_size=40))
def test_scikit_learn_agrees_on_kappa_and_specific_agreement(pairs):
    first, second = zip(*pairs, strict=True)
    assume(len({*first, *second}) > 1)
    table = Confusion(("a", "b", "c"), np.zeros((3, 3), dtype=np.int64))
    for one, other in pairs:
        table.counts["abc".index(one), "abc".index(other)] += 1

    assert cohen(table).value == pytest.approx(cohen_kappa_score(first, second, labels=["a", "b", "c"]), abs=1e-9)
    for label in {*first, *second}:
        oracle = f1_score(first, second, labels=[label], average="macro", zero_division=0)
        assert specific_agreement(table, label).value == pytest.approx(oracle, abs=1e-9)


items = st.lists(st.lists(labels, max_size=5), min_size=1, max_size=12)


@given(items)
def test_alpha_is_what_pairs_of_ratings_say(answers):
    rated = [item for item in answers if len(item) > 1]
    every = [one for item in rated for one in item]
    assume(len(set(every)) > 1)
    within = sum(2 * sum(a != b for a, b in combinations(item, 2)) / (len(item) - 1) for item in rated) / len(every)
    by_chance = np.mean([a != b for a, b in combinations(every, 2)])

    found = alpha(counted(answers, "abc"))

    assert found.value == pytest.approx(1 - within / by_chance, abs=1e-9)
    assert found.n == len(rated)


@given(items)
def test_raw_agreement_is_the_mean_share_of_agreeing_pairs(answers):
    shares = [np.mean([a == b for a, b in combinations(item, 2)]) for item in answers if len(item) > 1]

    found = raw_agreement(counted(answers, "abc"))

    assert found.value == (pytest.approx(np.mean(shares), abs=1e-9) if shares else None)


@given(st.lists(st.lists(labels, min_size=3, max_size=3), min_size=2, max_size=12))
def test_fleiss_compares_agreeing_pairs_with_labels_drawn_at_random(answers):
    every = [one for item in answers for one in item]
    assume(len(set(every)) > 1)
    agreed = np.mean([a == b for item in answers for a, b in combinations(item, 2)])
    chance = sum((every.count(label) / len(every)) ** 2 for label in "abc")

    assert fleiss(counted(answers, "abc")).value == pytest.approx((agreed - chance) / (1 - chance), abs=1e-9)


@given(items, st.permutations(range(3)))
def test_order_of_items_and_names_of_labels_change_nothing(answers, order):
    counts = counted(answers, "abc")

    for one in (alpha, raw_agreement):
        found, other = one(counts), one(counts[::-1][:, order])
        assert other.reason == found.reason
        for end in ("value", "low", "high"):
            assert getattr(other, end) == pytest.approx(getattr(found, end), abs=1e-9)


@given(st.lists(st.tuples(labels, labels), min_size=2, max_size=40))
def test_swapping_the_raters_changes_nothing(pairs):
    table = np.zeros((3, 3), dtype=np.int64)
    for one, other in pairs:
        table["abc".index(one), "abc".index(other)] += 1

    found, swapped = cohen(Confusion(("a", "b", "c"), table)), cohen(Confusion(("a", "b", "c"), table.T))

    for end in ("value", "low", "high"):
        assert getattr(swapped, end) == pytest.approx(getattr(found, end), abs=1e-9)
    if found.value is not None:
        assert -1 <= found.low <= found.value <= found.high <= 1


@given(items)
def test_an_interval_of_alpha_holds_its_value(answers):
    found = alpha(counted(answers, "abc"))

    if found.low is not None:
        assert -1 <= found.low <= found.value + 1e-9
        assert found.value - 1e-9 <= found.high <= 1


@pytest.mark.parametrize("measure", [alpha, fleiss, raw_agreement])
def test_nothing_rated_is_empty(measure):
    assert measure(np.zeros((0, 2), dtype=np.int64)).reason == Reason.empty
    assert measure(np.zeros((3, 2), dtype=np.int64)).reason == Reason.empty


def test_single_ratings_cannot_agree():
    once = np.array([[1, 0], [0, 1]])

    assert raw_agreement(once).reason == alpha(once).reason == Reason.empty
    assert fleiss(once).reason == Reason.too_few


def test_all_answers_equal_have_no_value_and_never_1():
    assert alpha(np.array([[2, 0]] * 5)).reason == Reason.zero_denominator
    assert fleiss(np.array([[2, 0]] * 5)).reason == Reason.zero_denominator
    assert cohen(square([[5, 0], [0, 0]])).reason == Reason.zero_denominator
    assert cohen(square([[0, 0], [0, 0]])).reason == Reason.empty


def test_a_label_that_nobody_says_has_no_agreement():
    assert positive_agreement(square([[5, 0], [0, 0]])).reason == Reason.no_positives
    assert negative_agreement(square([[0, 0], [0, 5]])).reason == Reason.no_negatives
    assert specific_agreement(square([[5, 0], [0, 0]]), "1").reason == Reason.zero_denominator
    assert positive_agreement(square([[0, 0], [0, 0]])).reason == Reason.empty


def test_raters_that_never_disagree_have_the_width_of_the_raw_agreement():
    low, _ = wilson(100, 100)

    for found in (cohen(square([[50, 0], [0, 50]])), fleiss(np.repeat([[3, 0], [0, 3]], 50, axis=0))):
        assert (found.value, found.high) == (1, 1)
        assert found.low == pytest.approx((low - 0.5) / 0.5)
    assert alpha(np.repeat([[2, 0], [0, 2]], 50, axis=0)).low == pytest.approx((low - 0.5) / 0.5, abs=0.02)


def test_raters_that_never_agree_have_a_width_too():
    found = cohen(square([[0, 50], [50, 0]]))

    assert (found.value, found.low) == (-1, -1)
    assert -1 < found.high < -0.9


def test_a_figure_that_hangs_on_one_item_has_no_interval():
    hanging = np.array([[2, 0]] * 20 + [[1, 1]])

    for found in (alpha(hanging), fleiss(hanging), alpha(np.array([[1, 1]])), fleiss(np.array([[1, 1]]))):
        assert found.value is not None
        assert (found.low, found.high) == (None, None)


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="items by label"):
        alpha(np.array([1, 2]))
    with pytest.raises(ValueError, match="items by label"):
        raw_agreement(np.array([[1, -1]]))
    with pytest.raises(ValueError, match="same number"):
        fleiss(np.array([[2, 0], [3, 0]]))
    with pytest.raises(ValueError, match="not one of the labels"):
        specific_agreement(square([[1, 0], [0, 1]]), "2")
    with pytest.raises(ValueError, match="two labels"):
        positive_agreement(Confusion(("a", "b", "c"), np.eye(3, dtype=np.int64)))


def drawn(rng, n, shares, accuracy, raters, missing=0.0):
    """Ratings of n items: each rater knows the true label or guesses; some ratings are missing."""
    truth = rng.choice(len(shares), n, p=shares)
    guess = rng.integers(0, len(shares), (n, raters))
    answers = np.where(rng.random((n, raters)) < accuracy, truth[:, None], guess)
    kept = rng.random((n, raters)) >= missing
    return np.stack([((answers == label) & kept).sum(axis=1) for label in range(len(shares))], axis=1)


@pytest.mark.simulation
@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize(
    ("shares", "accuracy", "raters", "missing"),
    [((0.5, 0.5), 0.8, 3, 0), ((0.8, 0.2), 0.8, 4, 0.3), ((0.6, 0.3, 0.1), 0.9, 3, 0), ((0.4, 0.3, 0.3), 0.5, 5, 0.3)],
)
def test_intervals_of_many_raters_cover_what_they_promise(n, shares, accuracy, raters, missing):
    rng = np.random.default_rng(5)
    many = drawn(rng, 200_000, shares, accuracy, raters, missing)
    measures = (alpha, raw_agreement) if missing else (alpha, raw_agreement, fleiss)
    truths = [measure(many).value for measure in measures]
    covered = np.zeros(len(measures))

    for _ in range(2000):
        counts = drawn(rng, n, shares, accuracy, raters, missing)
        found = [measure(counts) for measure in measures]
        covered += [one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]

    assert (covered / 2000 >= 0.93).all()
    assert (covered / 2000 <= 0.97).all()


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("n", "share", "sensitivity", "specificity"),
    [
        (200, 0.5, 0.9, 0.9),
        (200, 0.3, 0.9, 0.95),
        (200, 0.15, 0.8, 0.97),
        (200, 0.5, 0.7, 0.7),
        (500, 0.3, 0.95, 0.98),
        (500, 0.1, 0.8, 0.97),
    ],
)
def test_intervals_of_two_raters_cover_what_they_promise(n, share, sensitivity, specificity):
    cells = sum(
        weight * np.outer([1 - said, said], [1 - said, said])
        for weight, said in ((share, sensitivity), (1 - share, 1 - specificity))
    )
    chance = float(cells.sum(axis=1) @ cells.sum(axis=0))
    off = cells[0, 1] + cells[1, 0]
    truths = [
        (np.trace(cells) - chance) / (1 - chance),
        2 * cells[1, 1] / (2 * cells[1, 1] + off),
        2 * cells[0, 0] / (2 * cells[0, 0] + off),
        np.trace(cells),
    ]
    covered = np.zeros(4)

    for counts in np.random.default_rng(6).multinomial(n, cells.ravel(), 1500):
        table = square(counts.reshape(2, 2))
        pairs = np.repeat([[2, 0], [1, 1], [0, 2]], [counts[0], counts[1] + counts[2], counts[3]], axis=0)
        found = (cohen(table), positive_agreement(table), negative_agreement(table), raw_agreement(pairs))
        covered += [one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]

    assert (covered / 1500 >= 0.93).all()
    assert (covered / 1500 <= 0.97).all()
