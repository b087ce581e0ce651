"""Calibration: golden values, edges, verdicts."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from monitoring.stats.calibration import (
    calibration_verdict,
    cell_scores,
    ece,
    ece_exact,
    in_the_large,
    in_the_large_exact,
    isotonic,
    pooled,
    reliability,
    spiegelhalter,
    spiegelhalter_exact,
)
from monitoring.stats.classification import auc_exact, brier_exact, log_loss_exact
from monitoring.stats.intervals import delong
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Divergence, Estimate, Reason, Verdict

I = np.arange(1000)  # noqa: E741 - the golden case counts with i
SCORES = (I + 0.5) / 1000
LABELS = (I % 10 < I // 100).astype(float)
COUNTS = ScoreCounts.of(LABELS, SCORES)
NOTHING = ScoreCounts.of(np.array([]), np.array([]))


def test_the_golden_rows():
    assert ece_exact(LABELS, SCORES).value == pytest.approx(0.05, abs=1e-9)
    assert in_the_large_exact(LABELS, SCORES).value == pytest.approx(0.05, abs=1e-9)
    assert spiegelhalter_exact(LABELS, SCORES).value == pytest.approx(0.5744339323, abs=1e-9)
    assert brier_exact(LABELS, SCORES).value == pytest.approx(0.16998325, abs=1e-9)
    assert log_loss_exact(LABELS, SCORES).value == pytest.approx(0.5159482175, abs=1e-9)
    assert auc_exact(LABELS, SCORES).value == pytest.approx(0.83, abs=1e-9)
    negatives, positives = 1 - LABELS, LABELS
    assert delong(negatives, positives)[1] == pytest.approx(0.0126169696, abs=1e-9)


def test_the_golden_rows_from_cells():
    assert ece(COUNTS).value == pytest.approx(0.05, abs=1e-3)
    assert in_the_large(COUNTS).value == pytest.approx(0.05, abs=1e-3)
    assert spiegelhalter(COUNTS).value == pytest.approx(0.5744339323, abs=2e-2)


def test_a_segment_is_close_to_its_rows():
    merged = [side.reshape(1024, 4).sum(axis=1) for side in (COUNTS.negatives, COUNTS.positives, COUNTS.unknown)]

    assert ece(ScoreCounts(*merged)).value == pytest.approx(0.05, abs=2e-3)


@pytest.mark.parametrize("metric", [ece, in_the_large, spiegelhalter])
def test_nothing_gives_nothing(metric):
    assert (metric(NOTHING).value, metric(NOTHING).reason) == (None, Reason.empty)
    assert reliability(NOTHING) == []


def test_certain_scores_cannot_be_tested():
    result = spiegelhalter_exact(np.array([0, 1]), np.array([0.0, 1.0]))

    assert (result.value, result.reason) == (None, Reason.undefined)


def test_calibrated_scores_pass_and_bent_ones_do_not():
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    labels = (rng.random(20_000) < scores).astype(float)

    def judge(bent):
        counts = ScoreCounts.of(labels, bent)
        return calibration_verdict(ece(counts), spiegelhalter(counts))

    assert judge(scores) == Verdict.ok
    assert judge(scores**1.2) == Verdict.warn
    assert judge(scores**3) == Verdict.worse


@pytest.mark.parametrize(
    ("error", "z", "expected"),
    [
        (Estimate(0.05, n=900), 3.29, Verdict.ok),
        (Estimate(0.05, n=900), -3.3, Verdict.warn),
        (Estimate(0.02, n=900), 9.0, Verdict.ok),
        (Estimate(0.08, n=900), 9.0, Verdict.worse),
        (Estimate(0.08, n=900), None, Verdict.insufficient),
        (Estimate(None, n=0), None, Verdict.no_data),
    ],
)
def test_calibration_needs_effect_and_evidence(error, z, expected):
    assert calibration_verdict(error, Divergence("spiegelhalter.1", value=z)) == expected


def test_the_interval_in_the_large_is_that_of_the_labels():
    estimate = in_the_large_exact(np.array([1, 0]), np.array([0.5, 0.5]))

    half = 1.959963984540054 * np.sqrt(0.5) / 2
    assert (estimate.low, estimate.high) == pytest.approx((-half, half))


def test_reliability_has_ten_bins_with_bars():
    diagram = reliability(COUNTS)

    assert len(diagram) == 10
    assert sum(share.n for _, share in diagram) == 1000
    assert [share.value for _, share in diagram] == pytest.approx([i / 10 for i in range(10)], abs=0.02)
    assert all(share.low <= share.value <= share.high for _, share in diagram)


def test_wrong_rows_are_refused():
    for labels, scores in (([0, 2], [0.5, 0.5]), ([0], [0.5, 0.5])):
        with pytest.raises(ValueError, match="labels 0 and 1"):
            ece_exact(np.array(labels), np.array(scores))


def bent(n, power, seed=0):
    """Return the counts of scores that overstate: the label is 1 with chance score ** power."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    return ScoreCounts.of((rng.random(n) < scores**power).astype(float), scores)


def test_the_golden_pools():
    found = pooled(np.array([0.0, 1, 0, 1, 1, 0, 1, 1]))

    assert found == pytest.approx([0, 0.5, 0.5, 2 / 3, 2 / 3, 2 / 3, 1, 1], abs=1e-12)


def test_scikit_learn_agrees_on_the_map():
    rng = np.random.default_rng(3)
    scores = rng.choice(cell_scores(4096)[200:3900:37], 3000)
    labels = (rng.random(3000) < scores**2).astype(float)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)

    mapped = isotonic(ScoreCounts.of(labels, scores))

    everywhere = np.linspace(0, 1, 777)
    assert mapped.is_kept
    np.testing.assert_allclose(mapped(everywhere), oracle.predict(everywhere), atol=1e-9)


def test_a_map_mends_bent_scores_of_other_rows():
    mapped, others = isotonic(bent(20_000, 3)), bent(20_000, 3, seed=1)

    rows = np.random.default_rng(2).random(20_000)
    truth = (np.random.default_rng(3).random(20_000) < rows**3).astype(float)
    before, after = ece_exact(truth, rows), ece_exact(truth, mapped(rows))

    assert mapped.gain == pytest.approx(ece(others).value, abs=0.02)
    assert (before.value > 0.15, after.value < 0.02) == (True, True)


def test_scores_that_mean_what_they_say_are_left_alone():
    mapped = isotonic(bent(5000, 1))

    assert (mapped.is_kept, mapped.gain <= 0) == (False, True)
    assert mapped(np.array([-1.0, 0.3, 2.0])).tolist() == [0, 0.3, 1]


def test_a_map_rises_and_stays_in_its_range():
    mapped = isotonic(bent(3000, 3))

    chances = mapped(np.linspace(-1, 2, 500))
    assert (np.diff(chances) >= 0).all()
    assert (chances.min() >= 0, chances.max() <= 1) == (True, True)


def test_too_few_rows_of_a_class_make_no_map():
    mapped = isotonic(ScoreCounts.of(np.repeat([0.0, 1.0], [500, 29]), np.full(529, 0.9)))

    assert (mapped.is_kept, mapped.gain, mapped.n) == (False, None, 529)
    assert not isotonic(NOTHING).is_kept
