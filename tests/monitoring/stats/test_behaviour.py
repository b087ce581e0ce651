"""What the numbers promise to the people who read them, one test per promise."""

import numpy as np
import pytest

from monitoring.stats.classification import auc
from monitoring.stats.divergence import js, psi
from monitoring.stats.gates import (
    DAILY,
    EVENT,
    SINGLE_P,
    ConditionState,
    Observation,
    drift_verdict,
    mature,
    noise_p,
    performance_verdict,
    replay,
)
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.profile import ScoreCounts, build, merge_all
from monitoring.stats.quality import share_change
from monitoring.stats.results import Reason, Verdict
from monitoring.stats.twosample import chi2_homogeneity, ks, wasserstein

N_REF = 10_000


def frozen(reference, dtype="number"):
    """Return a grid of one feature x, and its reference profile."""
    grid = freeze({"x": reference}, [FeatureSpec("x", dtype)])
    return grid, build({"x": reference}, grid)


def judged(reference, window):
    """Judge the drift of x on headline bins, a single metric on its own."""
    sides = reference.headline("x"), window.headline("x")
    result = psi(*sides)
    return drift_verdict(result, noise_p(result, chi2_homogeneity(*sides)) <= SINGLE_P, 0.1, 0.25)


def metrics(reference, window, grid):
    fine = reference.feature("x").counts, window.feature("x").counts
    headline = reference.headline("x"), window.headline("x")
    return [psi(*headline).value, js(*headline).value, ks(*fine).value, wasserstein(*fine, grid.features["x"]).value]


def test_1_one_outlier_hides_nothing_and_alarms_nobody():
    rng = np.random.default_rng(0)
    grid, reference = frozen(rng.normal(size=N_REF))
    usual = rng.normal(size=5000)
    with_outlier = np.append(usual[1:], 1e6)
    shifted = np.append(usual[1:] + 0.5, 1e6)

    before, after = (metrics(reference, build({"x": x}, grid), grid) for x in (usual, with_outlier))

    assert np.abs(np.subtract(before, after)).max() < 0.01
    assert judged(reference, build({"x": with_outlier}, grid)) == Verdict.ok
    assert judged(reference, build({"x": shifted}, grid)) in {Verdict.warn, Verdict.drift}


def test_2_one_unseen_row_is_ok_and_five_percent_are_drift():
    grid, reference = frozen(["a"] * 5000 + ["b"] * 3000 + ["c"] * 2000, "category")

    one = build({"x": ["a"] * 250 + ["b"] * 150 + ["c"] * 99 + ["new"]}, grid)
    many = build({"x": ["a"] * 240 + ["b"] * 140 + ["c"] * 95 + ["new"] * 25}, grid)

    assert judged(reference, one) == Verdict.ok
    assert judged(reference, many) == Verdict.drift
    assert (one.feature("x").n_unseen, many.feature("x").n_unseen) == (1, 25)


def test_3_a_feature_without_values_does_not_stop_the_others():
    rng = np.random.default_rng(1)
    columns = {"good": rng.normal(size=N_REF), "null": np.full(N_REF, np.nan), "constant": np.full(N_REF, 7.0)}
    grid = freeze(columns, [FeatureSpec(name, "number") for name in columns])
    reference = build(columns, grid)
    window = build({name: column[:500] for name, column in columns.items()}, grid)

    found = {name: psi(reference.headline(name), window.headline(name)) for name in columns}

    assert found["good"].value is not None
    assert found["null"].reason == Reason.no_reference
    assert found["constant"].reason == Reason.constant
    one_row = build({"good": np.array([0.5])}, grid)
    assert psi(reference.headline("good"), one_row.headline("good")).n_cur == 1
    assert psi(reference.headline("good"), build({}, grid, rows=0).headline("good")).reason == Reason.empty
    assert auc(ScoreCounts.of(np.ones(50), np.full(50, 0.5))).reason == Reason.one_class


@pytest.mark.parametrize(
    ("constant", "varied", "dtype"),
    [
        (np.full(N_REF, 4.0), np.r_[np.full(400, 4.0), np.full(100, 9.0)], "number"),
        (np.full(N_REF, 4.0), np.r_[np.full(400, 4.0), np.full(100, 3.5)], "number"),
        (np.full(N_REF, 4.0), np.full(500, 4.0000001), "number"),
        (np.full(N_REF, 3.0), np.r_[np.full(400, 3.0), np.full(50, 2.0), np.full(50, 4.0)], "integer"),
        (np.full(N_REF, 1.7e9), np.full(500, 1.8e9), "timestamp"),
        (["yes"] * N_REF, ["yes"] * 400 + ["no"] * 100, "category"),
        (["true"] * N_REF, ["true"] * 400 + ["false"] * 100, "boolean"),
        (["a"] * N_REF, ["b"] * 500, "text"),
    ],
    ids=["above", "below", "nearly the same", "integer", "timestamp", "category", "boolean", "text"],
)
def test_a_constant_that_starts_to_vary_is_drift(constant, varied, dtype):
    grid, reference = frozen(constant, dtype)

    still, moved = (build({"x": column}, grid) for column in (constant[:500], varied))

    assert psi(reference.headline("x"), still.headline("x")).reason == Reason.constant
    assert judged(reference, still) == Verdict.ok
    assert judged(reference, moved) == Verdict.drift


def test_a_feature_that_was_never_filled_and_now_is_has_a_reason():
    for nothing, something, dtype in (
        (np.full(N_REF, np.nan), np.ones(500), "number"),
        ([None] * N_REF, ["a"] * 500, "text"),
    ):
        grid, reference = frozen(nothing, dtype)
        window = build({"x": something}, grid)

        result = psi(reference.headline("x"), window.headline("x"))

        assert result.reason == Reason.no_reference
        assert drift_verdict(result, False, 0.1, 0.25) == Verdict.insufficient
        assert window.feature("x").n_null == 0 < reference.feature("x").n_null == N_REF


def test_4_shuffled_hours_are_the_same_as_a_day():
    rng = np.random.default_rng(2)
    grid, reference = frozen(rng.normal(size=N_REF))
    day = rng.normal(0.3, 1, 2400)
    hours = [build({"x": part}, grid) for part in np.split(day, 24)]
    rng.shuffle(hours)

    summed, at_once = merge_all(hours), build({"x": day}, grid)

    assert summed.counts.tolist() == at_once.counts.tolist()
    assert summed.tallies.tolist() == at_once.tallies.tolist()
    assert metrics(reference, summed, grid) == metrics(reference, at_once, grid)
    assert judged(reference, summed) == judged(reference, at_once)


@pytest.mark.parametrize("silence", [Verdict.no_data, Verdict.insufficient, Verdict.error])
def test_5_windows_without_traffic_or_labels_clear_nothing_and_are_no_zero(silence):
    grid, reference = frozen(np.random.default_rng(9).normal(size=N_REF))
    nothing = psi(reference.headline("x"), build({}, grid, rows=0).headline("x"))
    unlabelled = auc(ScoreCounts.of(np.full(50, np.nan), np.full(50, 0.5)))
    fired = [Observation(Verdict.drift, 0.3, 0.1)] * 2

    states = replay([*fired, *[Observation(silence, 0.0, 0.1)] * 30], DAILY)

    assert (nothing.value, drift_verdict(nothing, False, 0.1, 0.25)) == (None, Verdict.no_data)
    assert (unlabelled.value, performance_verdict(unlabelled, 0.8, 0.02, "higher")) == (None, Verdict.no_data)
    assert set(states[1:]) == {ConditionState.firing}


@pytest.mark.parametrize(
    ("labels", "shift", "expected"), [(4000, 0.1, Verdict.ok), (40, -0.1, None), (4000, -0.1, Verdict.worse)]
)
def test_6_only_a_proven_loss_of_ranking_is_worse(labels, shift, expected):
    rng = np.random.default_rng(3)
    base, target = 0.8, 0.8 + shift
    distance = {0.9: 1.8124, 0.7: 0.7416}[round(target, 1)]  # of two normals with this area between them
    truth = np.repeat([0.0, 1.0], labels // 2)
    scores = 1 / (1 + np.exp(-(rng.normal(size=labels) + distance * truth)))
    counts = ScoreCounts.of(truth, scores)

    smaller = min(counts.n_negative, counts.n_positive)
    verdict = performance_verdict(auc(counts), base, 0.02, "higher", smaller_class=smaller)

    assert verdict in ({expected} if expected else {Verdict.ok, Verdict.insufficient})


def test_7_a_condition_opens_on_two_of_three_and_clears_below_four_fifths():
    gaps = [0.12, 0.05, 0.11, 0.075, 0.085, 0.075, 0.07]
    series = [Observation(Verdict.warn if gap >= 0.1 else Verdict.ok, gap, 0.1) for gap in gaps]

    states = [state.value for state in replay(series, DAILY)]

    assert states == ["pending", "pending", "firing", "clearing", "firing", "clearing", "quiet"]


def test_8_nulls_are_critical_although_the_values_did_not_change():
    rng = np.random.default_rng(4)
    grid, reference = frozen(np.where(rng.random(N_REF) < 0.01, np.nan, rng.normal(size=N_REF)))
    window = build({"x": np.where(rng.random(2000) < 0.6, np.nan, rng.normal(size=2000))}, grid)

    was, now = reference.feature("x"), window.feature("x")
    change = share_change(was.n_null, reference.rows, now.n_null, window.rows)

    assert judged(reference, window) == Verdict.ok
    assert (change.verdict, change.critical) == (Verdict.drift, True)


def test_9_the_same_labels_alert_when_they_are_mature_and_not_before():
    rng = np.random.default_rng(6)
    truth = np.repeat([0.0, 1.0], 2000)
    fallen = auc(ScoreCounts.of(truth, 1 / (1 + np.exp(-(rng.normal(size=4000) + 0.74 * truth)))))
    verdict = performance_verdict(fallen, 0.8, 0.02, "higher", smaller_class=2000)

    def state(coverage, age_h):
        judged = verdict if mature(coverage, 0.9, age_h, 48.0) else Verdict.insufficient
        return replay([Observation(judged, 0.8 - fallen.value, 0.02)], EVENT)[-1]

    assert verdict == Verdict.worse
    assert state(coverage=0.5, age_h=10) == ConditionState.quiet
    assert state(coverage=0.85, age_h=20) == state(coverage=0.5, age_h=48) == ConditionState.firing


def test_10_a_fall_of_the_zeros_is_found():
    rng = np.random.default_rng(5)

    def amounts(rows, zeros):
        return np.where(rng.random(rows) < zeros, 0.0, rng.lognormal(size=rows))

    grid, reference = frozen(amounts(N_REF, 0.6))
    assert "0" in grid.headline_labels("x")

    found = [judged(reference, build({"x": amounts(500, 0.4)}, grid)) != Verdict.ok for _ in range(100)]

    assert np.mean(found) >= 0.95
