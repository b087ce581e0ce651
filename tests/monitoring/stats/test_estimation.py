"""Estimation without labels: golden cases, rows as oracle, what is undefined or refused."""

import numpy as np
import pytest
from sklearn import metrics

from monitoring.stats.estimation import cbpe, cbpe_exact, fit_errors, is_trusted, reweighted_accuracy, trust
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Estimate, Reason

THOUSAND = (np.arange(1000) + 0.5) / 1000
SIX = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
MATRIX = [[0, -1], [-4, 3]]


def same(scores):
    return scores


@pytest.mark.parametrize(
    ("scores", "table", "f1", "area"),
    [
        (THOUSAND, (375, 125, 125, 375), 0.75, 0.833333),
        (SIX, (2.2, 0.8, 0.7, 2.3), 0.7457627119, 0.8170189099),
    ],
)
def test_the_golden_estimates(scores, table, f1, area):
    found = cbpe_exact(scores, scores, 0.5)

    assert [found[name].value for name in ("tp", "fp", "fn", "tn")] == pytest.approx(table, abs=1e-9)
    assert found["f1"].value == pytest.approx(f1, abs=1e-9)
    assert found["auc"].value == pytest.approx(area, abs=1e-9)


def test_certain_chances_give_the_metrics_themselves():
    rng = np.random.default_rng(0)
    scores = np.round(rng.random(500), 2)
    labels = (rng.random(500) < scores).astype(float)
    decided = (scores >= 0.4).astype(float)

    found = cbpe_exact(labels, scores, 0.4, MATRIX)

    oracle = {
        "accuracy": metrics.accuracy_score(labels, decided),
        "precision": metrics.precision_score(labels, decided),
        "recall": metrics.recall_score(labels, decided),
        "specificity": metrics.recall_score(labels, decided, pos_label=0),
        "f1": metrics.f1_score(labels, decided),
        "auc": metrics.roc_auc_score(labels, scores),
        "value": np.mean([MATRIX[int(y)][int(d)] for y, d in zip(labels, decided, strict=True)]),
    }
    for name, expected in oracle.items():
        assert found[name].value == pytest.approx(expected, abs=1e-9), name
        assert found[name].high - found[name].low == pytest.approx(0, abs=1e-9)


def test_cells_give_what_rows_give():
    rng = np.random.default_rng(1)
    scores = rng.beta(1, 3, 20_000)
    labels = np.where(rng.random(20_000) < 0.5, np.nan, rng.random(20_000) < scores)

    of_cells, of_rows = (
        cbpe(ScoreCounts.of(labels, scores), same, 0.3, MATRIX),
        cbpe_exact(scores, scores, 0.3, MATRIX),
    )

    assert of_cells.keys() == of_rows.keys()
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "auc", "value"):
        assert of_cells[name].value == pytest.approx(of_rows[name].value, abs=1e-3), name
        assert of_cells[name].high == pytest.approx(of_rows[name].high, abs=1e-3), name
        assert of_cells[name].n == 20_000


def test_the_slopes_of_the_intervals_are_those_of_the_metrics():
    chances, step = np.linspace(0.1, 0.9, 9), 1e-6
    for name, found in cbpe_exact(chances, chances, 0.5, MATRIX).items():
        slopes = []
        for row in range(9):
            moved = chances.copy()
            moved[row] += step
            slopes.append((cbpe_exact(moved, chances, 0.5, MATRIX)[name].value - found.value) / step)

        half = 1.959963984540054 * np.sqrt((chances * (1 - chances) * np.square(slopes)).sum())
        reach = min(found.value + half, 9 if name in {"tp", "fp", "fn", "tn"} else np.inf if name == "value" else 1)
        assert found.high == pytest.approx(reach, abs=1e-4), name


@pytest.mark.parametrize(
    ("chances", "threshold", "name", "reason"),
    [
        ([0.2, 0.4], 0.5, "precision", Reason.no_predicted_positives),
        ([0.0, 0.0], 0.5, "recall", Reason.no_positives),
        ([1.0, 1.0], 0.5, "specificity", Reason.no_negatives),
        ([0.0, 0.0], 0.5, "f1", Reason.zero_denominator),
        ([1.0, 1.0], 0.5, "auc", Reason.one_class),
        ([0.0, 0.0], 0.5, "auc", Reason.one_class),
    ],
)
def test_what_is_undefined_says_why(chances, threshold, name, reason):
    found = cbpe_exact(np.array(chances), np.array([0.1, 0.2]), threshold)[name]

    assert (found.value, found.reason, found.n) == (None, reason, 2)


def test_no_rows_give_no_estimates():
    for found in (
        cbpe_exact(np.array([]), np.array([]), 0.5, MATRIX),
        cbpe(ScoreCounts.of(*np.zeros((2, 0))), same, 0.5),
    ):
        assert {estimate.reason for estimate in found.values()} == {Reason.empty}
        assert {estimate.value for estimate in found.values()} == {None}


def test_rows_that_are_not_finite_are_left_out():
    chances, scores = np.array([0.2, np.nan, 0.9, 0.5]), np.array([0.1, 0.4, 0.8, np.inf])

    assert cbpe_exact(chances, scores, 0.5) == cbpe_exact(chances[[0, 2]], scores[[0, 2]], 0.5)
    assert cbpe_exact(chances[[1]], scores[[1]], 0.5)["accuracy"].reason == Reason.empty


def test_wrong_rows_are_refused():
    for chances, scores in (([0.5], [0.5, 0.6]), ([1.5], [0.5]), ([-0.1], [0.5])):
        with pytest.raises(ValueError, match="chance"):
            cbpe_exact(np.array(chances), np.array(scores), 0.5)
    with pytest.raises(ValueError, match="finite matrix"):
        cbpe_exact(SIX, SIX, 0.5, [[0, 1]])


def test_an_estimate_follows_a_change_of_the_inputs():
    rng = np.random.default_rng(2)
    usual, harder = rng.beta(0.5, 0.5, 5000), rng.beta(4, 4, 5000)

    before, after = (cbpe_exact(scores, scores, 0.5)["accuracy"].value for scores in (usual, harder))

    assert before > 0.8 > 0.7 > after


def test_reference_accuracy_follows_the_mix_of_the_window():
    hits, labelled = np.array([950, 350]), np.array([1000, 500])

    same_mix, harder = (reweighted_accuracy(hits, labelled, np.array(mix)) for mix in ([1000, 500], [0, 900]))

    assert same_mix.value == pytest.approx(1300 / 1500)
    variance = (2 / 3) ** 2 * 0.95 * 0.05 / 1000 + (1 / 3) ** 2 * 0.7 * 0.3 / 500
    assert same_mix.n_eff == pytest.approx(1300 / 1500 * (200 / 1500) / variance)
    assert (harder.value, harder.n) == (0.7, 900)
    assert harder.low < 0.7 < harder.high
    assert harder.n_eff == pytest.approx(500)


def test_segments_without_reference_labels_are_left_out():
    found = reweighted_accuracy(np.array([90, 0]), np.array([100, 0]), np.array([10, 30]))

    assert (found.value, found.n) == (0.9, 10)


def test_a_reference_without_a_miss_still_has_an_interval():
    found = reweighted_accuracy(np.array([40, 60]), np.array([40, 60]), np.array([40, 60]))

    assert (found.value, found.high, round(found.n_eff)) == (1, 1, 100)
    assert found.low == pytest.approx(0.963, abs=1e-3)


def test_a_window_without_known_segments_has_no_accuracy():
    nothing, some = np.zeros(2, dtype=np.int64), np.array([3, 4])

    assert reweighted_accuracy(nothing, nothing, some).reason == Reason.no_reference
    assert reweighted_accuracy(some, some, nothing).reason == Reason.empty


@pytest.mark.parametrize(
    ("hits", "labelled", "window"), [([1], [1, 2], [1]), ([3], [2], [1]), ([-1], [2], [1]), ([1], [2], [-1])]
)
def test_impossible_counts_are_refused(hits, labelled, window):
    with pytest.raises(ValueError, match="hits, labelled rows"):
        reweighted_accuracy(np.array(hits), np.array(labelled), np.array(window))


def test_trust_is_how_much_the_last_eight_windows_missed():
    old = [(0.9, 0.1)] * 5
    recent = [(0.8, 0.7)] * 4 + [(None, 0.7), (0.8, None)] + [(0.7, 0.72)] * 4

    found = trust(old + recent)

    assert (found.value, found.n) == (pytest.approx(0.06), 8)
    assert trust([(0.8, None)]).reason == Reason.empty


@pytest.mark.parametrize(
    ("missed", "estimate", "ece", "expected"),
    [
        (Estimate(0.02), Estimate(0.8, 0.79, 0.81), Estimate(0.05), True),
        (Estimate(0.021), Estimate(0.8, 0.79, 0.81), Estimate(0.05), False),
        (Estimate(0.02), Estimate(0.8, 0.79, 0.81), Estimate(0.051), False),
        (Estimate(None), Estimate(0.8, 0.79, 0.81), Estimate(0.01), True),
        (Estimate(0.0), Estimate(0.8, 0.79, 0.81), Estimate(None), False),
        (Estimate(0.0), Estimate(0.8), Estimate(0.01), False),
        (Estimate(0.0), Estimate(None), Estimate(0.01), False),
    ],
)
def test_an_estimate_is_shown_while_it_deserves_it(missed, estimate, ece, expected):
    assert is_trusted(missed, estimate, ece) is expected


def rows_with_errors(n, seed, shift=0.0):
    """Return features and errors whose spread grows with the first feature, and with how far the second is off 0."""
    rng = np.random.default_rng(seed)
    columns = rng.normal([shift, 0, 0], size=(n, 3))
    spread = 1 + np.maximum(columns[:, 0] + 2, 0) / 2 + columns[:, 1] ** 2 / 2
    return columns, rng.normal(size=n) * spread


def test_an_error_model_sees_harder_inputs():
    model = fit_errors(*rows_with_errors(5000, 0))

    for shift in (0.0, 1.0):
        columns, errors = rows_with_errors(5000, 1, shift)
        estimate = model.estimate(columns)
        assert estimate.value == pytest.approx(np.abs(errors).mean(), rel=0.05)
        assert estimate.low < estimate.value < estimate.high
    assert model.skill > 0.1


@pytest.mark.simulation
def test_the_interval_knows_how_well_the_errors_are_learnt():
    columns = rows_with_errors(20, 20, 1.5)[0]
    models = [fit_errors(*rows_with_errors(600, seed)) for seed in range(40)]

    scatter = np.std([model.estimate(columns).value for model in models])

    learnt = []
    for model in models:
        estimate, noise = model.estimate(columns), model.noise * (model.expected(columns) ** 2).sum() / 20**2
        learnt.append(((estimate.high - estimate.low) / 2 / 1.959964) ** 2 - noise)
    assert np.sqrt(np.mean(learnt)) == pytest.approx(scatter, rel=0.25)


def test_expected_errors_are_never_negative():
    rows = np.random.default_rng(2).normal(size=(2000, 1))
    model = fit_errors(rows, 5.0 * (rows[:, 0] > 1.5))

    expected = model.expected(rows)

    assert (expected.min(), expected.max() > 1) == (0, True)


def test_inputs_that_say_nothing_leave_the_mean():
    rng = np.random.default_rng(4)
    errors = rng.normal(size=400)

    model = fit_errors(rng.normal(size=(400, 20)), errors)

    assert model.skill < 0.01
    assert model.expected(rng.normal(size=(3, 20))) == pytest.approx(np.full(3, np.abs(errors).mean()))


def test_errors_that_are_all_the_same_are_expected_everywhere():
    model = fit_errors(np.arange(300.0)[:, None], np.tile([2.0, -2.0], 150))

    estimate = model.estimate(np.zeros((5, 1)))

    assert (estimate.value, estimate.low, estimate.high, model.skill) == (2, 2, 2, 0)
    assert fit_errors(np.arange(300.0)[:, None], np.zeros(300)).estimate(np.zeros((5, 1))).high == 0


def test_few_rows_or_no_window_give_no_estimate():
    columns, errors = rows_with_errors(400, 5)
    errors[:201] = np.nan

    assert fit_errors(columns, errors).estimate(columns).reason == Reason.too_few
    assert fit_errors(columns, np.where(np.isnan(errors), 1.0, errors)).estimate(columns[:0]).reason == Reason.empty


def test_many_rows_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr("monitoring.stats.estimation.errors.MAX_ROWS", 250)

    assert fit_errors(*rows_with_errors(1000, 6)).n == 250


def test_nulls_among_the_features_are_no_obstacle():
    columns, errors = rows_with_errors(2000, 7)
    columns[::3, 0] = np.nan

    estimate = fit_errors(columns, errors).estimate(columns)

    assert estimate.value == pytest.approx(np.abs(errors).mean(), rel=0.02)


def test_wrong_tables_are_refused():
    for columns, errors in ((np.zeros(3), np.zeros(3)), (np.zeros((3, 1)), np.zeros(2))):
        with pytest.raises(ValueError, match="an error per row"):
            fit_errors(columns, errors)
    with pytest.raises(ValueError, match="at most 40"):
        fit_errors(np.zeros((3, 41)), np.zeros(3))
    with pytest.raises(ValueError, match="3 features"):
        fit_errors(*rows_with_errors(300, 8)).estimate(np.zeros((2, 2)))
