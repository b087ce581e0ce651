"""Data quality: shares, stuck columns, volume, freshness, schema."""

import numpy as np
import pytest

from monitoring.stats.quality import ShareRule, freshness, schema_changes, share_change, stuck, volume
from monitoring.stats.results import Reason, Verdict


@pytest.mark.parametrize(
    ("sides", "z", "verdict"),
    [
        ((200, 10_000, 20, 500), 3.0472055428, Verdict.ok),
        ((0, 10_000, 1, 500), 4.4723489291, Verdict.ok),
        ((0, 10_000, 25, 500), None, Verdict.warn),
    ],
)
def test_the_golden_shares(sides, z, verdict):
    change = share_change(*sides)

    assert change.verdict == verdict
    if z is not None:
        assert change.z == pytest.approx(z, abs=1e-9)


@pytest.mark.parametrize(
    ("sides", "verdict", "critical"),
    [
        ((0, 10_000, 100, 500), Verdict.drift, False),
        ((0, 10_000, 99, 500), Verdict.warn, False),
        ((100, 10_000, 300, 500), Verdict.drift, True),
        ((100, 10_000, 254, 500), Verdict.drift, False),
        ((100, 10_000, 255, 500), Verdict.drift, True),
        ((5_000, 10_000, 374, 500), Verdict.ok, False),
        ((5_000, 10_000, 375, 500), Verdict.drift, False),
        ((9_000, 10_000, 10, 500), Verdict.ok, False),
        ((0, 10_000, 10, 500), Verdict.warn, False),
        ((0, 10_000, 9, 400), Verdict.ok, False),
        ((0, 10, 10, 500), Verdict.ok, False),
    ],
)
def test_a_share_needs_effect_evidence_and_rows(sides, verdict, critical):
    change = share_change(*sides)

    assert (change.verdict, change.critical) == (verdict, critical)


def test_a_share_brings_its_interval():
    share = share_change(0, 100, 250, 1000).share

    assert (share.value, share.low, share.high) == pytest.approx((0.25, 0.2241530990, 0.2777602803), abs=1e-9)


def test_a_share_without_rows_is_no_zero():
    nothing, unknown = share_change(5, 100, 0, 0), share_change(0, 0, 5, 100)

    assert (nothing.verdict, nothing.share.value, nothing.reason) == (Verdict.no_data, None, Reason.empty)
    assert (nothing.reference_share, share_change(0, 0, 0, 0).reference_share) == (0.05, None)
    assert (unknown.verdict, unknown.reason, unknown.share.value) == (Verdict.insufficient, Reason.no_reference, 0.05)


def test_a_stricter_rule_is_stricter():
    assert share_change(0, 10_000, 25, 500, ShareRule(least_rise=0.06)).verdict == Verdict.ok


@pytest.mark.parametrize(
    ("reference", "window", "expected"),
    [
        ([50, 50], [0, 300], True),
        ([50, 50], [3, 297], True),
        ([50, 50], [4, 296], False),
        ([90, 10], [300, 0], False),
        ([89, 11], [300, 0], True),
        ([0, 0], [300, 0], False),
        ([50, 50], [0, 0], False),
    ],
)
def test_a_column_is_stuck_when_one_value_fills_it_as_never_before(reference, window, expected):
    assert stuck(np.array(reference), np.array(window)) == expected


@pytest.mark.parametrize(
    ("rows", "history", "expected"),
    [
        (200, [100, 102, 98, 100], Verdict.warn),
        (20, [100, 102, 98, 100], Verdict.warn),
        (125, [100, 102, 98, 100], Verdict.ok),
        (131, [100, 100, 100, 100], Verdict.warn),
        (129, [100, 100, 100, 100], Verdict.ok),
        (140, [100, 60, 140, 100, 100, 30], Verdict.ok),
        (1, [0, 0, 0, 0], Verdict.ok),
        (4, [0, 0, 0, 0], Verdict.warn),
        (0, [100, 100, 100], Verdict.insufficient),
    ],
)
def test_volume_is_judged_against_the_same_weekday(rows, history, expected):
    assert volume(rows, history).verdict == expected


def test_volume_says_how_far_off_it_is():
    change = volume(200, [100, 102, 98, 100])

    assert change.median == 100
    assert change.z == pytest.approx(100 / 1.4826)
    assert volume(1, []).reason == Reason.too_few


@pytest.mark.parametrize(
    ("gap_s", "gaps_s", "expected"),
    [(31.0, [10.0], Verdict.warn), (30.0, [10.0], Verdict.ok), (31.0, [], Verdict.insufficient)],
)
def test_silence_is_three_usual_gaps(gap_s, gaps_s, expected):
    assert freshness(gap_s, gaps_s) == expected


def test_a_schema_breaks_when_a_feature_is_gone_or_of_another_type():
    declared = {"income": "number", "age": "integer", "name": "text"}

    changes = schema_changes(declared, {"income": "integer", "name": "number", "extra": "text"})

    assert (changes.absent, changes.retyped, changes.undeclared) == (("age",), ("name",), ("extra",))
    assert changes.broken
    assert not schema_changes(declared, declared | {"extra": "text"}).broken
    assert schema_changes({"age": "integer"}, {"age": "number"}).broken


def test_counts_that_are_no_share_are_refused():
    with pytest.raises(ValueError, match="k of n rows"):
        share_change(5, 4, 1, 10)


def test_odd_numbers_are_no_volume_and_no_gap():
    assert volume(np.nan, [1.0] * 5).reason == Reason.not_finite
    assert volume(1e308, [-1e308] * 5).reason == Reason.not_finite
    assert volume(100, [np.nan, 100, 100, 100, np.inf]).reason == Reason.too_few
    assert volume(100, [np.nan, 100, 100, 100, 100]).verdict == Verdict.ok
    assert freshness(np.nan, [1.0]) == freshness(1.0, [np.nan]) == Verdict.insufficient
    assert freshness(np.inf, [1.0, np.inf]) == Verdict.warn
