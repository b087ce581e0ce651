"""Value: golden cases, hand computation, rows as oracle of cells, what is undefined or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.profile import ScoreCounts, build_labels
from monitoring.stats.results import Confusion, Reason
from monitoring.stats.value import (
    ALWAYS,
    NEVER,
    action_rate,
    bounds,
    ideal_threshold,
    per_decision,
    row_values,
    signal_mean,
    signal_rate,
    snap,
    sweep,
    sweep_of_rows,
    total,
    uplift,
    uplift_of_pairs,
    uplift_of_rows,
    uplifts,
    value_of_rows,
)

TABLE, PRICES = Confusion(("0", "1"), np.array([[900, 50], [20, 30]])), [[0, -10], [-50, 5]]
LABELS = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], dtype=float)
SCORES = np.array([0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5, 0.3, 0.1])
TEN, MATRIX = ScoreCounts.of(LABELS, SCORES), [[0, -1], [-4, 3]]
NOTHING = ScoreCounts.of(np.array([]), np.array([]))


def drawn(n, seed=0):
    """Return labels and scores of n rows of a calibrated model."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 2, n)
    return (rng.random(n) < scores).astype(float), scores


def by_hand(labels, scores, threshold, matrix):
    """Return the mean value per decision of rows."""
    return np.mean([matrix[int(y)][int(s >= threshold)] for y, s in zip(labels, scores, strict=True)])


def test_the_golden_total_and_its_share_per_decision():
    estimate = per_decision(TABLE, PRICES)

    assert total(TABLE, PRICES) == -1350
    assert estimate.value == pytest.approx(-1.35, abs=1e-12)
    assert estimate.low < -1.35 < estimate.high


def test_rows_that_all_cost_nothing_are_worth_exactly_nothing():
    table = Confusion(("0", "1"), np.array([[100, 0], [0, 0]]))

    assert (total(table, PRICES), per_decision(table, PRICES).value) == (0, 0)


def test_no_rows_are_worth_nothing_in_total_and_unknown_each():
    table = Confusion(("0", "1"), np.zeros((2, 2), dtype=np.int64))

    assert total(table, PRICES) == 0
    assert (per_decision(table, PRICES).value, per_decision(table, PRICES).reason) == (None, Reason.empty)


def test_three_labels_may_have_two_decisions():
    table = Confusion(("a", "b", "c"), np.array([[1, 2], [3, 4], [5, 6]]))

    assert total(table, [[1, 0], [0, 1], [-1, 2]]) == 1 + 4 - 5 + 12


@pytest.mark.parametrize("matrix", [[[0, 1]], [[0, 1], [2, np.nan]], [[0, 1, 2], [3, 4, 5]]])
def test_a_matrix_that_does_not_fit_is_refused(matrix):
    for call in (
        lambda: total(TABLE, matrix),
        lambda: per_decision(TABLE, matrix),
        lambda: sweep(TEN, matrix, 0.5),
        lambda: uplift(TEN, 0.5, 0.7, matrix),
        lambda: uplift_of_pairs(np.zeros((2, 2, 2), dtype=np.int64), matrix),
        lambda: bounds(TEN, 0.5, matrix),
        lambda: ideal_threshold(matrix),
    ):
        with pytest.raises(ValueError, match="finite matrix"):
            call()


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[0, -5], [-20, 10]], 0.1428571429),
        ([[0, -1], [-1, 0]], 0.5),
        ([[0, 0], [-1, 0]], 0),
        ([[0, -1], [0, 0]], 1),
        ([[0, 0], [0, 0]], None),
        ([[0, 1], [-1, 0]], None),
        ([[0, -1], [1, 0]], None),
        ([[0, 1], [1, 0]], None),
    ],
)
def test_the_ideal_threshold(matrix, expected):
    found = ideal_threshold(matrix)

    assert found is None if expected is None else found == pytest.approx(expected, abs=1e-9)


def test_calibrated_scores_do_best_near_the_ideal_threshold():
    matrix = [[0, -5], [-20, 10]]
    labels, scores = drawn(200_000)

    found = sweep(ScoreCounts.of(labels, scores), matrix, 0.5)

    assert found.best == pytest.approx(ideal_threshold(matrix), abs=0.05)


def test_rows_with_amounts_of_their_own():
    loan = np.array([1000.0, 500.0, 200.0, np.nan, 80.0, 90.0])
    amounts = [[0.02 * loan, 0.0], [-loan, np.zeros(6)]]
    true, decided = np.array([1, 0, 0, 0, np.nan, 1]), np.array([0, 0, 1, 0, 0, np.nan])

    values = row_values(true, decided, amounts)

    assert values[:3].tolist() == [-1000, 10, 0]
    assert np.isnan(values[3:]).all()
    estimate = value_of_rows(true, decided, amounts)
    assert (estimate.value, estimate.n) == (-330, 3)


def test_a_matrix_is_the_same_as_amounts_that_do_not_vary():
    labels, scores = drawn(500)
    decided = (scores >= 0.4).astype(float)
    counts = ScoreCounts.of(labels, scores, decided)

    by_matrix = per_decision(Confusion(("0", "1"), counts.decided[:2]), MATRIX)
    by_row = value_of_rows(labels, decided, MATRIX)

    assert (by_row.value, by_row.low, by_row.high) == pytest.approx((by_matrix.value, by_matrix.low, by_matrix.high))


def test_wrong_rows_are_refused():
    with pytest.raises(ValueError, match="as many labels"):
        row_values(np.zeros(3), np.zeros(2), MATRIX)
    with pytest.raises(ValueError, match="one number per row"):
        row_values(np.zeros(3), np.zeros(3), [[np.zeros(2), 0], [0, 0]])


def at(found, threshold):
    """Return the position of the candidate nearest to a threshold."""
    return int(np.argmin(np.abs(found.thresholds - threshold)))


def test_the_golden_sweep():
    found = sweep(TEN, MATRIX, 0.5)

    assert found.value[[at(found, 0.5), at(found, 0.75)]] == pytest.approx([0.8, -0.3], abs=1e-12)
    assert found.current.value == pytest.approx(0.8)
    assert found.snapped == pytest.approx(0.5, abs=1e-12)


def test_the_golden_uplifts():
    found = [uplift(TEN, 0.5, base, MATRIX).value for base in (0.75, ALWAYS, NEVER)]

    assert found == pytest.approx([1.1, 0.2, 2.4], abs=1e-12)


def test_a_sweep_says_of_every_threshold_what_the_rows_say():
    labels, scores = drawn(400)
    unknown = np.append(labels, [np.nan] * 100)
    all_scores = np.append(scores, np.linspace(0, 1, 100))

    found = sweep(ScoreCounts.of(unknown, all_scores), MATRIX, 0.5)

    assert (found.thresholds[0], found.thresholds[-1]) == (ALWAYS, NEVER)
    assert (np.diff(found.thresholds) > 0).all()
    for place in (0, 500, 2000, 3000, -1):
        threshold = found.thresholds[place]
        decided = scores >= threshold
        assert found.value[place] == pytest.approx(by_hand(labels, scores, threshold, MATRIX), abs=1e-12)
        assert found.approval[place] == (all_scores >= threshold).mean()
        assert (found.fp[place], found.fn[place]) == ((decided & (labels == 0)).sum(), (~decided & (labels == 1)).sum())


def test_a_segment_is_swept_on_its_coarser_cells():
    labels, scores = drawn(3000)
    grid = freeze({"r": ["a"] * 3000}, [FeatureSpec("r", "category", segment=True)], scores, "probability")
    profile = build_labels(scores, scores >= 0.5, labels, {"r": ["a"] * 3000}, grid, "binary")

    found = sweep(profile.scores("r", "a"), MATRIX, 0.5)

    assert len(found.thresholds) == 1025
    assert (found.thresholds[0], found.thresholds[-1]) == (ALWAYS, NEVER)
    place = at(found, 0.3)
    assert found.value[place] == pytest.approx(by_hand(labels, scores, found.thresholds[place], MATRIX), abs=1e-12)


def test_todays_value_is_that_of_the_logged_decisions():
    decided = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], dtype=float)  # one at .5 was declined

    found = sweep(ScoreCounts.of(LABELS, SCORES, decided), MATRIX, 0.5)

    assert found.current.value == pytest.approx((4 * 3 - 3) / 10)  # all positives are found, and three negatives
    assert found.value[at(found, 0.5)] != found.current.value


@pytest.mark.parametrize(
    ("threshold", "expected"), [(-1, ALWAYS), (0, ALWAYS), (0.5, 0.5), (1, 1), (1.5, NEVER), (np.inf, NEVER)]
)
def test_a_threshold_snaps_to_the_nearest_candidate(threshold, expected):
    assert snap(threshold) == pytest.approx(expected, abs=1e-7)
    assert sweep(TEN, MATRIX, threshold).snapped == snap(threshold)


def test_one_is_still_a_score_that_can_be_decided_1():
    counts = ScoreCounts.of(np.ones(3), np.ones(3))

    assert snap(1.0) < 1 < NEVER
    assert sweep(counts, MATRIX, 1.0).current.value == 3
    assert sweep(counts, MATRIX, 1.1).current.value == -4


def test_a_snapped_threshold_is_close():
    assert max(abs(snap(t) - t) for t in np.linspace(0.001, 0.999, 999)) < 2.5e-4


def test_no_number_is_no_threshold():
    with pytest.raises(ValueError, match="a threshold is a number"):
        snap(np.nan)
    with pytest.raises(ValueError, match="no counts of 7"):
        sweep(ScoreCounts(*np.zeros((3, 7), dtype=np.int64)), MATRIX, 0.5)


def test_of_equally_good_thresholds_the_nearest_to_todays_is_best():
    counts = ScoreCounts.of(np.array([0.0, 1.0]), np.array([0.2, 0.8]))

    assert sweep(counts, MATRIX, 0.5).best == pytest.approx(0.5, abs=1e-3)
    assert sweep(counts, MATRIX, 0.1).best == pytest.approx(0.2, abs=1e-3)
    assert sweep(counts, MATRIX, 0.9).best == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(("today", "best"), [(0.2, 0.2), (0.9, 0.7)])
def test_rounding_makes_no_threshold_better(today, best):
    counts = ScoreCounts.of(np.array([1.0, 0, 0, 0, 1]), np.array([0.3, 0.4, 0.45, 0.5, 0.7]))

    found = sweep(counts, [[0, -0.1], [0, 0.3]], today)

    assert found.value[at(found, 0.3)] != found.value[at(found, 0.7)]
    assert found.best == pytest.approx(best, abs=1e-3)


def test_each_half_values_what_the_other_one_chose():
    folds = np.zeros((2, 3, 4096), dtype=np.int64)
    for fold, label, score in ((0, 0, 0.2), (0, 1, 0.4), (1, 0, 0.6), (1, 1, 0.8)):
        folds[fold, label] += ScoreCounts.of(np.array([0.0]), np.array([score])).negatives
    counts = ScoreCounts(*folds.sum(axis=0))

    found = sweep(counts, MATRIX, 0.5, folds=folds)

    # Fold 0 is right from above .2 to .4 and takes .4, the nearest to .5: fold 1 loses 1 and wins 3.
    # Fold 1 is right from above .6 to .8 and takes just above .6: fold 0 misses its positive, -4.
    assert found.best_value.value == pytest.approx((-1 + 3 + 0 - 4) / 4)
    assert (found.best_value.method, found.best_value.n) == ("cross_fit", 4)
    assert float(found.value.max()) == pytest.approx((3 + 3 - 1) / 4)


def test_a_label_profile_has_the_folds():
    labels, scores = drawn(2000)
    grid = freeze({}, [], scores, "probability")
    profile = build_labels(scores, None, labels, {}, grid, "binary", fold=np.arange(2000) % 2)

    found = sweep(profile.scores(), MATRIX, 0.5, folds=profile.arrays["cells"])

    assert found.best_value.n == 2000
    assert found.best_value == sweep_of_rows(labels, scores, MATRIX, 0.5).best_value


def test_random_halves_follow_the_seed():
    counts = ScoreCounts.of(*drawn(500))

    once, again, other = (sweep(counts, MATRIX, 0.5, seed=seed).best_value for seed in (1, 1, 2))

    assert once == again
    assert once != other


@pytest.mark.parametrize("shape", [(2, 3), (1, 3, 4096), (2, 1, 4096), (2, 3, 1024)])
def test_folds_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="folds are counts"):
        sweep(TEN, MATRIX, 0.5, folds=np.zeros(shape, dtype=np.int64))


def test_without_labels_only_the_load_is_known():
    counts = ScoreCounts.of(np.full(4, np.nan), np.array([0.1, 0.4, 0.6, 0.8]))

    found = sweep(counts, MATRIX, 0.5)

    assert (found.value, found.best, found.current.reason, found.best_value.reason) == (
        None,
        None,
        Reason.empty,
        Reason.empty,
    )
    assert found.approval[at(found, 0.5)] == 0.5
    assert sweep(NOTHING, MATRIX, 0.5).approval is None
    assert uplift(counts, 0.5, 0.3, MATRIX).reason == Reason.empty


def test_one_row_cannot_be_halved():
    assert sweep(ScoreCounts.of(np.ones(1), np.ones(1)), MATRIX, 0.5).best_value.reason == Reason.too_few


def test_a_sweep_of_rows_agrees_with_that_of_cells():
    labels, scores = drawn(800, seed=3)
    decided = (scores >= 0.45).astype(float)
    known, known_scores = np.append(labels, [np.nan, 1, 0]), np.append(scores, [0.9, 1.5, np.nan])

    of_rows = sweep_of_rows(known, known_scores, MATRIX, 0.5, decided=np.append(decided, [np.nan, np.nan, np.nan]))
    of_cells = sweep(ScoreCounts.of(known, known_scores, np.append(decided, [np.nan] * 3)), MATRIX, 0.5)

    for part in ("thresholds", "value", "approval", "fp", "fn"):
        np.testing.assert_allclose(getattr(of_rows, part), getattr(of_cells, part), atol=1e-12)
    assert of_rows.current.value == pytest.approx(of_cells.current.value)
    assert (of_rows.best, of_rows.snapped) == (of_cells.best, of_cells.snapped)


def test_a_sweep_of_rows_weighs_each_row_by_its_amount():
    labels, scores = drawn(600, seed=4)
    loans = np.random.default_rng(5).lognormal(3, 1, 600)
    loans[:3] = np.nan
    amounts = [[0.05 * loans, 0.0], [-loans, 0.0]]
    fold = np.arange(600) // 300

    found = sweep_of_rows(labels, scores, amounts, 0.3, fold=fold)

    used, place = np.isfinite(loans), at(found, 0.3)
    decided = scores >= found.thresholds[place]
    worth = np.where(decided, 0, np.where(labels == 1, -loans, 0.05 * loans))
    assert found.value[place] == pytest.approx(worth[used].mean())
    assert found.current.value == pytest.approx(found.value[place])
    assert found.fp[place] == (decided & (labels == 0) & used).sum()
    assert found.best_value.n == 597


def test_wrong_sweeps_of_rows_are_refused():
    with pytest.raises(ValueError, match="one length"):
        sweep_of_rows(LABELS, SCORES[:-1], MATRIX, 0.5)
    with pytest.raises(ValueError, match="two labels and two decisions"):
        sweep_of_rows(LABELS, SCORES, [[0, 1]], 0.5)


def test_uplifts_share_their_resamples():
    counts = ScoreCounts.of(*drawn(2000))

    many = uplifts(counts, np.array([0.1, 0.2, 0.6, 0.2]), 0.4, MATRIX, seed=5)

    assert many[1] == many[3]
    for one, threshold in zip(many, (0.1, 0.2, 0.6), strict=False):
        labels, scores = drawn(2000)
        now, then = (by_hand(labels, scores, snap(t), MATRIX) for t in (threshold, 0.4))
        assert one.value == pytest.approx(now - then, abs=1e-12)
        assert one.low < one.value < one.high


def test_a_rule_has_no_uplift_over_itself():
    found = uplift(ScoreCounts.of(*drawn(2000)), 0.4, 0.4, MATRIX)

    assert (found.value, found.low, found.high) == (0, 0, 0)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_swapping_the_arms_negates_the_uplift(a, b, seed):
    counts = ScoreCounts.of(*drawn(300))

    there, back = uplift(counts, a, b, MATRIX, seed, reps=50), uplift(counts, b, a, MATRIX, seed, reps=50)

    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low), abs=1e-9)


def test_the_uplift_over_a_constant_decision_is_the_value_above_its_mean():
    labels, scores = drawn(1000)
    counts = ScoreCounts.of(labels, scores)

    for base, decision in ((ALWAYS, 1), (NEVER, 0)):
        expected = by_hand(labels, scores, snap(0.4), MATRIX) - np.mean([MATRIX[int(y)][decision] for y in labels])
        assert uplift(counts, 0.4, base, MATRIX).value == pytest.approx(expected, abs=1e-12)


def test_versions_are_compared_on_pairs_of_decisions():
    rng = np.random.default_rng(2)
    labels, scores = drawn(3000)
    new, old = (scores >= 0.3).astype(int), (scores + rng.normal(0, 0.1, 3000) >= 0.5).astype(int)
    pairs = np.zeros((2, 2, 2), dtype=np.int64)
    np.add.at(pairs, (labels.astype(int), new, old), 1)

    found, swapped = uplift_of_pairs(pairs, MATRIX, 7), uplift_of_pairs(pairs.swapaxes(1, 2), MATRIX, 7)

    by_row = uplift_of_rows(labels, new, old, MATRIX)
    assert found.value == pytest.approx(by_row.value) == pytest.approx(-swapped.value)
    assert (found.low, found.high) == pytest.approx((by_row.low, by_row.high), abs=0.02)
    assert found.n == by_row.n == 3000


def test_pairs_of_another_shape_are_refused():
    for shape in ((2, 2), (2, 2, 3)):
        with pytest.raises(ValueError, match="new and old"):
            uplift_of_pairs(np.zeros(shape, dtype=np.int64), MATRIX)
    assert uplift_of_pairs(np.zeros((2, 2, 2), dtype=np.int64), MATRIX).reason == Reason.empty


def test_withheld_outcomes_leave_bounds():
    labels = np.array([0, 1, np.nan, np.nan])
    counts = ScoreCounts.of(labels, np.array([0.2, 0.7, 0.1, 0.9]))

    found = bounds(counts, 0.5, MATRIX)

    # known 0 + 3; the one at .1 is declined: 0 or -4; the one at .9 is approved: -1 or 3
    assert (found.low, found.high) == ((3 - 4 - 1) / 4, (3 + 0 + 3) / 4)
    assert (found.value, found.reason, found.n) == (None, Reason.undefined, 4)


def test_bounds_of_an_uplift_move_only_with_rows_decided_otherwise():
    counts = ScoreCounts.of(np.array([0, 1, np.nan, np.nan]), np.array([0.2, 0.7, 0.1, 0.6]))

    found = bounds(counts, 0.8, MATRIX, current=0.5)

    # the positive at .7 is lost: -7; the withheld one at .6 loses 7 or saves 1
    assert (found.low, found.high) == ((-7 - 7) / 4, (-7 + 1) / 4)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.integers(0, 2**30), st.floats(0, 1), st.floats(0, 1))
def test_whatever_the_withheld_outcomes_are_the_value_lies_in_the_bounds(truth, seed, new, old):
    rng = np.random.default_rng(seed)
    truth, scores = np.array(truth, float), rng.random(len(truth))
    seen = np.where(rng.random(len(truth)) < 0.5, truth, np.nan)

    plain, gain = (bounds(ScoreCounts.of(seen, scores), new, MATRIX, current=base) for base in (None, old))

    now, then = (by_hand(truth, scores, snap(t), MATRIX) for t in (new, old))
    assert plain.low - 1e-9 <= now <= plain.high + 1e-9
    assert gain.low - 1e-9 <= now - then <= gain.high + 1e-9


def test_with_all_outcomes_known_the_bounds_are_the_value():
    found = bounds(TEN, 0.5, MATRIX)

    assert found.low == found.value == found.high == pytest.approx(0.8)
    assert bounds(NOTHING, 0.5, MATRIX).reason == Reason.empty


def test_the_share_of_an_action():
    assert action_rate({"approve": 30, "decline": 10}, "approve").value == 0.75
    assert action_rate({"approve": 30}, "review").value == 0
    assert action_rate({}, "approve").reason == Reason.empty


def test_only_mature_predictions_tell_of_a_signal():
    delay = np.array([2.0, 24.0, 24.1, np.nan, np.inf, -1.0, 3.0])
    age = np.array([24.0, 25.0, 99.0, 99.0, 99.0, 99.0, 23.9])

    found = signal_rate(delay, age, 24)

    assert (found.value, found.n) == (3 / 6, 6)
    assert signal_rate(delay, age, 1000).reason == Reason.too_few
    assert signal_rate(np.array([]), np.array([]), 24).reason == Reason.empty
    with pytest.raises(ValueError, match="as many delays"):
        signal_rate(delay, age[:2], 24)


def test_the_mean_of_a_signal():
    found = signal_mean(np.array([1, 2, 3, np.nan, np.inf]))

    assert (found.value, found.n) == (2, 3)
    assert signal_mean(np.full(2, np.nan)).reason == Reason.all_null
    assert signal_mean(np.array([])).reason == Reason.empty
