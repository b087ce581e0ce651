"""Label profiles: predictions joined with outcomes, by population."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.stats.classification import auc, rates
from monitoring.stats.columns import CodedColumn
from monitoring.stats.grid import FeatureSpec, freeze, score_place
from monitoring.stats.profile import ErrorCounts, LabelProfile, ScoreCounts, build_labels
from monitoring.stats.ranking import in_order, ndcg, over_queries
from monitoring.stats.regression import from_counts

N = 600
RNG = np.random.default_rng(11)
REGION = RNG.choice(["EU", "US"], N).astype(object)
SCORE = RNG.random(N)
LABEL = np.where(RNG.random(N) < 0.1, np.nan, (RNG.random(N) < SCORE).astype(float))
DECIDED = (SCORE >= 0.5).astype(float)
GRID = freeze(
    {"region": REGION},
    [FeatureSpec("region", "category", segment=True)],
    SCORE,
    "probability",
    classes=("bike", "car"),
)
TRUTH = RNG.choice(["bike", "car", "tram", None], N).astype(object)
CHOSEN = RNG.choice(["bike", "car"], N).astype(object)
NUMBER = RNG.normal(100, 10, N)
FORECAST = NUMBER + RNG.normal(2, 5, N)
SHOWN = np.array([None if n % 50 == 0 else list(RNG.permutation([*"abcdefgh"])[:6]) for n in range(N)], dtype=object)
RELEVANT = np.array([None if n % 7 == 0 else {"a": 2.0, "g": 1.0} if n % 3 else {} for n in range(N)], dtype=object)
EU = REGION == "EU"

TASKS = {
    "binary": (SCORE, DECIDED, LABEL),
    "multiclass": (None, CHOSEN, TRUTH),
    "regression": (None, FORECAST, NUMBER),
    "ranking": (None, SHOWN, RELEVANT),
}


def counted(task, rows=slice(None), **options):
    columns = [None if column is None else column[rows] for column in TASKS[task]]
    return build_labels(*columns, {"region": REGION[rows]}, GRID, task, **options)


def test_binary_outcomes_are_counted_for_all_and_by_segment():
    profile = counted("binary")
    known = ~np.isnan(LABEL)

    assert (profile.rows, profile.n_labelled) == (N, known.sum())
    everybody, eu = profile.scores(), profile.scores("region", "EU")
    assert (everybody.n_positive, everybody.n_negative) == ((LABEL == 1).sum(), (LABEL == 0).sum())
    assert everybody.unknown.sum() == (~known).sum()
    assert (eu.n, len(eu.negatives), len(everybody.negatives)) == ((known & EU).sum(), 1024, 4096)
    assert eu.brier_sum == pytest.approx(((SCORE - LABEL) ** 2)[known & EU].sum())
    parts = [profile.scores("region", name).log_loss_sum for name in ("EU", "US")]
    assert everybody.log_loss_sum == pytest.approx(sum(parts))


def test_decisions_give_the_exact_confusion():
    profile = counted("binary")

    table = profile.confusion()

    assert table.counts.tolist() == [
        [int(((true == LABEL) & (decided == DECIDED)).sum()) for decided in (0, 1)] for true in (0, 1)
    ]
    assert rates(profile.confusion("region", "EU"))["accuracy"].value == pytest.approx(
        (DECIDED == LABEL)[EU & ~np.isnan(LABEL)].mean()
    )


def test_folds_divide_the_rows():
    fold = np.arange(N) % 2

    cells = counted("binary", fold=fold).arrays["cells"]

    assert cells[1, :2].sum() == (~np.isnan(LABEL) & (fold == 1)).sum()
    assert auc(counted("binary", fold=fold).scores()) == auc(counted("binary").scores())


def test_scores_out_of_range_and_odd_labels_are_not_used():
    counts = ScoreCounts.of(np.array([1.0, 0.0, 7.0, 1.0]), np.array([0.5, 1.5, 0.5, np.nan]))

    assert (counts.n_positive, counts.n_negative, counts.unknown.sum()) == (1, 0, 1)


def test_a_score_stands_in_its_cell():
    profile = build_labels(np.array([0.5, 0.9]), None, np.array([1.0, 0.0]), {}, GRID, "binary")

    assert np.flatnonzero(profile.scores().positives).tolist() == [2048]
    assert np.flatnonzero(profile.scores().negatives).tolist() == [3001]
    assert np.flatnonzero(profile.scores("region", "other").positives).tolist() == [2048 // 4]


def test_multiclass_outcomes_are_a_confusion_with_a_class_for_the_rest():
    profile = counted("multiclass")

    table = profile.confusion()

    known = np.array([value is not None for value in TRUTH])
    assert table.labels == ("bike", "car", "other")
    assert profile.n_labelled == table.n == known.sum()
    assert table.counts[2].sum() == (TRUTH == "tram").sum()
    assert table.counts[0, 1] == ((TRUTH == "bike") & (CHOSEN == "car")).sum()
    assert profile.confusion("region", "EU").n == (known & EU).sum()


def test_multiclass_needs_classes():
    with pytest.raises(ValueError, match="no classes"):
        build_labels(None, ["a"], ["a"], {}, freeze({}, []), "multiclass")


def test_multiclass_without_predictions_counts_nothing():
    assert build_labels(None, None, ["bike"], {}, GRID, "multiclass").n_labelled == 0


def test_regression_errors_are_summed_for_all_and_by_segment():
    profile = counted("regression")

    everybody, eu = from_counts(profile.errors()), from_counts(profile.errors("region", "EU"))

    error = FORECAST - NUMBER
    assert everybody["mae"].value == pytest.approx(np.abs(error).mean())
    assert eu["bias"].value == pytest.approx(error[EU].mean())
    assert eu["medae"].value == pytest.approx(np.median(np.abs(error[EU])), rel=0.02)
    assert profile.errors("region", "other").n == 0
    assert profile.n_labelled == N


def test_rankings_are_summed_for_all_and_by_segment():
    profile = counted("ranking")

    for counts, rows in ((profile.rankings(), EU | True), (profile.rankings("region", "EU"), EU)):
        joined = [(a, b) for a, b in zip(SHOWN[rows], RELEVANT[rows], strict=True) if None not in (a, b)]
        expected = over_queries([ndcg(rel, 10, unshown) for rel, unshown in (in_order(a, b) for a, b in joined)])
        found = counts.estimates()["ndcg_k"]
        assert (found.value, found.high) == pytest.approx((expected.value, expected.high))
        assert (counts.queries, counts.left_out) == (expected.n, len(joined) - expected.n)
    assert profile.n_labelled == profile.rankings().queries + profile.rankings().left_out
    assert profile.rankings("region", "other").queries == 0


def test_rankings_without_predictions_are_not_labelled():
    assert build_labels(None, None, [{"a": 1.0}], {}, GRID, "ranking").n_labelled == 0


def test_an_exact_forecast_has_errors_of_zero():
    counts = ErrorCounts.of(np.array([1.0, 2.0]), np.array([1.0, 2.0]))

    assert (counts.absolute.n_zero, counts.absolute.n) == (2, 2)
    assert from_counts(counts)["medae"].value == 0


def test_a_score_serves_as_forecast():
    assert build_labels(FORECAST, None, NUMBER, {}, GRID, "regression").errors().n == N


@pytest.mark.parametrize("task", TASKS)
def test_days_merge_to_the_window(task):
    parts = [counted(task, slice(a, b)) for a, b in ((0, 100), (100, 101), (101, 101), (101, N))]

    merged = LabelProfile.empty(GRID, task)
    for part in parts[::-1]:
        merged = merged.merge(part)

    whole = counted(task)
    assert (merged.rows, merged.n_labelled) == (whole.rows, whole.n_labelled)
    for name, array in whole.arrays.items():
        np.testing.assert_allclose(merged.arrays[name], array, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("task", TASKS)
def test_a_label_profile_survives_its_bytes(task):
    blob = counted(task).dumps()

    again = LabelProfile.loads(blob, GRID)

    assert again.dumps() == blob
    assert (again.task, again.rows) == (task, N)


def test_label_profiles_of_other_tasks_or_grids_do_not_merge():
    with pytest.raises(ValueError, match="grids or tasks"):
        counted("binary").merge(counted("regression"))
    with pytest.raises(ValueError, match="grids or tasks"):
        counted("binary").merge(LabelProfile.empty(freeze({}, [], SCORE, "probability"), "binary"))
    with pytest.raises(ValueError, match="another grid"):
        LabelProfile.loads(counted("binary").dumps(), freeze({}, []))


def test_a_missing_segment_column_counts_as_null():
    profile = build_labels(SCORE, DECIDED, LABEL, {}, GRID, "binary")

    assert profile.scores("region", "other").n == profile.n_labelled
    assert profile.scores("region", "EU").n == 0


def test_without_decisions_or_scores_there_are_none():
    profile = build_labels(None, None, LABEL, {}, GRID, "binary")

    assert (profile.n_labelled, profile.confusion().n) == (0, 0)


def test_places_are_counted_as_the_scores_stand_in_their_cells():
    counts = ScoreCounts.of(np.array([0.0, 1.0, 1.0, np.nan]), np.array([0.5, 0.6, 0.6, 0.7]))

    place = score_place(np.array([0.5, 0.6]))
    sums = counts.places.sum(axis=1)
    assert sums.tolist() == [int(place[0] % 1 * 256), 2 * int(place[1] % 1 * 256)]
    assert counted("binary").scores("region", "EU").places is None


def test_a_profile_from_before_places_were_counted_is_read_and_merged():
    today = counted("binary")
    old = replace(today, arrays={name: array for name, array in today.arrays.items() if name != "places"})

    read = LabelProfile.loads(old.dumps(), GRID)

    for merged in (read.merge(today), today.merge(read)):
        assert merged.scores().places is None
        assert merged.scores().n == 2 * today.scores().n
    assert auc(read.scores()).value == pytest.approx(auc(today.scores()).value, abs=0.01)


def test_an_unknown_segment_is_a_key_error():
    profile = counted("binary")

    for by, segment in (("region", "Mars"), ("planet", "EU")):
        with pytest.raises(KeyError):
            profile.scores(by, segment)


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="task clustering"):
        build_labels(None, None, LABEL, {}, GRID, "clustering")
    with pytest.raises(ValueError, match="not from coded text"):
        build_labels(None, CodedColumn(np.zeros(1, dtype=np.int64), ("[]",)), [{}], {}, GRID, "ranking")
    with pytest.raises(ValueError, match="one length"):
        build_labels(SCORE[:-1], None, LABEL, {}, GRID, "binary")
    with pytest.raises(ValueError, match="one length"):
        build_labels(SCORE, None, LABEL, {"region": REGION[:3]}, GRID, "binary")


def test_every_second_segment_feature_has_its_own_populations():
    side = np.where(np.arange(N) % 3 == 0, "left", "right").astype(object)
    grid = freeze(
        {"region": REGION, "side": side},
        [FeatureSpec("region", "category", segment=True), FeatureSpec("side", "category", segment=True)],
        SCORE,
        "probability",
    )

    profile = build_labels(SCORE, None, LABEL, {"region": REGION, "side": side}, grid, "binary")

    known = ~np.isnan(LABEL)
    assert profile.scores("side", "left").n == (known & (side == "left")).sum()
    assert profile.scores("region", "US").n == (known & ~EU).sum()


def test_a_regression_profile_stored_before_the_cross_sum_still_loads_and_merges():
    now = counted("regression")
    old = LabelProfile(GRID, "regression", now.rows, now.n_labelled, now.arrays | {"sums": now.arrays["sums"][:, :7]})

    again = LabelProfile.loads(old.dumps(), GRID)
    merged = again.merge(now)

    assert again.errors().cross_abs is None
    assert merged.errors().cross_abs is None
    assert merged.errors().total_abs == pytest.approx(2 * now.errors().total_abs)
    assert now.errors().cross_abs == pytest.approx((np.abs(FORECAST - NUMBER) * np.abs(NUMBER)).sum())
