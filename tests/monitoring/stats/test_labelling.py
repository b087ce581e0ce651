"""Who has a label: coverage, and whether the labelled are like the rest."""

import numpy as np
import pytest

from monitoring.stats.intervals import wilson
from monitoring.stats.labelling import coverage, is_skewed, label_skew
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Divergence, Reason

RNG = np.random.default_rng(6)
SCORES = RNG.random(20_000)
LABELS = (RNG.random(20_000) < SCORES).astype(float)


def labelled(where):
    return ScoreCounts.of(np.where(where, LABELS, np.nan), SCORES)


def test_coverage_is_a_share_with_its_interval():
    assert (coverage(30, 40).value, coverage(30, 40).low) == (0.75, wilson(30, 40)[0])
    assert coverage(0, 0).reason == Reason.empty
    for labelled_rows, rows in ((5, 4), (-1, 4)):
        with pytest.raises(ValueError, match="some of the rows"):
            coverage(labelled_rows, rows)


def test_labels_that_fall_anywhere_are_not_skewed():
    skew = label_skew(labelled(RNG.random(20_000) < 0.2))

    assert skew.metric == "label_skew.1"
    assert skew.value < 0.01
    assert not is_skewed(skew)


def test_labels_of_high_scores_only_are_skewed():
    skew = label_skew(labelled((SCORES > 0.5) & (RNG.random(20_000) < 0.4)))

    assert skew.value > 0.5
    assert is_skewed(skew)


def test_a_few_labels_are_no_evidence_of_skew():
    skew = label_skew(labelled(np.arange(20_000) < 60))

    assert skew.value > 0.1 or skew.p_value > 0.001
    assert not is_skewed(skew)


def test_without_scores_labels_or_differences_there_is_no_skew():
    nothing = label_skew(ScoreCounts.of(np.array([]), np.array([])))
    unlabelled = label_skew(ScoreCounts.of(np.full(9, np.nan), np.linspace(0, 1, 9)))
    alike = label_skew(ScoreCounts.of(np.array([0.0, 1.0, np.nan]), np.full(3, 0.5)))

    assert [one.reason for one in (nothing, unlabelled, alike)] == [
        Reason.no_reference,
        Reason.empty,
        Reason.constant,
    ]
    assert not any(is_skewed(one) for one in (nothing, unlabelled, alike))
    assert not is_skewed(Divergence("label_skew.1", value=0.0999, p_value=0.0))
    assert is_skewed(Divergence("label_skew.1", value=0.1, p_value=0.001))
