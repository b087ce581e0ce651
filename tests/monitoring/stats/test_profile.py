"""Profiles: counting, merging, storing."""

from datetime import UTC, datetime, timedelta
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.stats import profile as profiles
from monitoring.stats.columns import CodedColumn, encode
from monitoring.stats.grid import FeatureSpec, category_grid, freeze, numeric_edges
from monitoring.stats.grid.score import score_grid
from monitoring.stats.profile import (
    CostProfile,
    LatencyProfile,
    Operations,
    Profile,
    StageColumns,
    StageCost,
    build,
    count_category,
    count_numeric,
    dumps,
    loads,
    merge,
    merge_all,
)
from monitoring.stats.profile.kernel import SMALL, count_cells

MONDAY = datetime(2025, 11, 17, tzinfo=UTC)
SCHEMA = [
    FeatureSpec("income", "number"),
    FeatureSpec("age", "integer"),
    FeatureSpec("region", "category", segment=True),
    FeatureSpec("member", "boolean", segment=True),
]


def traffic(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    income = rng.lognormal(shift, 1, rows)
    income[rng.random(rows) < 0.05] = np.nan
    region = rng.choice(["EU", "US", "UK", "new"], rows, p=[0.5, 0.3, 0.15, 0.05]).astype(object)
    region[rng.random(rows) < 0.1] = None
    return {
        "income": income,
        "age": rng.integers(18, 90, rows).astype(float),
        "region": region,
        "member": rng.choice(["true", "false"], rows).astype(object),
    }


def reference(rows=2_000):
    columns = traffic(rows, seed=0)
    columns["region"] = np.where(encode(columns["region"]).codes == -1, None, columns["region"])
    columns["region"][[value == "new" for value in columns["region"]]] = "EU"
    scores = np.random.default_rng(9).beta(2, 5, rows)
    return freeze(columns, SCHEMA, scores, "probability", classes=("yes", "no"))


GRID = reference()


def chunk(rows, seed, **changes):
    rng = np.random.default_rng(seed)
    given_columns = {
        "score": rng.beta(2, 5, rows),
        "prediction": rng.choice(["yes", "no"], rows).astype(object),
        "latency_ms": rng.lognormal(3, 1, rows),
        "cost": rng.random(rows),
        "fallback": rng.random(rows) < 0.1,
        "error": np.array(["timeout" if broken else None for broken in rng.random(rows) < 0.05], dtype=object),
        "decided": rng.integers(0, 2, rows).astype(float),
        "first_at": MONDAY + timedelta(hours=seed),
        "last_at": MONDAY + timedelta(hours=seed + 1),
    }
    return build(traffic(rows, seed), GRID, **given_columns | changes)


def test_numbers_are_counted_by_cell_and_the_rest_apart():
    grid = numeric_edges(np.array([1.0, 2.0, 3.0]))

    counted = count_numeric(np.array([2.0, 2.0, 2.5, 0.0, 9.0, np.nan, np.inf, -np.inf]), grid)

    assert np.bincount(grid.groups, counted.counts).tolist() == [1, 3, 1]
    assert (counted.n, counted.n_null, counted.n_nonfinite, counted.n_invalid) == (5, 1, 2, 0)
    assert (counted.minimum, counted.maximum, counted.mean) == (0.0, 9.0, 3.1)
    assert counted.std == pytest.approx(np.std([2, 2, 2.5, 0, 9], ddof=1))


def test_nothing_but_nulls_has_no_moments():
    counted = count_numeric(np.full(3, np.nan), numeric_edges(np.array([1.0, 2.0])))

    assert (counted.n, counted.n_null) == (0, 3)
    assert (counted.minimum, counted.maximum, counted.mean, counted.std) == (None, None, None, None)


def test_scores_outside_of_zero_to_one_are_invalid():
    counted = count_numeric(np.array([0.0, 0.5, 1.0, -0.1, 1.1, np.nan, np.inf]), score_grid(np.zeros(4096, int)))

    assert (counted.n, counted.n_invalid, counted.n_null, counted.n_nonfinite) == (3, 2, 1, 1)
    assert counted.counts[[3, 2048, 4092]].tolist() == [1, 1, 1]
    assert (counted.minimum, counted.maximum) == (0.0, 1.0)


def test_huge_numbers_have_finite_moments():
    huge = count_numeric(np.array([1.7e308, -1.7e308, 1.7e308]), numeric_edges(np.array([0.0])))

    assert huge.mean == pytest.approx(1.7e308 / 3)
    assert np.isfinite(huge.m2)
    assert np.isfinite(huge.std)


DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2.5, n),
    "both signs": lambda rng, n: rng.lognormal(0, 3, n) * rng.choice([-1, 1, -0.0], n),
    "hours": lambda rng, n: rng.integers(0, 24, n).astype(float),
    "rare": lambda rng, n: (rng.random(n) < 0.05).astype(float),
    "two decimals": lambda rng, n: rng.normal(size=n).round(2),
    "zeros": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(size=n)),
    "two modes": lambda rng, n: rng.normal(size=n) + 1000 * rng.integers(0, 2, n),
    "huge": lambda rng, n: rng.normal(size=n) * 1e307,
    "constant": lambda _rng, n: np.full(n, 3.0),
    "tiny": lambda rng, n: rng.integers(0, 50, n) * 5e-324,
    "neighbours": lambda rng, n: 1 + np.spacing(1.0) * rng.integers(0, 3, n),
    "two zeros": lambda rng, n: np.where(rng.random(n) < 0.5, -0.0, 0.0) + (rng.random(n) < 0.1),
    "crowded atoms": lambda rng, n: rng.choice([0, 1e-9, 2e-9, 1e9], n) + (rng.random(n) < 0.2) * rng.normal(size=n),
}


@pytest.mark.parametrize("factor", [1, 1.01])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_large_column_is_counted_exactly_as_by_sorting(draw, factor):
    rng = np.random.default_rng(7)
    grid = numeric_edges(draw(rng, 3_000))
    values = draw(rng, 4 * SMALL) * factor

    counts = count_cells(values, grid)

    below = np.searchsorted(np.sort(values), grid.edges, "left")
    assert counts.tolist() == np.diff(below, prepend=0, append=len(values)).tolist()


def test_a_column_of_several_blocks_is_counted_whole():
    values = np.random.default_rng(8).normal(5, 2, 300_000)
    grid = numeric_edges(values[:5_000])

    counted = count_numeric(values, grid)

    below = np.searchsorted(np.sort(values), grid.edges, "left")
    assert counted.counts.tolist() == np.diff(below, prepend=0, append=len(values)).tolist()
    assert (counted.mean, counted.std) == pytest.approx((values.mean(), values.std(ddof=1)))


def test_a_large_column_without_reference_is_counted():
    counts = count_cells(np.zeros(2 * SMALL), numeric_edges(np.array([np.nan])))

    assert counts.tolist() == [2 * SMALL]


def test_categories_are_counted_by_bin_and_the_unseen_apart():
    grid = category_grid(["a"] * 500 + ["b"] * 500 + ["rare"])

    counted = count_category(["a", "b", "b", "rare", "new", "new", None], grid)

    assert counted.counts.tolist() == [1, 2, 3]
    assert (counted.n, counted.n_null, counted.n_unseen) == (6, 1, 2)
    assert counted.other_top == {"new": 2, "rare": 1}


@pytest.mark.parametrize(
    "column",
    [
        ["true", "false", None, "true"],
        np.array(["true", "false", None, "true"], dtype=object),
        np.array([True, False, None, True], dtype=object),
        CodedColumn(np.array([1, 0, -1, 1], dtype=np.int32), ("false", "true")),
    ],
)
def test_a_text_column_may_come_in_any_form(column):
    counted = count_category(column, category_grid(["true", "true", "false"]))

    assert (counted.counts.tolist(), counted.n_null) == ([2, 1, 0], 1)


def test_other_keeps_twenty_values():
    counted = count_category([str(i) for i in range(30)], category_grid([]))

    assert list(counted.other_top) == sorted(str(i) for i in range(30))[:20]


def test_latencies_are_counted_with_zero_and_invalid_apart():
    latency = LatencyProfile.of(np.array([0.0, 1.0, 1.0, 2.0, -1.0, np.inf, np.nan]))

    assert (latency.n, latency.n_zero, latency.n_invalid) == (4, 1, 2)
    assert (latency.minimum, latency.maximum, latency.total) == (0.0, 2.0, 4.0)
    assert LatencyProfile.of(np.array([np.nan, -1.0])).n_invalid == 1


def test_costs_add_up_by_stage():
    cost = CostProfile.of(
        {
            "score": StageColumns(np.array([0.1, 0.1, np.nan])),
            "bureau": StageColumns(
                np.array([np.nan, 0.5, np.nan]), np.array([9.0, 2.0, 9.0]), np.array([1.0, 4.0, 1.0])
            ),
        }
    )

    assert cost.stages["score"] == StageCost(n=2, calls=2.0, units=0.0, amount=0.2)
    assert cost.stages["bureau"] == StageCost(n=1, calls=2.0, units=4.0, amount=0.5)
    assert (cost.amount, cost.n_missing) == (0.7, 1)
    assert CostProfile.of({}).n_missing == 0


def test_a_profile_counts_every_column():
    columns = traffic(400, seed=3)

    profile = chunk(400, seed=3)

    assert (profile.rows, profile.grid_id) == (400, GRID.id)
    assert profile.feature("income").n_null == np.isnan(columns["income"]).sum()
    assert profile.feature("region").n_unseen == (columns["region"] == "new").sum()
    assert profile.feature("region").other_top == {"new": profile.feature("region").n_unseen}
    assert profile.headline("age").sum() == 400
    assert len(profile.headline("age")) == len(GRID.headline_labels("age"))
    assert set(profile.features) == {"income", "age", "region", "member"}
    assert profile.latency.n == 400
    assert profile.cost.stages["main"].n == 400


def test_rows_with_fallback_or_error_have_no_score_and_no_decision():
    rng = np.random.default_rng(3)
    fallback = rng.random(400) < 0.1
    error = np.array(["timeout" if broken else None for broken in rng.random(400) < 0.1], dtype=object)
    used = ~fallback & np.array([value is None for value in error])

    profile = chunk(400, seed=3, fallback=fallback, error=error, decided=np.ones(400))

    assert (profile.n_fallback, profile.n_error) == (fallback.sum(), 400 - sum(value is None for value in error))
    assert profile.score.n == profile.score_headline().sum() == used.sum()
    assert profile.prediction.n == profile.prediction_headline().sum() == used.sum()
    assert profile.n_decided == profile.n_positive == used.sum()
    assert profile.feature("age").n == 400


@pytest.mark.parametrize(
    "flags",
    [[None, "timeout", "false"], np.array([0.0, 1.0, np.nan]), np.array([False, True, False]), ["false", "true", None]],
)
def test_an_error_may_be_a_flag_or_a_text(flags):
    profile = build({}, freeze({}, []), error=flags)

    assert (profile.rows, profile.n_error) == (3, 1)


def test_a_missing_feature_is_null_in_every_row():
    columns = traffic(50, seed=1)
    del columns["income"], columns["region"]

    profile = build(columns, GRID)

    assert (profile.feature("income").n_null, profile.feature("income").n_missing) == (50, 50)
    assert (profile.feature("region").n_null, profile.feature("region").n_missing) == (50, 50)
    assert profile.feature("age").n_missing == 0
    assert profile.segments["region"].rows.tolist()[-1] == 50
    assert profile.segment_nulls("region", "income").tolist()[-1] == 50


def test_refused_values_are_counted_beside_the_rows():
    profile = build(traffic(50, seed=1), GRID, invalid={"income": 3, "region": 2})

    assert (profile.feature("income").n_invalid, profile.feature("region").n_invalid) == (3, 2)
    with pytest.raises(KeyError):
        build(traffic(50, seed=1), GRID, invalid={"unknown": 1})


def test_values_that_enter_no_bin_enter_no_segment():
    columns = {"x": np.array([1.0, np.nan, np.inf, 2.0]), "side": ["a", "a", "a", "a"]}
    schema = [FeatureSpec("x", "number"), FeatureSpec("side", "category", segment=True)]
    grid = freeze({"x": np.arange(5.0), "side": ["a"]}, schema, np.array([0.5]), "probability")

    profile = build(columns, grid, score=np.array([0.5, 1.5, np.nan, 0.5]))

    assert profile.segment_headline("side", "x").sum() == profile.headline("x").sum() == 2
    assert profile.segment_score_headline("side").sum() == profile.score_headline().sum() == 2
    assert profile.segment_nulls("side", "x").tolist() == [1, 0]


def test_segments_divide_the_rows():
    columns = traffic(500, seed=2)

    profile = chunk(500, seed=2, fallback=None, error=None)

    eu = GRID.segments["region"].index("EU")
    mine = columns["region"] == "EU"
    assert profile.segments["region"].rows[eu] == mine.sum()
    assert profile.segments["region"].rows.sum() == profile.segments["member"].rows.sum() == 500
    assert profile.segment_headline("region", "age").sum(axis=0).tolist() == profile.headline("age").tolist()
    assert profile.segment_score_headline("region").sum(axis=0).tolist() == profile.score_headline().tolist()
    assert profile.segment_nulls("region", "income")[eu] == np.isnan(columns["income"][mine]).sum()
    assert (
        profile.segment_headline("region", "age")[eu].tolist()
        == np.bincount(
            GRID.features["age"].group_of(columns["age"][mine]), minlength=len(GRID.headline_labels("age"))
        ).tolist()
    )


def test_a_regression_is_counted_by_its_prediction_where_it_has_no_score():
    grid = freeze({}, [], np.arange(100.0), "number")

    with_score, without = build({}, grid, score=np.arange(9.0)), build({}, grid, prediction=np.arange(9.0))

    assert with_score.score.n == without.score.n == 9
    assert dumps(with_score) == dumps(without)


def test_a_grid_without_outputs_counts_none():
    profile = build({}, freeze({}, []), score=np.ones(3), prediction=["a"] * 3)

    assert (profile.rows, profile.score, profile.prediction) == (3, None, None)
    assert profile.score_headline().tolist() == profile.prediction_headline().tolist() == []


def test_values_beyond_the_reference_are_counted():
    grid = freeze({"x": np.arange(100.0), "c": ["a"] * 100, "z": np.full(9, np.nan)}, [
        FeatureSpec("x", "number"), FeatureSpec("c", "category"), FeatureSpec("z", "number"),
    ])  # fmt: skip

    profile = build({"x": np.array([-1.0, 0.0, 99.0, 99.5, 1e9]), "c": ["b"] * 5, "z": np.ones(5)}, grid)

    assert [profile.n_out_of_range(name) for name in "xcz"] == [3, 0, 0]


@pytest.mark.parametrize(
    ("columns", "rows"), [({"age": np.zeros(2), "income": np.zeros(3)}, None), ({}, None), ({"age": np.zeros(2)}, 3)]
)
def test_a_chunk_needs_one_length(columns, rows):
    with pytest.raises(ValueError, match="columns of one length"):
        build(columns, GRID, rows=rows)


def test_an_empty_chunk_is_the_empty_profile():
    assert dumps(build({}, GRID, rows=0)) == dumps(Profile.empty(GRID))


def test_the_golden_merge():
    grid = freeze({"x": np.arange(5.0)}, [FeatureSpec("x", "number")])

    both = merge(build({"x": np.array([1.0, 2.0, 3.0])}, grid), build({"x": np.array([10.0, 20.0])}, grid))

    counted = both.feature("x")
    assert (counted.mean, counted.m2) == pytest.approx((7.2, 254.8), abs=1e-9)
    assert (counted.minimum, counted.maximum, counted.n) == (1.0, 20.0, 5)


def exact(profile):
    """Everything but the floating sums, which depend on the order of merging in their last digits."""
    stages = {name: (stage.n, round(stage.amount, 9)) for name, stage in profile.cost.stages.items()}
    segments = {
        name: (part.rows.tolist(), part.nulls.tolist(), part.headline.tolist())
        for name, part in profile.segments.items()
    }
    counters = (profile.rows, profile.n_fallback, profile.n_error, profile.n_decided, profile.n_positive)
    latency = (profile.latency.keys.tolist(), profile.latency.counts.tolist(), profile.latency.minimum)
    times = (profile.first_at, profile.last_at)
    return profile.counts.tolist(), profile.tallies.tolist(), segments, counters, latency, stages, times


@settings(max_examples=25)
@given(st.lists(st.integers(0, 400), max_size=5).map(sorted), st.randoms())
def test_any_partition_in_any_order_counts_the_same(cuts, random):
    rows = 400
    rng = np.random.default_rng(3)
    whole = traffic(rows, seed=3)
    scores, latencies = rng.random(rows), rng.lognormal(size=rows)
    parts = [
        build({name: column[a:b] for name, column in whole.items()}, GRID, score=scores[a:b], latency_ms=latencies[a:b])
        for a, b in zip([0, *cuts], [*cuts, rows], strict=True)
    ]
    random.shuffle(parts)

    merged, at_once = merge_all(parts), build(whole, GRID, score=scores, latency_ms=latencies)

    assert exact(merged) == exact(at_once)
    np.testing.assert_allclose(merged.moments, at_once.moments, rtol=1e-9, atol=1e-9)


def test_merging_is_commutative_and_associative_with_an_identity():
    a, b, c = (chunk(rows, seed) for seed, rows in enumerate((100, 1, 300)))

    assert dumps(merge(a, b)) == dumps(merge(b, a))
    left, right = merge(merge(a, b), c), merge(a, merge(b, c))
    assert exact(left) == exact(right)
    np.testing.assert_allclose(left.moments, right.moments, rtol=1e-9)
    assert exact(merge(a, Profile.empty(GRID))) == exact(a)
    assert merge(Profile.empty(GRID), a).moments.tolist() == a.moments.tolist()


def test_a_profile_is_not_changed_by_what_it_is_merged_into():
    a, b = chunk(100, 1), chunk(200, 2)
    before = dumps(a), dumps(b)

    merge_all([a, b, a])

    assert (dumps(a), dumps(b)) == before


def test_many_at_once_are_what_they_are_one_after_the_other():
    parts = [chunk(rows, seed) for seed, rows in enumerate((100, 1, 300, 50, 7))]

    at_once, in_turn = merge_all(parts), reduce(merge, parts)

    assert exact(at_once) == exact(in_turn)
    np.testing.assert_allclose(at_once.moments, in_turn.moments, rtol=1e-9)


def test_merging_huge_numbers_stays_finite():
    grid = freeze({"x": np.arange(5.0)}, [FeatureSpec("x", "number")])
    low, high = (build({"x": np.full(5, value)}, grid) for value in (-1.7e308, 1.7e308))

    merged = merge_all([low, high, Profile.empty(grid), low, high])

    assert np.isfinite(merged.moments).all()
    assert merged.feature("x").mean == pytest.approx(0, abs=1e295)


def test_profiles_of_different_grids_do_not_merge():
    other = freeze({}, [])

    with pytest.raises(ValueError, match="different grids"):
        merge(chunk(5, 1), build({}, other, rows=5))


def test_an_equal_grid_loaded_again_is_the_same_grid():
    again = type(GRID).loads(GRID.dumps())

    assert merge(chunk(5, 1), loads(dumps(chunk(5, 2)), again)).rows == 10


def test_merging_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"Profile\.empty"):
        merge_all([])


@pytest.mark.parametrize("profile", [chunk(300, 4), Profile.empty(GRID), merge(chunk(30, 5), chunk(3, 6))])
def test_a_profile_survives_its_bytes(profile):
    blob = dumps(profile)

    again = loads(blob, GRID)

    assert dumps(again) == blob
    assert exact(again) == exact(profile)
    assert again.moments.tolist() == profile.moments.tolist()
    assert again.other_top == profile.other_top
    assert again.cost == profile.cost


def test_equal_profiles_have_equal_bytes_and_others_not():
    assert dumps(chunk(300, 4)) == dumps(chunk(300, 4))
    assert dumps(chunk(300, 4)) != dumps(chunk(300, 5))


def test_counts_beyond_32_bits_survive():
    many = chunk(10, 1)
    many.counts[0] = 2**40

    assert loads(dumps(many), GRID).counts[0] == 2**40


def test_bytes_of_another_grid_or_kind_are_refused():
    blob = dumps(chunk(10, 1))

    with pytest.raises(ValueError, match="another grid"):
        loads(blob, freeze({}, []))
    with pytest.raises(ValueError, match="not a deflated"):
        loads(b"nothing", GRID)
    with pytest.raises(ValueError, match="do not begin with MLP1"):
        loads(Operations().dumps(), GRID)
    with pytest.raises(ValueError, match="deflated"):
        loads(blob[:-5], GRID)


def test_forty_numeric_features_take_about_a_kilobyte_each():
    rng = np.random.default_rng(0)
    columns = {f"f{i}": rng.normal(size=5_000) for i in range(40)}
    grid = freeze(columns, [FeatureSpec(name, "number") for name in columns])

    assert len(dumps(build(columns, grid))) < 40_000


def test_operations_add_up_without_a_grid():
    one = Operations(3, 1, 0, LatencyProfile.of(np.array([1.0, 2.0])), CostProfile.of(np.array([0.5])))
    two = Operations(2, 0, 1, LatencyProfile.of(np.array([2.0])), CostProfile.of({"bureau": StageColumns(np.ones(2))}))

    both = one + two

    assert (both.rows, both.n_fallback, both.n_error) == (5, 1, 1)
    assert both.latency.counts.tolist() == [1, 2]
    assert both.cost.amount == 2.5
    assert Operations.loads(both.dumps()).dumps() == both.dumps() == (two + one).dumps()
    assert (one + Operations()).dumps() == one.dumps()


def test_a_million_rows_of_one_value_do_not_lose_it():
    counted = count_numeric(np.full(1_000_000, 37.3), numeric_edges(np.full(10, 37.3)))

    assert counted.counts.tolist() == [0, 1_000_000, 0]
    assert counted.mean == pytest.approx(37.3)


def test_the_package_names_what_the_portal_uses():
    assert {"build", "merge", "merge_all", "dumps", "loads", "Profile", "LabelProfile"} <= set(profiles.__all__)
