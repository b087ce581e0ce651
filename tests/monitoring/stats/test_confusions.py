"""Metrics of decisions: weights and classes against scikit-learn, intervals, what is undefined."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from monitoring.stats.confusions import confusion, per_class, rates, rates_exact
from monitoring.stats.intervals import wilson
from monitoring.stats.results import Confusion, Reason

LABELS = [0, 1, 2]
pairs = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0.1, 10).map(lambda w: round(w, 3))),
    min_size=1,
    max_size=40,
)


def close(estimate, oracle):
    return estimate.value == pytest.approx(oracle, abs=1e-9)


@given(pairs)
def test_scikit_learn_agrees_with_weights(drawn):
    true, decided, w = (np.array(side) for side in zip(*drawn, strict=True))
    found = rates_exact(true, decided, LABELS, w, seed=None)

    assert close(found["accuracy"], metrics.accuracy_score(true, decided, sample_weight=w))
    seen = sorted({*true.tolist(), *decided.tolist()})
    macro = metrics.f1_score(true, decided, labels=seen, average="macro", sample_weight=w, zero_division=0)
    assert close(found["macro_f1"], macro)
    if found["mcc"].value is not None:
        assert close(found["mcc"], metrics.matthews_corrcoef(true, decided, sample_weight=w))
    if found["kappa"].value is not None:
        assert close(found["kappa"], metrics.cohen_kappa_score(true, decided, sample_weight=w))


@given(pairs)
def test_scikit_learn_agrees_on_two_labels_with_weights(drawn):
    true, decided, w = (np.array(side) for side in zip(*drawn, strict=True))
    true, decided = true % 2, decided % 2
    assume(true.any() and decided.any() and not true.all())

    found = rates_exact(true, decided, [0, 1], w, seed=None)

    assert close(found["precision"], metrics.precision_score(true, decided, sample_weight=w, zero_division=0))
    assert close(found["recall"], metrics.recall_score(true, decided, sample_weight=w))
    assert close(found["specificity"], metrics.recall_score(true, decided, sample_weight=w, pos_label=0))
    assert close(found["f1"], metrics.f1_score(true, decided, sample_weight=w))


@given(pairs)
def test_scikit_learn_agrees_on_every_class(drawn):
    true, decided, _ = (np.array(side) for side in zip(*drawn, strict=True))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(true, decided, labels=LABELS, zero_division=0)

    found = per_class(confusion(true, decided, LABELS))

    for index, name in enumerate("012"):
        one = found[name]
        assert one["precision"].value is None or close(one["precision"], precision[index])
        assert one["recall"].value is None or close(one["recall"], recall[index])
        assert one["f1"].value is None or close(one["f1"], f1[index])
        assert (one["recall"].value is None) == (index not in true)


def test_without_weights_rows_and_their_table_say_the_same():
    true, decided = "aabbccabc", "abbbcaabc"

    assert rates_exact(true, decided, "abc") == rates(confusion(true, decided, "abc"))


def test_the_interval_of_weighted_rows_rests_on_their_effective_number():
    w = np.array([1.0, 1.0, 2.0, 4.0])

    accuracy = rates_exact([0, 1, 1, 0], [0, 1, 0, 0], [0, 1], w)["accuracy"]

    n_eff = 8**2 / (1 + 1 + 4 + 16)
    assert (accuracy.value, accuracy.n, accuracy.n_eff) == (0.75, 4, pytest.approx(n_eff))
    assert (accuracy.low, accuracy.high) == pytest.approx(wilson(0.75 * n_eff, n_eff))


def test_the_unit_of_weights_does_not_matter():
    true, decided, w = [0, 1, 1, 0, 1], [0, 1, 0, 0, 1], np.array([1.0, 1.0, 2.0, 4.0, 0.5])

    one, other = (rates_exact(true, decided, [0, 1], w * unit) for unit in (1.0, 1e200))

    for name, estimate in one.items():
        assert other[name].value == pytest.approx(estimate.value, abs=1e-12)
        assert other[name].low == pytest.approx(estimate.low, abs=1e-12)


def test_f1_is_the_carried_over_share_of_hits():
    f1 = rates(Confusion(("0", "1"), np.array([[50, 10], [5, 35]])))["f1"]

    low, high = wilson(35, 50)
    assert f1.value == pytest.approx(70 / 85)
    assert (f1.low, f1.high, f1.n) == (pytest.approx(2 * low / (1 + low)), pytest.approx(2 * high / (1 + high)), 50)


@pytest.mark.parametrize("name", ["macro_f1", "mcc", "kappa"])
def test_the_metrics_of_a_table_have_seeded_intervals(name):
    table = Confusion(("a", "b", "c"), np.array([[30, 5, 5], [5, 20, 5], [2, 3, 25]]))

    estimate = rates(table, seed=7)[name]

    assert estimate.low < estimate.value < estimate.high
    assert estimate == rates(table, seed=7)[name]
    assert estimate != rates(table, seed=8)[name]
    assert (estimate.n, estimate.method) == (100, "poisson_bootstrap")


def test_without_a_seed_nothing_is_resampled():
    estimate = rates(Confusion(("0", "1"), np.array([[50, 10], [5, 35]])), seed=None)["mcc"]

    assert estimate.value is not None
    assert (estimate.low, estimate.high) == (None, None)


def test_a_metric_that_most_resamples_cannot_define_has_no_interval():
    kappa = rates(Confusion(("0", "1"), np.array([[400, 0], [1, 0]])))["kappa"]

    assert kappa.value == 0
    assert rates(Confusion(("0", "1"), np.array([[1, 0], [0, 1]])))["mcc"].low is None
    assert rates(Confusion(("0", "1"), np.array([[400, 0], [0, 0]])))["kappa"].reason == Reason.zero_denominator


@pytest.mark.parametrize(
    ("cells", "metric", "reason"),
    [
        ([[5, 0], [3, 0]], "precision", Reason.no_predicted_positives),
        ([[5, 2], [0, 0]], "recall", Reason.no_positives),
        ([[0, 0], [2, 5]], "specificity", Reason.no_negatives),
        ([[0, 0], [0, 0]], "specificity", Reason.empty),
        ([[5, 0], [0, 0]], "f1", Reason.zero_denominator),
    ],
)
def test_what_is_undefined_says_why(cells, metric, reason):
    estimate = rates(Confusion(("0", "1"), np.array(cells)))[metric]

    assert (estimate.value, estimate.low, estimate.reason) == (None, None, reason)


def test_a_class_that_never_occurs_is_undefined_for_itself():
    never = per_class(confusion("ab", "ab", "abc"))["c"]

    assert [never[name].reason for name in ("precision", "recall", "f1")] == [
        Reason.no_predicted_positives,
        Reason.no_positives,
        Reason.zero_denominator,
    ]


def test_rows_without_label_decision_or_weight_are_left_out():
    true, decided = ["a", None, "b", "a", "b"], ["a", "a", float("nan"), "b", "b"]

    assert confusion(true, decided, "ab").counts.tolist() == [[1, 1], [0, 1]]
    weighted = rates_exact(true, decided, "ab", np.array([1.0, 1.0, 1.0, np.nan, 0.0]))
    assert (weighted["accuracy"].value, weighted["accuracy"].n) == (1.0, 1)
    assert rates_exact([None], [None], "ab", np.array([1.0]))["accuracy"].reason == Reason.empty
    assert rates_exact([], [], "ab")["macro_f1"].reason == Reason.empty


def test_flags_and_numbers_are_labels_too():
    assert confusion([True, False], [True, True], [False, True]).counts.tolist() == [[0, 1], [0, 1]]
    assert confusion(np.array([1, 2]), np.array([1, 1]), [1, 2]).labels == ("1", "2")


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="tram is not one of the labels"):
        rates_exact(["bike"], ["tram"], ["bike", "car"])
    with pytest.raises(ValueError, match="as many"):
        rates_exact(["bike"], [], ["bike"])
    with pytest.raises(ValueError, match="twice"):
        confusion([], [], ["bike", "bike"])
    for weights in (np.array([-1.0]), np.array([1.0, 1.0])):
        with pytest.raises(ValueError, match="0 or more for each row"):
            rates_exact(["bike"], ["bike"], ["bike"], weights)
