import numpy as np
import pytest

from monitoring.checks import input_drift
from monitoring.checks.config import InputDrift, Thresholds
from monitoring.checks.judging import judge
from monitoring.stats import divergence
from monitoring.stats.profile import Profile, build
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import compared, frozen, new_id, rng, version, window

CONFIG = InputDrift()


def verdicts(data, config=CONFIG):
    return {one.feature: one.verdict for one in judge(input_drift.measure(data, config)) if not one.segment}


def found(data, feature, segment="", config=CONFIG):
    return next(
        one for one in judge(input_drift.measure(data, config)) if (one.feature, one.segment) == (feature, segment)
    )


def test_a_shift_is_drift_and_no_shift_is_ok():
    r = rng()
    data = compared(
        {"income": r.normal(size=10_000), "age": r.normal(size=10_000)},
        {"income": r.normal(0.8, size=2_000), "age": r.normal(size=2_000)},
    )

    assert verdicts(data) == {"income": Verdict.drift, "age": Verdict.ok}


def test_the_value_is_the_psi_of_the_headline_bins():
    r = rng()
    data = compared({"income": r.normal(size=10_000)}, {"income": r.normal(0.2, size=2_000)})

    seen = found(data, "income")

    only = data.versions[0]
    expected = divergence.psi(only.reference.headline("income"), only.current.headline("income"))
    assert seen.value == pytest.approx(expected.value, abs=1e-12)
    assert (seen.n, seen.base_n, seen.metric) == (2_000, 10_000, "psi.1")
    assert seen.details["floor"] == pytest.approx(expected.floor)
    assert seen.details["excess"] == pytest.approx(divergence.excess(expected))
    assert sum(seen.details["histogram"]["current"]) == 2_000
    assert len(seen.details["histogram"]["labels"]) == len(seen.details["histogram"]["reference"]) == 10


def test_other_distances_stand_in_the_details_as_evidence():
    r = rng()
    data = compared(
        {"income": r.normal(size=5_000), "channel": ["web"] * 3000 + ["shop"] * 2000},
        {"income": r.normal(0.5, size=1_000), "channel": ["web"] * 200 + ["shop"] * 800},
    )

    numeric, text = found(data, "income").details["evidence"], found(data, "channel").details["evidence"]

    assert numeric.keys() == {"kl.1", "js.1", "chi2.1", "ks.1", "w1.1", "reference_mean", "mean"}
    assert text.keys() == {"kl.1", "js.1", "chi2.1", "cramers_v.1"}
    assert numeric["w1.1"] == pytest.approx(0.5, abs=0.1)


def test_a_constant_that_starts_to_vary_is_drift():
    r = rng()
    before = {"flag": np.zeros(5_000)}

    assert verdicts(compared(before, {"flag": r.choice([0.0, 1.0], size=1_000)})) == {"flag": Verdict.drift}
    assert verdicts(compared({"kind": ["a"] * 5_000}, {"kind": ["a"] * 500 + ["b"] * 500})) == {"kind": Verdict.drift}


def test_a_constant_that_stays_is_ok_at_zero():
    seen = found(compared({"flag": np.zeros(5_000)}, {"flag": np.zeros(1_000)}), "flag")

    assert (seen.verdict, seen.value, seen.reason) == (Verdict.ok, 0.0, "")


@pytest.mark.parametrize(
    ("before", "now", "verdict", "reason"),
    [
        (np.full(5_000, np.nan), np.ones(1_000), Verdict.insufficient, "no_reference"),
        (np.ones(5_000), np.full(1_000, np.nan), Verdict.no_data, "all_null"),
        (np.arange(400.0), np.arange(1_000.0), Verdict.insufficient, "too_few"),
        (np.arange(5_000.0), np.arange(199.0), Verdict.insufficient, "too_few"),
        (np.arange(5_000.0), np.arange(1.0), Verdict.insufficient, "too_few"),
    ],
    ids=["reference all null", "window all null", "small reference", "small window", "one row"],
)
def test_what_cannot_be_judged_says_why(before, now, verdict, reason):
    seen = found(compared({"income": before}, {"income": now}), "income")

    assert (seen.verdict, seen.reason) == (verdict, reason)
    assert seen.value is None or seen.value >= 0


def test_an_empty_window_has_no_value():
    grid = frozen({"income": np.arange(5_000.0)})
    data = window(version(build({"income": np.arange(5_000.0)}, grid), Profile.empty(grid)))

    seen = found(data, "income")

    assert (seen.verdict, seen.value, seen.reason) == (Verdict.no_data, None, "empty")


@pytest.mark.parametrize("missing", ["reference", "current"])
def test_a_version_without_reference_or_profile_is_insufficient(missing):
    profile = build({"income": np.arange(5_000.0)}, frozen({"income": np.arange(5_000.0)}))
    data = window(version(None, profile) if missing == "reference" else version(profile, None), rows=10)

    [seen] = judge(input_drift.measure(data, CONFIG))

    assert seen.verdict == Verdict.insufficient
    assert seen.reason == ("no_reference" if missing == "reference" else "empty")


def test_thresholds_of_a_feature_stand_before_those_of_the_check():
    r = rng()
    data = compared({"income": r.normal(size=10_000)}, {"income": r.normal(0.8, size=2_000)})
    lax = InputDrift(overrides={"income": Thresholds(warn=2.0, drift=3.0)})

    seen = found(data, "income", config=lax)

    assert (seen.verdict, seen.threshold) == (Verdict.ok, 2.0)


@pytest.mark.parametrize(("shift", "hard"), [(0.6, False), (1.5, True)])
def test_a_psi_of_half_is_a_hard_break(shift, hard):
    r = rng()
    seen = found(compared({"x": r.normal(size=10_000)}, {"x": r.normal(shift, size=2_000)}), "x")

    assert seen.verdict == Verdict.drift
    assert seen.hard is hard
    assert (seen.value >= 0.5) is hard


def test_only_the_features_named_are_looked_at_and_dropped_ones_never():
    r = rng()
    columns = {name: r.normal(size=1_000) for name in ("income", "age", "secret")}
    grid = frozen(columns)
    data = window(version(build(columns, grid), build(columns, grid), dropped=["secret"]))

    assert verdicts(data).keys() == {"income", "age"}
    assert verdicts(data, InputDrift(features=("age", "gone"))).keys() == {"age"}


class TestRank:
    def test_the_five_features_with_the_largest_excess_have_a_rank(self):
        r = rng()
        before = {f"x{n}": r.normal(size=10_000) for n in range(8)}
        now = {f"x{n}": r.normal(0.1 * n, size=2_000) for n in range(8)}

        ranked = {
            one.feature: one.rank for one in judge(input_drift.measure(compared(before, now), CONFIG)) if one.rank
        }

        assert ranked == {"x7": 1, "x6": 2, "x5": 3, "x4": 4, "x3": 5}

    def test_without_excess_there_is_no_rank(self):
        x = np.arange(10_000.0)

        assert found(compared({"x": x}, {"x": x}), "x").rank is None

    def test_a_feature_has_one_rank_for_the_version_in_which_it_moved_most(self):
        r = rng()
        before = {"x": r.normal(size=5_000), "y": r.normal(size=5_000)}
        grid = frozen(before)
        reference = build(before, grid)
        little = version(reference, build({"x": r.normal(0.5, size=1_000), "y": r.normal(0.3, size=1_000)}, grid))
        much = version(
            reference, build({"x": r.normal(0.9, size=1_000), "y": r.normal(size=1_000)}, grid), id=new_id(), number=2
        )

        ranked = [one for one in judge(input_drift.measure(window(little, much), CONFIG)) if one.rank]

        assert {(one.feature, one.version): one.rank for one in ranked} == {("x", much.id): 1, ("y", little.id): 2}

    def test_importance_gives_an_impact(self):
        r = rng()
        columns, grid = {"x": r.normal(size=5_000)}, None
        grid = frozen(columns)
        seen = build({"x": r.normal(0.5, size=1_000)}, grid)
        data = window(version(build(columns, grid), seen, importance={"x": 0.5}))

        details = found(data, "x").details

        assert details["impact"] == pytest.approx(0.5 * details["excess"])


class TestSegments:
    def regional(self, shift_in_north: float, rows: int = 4_000):
        r = rng()
        regions = ["north", "south"] * (rows // 2)
        moved = np.where(np.array(regions) == "north", shift_in_north, 0.0)
        before = {"region": ["north", "south"] * 5_000, "x": r.normal(size=10_000)}
        return compared(before, {"region": regions, "x": r.normal(moved)}, segments=["region"])

    def test_a_segment_that_moved_is_named(self):
        data = self.regional(1.0)

        segments = [one for one in judge(input_drift.measure(data, CONFIG)) if one.segment]

        assert [(one.feature, one.segment, one.verdict) for one in segments] == [("x", "region=north", Verdict.drift)]
        assert segments[0].n == 2_000

    def test_segments_that_are_ok_leave_no_row(self):
        assert not [one for one in judge(input_drift.measure(self.regional(0.0), CONFIG)) if one.segment]

    def test_small_segments_are_not_judged(self):
        assert not [one for one in judge(input_drift.measure(self.regional(2.0, rows=398), CONFIG)) if one.segment]

    def test_only_the_dimensions_asked_for_are_looked_at(self):
        data = self.regional(1.0)
        quiet = window(version(data.versions[0].reference, data.versions[0].current, dimensions=[]))

        assert not [one for one in judge(input_drift.measure(quiet, CONFIG)) if one.segment]

    def test_at_most_fifty_are_kept_those_that_moved_most(self):
        r = rng()
        names = [f"s{n}" for n in range(12)]
        before = {f"x{n}": r.normal(size=24_000) for n in range(6)} | {"who": names * 2_000}
        now = {f"x{n}": r.normal(0.5 + 0.1 * n, size=6_000) for n in range(6)} | {"who": names * 500}

        segments = [
            one for one in judge(input_drift.measure(compared(before, now, segments=["who"]), CONFIG)) if one.segment
        ]

        assert len(segments) == 50
        assert {one.feature for one in segments} >= {"x5", "x4", "x3", "x2"}
        assert [one.excess for one in segments] == sorted((one.excess for one in segments), reverse=True)


def test_evidence_is_shared_out_over_the_whole_run():
    """One p of .006 alone among fifty quiet features is chance."""
    r = rng(11)
    before = {f"x{n}": r.normal(size=500) for n in range(50)}
    now = {name: r.normal(size=200) for name in before}

    seen = judge(input_drift.measure(compared(before, now), InputDrift(warn=0.01, drift=0.02)))

    assert min(one.details["p_value"] for one in seen) < 0.05
    assert {one.verdict for one in seen} == {Verdict.ok}
