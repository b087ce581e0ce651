"""Guarded tests: golden looks, formulas written out, and error rates over many looks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chisquare

from monitoring.stats.guarded import (
    LOG_E_LIMIT,
    Arm,
    Guard,
    Outcome,
    guard,
    half_width,
    is_mismatched,
    split_log_e,
    split_p,
)
from monitoring.stats.results import Reason

HALVES = np.array([0.5, 0.5])


def test_the_golden_looks():
    one = guard(Arm.of_rate(400, 4000), Arm.of_rate(300, 4000), 0, 0.02, 0.05)
    two = guard(Arm.of_rate(125, 2500), Arm.of_rate(130, 2500), 0, 0.02, 0.05)

    assert (one.outcome, two.outcome) == ("fail", "pass")
    assert (one.d, one.half) == pytest.approx((-0.025, 0.0175974204), abs=1e-9)
    assert (two.d, two.half) == pytest.approx((0.002, 0.0172926668), abs=1e-9)


@given(st.floats(0.001, 10), st.integers(1, 100_000), st.floats(0.001, 0.2), st.integers(1, 20_000))
def test_the_formula_as_written_agrees(se, n, alpha, n_star):
    rho2 = (-2 * math.log(2 * alpha) + math.log(1 - 2 * math.log(2 * alpha))) / n_star
    last = math.log(1 + math.sqrt(n * rho2 + 1) / (2 * alpha))
    one = se * math.sqrt(n) * math.sqrt(2 * (n * rho2 + 1) / (n * math.sqrt(rho2)) ** 2 * last)
    both2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / n_star
    last = math.log(math.sqrt(n * both2 + 1) / alpha)
    both = se * math.sqrt(n) * math.sqrt(2 * (n * both2 + 1) / (n * math.sqrt(both2)) ** 2 * last)

    assert half_width(se, n, alpha, n_star=n_star) == pytest.approx(one, rel=1e-9)
    assert half_width(se, n, alpha, 2, n_star) == pytest.approx(both, rel=1e-9)
    assert half_width(2 * se, n, alpha) == pytest.approx(2 * half_width(se, n, alpha))


def test_a_sequence_is_wider_than_an_interval_of_one_look_and_narrows_with_units():
    assert half_width(1.0, 5000, 0.05, 2) > 1.96
    widths = [half_width(1 / math.sqrt(n), n, 0.05) for n in (200, 1000, 5000, 50_000)]
    assert widths == sorted(widths, reverse=True)
    assert half_width(1.0, 5000, 0.05) < min(half_width(1.0, n, 0.05) for n in (300, 100_000))


@pytest.mark.parametrize(
    "call", [(1.0, 0, 0.05), (1.0, 10, 0.5), (1.0, 10, 0.0), (1.0, 10, 0.05, 3), (-1.0, 10, 0.05), (math.nan, 10, 0.05)]
)
def test_a_width_of_nothing_is_refused(call):
    with pytest.raises(ValueError, match="sides"):
        half_width(*call)


def test_where_lower_is_better_the_sign_turns():
    errors = Arm.of_rate(300, 4000), Arm.of_rate(400, 4000)

    found = guard(*errors, 0, 0.02, 0.05, better="lower")

    assert (found.outcome, found.d) == (Outcome.failed, pytest.approx(-0.025))
    assert guard(*errors, 0, 0.05, 0.05).outcome == Outcome.passed


def test_harm_within_the_margin_does_not_fail():
    arms = Arm.of_rate(400, 4000), Arm.of_rate(300, 4000)

    assert guard(*arms, 0.007, 0.02, 0.05).outcome == Outcome.failed
    assert guard(*arms, 0.008, 0.02, 0.05).outcome == Outcome.inconclusive


def test_a_harm_beyond_doubt_fails_though_the_other_margin_would_let_it_pass():
    assert guard(Arm.of_rate(400, 4000), Arm.of_rate(300, 4000), 0, 0.5, 0.05).outcome == Outcome.failed


@pytest.mark.parametrize(
    ("c", "t", "reason"),
    [
        (Arm.of_rate(0, 0), Arm.of_rate(300, 400), Reason.empty),
        (Arm.of_rate(70, 149), Arm.of_rate(3, 4000), Reason.too_few),
        (Arm.of_rate(100, 150), Arm.of_rate(9, 4000), Reason.too_few),
        (Arm.of_rate(3991, 4000), Arm.of_rate(3000, 4000), Reason.too_few),
        (Arm.of_sums(149, 149.0, 200.0), Arm.of_sums(500, 0.0, 500.0), Reason.too_few),
        (Arm(500, math.nan, 1.0), Arm(500, 1.0, 1.0), Reason.not_finite),
        (Arm(500, 1.0, math.inf), Arm(500, 1.0, 1.0), Reason.not_finite),
        (Arm(500, 1e308, 1.0), Arm(500, -1e308, 1.0), Reason.not_finite),
    ],
)
def test_too_little_is_inconclusive_and_says_why(c, t, reason):
    for arms in ((c, t), (t, c)):
        found = guard(*arms, 0, 0.01, 0.05)
        assert (found.outcome, found.reason) == (Outcome.inconclusive, reason)
        assert all(one is None or math.isfinite(one) for one in (found.d, found.half))


def test_enough_events_of_either_kind_are_judged():
    assert guard(Arm.of_rate(10, 150), Arm.of_rate(10, 150), 0, 0.5, 0.05).outcome == Outcome.passed


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_an_arm_of_sums_is_one_of_its_values(values):
    x = np.array(values)

    arm = Arm.of_sums(len(x), float(x.sum()), float((x * x).sum()))

    assert (arm.n, arm.mean) == (len(x), pytest.approx(x.mean()))
    assert arm.variance == pytest.approx(x.var(ddof=1), rel=1e-6, abs=1e-6)


def test_an_arm_of_nothing_or_one_has_no_variance():
    assert Arm.of_sums(0, 0.0, 0.0) == Arm(0, 0.0, 0.0)
    assert Arm.of_sums(1, 5.0, 25.0) == Arm(1, 5.0, 0.0)
    assert Arm.of_rate(0, 0) == Arm(0, 0.0, 0.0, 0)


def test_wrong_calls_are_refused():
    arm = Arm.of_rate(100, 400)
    for margins, better in (((-0.1, 0.1), "higher"), ((0.1, -0.1), "higher"), ((0.1, 0.1), "up")):
        with pytest.raises(ValueError, match="margins"):
            guard(arm, arm, *margins, 0.05, better=better)
    with pytest.raises(ValueError, match="0 <= k <= n"):
        Arm.of_rate(5, 4)


rates = st.integers(200, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(rates, rates, st.floats(0, 0.2), st.floats(0, 0.2))
def test_swapping_the_arms_turns_the_difference(c, t, harm, margin):
    there = guard(Arm.of_rate(*c), Arm.of_rate(*t), harm, margin, 0.05)
    back = guard(Arm.of_rate(*t), Arm.of_rate(*c), harm, margin, 0.05)
    turned = guard(Arm.of_rate(*t), Arm.of_rate(*c), harm, margin, 0.05, better="lower")

    assert (there.d, there.half) == (pytest.approx(-back.d), pytest.approx(back.half))
    assert turned == Guard(there.outcome, pytest.approx(there.d), pytest.approx(there.half), there.n, there.reason)


def test_the_golden_splits():
    assert split_log_e(np.array([5200, 4800]), HALVES) == pytest.approx(5.6136134118, abs=1e-9)
    assert split_log_e(np.array([9000, 1000]), np.array([0.9, 0.1])) == pytest.approx(-2.3158999884, abs=1e-9)
    assert is_mismatched(np.array([5200, 4800]), HALVES)
    assert not is_mismatched(np.array([9000, 1000]), np.array([0.9, 0.1]))
    assert pytest.approx(math.log(100)) == LOG_E_LIMIT


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([0.5, 0.2]))
def test_the_evidence_is_a_mixture_of_likelihood_ratios(first, second, share):
    """Integrated over the planned share's prior, a beta distribution worth 100 units."""
    a, b = 100 * share, 100 * (1 - share)
    norm = math.lgamma(100) - math.lgamma(a) - math.lgamma(b)

    def integrand(x):
        prior = norm + (a - 1) * math.log(x) + (b - 1) * math.log(1 - x)
        return math.exp(prior + first * math.log(x / share) + second * math.log((1 - x) / (1 - share)))

    mixture = quad(integrand, 1e-9, 1 - 1e-9, points=[share], limit=200)[0]

    found = split_log_e(np.array([first, second]), np.array([share, 1 - share]))

    assert found == pytest.approx(math.log(mixture), abs=1e-6)


counts = st.lists(st.integers(0, 5000), min_size=2, max_size=5)


@given(counts)
def test_scipy_agrees_on_the_p_value_and_order_of_arms_changes_nothing(drawn):
    units, shares = np.array(drawn), np.arange(1.0, len(drawn) + 1) / sum(range(1, len(drawn) + 1))

    expected = chisquare(units, units.sum() * shares).pvalue if units.any() else 1.0

    assert split_p(units, shares) == pytest.approx(expected, abs=1e-9)
    assert split_log_e(units[::-1], shares[::-1]) == pytest.approx(split_log_e(units, shares), abs=1e-6)


def test_without_units_there_is_no_evidence():
    assert split_log_e(np.zeros(2, dtype=np.int64), HALVES) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("units", "shares"),
    [
        ([1, 2], [0.5, 0.25, 0.25]),
        ([1], [1.0]),
        ([1, -1], [0.5, 0.5]),
        ([1, 1], [1.0, 0.0]),
        ([1, 1], [0.5, 0.6]),
    ],
)
def test_a_split_without_a_plan_is_refused(units, shares):
    for check in (split_log_e, split_p):
        with pytest.raises(ValueError, match="planned share"):
            check(np.array(units), np.array(shares))


LOOKS, PER_LOOK = 50, 200


def outcomes(rng, p_c, p_t, margin, runs):
    """Which guardrails failed and which passed at any of fifty looks of 200 units per arm."""
    failed = passed = 0
    for _ in range(runs):
        events = [rng.binomial(PER_LOOK, p, LOOKS).cumsum() for p in (p_c, p_t)]
        arms = ([Arm.of_rate(int(k), PER_LOOK * (look + 1)) for look, k in enumerate(side)] for side in events)
        seen = {guard(c, t, 0.0, margin, 0.05).outcome for c, t in zip(*arms, strict=True)}
        failed += Outcome.failed in seen
        passed += Outcome.passed in seen
    return failed / runs, passed / runs


@pytest.mark.simulation
@pytest.mark.parametrize("p", [0.1, 0.01])
def test_without_an_effect_hardly_any_guardrail_fails_at_any_look(p):
    assert outcomes(np.random.default_rng(1), p, p, 0.02, 1000)[0] <= 0.05


@pytest.mark.simulation
def test_a_fifth_less_is_found():
    assert outcomes(np.random.default_rng(2), 0.1, 0.08, 0.02, 300)[0] >= 0.95


@pytest.mark.simulation
@pytest.mark.parametrize(("p", "margin"), [(0.1, 0.02), (0.05, 0.01)])
def test_an_effect_of_just_the_margin_hardly_ever_passes(p, margin):
    assert outcomes(np.random.default_rng(3), p, p - margin, margin, 1000)[1] <= 0.05


@pytest.mark.simulation
def test_a_two_sided_sequence_holds_the_truth_at_all_looks():
    rng = np.random.default_rng(4)
    n = np.arange(1, LOOKS + 1) * PER_LOOK
    held = 0

    for _ in range(1000):
        x = rng.exponential(1.0, n[-1])
        mean = x.cumsum()[n - 1] / n
        se = np.sqrt(((x * x).cumsum()[n - 1] / n - mean**2) / n)
        held += all(abs(m - 1) <= half_width(s, k, 0.05, 2) for m, s, k in zip(mean, se, n, strict=True))

    assert held / 1000 >= 0.95


@pytest.mark.simulation
def test_the_split_is_held_at_any_of_200_looks_in_at_most_one_in_a_hundred_fair_tests():
    rng = np.random.default_rng(5)
    held = by_p = 0

    for _ in range(200):
        units = np.stack([side := rng.binomial(100, 0.5, 200), 100 - side], axis=1).cumsum(axis=0)
        held += any(is_mismatched(one, HALVES) for one in units)
        by_p += any(split_p(one, HALVES) < 0.01 for one in units)

    assert held / 200 <= 0.01
    assert by_p / 200 > 0.05  # why the p-value is only shown


@pytest.mark.simulation
def test_an_uneven_split_is_held():
    rng = np.random.default_rng(6)

    found = [is_mismatched(np.array([k := rng.binomial(20_000, 0.52), 20_000 - k]), HALVES) for _ in range(200)]

    assert np.mean(found) >= 0.95
