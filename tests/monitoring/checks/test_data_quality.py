import numpy as np
import pytest

from monitoring.checks import data_quality
from monitoring.checks.config import DataQuality
from monitoring.stats.profile import build
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import compared, frozen, rng, version, window

CONFIG = DataQuality()


def found(data, config=CONFIG):
    return {(one.metric, one.feature): one for one in data_quality.measure(data, config)}


def with_nulls(rows: int, nulls: int) -> np.ndarray:
    values = rng().normal(size=rows)
    values[:nulls] = np.nan
    return values


def test_every_feature_has_its_null_share_and_nothing_else_while_all_is_well():
    data = compared(
        {"income": with_nulls(10_000, 100), "channel": ["web", "shop"] * 5_000},
        {"income": with_nulls(1_000, 10), "channel": ["web", "shop"] * 500},
    )

    seen = found(data)

    assert seen.keys() == {("null_share.1", "income"), ("null_share.1", "channel")}
    nulls = seen["null_share.1", "income"]
    assert (nulls.value, nulls.base_value, nulls.n, nulls.base_n) == (0.01, 0.01, 1_000, 10_000)
    assert nulls.low < 0.01 < nulls.high
    assert (nulls.verdict, nulls.gap, nulls.threshold) == (Verdict.ok, 0.0, 0.02)


@pytest.mark.parametrize(
    ("nulls", "verdict", "hard"),
    [(25, Verdict.ok, False), (60, Verdict.warn, False), (300, Verdict.drift, False), (600, Verdict.drift, True)],
)
def test_nulls_that_rise(nulls, verdict, hard):
    seen = found(compared({"x": with_nulls(10_000, 100)}, {"x": with_nulls(1_000, nulls)}))["null_share.1", "x"]

    assert (seen.verdict, seen.hard) == (verdict, hard)


def test_all_null_is_a_hard_break_and_no_exception():
    seen = found(compared({"x": with_nulls(10_000, 0)}, {"x": with_nulls(1_000, 1_000)}))

    assert seen["null_share.1", "x"].value == 1.0
    assert seen["null_share.1", "x"].hard


def test_one_unseen_row_is_ok_and_five_in_a_hundred_are_not():
    before = {"channel": ["web", "shop"] * 5_000}
    one = ["web", "shop"] * 249 + ["web", "fax"]
    many = ["web", "shop"] * 237 + ["fax"] * 26

    assert ("unseen_share.1", "channel") not in found(compared(before, {"channel": one}))
    seen = found(compared(before, {"channel": many}))["unseen_share.1", "channel"]
    assert (seen.verdict, seen.value, seen.base_value) == (Verdict.warn, 0.052, 0.0)


def test_values_outside_of_the_reference_range():
    before = {"x": np.linspace(0, 1, 10_000)}

    seen = found(compared(before, {"x": np.linspace(0, 1.3, 1_000)}))["out_of_range_share.1", "x"]

    assert seen.verdict == Verdict.drift
    assert seen.value == pytest.approx(0.23, abs=0.01)
    assert ("out_of_range_share.1", "x") not in found(compared(before, {"x": np.linspace(0, 1, 1_000)}))


def test_infinities_are_counted_apart():
    now = rng().normal(size=1_000)
    now[:50] = np.inf

    seen = found(compared({"x": rng().normal(size=10_000)}, {"x": now}))

    assert seen["nonfinite_share.1", "x"].value == 0.05
    assert seen["nonfinite_share.1", "x"].verdict == Verdict.warn


def test_values_that_could_not_be_read():
    columns = {"x": rng().normal(size=10_000)}
    grid = frozen(columns)
    now = build({"x": rng().normal(size=1_000)}, grid, invalid={"x": 300})

    seen = found(window(version(build(columns, grid), now)))["invalid_share.1", "x"]

    assert seen.verdict == Verdict.drift
    assert seen.value == pytest.approx(300 / 1_300)


def test_a_column_that_vanished_breaks_the_schema():
    columns = {"x": rng().normal(size=10_000), "y": rng().normal(size=10_000)}
    grid = frozen(columns)
    now = build({"x": rng().normal(size=1_000)}, grid)

    seen = found(window(version(build(columns, grid), now)))

    assert (seen["schema.1", "y"].verdict, seen["schema.1", "y"].hard) == (Verdict.drift, True)
    assert ("schema.1", "x") not in seen


def test_a_column_that_the_reference_lacks_too_breaks_nothing():
    columns = {"x": rng().normal(size=10_000), "y": np.array([np.nan] * 10_000)}
    grid = frozen(columns)
    reference, now = build({"x": columns["x"]}, grid), build({"x": rng().normal(size=1_000)}, grid)

    seen = found(window(version(reference, now)))

    assert ("schema.1", "y") not in seen
    assert seen["null_share.1", "y"].verdict == Verdict.ok


def test_a_column_that_froze_is_stuck():
    seen = found(compared({"x": rng().normal(size=10_000)}, {"x": np.full(1_000, 0.5)}))["stuck.1", "x"]

    assert (seen.verdict, seen.value) == (Verdict.warn, 1.0)


def test_what_was_refused_at_the_door_counts():
    data = compared({"x": rng().normal(size=10_000)}, {"x": rng().normal(size=900)})
    refused = window(*data.versions, rejects={("1", "x"): 100, ("2", "x"): 10_000, ("1", "y"): 5})

    seen = found(refused)

    assert seen["reject_share.1", "x"].value == 0.1
    assert seen["reject_share.1", "x"].verdict == Verdict.warn
    assert ("reject_share.1", "y") not in seen


@pytest.mark.parametrize("missing", ["reference", "current"])
def test_a_version_that_cannot_be_compared_says_why(missing):
    profile = build({"x": np.arange(1_000.0)}, frozen({"x": np.arange(1_000.0)}))
    only = version(None, profile) if missing == "reference" else version(profile, None)

    [seen] = data_quality.measure(window(only, rows=5), CONFIG)

    assert (seen.verdict, seen.value) == (Verdict.insufficient, None)
    assert seen.reason == ("no_reference" if missing == "reference" else "empty")


def test_dropped_features_are_left_out_and_limits_are_those_of_the_monitor():
    columns = {"x": with_nulls(10_000, 0), "secret": with_nulls(10_000, 0)}
    grid = frozen(columns)
    now = build({"x": with_nulls(1_000, 60), "secret": with_nulls(1_000, 900)}, grid)
    data = window(version(build(columns, grid), now, dropped=["secret"]))

    seen = found(data, DataQuality(min_change=0.1))

    assert seen.keys() == {("null_share.1", "x")}
    assert seen["null_share.1", "x"].verdict == Verdict.ok
