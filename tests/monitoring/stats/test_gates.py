"""Verdicts: two gates, persistence, maturity."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from monitoring.stats import gates
from monitoring.stats.divergence import psi
from monitoring.stats.gates import (
    DAILY,
    EVENT,
    HARD_BREAK_DAILY,
    HOURLY,
    SINGLE_P,
    Condition,
    ConditionState,
    Observation,
    Rule,
    benjamini_hochberg,
    drift_verdict,
    mature,
    noise_p,
    observe,
    performance_verdict,
    persist,
    replay,
)
from monitoring.stats.results import Divergence, Estimate, Reason, Verdict
from monitoring.stats.twosample import chi2_homogeneity

QUIET, PENDING, FIRING, CLEARING = ConditionState
LIMIT = 0.1


def window(gap, verdict=None, *, hard=False):
    breach = Verdict.warn if gap >= LIMIT else Verdict.ok
    return Observation(verdict or breach, gap, LIMIT, hard=hard)


def series(*gaps):
    return [window(gap) for gap in gaps]


def judged(reference, current):
    result, chi2 = psi(reference, current), chi2_homogeneity(reference, current)
    return drift_verdict(result, noise_p(result, chi2) <= SINGLE_P, 0.1, 0.25)


@pytest.mark.parametrize(
    ("p_values", "accepted"),
    [
        ([0.001, 0.004, 0.0029, 0.5], [True, True, True, False]),
        ([0.004, 0.9, 0.8, 0.7], [False] * 4),
        ([0.01], [True]),
        ([], []),
        ([1.0, 1.0], [False, False]),
    ],
)
def test_benjamini_hochberg_accepts(p_values, accepted):
    assert benjamini_hochberg(p_values, 0.01) == accepted


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_scipy_accepts_the_same(p_values, q):
    adjusted = false_discovery_control(p_values)

    for ours, oracle in zip(benjamini_hochberg(p_values, q), adjusted, strict=True):
        assert ours == (oracle <= q) or abs(oracle - q) < 1e-9


def test_the_golden_windows_of_two_gates():
    reference = np.full(10, 1000)
    small, large = (
        np.array([30, 25, 22, 20, 20, 20, 18, 16, 15, 14]),
        np.array([100, 80, 60, 55, 50, 45, 40, 30, 25, 15]),
    )

    assert psi(reference, small).value == pytest.approx(0.0478029986, abs=1e-9)
    assert psi(reference, small).floor == pytest.approx(0.1421735, abs=1e-6)
    assert judged(reference, small) == Verdict.ok
    assert psi(reference, large).value == pytest.approx(0.2414088584, abs=1e-9)
    assert psi(reference, large).floor == pytest.approx(0.0585420, abs=1e-6)
    assert judged(reference, large) == Verdict.warn


def test_the_golden_unseen_category():
    reference = np.array([5000, 3000, 2000, 0])
    one, many = np.array([250, 150, 99, 1]), np.array([240, 140, 95, 25])

    assert psi(reference, one).value == pytest.approx(0.0120365147, abs=1e-9)
    assert judged(reference, one) == Verdict.ok
    assert psi(reference, many).value == pytest.approx(0.3541334281, abs=1e-9)
    assert judged(reference, many) == Verdict.drift


def test_the_golden_extremes():
    equal = np.array([520, 480, 500, 510, 490, 505, 495, 500, 515, 485])
    moved = np.array([0, 9, 35, 101, 267, 417, 673, 1026, 1151, 1321])

    assert judged(np.full(10, 5000), equal) == Verdict.ok
    assert judged(np.full(10, 5000), moved) == Verdict.drift


@pytest.mark.parametrize(
    ("value", "accepted", "n_ref", "n_cur", "expected"),
    [
        (0.09, True, 1000, 500, Verdict.ok),
        (0.1, True, 1000, 500, Verdict.warn),
        (0.1 - 1e-13, True, 1000, 500, Verdict.warn),
        (0.25, True, 1000, 500, Verdict.drift),
        (0.9, False, 1000, 500, Verdict.ok),
        (None, True, 1000, 500, Verdict.ok),
        (0.9, True, 1000, 199, Verdict.insufficient),
        (0.9, True, 1000, 200, Verdict.drift),
        (0.9, True, 499, 500, Verdict.insufficient),
        (0.9, True, 500, 500, Verdict.drift),
        (None, False, 1000, 0, Verdict.no_data),
        (None, False, 0, 500, Verdict.insufficient),
    ],
)
def test_a_drift_verdict_needs_rows_effect_and_evidence(value, accepted, n_ref, n_cur, expected):
    result = Divergence("psi.1", value=value, bins=10, n_ref=n_ref, n_cur=n_cur)

    assert drift_verdict(result, accepted, 0.1, 0.25) == expected


def test_the_larger_p_decides_and_a_missing_one_is_no_evidence():
    assert noise_p(Divergence("psi.1", p_value=0.01), Divergence("chi2.1", p_value=0.002)) == 0.01
    assert noise_p(Divergence("psi.1", p_value=0.01), Divergence("chi2.1", reason=Reason.empty)) == 1


@pytest.mark.parametrize(
    ("estimate", "better", "expected"),
    [
        (Estimate(0.9, 0.88, 0.92, n=4000), "higher", Verdict.ok),
        (Estimate(0.7, 0.68, 0.72, n=4000), "higher", Verdict.worse),
        (Estimate(0.7, 0.55, 0.81, n=40), "higher", Verdict.ok),
        (Estimate(0.79, 0.785, 0.795, n=10**6), "higher", Verdict.ok),
        (Estimate(0.9, 0.88, 0.92, n=4000), "lower", Verdict.worse),
        (Estimate(0.7, 0.68, 0.72, n=4000), "lower", Verdict.ok),
        (Estimate(None, n=4000, reason=Reason.one_class), "higher", Verdict.insufficient),
        (Estimate(0.7, n=4000), "higher", Verdict.insufficient),
        (Estimate(None, reason=Reason.empty), "higher", Verdict.no_data),
    ],
)
def test_only_a_clear_worsening_is_worse(estimate, better, expected):
    assert performance_verdict(estimate, 0.8, 0.02, better) == expected


def test_performance_needs_thirty_of_the_smaller_class_and_a_base():
    fallen = Estimate(0.7, 0.68, 0.72, n=4000)

    assert performance_verdict(fallen, 0.8, 0.02, "higher", smaller_class=29) == Verdict.insufficient
    assert performance_verdict(fallen, 0.8, 0.02, "higher", smaller_class=30) == Verdict.worse
    assert performance_verdict(fallen, None, 0.02, "higher") == Verdict.insufficient


def test_better_is_higher_or_lower():
    with pytest.raises(ValueError, match="higher or lower"):
        performance_verdict(Estimate(0.7, n=1), 0.8, 0.02, "best")


@pytest.mark.parametrize(
    ("coverage", "usual", "age_h", "p95_delay_h", "expected"),
    [
        (0.81, 0.9, 0, 48.0, True),
        (0.80, 0.9, 0, 48.0, False),
        (0.10, 0.9, 48, 48.0, True),
        (0.99, 0.9, 71, None, False),
        (1.00, 0.9, 0, None, True),
        (0.10, 0.9, 72, None, True),
    ],
)
def test_labels_are_mature_by_coverage_or_age(coverage, usual, age_h, p95_delay_h, expected):
    assert mature(coverage, usual, age_h, p95_delay_h) == expected


def test_the_golden_persistence():
    states = replay(series(0.12, 0.05, 0.11, 0.075, 0.085, 0.075, 0.07), DAILY)

    assert states == [PENDING, PENDING, FIRING, CLEARING, FIRING, CLEARING, QUIET]


def test_hourly_opens_on_three_of_five_and_clears_after_three():
    states = replay(series(0.2, 0, 0.2, 0, 0.2, 0, 0, 0.2, 0, 0, 0), HOURLY)

    assert states[:5] == [PENDING] * 4 + [FIRING]
    assert states[5:] == [CLEARING, CLEARING, FIRING, CLEARING, CLEARING, QUIET]


def test_a_pending_condition_is_quiet_when_its_ring_holds_no_breach():
    states = replay(series(0.2, 0, 0, 0), Rule(2, 3, 2))

    assert states == [PENDING, PENDING, PENDING, QUIET]


def test_an_event_opens_and_clears_at_once():
    assert replay(series(0.2, 0.0, 0.2), EVENT) == [FIRING, QUIET, FIRING]


def test_a_hard_break_opens_at_once_under_any_rule():
    assert replay([window(0.6, hard=True)], HOURLY) == [FIRING]
    assert replay([window(0.6, hard=True), window(0.0), window(0.0)], HARD_BREAK_DAILY) == [FIRING, CLEARING, QUIET]
    assert replay([window(0.0, hard=True)], HOURLY) == [QUIET]


@pytest.mark.parametrize("verdict", [Verdict.insufficient, Verdict.no_data, Verdict.error])
def test_a_window_that_could_not_be_judged_is_skipped_by_both_streaks(verdict):
    silent = window(0.0, verdict)

    opening = replay([*series(0.2), silent, silent, silent, *series(0.2)], DAILY)
    closing = replay([*series(0.2, 0.2, 0.0), silent, silent, *series(0.0)], DAILY)

    assert opening == [PENDING] * 4 + [FIRING]
    assert closing == [PENDING, FIRING, CLEARING, CLEARING, CLEARING, QUIET]


def test_silence_never_clears_a_condition():
    states = replay([*series(0.2, 0.2), *[window(0.0, Verdict.no_data)] * 50], DAILY)

    assert set(states[1:]) == {FIRING}


def test_between_clear_and_breach_a_clearing_streak_starts_again():
    states = replay(series(0.2, 0.2, 0.0, 0.09, 0.0, 0.0), DAILY)

    assert states == [PENDING, FIRING, CLEARING, FIRING, CLEARING, QUIET]


def test_clear_is_strictly_below_its_share_of_the_threshold():
    assert replay(series(0.2, 0.2, 0.08), DAILY)[-1] == FIRING
    assert replay(series(0.2, 0.2, 0.0799), DAILY)[-1] == CLEARING


def test_going_quiet_empties_the_ring():
    after = replay(series(0.2, 0.2, 0.0, 0.0, 0.2, 0.0), DAILY)

    assert after == [PENDING, FIRING, CLEARING, QUIET, PENDING, PENDING]
    quiet = observe(Condition(CLEARING, tuple(series(0.2, 0.0))), window(0.0), DAILY)
    assert quiet == Condition(QUIET, ())


def test_a_breach_with_a_low_gap_does_not_clear():
    assert replay([*series(0.2, 0.2), window(0.0, Verdict.warn)], DAILY)[-1] == FIRING


def test_an_empty_ring_and_an_unjudged_end_keep_the_state():
    assert persist(FIRING, [], DAILY) == FIRING
    assert persist(CLEARING, [window(0.2), window(0.0, Verdict.error)], DAILY) == CLEARING
    assert observe(Condition(FIRING), window(0.0, Verdict.error), DAILY) == Condition(FIRING)


verdicts = st.sampled_from([Verdict.ok, Verdict.warn, Verdict.drift, Verdict.insufficient, Verdict.no_data])
rules = st.sampled_from([HOURLY, DAILY, EVENT, HARD_BREAK_DAILY])


@given(st.lists(st.tuples(verdicts, st.sampled_from([0.0, 0.085, 0.2]), st.booleans()), max_size=25), rules)
def test_a_ring_kept_outside_gives_the_same_states_as_the_replay(drawn, rule):
    observations = [Observation(verdict, gap, LIMIT, hard=hard) for verdict, gap, hard in drawn]
    state, ring, states = QUIET, [], []

    for seen in observations:
        if seen.is_judged:
            ring = [*ring, seen][-8:]
            state = persist(state, ring, rule)
            ring = [] if state == QUIET else ring
        states.append(state)

    assert states == replay(observations, rule)


@pytest.mark.parametrize("numbers", [(0, 3, 2), (4, 3, 2), (2, 9, 2), (2, 3, 0), (2, 3, 9)])
def test_a_rule_that_cannot_open_or_clear_is_refused(numbers):
    with pytest.raises(ValueError, match="a rule needs"):
        Rule(*numbers)


def test_a_segment_is_worse_only_beyond_the_noise_of_both_sides() -> None:
    """Differences between two noisy estimates, one-sided p at most .001: hand-computed z."""
    base = Estimate(0.80, 0.78, 0.82)

    # se = .02 / 1.96 each side: z = .04 / (.0102 * sqrt 2) = 2.77 < 3.09; .05 gives 3.46
    assert not gates.is_beyond_chance(Estimate(0.76, 0.74, 0.78), base, "higher")
    assert gates.is_beyond_chance(Estimate(0.75, 0.73, 0.77), base, "higher")
    assert not gates.is_beyond_chance(Estimate(0.90, 0.88, 0.92), base, "higher")
    assert gates.is_beyond_chance(Estimate(0.90, 0.88, 0.92), base, "lower")
    assert not gates.is_beyond_chance(Estimate(None), base, "higher")
    assert not gates.is_beyond_chance(Estimate(0.5), base, "higher")
    assert gates.is_beyond_chance(Estimate(0.5, 0.5, 0.5), Estimate(0.8, 0.8, 0.8), "higher")


def test_chance_alone_passes_the_gate_of_a_segment_once_in_a_thousand() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(0.8, 0.02, size=(20_000, 2))
    passed = sum(
        gates.is_beyond_chance(Estimate(a, a - 0.0392, a + 0.0392), Estimate(b, b - 0.0392, b + 0.0392), "higher")
        for a, b in noise
    )
    assert passed / len(noise) <= 0.002


@pytest.mark.parametrize(
    ("days", "rows_a_day", "taken"),
    [(1, 300, 1), (1, 200, 1), (1, 70, 3), (1, 30, 7), (1, 10, 28), (1, 1, 1), (7, 10, 28), (3, 40, 7)],
)
def test_a_window_with_too_few_rows_takes_more_days(days, rows_a_day, taken):
    length = gates.widened(timedelta(days=days), lambda longer: rows_a_day * longer.days >= gates.MIN_WINDOW)

    assert length == timedelta(days=taken)


def test_an_hour_is_widened_to_a_day():
    assert gates.widened(timedelta(hours=1), lambda longer: longer >= timedelta(days=1)) == timedelta(days=1)


@pytest.mark.parametrize(
    ("segment", "gap", "aggregate", "aggregate_gap", "speaks"),
    [
        (Verdict.ok, 0.0, Verdict.drift, 0.9, True),
        (Verdict.insufficient, None, Verdict.drift, 0.9, True),
        (Verdict.warn, 0.2, Verdict.ok, 0.05, True),
        (Verdict.warn, 0.2, None, None, True),
        (Verdict.drift, 0.4, Verdict.warn, 0.2, True),
        (Verdict.drift, 0.399, Verdict.warn, 0.2, False),
        (Verdict.worse, None, Verdict.worse, 0.1, False),
        (Verdict.worse, 0.3, Verdict.worse, None, False),
    ],
)
def test_a_segment_speaks_beside_a_quiet_aggregate_or_at_twice_its_effect(
    segment, gap, aggregate, aggregate_gap, speaks
):
    assert gates.segment_speaks(segment, gap, aggregate, aggregate_gap) == speaks


def test_a_p_value_that_is_unknown_is_no_evidence():
    assert benjamini_hochberg([0.001, np.nan, 0.9], 0.01) == [True, False, False]
    assert benjamini_hochberg([np.nan, np.nan], 0.01) == [False, False]


def test_evidence_is_shared_out_over_a_row_at_a_rate():
    for p_values, q in (([[0.1]], 0.01), ([0.1], 0.0), ([0.1], 1.0)):
        with pytest.raises(ValueError, match="a row of p-values"):
            benjamini_hochberg(p_values, q)
