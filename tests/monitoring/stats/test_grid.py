"""Grids: edges, headline bins, labels, names by hash."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.columns import CodedColumn
from monitoring.stats.divergence import psi
from monitoring.stats.grid import (
    SCORE_CELLS,
    SCORE_EDGES,
    FeatureSpec,
    Grid,
    ScoreGrid,
    category_grid,
    freeze,
    headline,
    numeric_edges,
    score_cell,
)
from monitoring.stats.grid.labels import bin_labels, value_labels
from monitoring.stats.grid.latency import latency_edges, latency_key
from monitoring.stats.profile import count_numeric

DASH, AT_LEAST, AT_MOST = "\u2013", "\u2265 ", "\u2264 "


@pytest.mark.parametrize(
    ("counts", "groups"),
    [
        ([60, 10, 10, 10, 10], [0, 1, 2, 3, 4]),
        ([5, 5, 80, 5, 5], [0, 0, 1, 2, 2]),
        ([50] * 20, [pair for pair in range(10) for _ in range(2)]),
        ([0, 50, 0, 0, 50, 0], [0, 0, 0, 0, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_the_golden_headline_groups(counts, groups):
    assert headline(np.array(counts)).tolist() == groups


def test_the_golden_score_cells():
    assert score_cell(np.array([0.01, 0.5, 0.9, 1.0])).tolist() == [762, 2048, 3001, 4092]


def test_scores_beyond_the_scale_fall_into_its_ends_and_no_number_is_refused():
    assert score_cell(np.array([-np.inf, -1, 2, np.inf])).tolist() == [*score_cell(np.zeros(2)), 4092, 4092]
    with pytest.raises(ValueError, match="no number"):
        score_cell(np.array([0.5, np.nan]))


def test_every_score_edge_begins_its_cell():
    cells = np.arange(4, 4093)
    edges = SCORE_EDGES[cells]

    assert (score_cell(edges) == cells).all()
    assert (score_cell(np.nextafter(edges, 0)) == cells - 1).all()
    assert (SCORE_EDGES[0], SCORE_EDGES[-1], len(SCORE_EDGES)) == (0.0, 1.0, SCORE_CELLS + 1)
    assert (np.diff(SCORE_EDGES) >= 0).all()


def test_a_continuous_feature_has_about_516_edges_and_decile_bins():
    values = np.random.default_rng(0).normal(size=10_000)

    grid = numeric_edges(values)

    assert 510 <= len(grid.edges) <= 540
    assert (np.diff(grid.edges) > 0).all()
    assert len(grid.bounds) == 9
    assert grid.bounds.tolist() == np.quantile(values, np.arange(1, 10) / 10).tolist()
    assert np.bincount(grid.groups, count_numeric(values, grid).counts).tolist() == [1000] * 10
    assert (grid.minimum, grid.maximum, grid.n) == (values.min(), values.max(), 10_000)
    assert grid.scale == pytest.approx(1.0, abs=0.03)
    assert grid.clip_low == pytest.approx(-3.09, abs=0.3)
    assert grid.clip_high == pytest.approx(3.09, abs=0.3)


def test_a_discrete_feature_has_an_atom_for_every_value():
    hours = np.repeat(np.arange(24.0), 10)

    grid = numeric_edges(hours, "integer")

    assert set(np.arange(24.0)) | set(np.nextafter(np.arange(24.0), 99)) <= set(grid.edges)
    assert grid.labels[0] == f"{AT_MOST}1"
    assert grid.labels[-1] == f"{AT_LEAST}21"
    assert f"2{DASH}3" in grid.labels or f"2{DASH}4" in grid.labels


def test_up_to_ten_values_have_a_bin_each():
    grid = numeric_edges(np.repeat(np.arange(1.0, 10.0), 5), "integer")

    assert grid.labels == (f"{AT_MOST}1", "2", "3", "4", "5", "6", "7", "8", f"{AT_LEAST}9")
    assert grid.group_of(np.array([0.0, 1.0, 9.0, 12.0])).tolist() == [0, 0, 8, 8]


def test_a_heavy_value_has_a_bin_of_its_own():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(20_000) < 0.605, 0.0, rng.lognormal(size=20_000))

    grid = numeric_edges(values)
    counts = np.bincount(grid.groups, count_numeric(values, grid).counts)

    zero = grid.labels.index("0")
    assert counts[zero] == (values == 0).sum()
    assert grid.labels[:2] == ("< 0", "0")


def test_a_heavy_value_that_stands_alone_anyway_gets_no_empty_bin_beside_it():
    values = np.repeat(np.arange(20.0), [400, 400, *[12] * 18])

    grid = numeric_edges(values, "integer")

    assert {"0", "1"} <= set(grid.labels)
    assert (np.bincount(grid.groups, count_numeric(values, grid).counts)[1:] > 0).all()


@pytest.mark.parametrize("dtype", ["number", "integer"])
def test_a_constant_has_bins_below_at_and_above(dtype):
    grid = numeric_edges(np.full(1000, 4.0), dtype)

    assert len(grid.labels) == 3
    assert grid.labels[1] == "4"
    assert grid.scale is None
    assert grid.group_of(np.array([3.0, 4.0, 4.5])).tolist() == [0, 1, 2]


@pytest.mark.parametrize("values", [[], [np.nan] * 5, [np.inf, -np.inf, np.nan]])
def test_without_a_finite_value_there_is_one_open_cell(values):
    grid = numeric_edges(np.array(values, dtype=float))

    assert (grid.cells, grid.labels, grid.n) == (1, ("any",), 0)
    assert count_numeric(np.array([1.0, 2.0]), grid).counts.tolist() == [2]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=200), st.randoms())
def test_a_grid_does_not_depend_on_the_order_of_rows(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)

    ids = [freeze({"x": np.array(column)}, [FeatureSpec("x", "number")]).id for column in (values, shuffled)]

    assert ids[0] == ids[1]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=300))
def test_every_reference_value_lies_between_the_open_cells(values):
    grid = numeric_edges(np.array(values))

    counts = count_numeric(np.array(values), grid).counts

    assert (counts[0], counts[-1]) == (0, 0)
    assert counts.sum() == len(values)
    assert set(grid.bounds) <= set(grid.edges)
    assert len(grid.labels) == len(grid.bounds) + 1 == len(set(grid.labels))
    assert grid.groups.max() == len(grid.labels) - 1


def test_negative_zero_is_zero():
    ids = {freeze({"x": np.array([zero, 1.0])}, [FeatureSpec("x", "number")]).id for zero in (0.0, -0.0)}

    assert len(ids) == 1


def test_the_spread_falls_back_to_the_standard_deviation():
    heavy = np.array([0.0] * 90 + [1.0] * 10)

    assert numeric_edges(heavy).scale == pytest.approx(0.3)
    assert numeric_edges(np.array([0.1] * 3)).scale is None
    assert numeric_edges(np.array([-1.7e308, 1.7e308])).scale is None


def test_a_label_says_what_a_bin_holds():
    assert bin_labels(np.array([])) == ("any",)
    assert bin_labels(np.array([0.0, 12.5])) == ("< 0", f"0{DASH}12.5", f"{AT_LEAST}12.5")
    assert bin_labels(np.array([-1.5, 2.0])) == ("< -1.5", "-1.5 to 2", f"{AT_LEAST}2")
    assert bin_labels(np.array([3.0, np.nextafter(3.0, 4)])) == ("< 3", "3", "> 3")
    assert bin_labels(np.array([3.0, np.nextafter(3.0, 4)]), "integer") == (f"{AT_MOST}2", "3", f"{AT_LEAST}4")
    assert bin_labels(np.array([1e-7, 1e20])) == ("< 1e-07", f"1e-07{DASH}1e+20", f"{AT_LEAST}1e+20")


def test_labels_become_longer_until_they_differ():
    labels = bin_labels(np.array([1000.01, 1000.02, 1000.03]))

    assert labels == ("< 1000.01", f"1000.01{DASH}1000.02", f"1000.02{DASH}1000.03", f"{AT_LEAST}1000.03")
    assert value_labels(np.array([1000.01, 1000.02])) == ("1000.01", "1000.02")


def test_bounds_that_no_digits_tell_apart_keep_their_labels():
    following = np.nextafter(0.3, 1)

    assert len(bin_labels(np.array([0.3, following, np.nextafter(following, 1)]))) == 4
    assert value_labels(np.array([0.3, following])) == ("0.29999999999999999", "0.30000000000000004")
    assert value_labels(np.array([1.7e9, 1.7e9 + 0.25]), "timestamp")[1] == "2023-11-14 22:13:20.250000"
    crowded = 1.7e9 + np.arange(3) * 2.4e-7
    assert len(set(value_labels(crowded[:2], "timestamp"))) == 1
    assert len(bin_labels(crowded, "timestamp")) == 4 > len(set(bin_labels(crowded, "timestamp")))


def test_every_bin_of_a_category_is_a_headline_bin():
    assert category_grid(["a", "b"]).groups.tolist() == [0, 1, 2]


def test_times_are_labelled_as_dates():
    noon, year_end = 1_700_000_000.0, 1_704_067_199.0

    assert bin_labels(np.array([noon, year_end]), "timestamp") == (
        "< 2023-11-14 22:13:20",
        "2023-11-14 22:13:20 to 2023-12-31 23:59:59",
        f"{AT_LEAST}2023-12-31 23:59:59",
    )
    assert bin_labels(np.array([1e300]), "timestamp") == (
        "< 1.0000000000000001e+300",
        f"{AT_LEAST}1.0000000000000001e+300",
    )


def test_common_and_declared_categories_are_kept_by_frequency():
    column = ["clear"] * 60 + ["mist"] * 39 + ["snow"] * 1 + [None] * 50

    assert category_grid(column).values == ("clear", "mist", "snow")
    assert category_grid(column * 2 + ["hail"]).values == ("clear", "mist")
    assert category_grid(column * 2 + ["hail"], ["hail", "fog"]).values == ("clear", "mist", "hail", "fog")


def test_ties_are_broken_by_name_and_at_most_fifty_are_kept():
    many = [f"v{i:03}" for i in range(60)] * 2

    grid = category_grid(many[::-1])

    assert grid.values == tuple(f"v{i:03}" for i in range(50))
    assert grid.labels[-1] == "other"


def test_a_category_called_other_is_not_the_rest():
    grid = category_grid(["other", "other", "x"])

    assert grid.labels == ("other", "x", "(any other)")


def test_rare_values_are_known_and_new_ones_are_unseen():
    grid = category_grid(["common"] * 1000 + ["rare"])

    assert grid.is_unseen(["common", "rare", "new"]).tolist() == [False, False, True]


def test_with_too_many_values_nothing_is_unseen():
    grid = category_grid([str(i) for i in range(10_001)])

    assert grid.known is None
    assert grid.is_unseen(["new"]).tolist() == [False]


def test_a_dictionary_with_repeated_and_unused_values_counts_each_once():
    column = CodedColumn(np.array([0, 1, 1, -1]), ("a", "a", "never"))

    grid = category_grid(column)

    assert (grid.values, grid.n) == (("a",), 3)


def test_a_code_without_value_is_an_error():
    with pytest.raises(ValueError, match="past the last value"):
        category_grid(CodedColumn(np.array([0, 2]), ("a", "b")))


def test_a_score_grid_without_reference_has_ten_tenths():
    grid = freeze({}, [], score_kind="probability").score

    assert isinstance(grid, ScoreGrid)
    assert len(grid.labels) == 10
    assert grid.group_of(np.array([0.0, 0.05, 0.95, 1.0, np.nan, 7.0])).tolist() == [0, 0, 9, 9, 0, 9]


def test_a_probability_score_has_headline_bins_of_equal_reference_mass():
    scores = np.random.default_rng(1).beta(2, 5, 50_000)

    grid = freeze({}, [], np.append(scores, [np.nan, -1, 2]), "probability").score

    counts = np.bincount(grid.group_of(scores))
    assert grid.n == 50_000
    assert len(counts) == len(grid.labels) == 10
    assert np.abs(counts - 5000).max() < 120


def test_a_numeric_score_has_a_grid_of_its_own():
    grid = freeze({}, [], np.arange(1000.0), "number")

    assert (grid.score_kind, len(grid.score.labels)) == ("number", 10)
    assert freeze({}, [], score_kind="none").score_kind == "none"


SCHEMA = [
    FeatureSpec("income", "number"),
    FeatureSpec("age", "integer"),
    FeatureSpec("since", "timestamp"),
    FeatureSpec("member", "boolean", segment=True),
    FeatureSpec("region", "category", segment=True, categories=("EU", "UK")),
    FeatureSpec("note", "text"),
    FeatureSpec("hour", "integer", segment=True),
    FeatureSpec("gone", "number"),
]


def everything(rows=600):
    rng = np.random.default_rng(5)
    return freeze(
        {
            "income": rng.lognormal(10, 1, rows),
            "age": rng.integers(18, 90, rows),
            "since": 1.7e9 + rng.random(rows) * 1e6,
            "member": rng.random(rows) < 0.5,
            "region": rng.choice(["EU", "US"], rows).astype(object),
            "note": [f"free text {i}" for i in range(rows)],
            "hour": rng.integers(0, 24, rows).astype(float),
        },
        SCHEMA,
        rng.random(rows),
        "probability",
        prediction=rng.choice(["a", "b"], rows).astype(object),
        classes=("a", "b", "c"),
    )


def test_a_grid_is_named_by_the_hash_of_its_bytes_and_survives_them():
    grid = everything()

    again = Grid.loads(grid.dumps())

    assert grid.id == hashlib.sha256(grid.dumps()).hexdigest() == again.id
    assert again.segments == grid.segments
    assert again.dtypes == grid.dtypes
    assert [slot.name for slot in again.slots] == [slot.name for slot in grid.slots]
    assert again.features["region"].is_unseen(["EU", "XX"]).tolist() == [False, True]
    assert again.headline_labels("income") == grid.headline_labels("income")
    assert (again.score_kind, again.prediction.values) == ("probability", grid.prediction.values)
    assert set(grid.prediction.values) == {"a", "b", "c"}


def test_a_grid_that_forgot_its_values_survives_its_bytes():
    grid = freeze({"x": [str(i) for i in range(10_001)]}, [FeatureSpec("x", "text")])

    assert Grid.loads(grid.dumps()).features["x"].known is None


def test_a_regression_grid_survives_its_bytes():
    grid = freeze({}, [], np.arange(100.0), "number")

    assert Grid.loads(grid.dumps()).score_kind == "number"
    assert Grid.loads(freeze({}, []).dumps()).slots == ()


def test_segments_are_the_values_of_a_feature_then_the_rest():
    grid = everything()

    assert sorted(grid.segments["member"][:2]) == ["false", "true"]
    assert grid.segments["region"][-1] == "other"
    assert {"EU", "US", "UK"} == set(grid.segments["region"][:-1])
    assert len(grid.segments["hour"]) == len(grid.headline_labels("hour")) + 1
    rows = grid.segment_rows("region", ["EU", None, "??"])
    assert [grid.segments["region"][row] for row in rows] == ["EU", "other", "other"]
    hours = grid.segment_rows("hour", np.array([0.0, 23.0, np.nan]))
    assert hours.tolist() == [0, len(grid.segments["hour"]) - 2, len(grid.segments["hour"]) - 1]


def test_only_twenty_values_of_a_feature_are_segments():
    column = [f"city {i:02}" for i in range(30)] * 4

    grid = freeze({"city": column}, [FeatureSpec("city", "category", segment=True)])

    assert len(grid.segments["city"]) == 21
    assert grid.segment_rows("city", ["city 19", "city 20", "city 29"]).tolist() == [19, 20, 20]


@pytest.mark.parametrize(
    ("schema", "kind", "message"),
    [
        ([FeatureSpec("x", "money")], "none", "unknown feature type: money"),
        ([FeatureSpec("x", "number")], "logit", "unknown kind of score"),
        ([FeatureSpec("x", "number")] * 2, "none", "the same name"),
        ([FeatureSpec(str(i), "text", segment=True) for i in range(6)], "none", "more than 5 segment features"),
    ],
)
def test_a_schema_that_cannot_be_counted_is_refused(schema, kind, message):
    with pytest.raises(ValueError, match=message):
        freeze({}, schema, score_kind=kind)


def test_a_number_column_cannot_be_coded():
    with pytest.raises(ValueError, match="cannot be dictionary-coded"):
        freeze({"x": CodedColumn(np.array([0]), ("1",))}, [FeatureSpec("x", "number")])


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"XXXX" + b[4:], lambda b: b"MLG1"])
def test_damaged_bytes_are_refused(damage):
    with pytest.raises(ValueError, match="bytes"):
        Grid.loads(damage(everything().dumps()))


def test_a_damaged_header_is_refused():
    blob = bytearray(everything().dumps())
    blob[9] = 0xFF

    with pytest.raises(ValueError, match="header"):
        Grid.loads(bytes(blob))


def test_latency_cells_are_at_most_eight_tenths_of_a_percent_wide():
    values = np.exp(np.random.default_rng(2).uniform(-20, 20, 10_000))

    low, high = latency_edges(latency_key(values))

    as_float32 = values.astype(np.float32)
    assert (low <= as_float32).all()
    assert (as_float32 < high).all()
    assert (high / low - 1).max() <= 1 / 128
    assert latency_key(np.array([0.0])).tolist() == [0]


def test_headline_psi_is_the_one_of_plain_deciles():
    rng = np.random.default_rng(4)
    reference, window = rng.normal(size=3_001), rng.normal(0.3, 1.2, 700)
    grid = numeric_edges(reference)
    bounds = np.quantile(reference, np.arange(1, 10) / 10)

    ours = [np.bincount(grid.groups, count_numeric(side, grid).counts, 10).astype(int) for side in (reference, window)]

    plain = [np.bincount(np.searchsorted(bounds, side, "right"), minlength=10) for side in (reference, window)]
    p, q = ((side + 0.5) / (side.sum() + 5) for side in plain)
    assert psi(*ours).value == pytest.approx(((q - p) * np.log(q / p)).sum(), abs=1e-12)
