import numpy as np
import pytest

from monitoring.checks import output_drift
from monitoring.checks.base import Usage
from monitoring.checks.config import HOUR_PARTS, OutputDrift
from monitoring.checks.judging import judge
from monitoring.stats.profile import build
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import START, days_of, frozen, rng, version, window

CONFIG = OutputDrift()
X = {"x": np.arange(4_000.0)}


def scored(before, now, *, score_kind="probability", decided_before=None, decided_now=None):
    grid = frozen(X, score=before, score_kind=score_kind)
    reference = build({"x": np.arange(float(len(before)))}, grid, score=before, decided=decided_before)
    current = build({"x": np.arange(float(len(now)))}, grid, score=now, decided=decided_now)
    return window(version(reference, current))


def found(data, config=CONFIG):
    return {(one.metric, one.signal): one for one in judge(output_drift.measure(data, config))}


def test_the_score_has_a_shape_and_a_mean():
    r = rng()
    seen = found(scored(r.beta(2, 5, size=4_000), r.beta(4, 5, size=1_000)))

    assert seen["psi.1", "score"].verdict == Verdict.drift
    mean = seen["mean_score.1", "score"]
    assert mean.verdict == Verdict.drift
    assert mean.value == pytest.approx(4 / 9, abs=0.02)
    assert mean.base_value == pytest.approx(2 / 7, abs=0.02)
    assert mean.low < mean.value < mean.high
    assert mean.gap == pytest.approx((4 / 9 - 2 / 7) / 0.16, abs=0.2)


def test_the_same_score_is_ok():
    r = rng()
    seen = found(scored(r.beta(2, 5, size=4_000), r.beta(2, 5, size=1_000)))

    assert {one.verdict for one in seen.values()} == {Verdict.ok}


def test_a_regression_is_compared_on_its_own_numbers():
    r = rng()
    seen = found(scored(r.normal(100, 10, size=4_000), r.normal(120, 10, size=1_000), score_kind="number"))

    assert seen["psi.1", "score"].verdict == Verdict.drift
    assert seen["mean_score.1", "score"].value == pytest.approx(120, abs=2)
    assert ("positive_rate.1", "decision") not in seen


def test_a_constant_score_has_no_spread_to_measure_by():
    seen = found(scored(np.full(4_000, 0.5), np.full(1_000, 0.5)))

    assert (seen["psi.1", "score"].value, seen["psi.1", "score"].verdict) == (0.0, Verdict.ok)
    assert seen["mean_score.1", "score"].verdict == Verdict.ok


def decisions(rows, positive):
    return np.array([1.0] * positive + [0.0] * (rows - positive))


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (0.60, 0.61, Verdict.ok),
        (0.60, 0.66, Verdict.warn),
        (0.60, 0.75, Verdict.drift),
        (0.95, 0.99, Verdict.drift),
        (0.007, 0.014, Verdict.warn),
    ],
)
def test_the_share_of_positive_decisions_is_held_against_the_rarer_one(before, now, verdict):
    r = rng()
    data = scored(
        r.beta(2, 5, size=10_000),
        r.beta(2, 5, size=10_000),
        decided_before=decisions(10_000, round(before * 10_000)),
        decided_now=decisions(10_000, round(now * 10_000)),
    )

    seen = found(data)["positive_rate.1", "decision"]

    assert (seen.verdict, seen.value, seen.base_value) == (verdict, now, before)
    assert seen.low < now < seen.high


def test_a_small_window_of_decisions_is_insufficient():
    r = rng()
    data = scored(
        r.beta(2, 5, size=4_000),
        r.beta(2, 5, size=100),
        decided_before=decisions(4_000, 400),
        decided_now=decisions(100, 90),
    )

    seen = found(data)["positive_rate.1", "decision"]

    assert (seen.verdict, seen.reason) == (Verdict.insufficient, "too_few")


def test_a_reference_without_decisions_leaves_the_rate_unjudged():
    r = rng()
    data = scored(r.beta(2, 5, size=4_000), r.beta(2, 5, size=1_000), decided_now=decisions(1_000, 900))

    seen = found(data)["positive_rate.1", "decision"]

    assert (seen.verdict, seen.base_value, seen.value) == (Verdict.insufficient, None, 0.9)


def test_the_mix_of_classes():
    before, now = ["bike", "car"] * 2_000, ["bike"] * 300 + ["car"] * 700
    grid = frozen(X, prediction=before, classes=["bike", "car"])
    reference = build({"x": np.arange(4_000.0)}, grid, prediction=before)
    current = build({"x": np.arange(1_000.0)}, grid, prediction=now)

    seen = found(window(version(reference, current), task="multiclass"))

    assert seen["psi.1", "prediction"].verdict == Verdict.warn
    assert seen["psi.1", "prediction"].details["histogram"]["labels"] == ["bike", "car", "other"]
    assert ("psi.1", "score") not in seen


def test_a_version_without_reference_says_so():
    profile = build(X, frozen(X))

    [seen] = output_drift.measure(window(version(None, profile)), CONFIG)

    assert (seen.verdict, seen.reason) == (Verdict.insufficient, "no_reference")


class TestHours:
    def data(self, errors: int, *, before: int = 28, usual: int = 1):
        usage = Usage(
            current=days_of(START, 1, rows=1_000, errors=errors, fallbacks=1),
            before=days_of(START, before, rows=1_000, errors=usual, fallbacks=1),
        )
        return window(usage=usage)

    @pytest.mark.parametrize(
        ("errors", "verdict", "hard"),
        [(1, Verdict.ok, False), (50, Verdict.warn, False), (300, Verdict.drift, True)],
    )
    def test_errors_against_the_days_before(self, errors, verdict, hard):
        seen = found(self.data(errors), OutputDrift(parts=HOUR_PARTS))

        assert (seen["error_share.1", ""].verdict, seen["error_share.1", ""].hard) == (verdict, hard)
        assert seen["fallback_share.1", ""].verdict == Verdict.ok

    def test_without_days_before_there_is_nothing_to_compare_with(self):
        seen = found(self.data(300, before=0), OutputDrift(parts=HOUR_PARTS))

        assert (seen["error_share.1", ""].verdict, seen["error_share.1", ""].reason) == (
            Verdict.insufficient,
            "no_reference",
        )

    def test_profiles_are_not_asked_for_hours(self):
        assert found(self.data(1)).keys() == set()


class TestNearThreshold:
    def near(self, before, now, **options):
        decided = [(side >= 0.5).astype(float) for side in (before, now)]
        data = scored(before, now, decided_before=decided[0], decided_now=decided[1], **options)
        return found(data).get(("near_threshold_share.1", "score"))

    def test_it_counts_what_lies_within_five_hundredths(self):
        now = np.array([0.2, 0.4494, 0.4506, 0.5, 0.5494, 0.5506, 0.9, 0.99] * 100)
        one = self.near(np.linspace(0, 1, 4_001), now)

        assert one.value == pytest.approx(3 / 8)
        assert one.base_value == pytest.approx(0.1, abs=0.002)
        assert (one.n, one.base_n) == (800, 4_001)
        assert one.low < one.value < one.high

    def test_it_is_evidence_however_far_it_moves(self):
        one = self.near(np.full(4_000, 0.9), np.full(1_000, 0.5))

        assert (one.value, one.base_value, one.verdict) == (1.0, 0.0, Verdict.ok)

    def test_without_decisions_or_probabilities_there_is_no_threshold(self):
        scores = rng().beta(2, 5, size=4_000)

        assert ("near_threshold_share.1", "score") not in found(scored(scores, scores[:1_000]))
        assert self.near(scores * 100, scores[:1_000] * 100, score_kind="number") is None
