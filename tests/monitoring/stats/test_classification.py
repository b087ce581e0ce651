"""Classifier metrics: golden values, scikit-learn as oracle, what is undefined."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from monitoring.stats.classification import (
    auc,
    auc_exact,
    auc_resolution,
    average_precision,
    average_precision_exact,
    brier,
    brier_exact,
    confusion,
    log_loss,
    log_loss_exact,
    n_effective,
    rates,
)
from monitoring.stats.grid import SCORE_EDGES
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Confusion, Reason

FOUR = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
TEN = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0]), np.array([0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5, 0.3, 0.1])
BLIND = np.array([0] * 4 + [1] * 4), np.full(8, 0.5)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (FOUR, (0.75, 0.8333333333, 0.4722879538, 0.158125)),
        (TEN, (0.7916666667, 0.7291666667, 0.5857745172, 0.20425)),
        (BLIND, (0.5, 0.5, np.log(2), 0.25)),
    ],
    ids=["four", "ten", "blind"],
)
def test_the_golden_rows_exactly_and_from_cells(rows, expected):
    exactly = [metric(*rows).value for metric in (auc_exact, average_precision_exact, log_loss_exact, brier_exact)]
    counts = ScoreCounts.of(*(side.astype(float) for side in rows))
    counted = [metric(counts).value for metric in (auc, average_precision, log_loss, brier)]

    assert exactly == pytest.approx(expected, abs=1e-9)
    assert counted == pytest.approx(expected, abs=1e-9)


def test_the_golden_interval_of_an_area():
    estimate = auc_exact(*TEN)

    assert (estimate.low, estimate.high) == pytest.approx((0.3602775221, 0.9624627633), abs=1e-9)
    assert estimate.method == "delong"


def rated(base_rate, n, seed=1):
    """Return labels and calibrated scores of n rows of a model for events of this rate."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 1 / base_rate, n)
    return (rng.random(n) < scores).astype(float), scores


@pytest.mark.parametrize("n", [50, 2000, 20_000, 200_000])
@pytest.mark.parametrize("base_rate", [0.3, 0.05, 0.007])
def test_average_precision_from_cells_is_that_of_the_rows(base_rate, n):
    for seed in range(5):
        labels, scores = rated(base_rate, n, seed)
        if labels.any():
            truth = metrics.average_precision_score(labels, scores)
            found = average_precision(ScoreCounts.of(labels, scores)).value
            assert found == pytest.approx(truth, abs=2e-4 if labels.sum() >= 50 else 5e-4)


def test_average_precision_of_equal_scores_takes_them_as_one():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 11, 3000) / 10
    labels = (rng.random(3000) < scores).astype(float)

    truth = metrics.average_precision_score(labels, scores)

    assert average_precision(ScoreCounts.of(labels, scores)).value == pytest.approx(truth, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("base_rate", [0.32, 0.007, 0.0007])
def test_counting_in_cells_costs_less_than_promised(base_rate):
    labels, scores = rated(base_rate, 200_000)
    counts = ScoreCounts.of(labels, scores)

    assert average_precision(counts).value == pytest.approx(metrics.average_precision_score(labels, scores), abs=3e-5)
    assert brier(counts).value == pytest.approx(metrics.brier_score_loss(labels, scores), abs=1e-12)
    assert log_loss(counts).value == pytest.approx(metrics.log_loss(labels, scores), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("base_rate", [0.32, 0.007, 0.0007])
def test_the_area_of_cells_is_that_of_rows_to_a_hundred_thousandth(base_rate):
    missed = []
    for seed in range(8):
        labels, scores = rated(base_rate, 200_000, seed)
        counts = ScoreCounts.of(labels, scores)
        missed.append(auc(counts).value - metrics.roc_auc_score(labels, scores))

    assert np.abs(missed).max() < 1e-5
    assert np.abs(missed).max() < 4 * auc_resolution(counts)


@pytest.mark.slow
@pytest.mark.parametrize("has_places", [True, False])
def test_the_area_of_cells_misses_that_of_rows_as_its_resolution_says(has_places):
    missed = []
    for base_rate in (0.32, 0.007, 0.0007):
        for seed in range(8):
            labels, scores = rated(base_rate, 100_000, seed)
            counts = ScoreCounts.of(labels, scores)
            counts = counts if has_places else replace(counts, places=None)
            area, resolution = auc(counts), auc_resolution(counts)

            missed.append((area.value - metrics.roc_auc_score(labels, scores)) / resolution)
            assert resolution < 0.005 * (area.high - area.low) / 2

    assert np.abs(missed).max() < 4
    assert 0.7 < np.std(missed) < 1.4


def test_where_rows_stand_in_their_cell_tells_which_are_ahead():
    low, high = SCORE_EDGES[2000:2002] @ [[0.9, 0.1], [0.1, 0.9]]
    told = ScoreCounts.of(np.array([0.0, 1.0]), np.array([low, high]))

    assert auc(told).value == 1
    assert auc(replace(told, places=None)).value == 0.5
    assert auc(ScoreCounts.of(np.array([1.0, 0.0]), np.array([low, high]))).value == 0


def test_half_ahead_in_a_cell_is_half_of_what_the_cell_hides():
    middle, high = SCORE_EDGES[2000:2002] @ [[0.5, 0.25], [0.5, 0.75]]
    labels, scores = np.array([0.0, 0, 1, 1]), np.array([middle, middle, high, high])

    counts = ScoreCounts.of(labels, scores)

    assert auc(counts).value == pytest.approx(0.75, abs=0.005)
    assert auc(ScoreCounts.of(labels, np.full(4, high))).value == 0.5


def test_cells_of_one_class_have_no_resolution():
    assert auc_resolution(ScoreCounts.of(np.ones(3), np.full(3, 0.5))) is None
    assert auc_resolution(ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.7]))) == 0


rows = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.sampled_from(np.linspace(0, 1, 21).tolist()), min_size=n, max_size=n),
        st.lists(st.floats(0.1, 10), min_size=n, max_size=n),
    )
)


@given(rows)
def test_scikit_learn_agrees_with_weights(drawn):
    labels, scores, weights = (np.array(side) for side in drawn)
    assume(0 < labels.sum() < len(labels))

    def both(ours, theirs, **options):
        expected = theirs(labels, scores, sample_weight=weights, **options)
        assert ours(labels, scores, weights).value == pytest.approx(expected, abs=1e-9)

    both(auc_exact, metrics.roc_auc_score)
    both(average_precision_exact, metrics.average_precision_score)
    both(brier_exact, metrics.brier_score_loss)
    both(log_loss_exact, lambda y, s, **w: metrics.log_loss(y, np.clip(s, 1e-15, 1 - 1e-15), labels=[0, 1], **w))


@given(rows)
def test_swapping_labels_and_negating_scores_keeps_the_area(drawn):
    labels, scores, _ = (np.array(side) for side in drawn)
    assume(0 < labels.sum() < len(labels))

    assert auc_exact(1 - labels, 1 - scores).value == pytest.approx(auc_exact(labels, scores).value, abs=1e-9)
    assert auc_exact(labels, scores**3).value == pytest.approx(auc_exact(labels, scores).value, abs=1e-9)


def test_weights_narrow_the_interval_as_their_effective_rows():
    rng = np.random.default_rng(2)
    scores = rng.random(400)
    labels = (rng.random(400) < scores).astype(int)

    even, uneven = auc_exact(labels, scores, np.full(400, 5.0)), auc_exact(labels, scores, rng.pareto(1.5, 400) + 0.1)

    plain = auc_exact(labels, scores)
    assert (even.value, even.n_eff) == pytest.approx((plain.value, 400))
    assert even.high - even.low == pytest.approx(plain.high - plain.low, abs=1e-9)
    assert uneven.high - uneven.low > plain.high - plain.low
    assert n_effective(np.array([])) == 0


@pytest.mark.parametrize("metric", [auc_exact, average_precision_exact, log_loss_exact, brier_exact])
def test_nothing_gives_nothing(metric):
    estimate = metric(np.array([]), np.array([]))

    assert (estimate.value, estimate.reason) == (None, Reason.empty)


def test_one_class_has_no_area_and_no_precision_curve():
    ones, zeros, scores = np.ones(3), np.zeros(3), np.array([0.1, 0.2, 0.3])

    assert auc_exact(ones, scores).reason == auc_exact(zeros, scores).reason == Reason.one_class
    assert average_precision_exact(zeros, scores).reason == Reason.no_positives
    empty = ScoreCounts.of(np.array([]), np.array([]))
    assert [metric(empty).reason for metric in (auc, average_precision, log_loss, brier)] == [Reason.empty] * 4


def test_wrong_rows_are_refused():
    with pytest.raises(ValueError, match="one length"):
        auc_exact(np.array([0, 1]), np.array([0.5]))
    with pytest.raises(ValueError, match="one length"):
        auc_exact(np.array([0, 1]), np.array([0.5, 0.5]), np.array([1.0]))
    with pytest.raises(ValueError, match="labels are 0 or 1"):
        brier_exact(np.array([0, 2]), np.array([0.5, 0.5]))


def test_the_golden_three_classes():
    found = rates(confusion("0001122222", "0011222201", "012"))

    assert found["accuracy"].value == pytest.approx(0.6, abs=1e-9)
    assert found["macro_f1"].value == pytest.approx(0.5777777778, abs=1e-9)
    assert found["mcc"].value == pytest.approx(0.3908158747, abs=1e-9)
    assert found["kappa"].value == pytest.approx(0.3846153846, abs=1e-9)
    assert "recall" not in found


labels = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@given(labels)
def test_scikit_learn_agrees_on_tables(pairs):
    true, decided = zip(*pairs, strict=True)
    seen = sorted({*true, *decided})
    found = rates(confusion(true, decided, [0, 1, 2]))

    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(true, decided))
    oracle = metrics.f1_score(true, decided, labels=seen, average="macro", zero_division=0)
    assert found["macro_f1"].value == pytest.approx(oracle)
    if found["mcc"].value is not None:
        assert found["mcc"].value == pytest.approx(metrics.matthews_corrcoef(true, decided))
    if found["kappa"].value is not None:
        assert found["kappa"].value == pytest.approx(metrics.cohen_kappa_score(true, decided, labels=seen))


@given(st.lists(st.integers(1, 50), min_size=4, max_size=4))
def test_scikit_learn_agrees_on_binary_rates(cells):
    table = Confusion(("0", "1"), np.array(cells).reshape(2, 2))
    true = np.repeat([0, 0, 1, 1], cells)
    decided = np.repeat([0, 1, 0, 1], cells)

    found = rates(table)

    assert found["precision"].value == pytest.approx(metrics.precision_score(true, decided))
    assert found["recall"].value == pytest.approx(metrics.recall_score(true, decided))
    assert found["specificity"].value == pytest.approx(metrics.recall_score(true, decided, pos_label=0))
    assert found["f1"].value == pytest.approx(metrics.f1_score(true, decided))
    assert found["recall"].low < found["recall"].value < found["recall"].high


@pytest.mark.parametrize(
    ("cells", "metric", "reason"),
    [
        ([[5, 0], [3, 0]], "precision", Reason.no_predicted_positives),
        ([[5, 2], [0, 0]], "recall", Reason.no_positives),
        ([[0, 0], [2, 5]], "specificity", Reason.no_negatives),
        ([[5, 0], [0, 0]], "f1", Reason.zero_denominator),
        ([[5, 0], [0, 0]], "mcc", Reason.zero_denominator),
        ([[5, 0], [0, 0]], "kappa", Reason.zero_denominator),
        ([[0, 0], [0, 0]], "precision", Reason.empty),
        ([[0, 0], [0, 0]], "recall", Reason.empty),
        ([[0, 0], [0, 0]], "accuracy", Reason.empty),
        ([[0, 0], [0, 0]], "macro_f1", Reason.empty),
        ([[0, 0], [0, 0]], "f1", Reason.empty),
    ],
)
def test_what_is_undefined_says_why(cells, metric, reason):
    estimate = rates(Confusion(("0", "1"), np.array(cells)))[metric]

    assert (estimate.value, estimate.reason) == (None, reason)


def test_a_label_outside_of_the_list_is_refused():
    with pytest.raises(ValueError, match="tram is not one of the labels"):
        confusion(["bike"], ["tram"], ["bike", "car"])
    with pytest.raises(ValueError, match="as many"):
        confusion(["bike"], [], ["bike"])


@pytest.mark.parametrize("metric", [auc_exact, average_precision_exact, log_loss_exact, brier_exact])
def test_rows_without_label_score_or_weight_are_left_out(metric):
    labels = np.array([0, 1, 1, np.nan, 1, 0])
    scores = np.array([0.2, 0.7, np.nan, 0.4, 0.9, 0.1])
    weights = np.array([1.0, 2.0, 1.0, 1.0, 0.0, np.inf])

    found = metric(labels, scores, weights)

    assert found == metric(labels[:2], scores[:2], weights[:2])
    assert found.n == 2
    assert metric(np.full(3, np.nan), np.full(3, 0.5)).reason == Reason.all_null
    assert metric(np.array([0.0, 1.0]), np.array([np.inf, -np.inf])).reason == Reason.all_null


def test_what_is_no_probability_has_no_loss():
    found = brier_exact(np.array([0, 1, 1]), np.array([-0.5, 0.5, 1e300]))

    assert (found.value, found.n) == (0.25, 1)
    assert auc_exact(np.array([0, 1, 1]), np.array([-5.0, 0.5, 1e300])).value == 1


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight is negative"):
        auc_exact(np.array([0, 1]), np.array([0.1, 0.2]), np.array([1.0, -1.0]))


def test_an_average_precision_brings_its_interval():
    counts = ScoreCounts.of(*(side.astype(float) for side in TEN))

    estimate = average_precision(counts)

    assert estimate.low < estimate.value < estimate.high
    assert average_precision_exact(*TEN).low == pytest.approx(estimate.low, abs=1e-9)
    certain = average_precision(ScoreCounts.of(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.8, 0.9])))
    assert (certain.value, certain.high) == (1, 1)
    assert 0 < certain.low < 1


def test_the_error_of_an_average_precision_is_that_of_leaving_rows_out():
    rng = np.random.default_rng(4)
    scores = rng.random(300).round(2)
    labels = (rng.random(300) < scores).astype(float)
    whole = average_precision_exact(labels, scores)

    left_out = [
        average_precision_exact(np.delete(labels, row), np.delete(scores, row)).value for row in range(len(labels))
    ]

    jackknife = np.sqrt((len(labels) - 1) * np.var(left_out))
    half = (np.log(whole.high / (1 - whole.high)) - np.log(whole.low / (1 - whole.low))) / 2
    assert half * whole.value * (1 - whole.value) / 1.959964 == pytest.approx(jackknife, rel=0.02)


@pytest.mark.parametrize(("counted", "exact"), [(log_loss, log_loss_exact), (brier, brier_exact)])
def test_a_loss_from_cells_has_the_interval_of_its_rows(counted, exact):
    rng = np.random.default_rng(5)
    scores = rng.beta(1, 5, 2000)
    labels = (rng.random(2000) < scores).astype(float)

    ours, oracle = counted(ScoreCounts.of(labels, scores)), exact(labels, scores)

    assert ours.value == pytest.approx(oracle.value, abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high), rel=2e-3)
