"""Adding counts is associative and commutative and has an identity, for everything that is kept by the hour or day."""

import json
import struct
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.stats.codec import compress, decompress, unpack
from monitoring.stats.columns import CodedColumn
from monitoring.stats.grid import FeatureSpec, Grid, freeze
from monitoring.stats.profile import (
    CostProfile,
    LabelProfile,
    LatencyProfile,
    Operations,
    Profile,
    build,
    build_labels,
    dumps,
    loads,
    merge,
    merge_all,
)

MONDAY = datetime(2025, 11, 17, tzinfo=UTC)
SCHEMA = [FeatureSpec("amount", "number"), FeatureSpec("region", "category", segment=True)]
GRID = freeze(
    {"amount": np.random.default_rng(0).lognormal(size=500), "region": ["EU"] * 300 + ["US"] * 200},
    SCHEMA,
    np.random.default_rng(1).random(500),
    "probability",
    classes=("no", "yes"),
)
odd = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e140, -1e140])
number = st.floats(-1e6, 1e6) | odd
share = st.floats(0, 1) | st.sampled_from([np.nan, -0.5, 1.5])
text = st.sampled_from(["EU", "US", "new", None])
flag = st.booleans()
label = st.sampled_from([0.0, 1.0, np.nan])
row = st.tuples(number, text, share, st.sampled_from(["yes", "no", "maybe", None]), share, flag, label, number)
chunks = st.lists(st.lists(row, max_size=12), min_size=3, max_size=3)


def columns(rows):
    sides = [list(side) for side in zip(*rows, strict=True)] if rows else [[] for _ in range(8)]
    floats = {place: np.array(sides[place], dtype=float) for place in (0, 2, 4, 6, 7)}
    return {place: floats.get(place, side) for place, side in enumerate(sides)}


def profiled(rows, hour=0):
    amount, region, score, prediction, latency, fallback, decided, cost = columns(rows).values()
    return build(
        {"amount": amount, "region": region},
        GRID,
        score=score,
        prediction=prediction,
        latency_ms=latency,
        cost=np.where(np.isfinite(cost), np.round(np.clip(cost, 0, 1e6)), np.nan),
        fallback=np.array(fallback, dtype=bool),
        decided=decided,
        first_at=MONDAY + timedelta(hours=hour),
        last_at=MONDAY + timedelta(hours=hour + 1),
        rows=len(rows),
    )


def labelled(rows, task):
    amount, region, score, prediction, _, _, decided, cost = columns(rows).values()
    by_task = {
        "binary": (score, decided, decided),
        "multiclass": (None, prediction, prediction[::-1]),
        "regression": (None, amount, cost),
    }
    return build_labels(*by_task[task], {"region": region}, GRID, task)


def operating(rows):
    _, _, _, _, latency, fallback, _, cost = columns(rows).values()
    money = np.where(np.isfinite(cost), np.round(np.clip(cost, 0, 1e6)), np.nan)
    return Operations(len(rows), sum(fallback), 0, LatencyProfile.of(latency * 100), CostProfile.of(money))


def assert_same(one, other):
    """All but mean and m2 of the amounts are equal to the last bit; those to 1e-9 of the largest value."""
    for name in ("counts", "tallies"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    (low, high, mean, m2), (low_2, high_2, mean_2, m2_2) = one.moments[0].tolist(), other.moments[0].tolist()
    assert (low, high) == (low_2, high_2)
    size = max(abs(low), abs(high)) if one.tallies[0, 0] else 0.0
    assert mean == pytest.approx(mean_2, rel=1e-9, abs=1e-9 * size)
    assert m2 == pytest.approx(m2_2, rel=1e-9, abs=1e-9 * size * size * one.rows)
    for name, part in one.segments.items():
        for inner in ("rows", "nulls", "headline"):
            assert getattr(part, inner).tolist() == getattr(other.segments[name], inner).tolist()
    assert (one.latency.keys.tolist(), one.latency.counts.tolist()) == (
        other.latency.keys.tolist(),
        other.latency.counts.tolist(),
    )
    scalars = ("rows", "n_fallback", "n_error", "n_decided", "n_positive", "first_at", "last_at", "other_top")
    assert [getattr(one, name) for name in scalars] == [getattr(other, name) for name in scalars]


@settings(max_examples=60)
@given(chunks)
def test_profiles_add_up_in_any_order(drawn):
    a, b, c = (profiled(rows, hour) for hour, rows in enumerate(drawn))

    assert_same(merge(a, b), merge(b, a))
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert_same(merge_all([c, a, b]), merge(merge(a, b), c))
    for whole in (merge(a, Profile.empty(GRID)), merge(Profile.empty(GRID), a)):
        assert dumps(whole) == dumps(a)


@settings(max_examples=60)
@given(chunks)
def test_a_profile_of_anything_survives_its_bytes(drawn):
    for rows in drawn:
        blob = dumps(profiled(rows))

        assert dumps(loads(blob, GRID)) == blob


@settings(max_examples=40)
@given(chunks, st.sampled_from(["binary", "multiclass", "regression"]))
def test_label_profiles_add_up_in_any_order(drawn, task):
    a, b, c = (labelled(rows, task) for rows in drawn)
    empty = LabelProfile.empty(GRID, task)

    def same(one, other):
        assert (one.rows, one.n_labelled) == (other.rows, other.n_labelled)
        for name, array in one.arrays.items():
            # What sums of either sign lose is measured by the size of what was added, not by what is left of it.
            size = np.abs(array).max(initial=0.0) if name == "sums" else 0.0
            np.testing.assert_allclose(array, other.arrays[name], rtol=1e-9, atol=1e-15 * size, err_msg=name)

    same(a.merge(b), b.merge(a))
    same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert a.merge(empty).dumps() == a.dumps() == empty.merge(a).dumps()
    assert LabelProfile.loads(a.dumps(), GRID).dumps() == a.dumps()


@settings(max_examples=40)
@given(chunks)
def test_operations_add_up_in_any_order(drawn):
    a, b, c = (operating(rows) for rows in drawn)

    def exact(one):
        return (
            one.rows,
            one.n_fallback,
            one.latency.keys.tolist(),
            one.latency.counts.tolist(),
            one.latency.n_zero,
            one.latency.n_invalid,
            one.latency.minimum,
            one.latency.maximum,
            one.cost,
        )

    assert exact(a + b) == exact(b + a)
    assert exact((a + b) + c) == exact(a + (b + c)) == exact(Operations.merge_all([b, c, a]))
    assert exact(a + Operations()) == exact(a)
    assert Operations.loads(a.dumps()).dumps() == a.dumps()


def packed_forms():
    rows = [(float(i), "EU", i / 60, "yes", float(i), False, float(i % 2), 1.0) for i in range(60)]
    return {
        "grid": (GRID.dumps(), Grid.loads),
        "profile": (decompress(dumps(profiled(rows))), lambda blob: loads(compress(blob), GRID)),
        "labels": (
            decompress(labelled(rows, "binary").dumps()),
            lambda blob: LabelProfile.loads(compress(blob), GRID),
        ),
        "operations": (decompress(operating(rows).dumps()), lambda blob: Operations.loads(compress(blob))),
    }


@pytest.mark.slow
@pytest.mark.parametrize("form", packed_forms())
def test_damaged_bytes_are_refused_or_read_and_nothing_else(form):
    """Whatever happens to the bytes, the answer is a ValueError or an object: no other exception."""
    blob, load = packed_forms()[form]
    rng = np.random.default_rng(8)
    header = 8 + int.from_bytes(blob[4:8], "little")
    refused = 0

    for _ in range(400):
        damaged = bytearray(blob)
        damaged[rng.integers(0, header)] = rng.choice(list(b'0123456789-"[]{},.xn'))
        try:
            load(bytes(damaged))
        except ValueError:
            refused += 1

    assert refused > 200
    for cut in rng.integers(0, len(blob), 50):
        with pytest.raises(ValueError, match="bytes"):
            load(blob[:cut])
    for strange in (blob + b"x", b"", b"MLP9" + blob[4:], b"\0" * 40):
        with pytest.raises(ValueError, match="bytes"):
            load(strange)


@pytest.mark.parametrize("part", ["counts", "tallies", "moments"])
def test_a_profile_without_the_cells_of_its_grid_is_refused(part):
    profile = Profile.empty(GRID)
    short = replace(profile, **{part: getattr(profile, part)[:-1]})

    with pytest.raises(ValueError, match="cells of its grid"):
        loads(dumps(short), GRID)


@pytest.mark.parametrize("entry", [["x", "<i4"], "x<i4", ["x", "<c16", [1]], ["x", "<i4", [-1]], ["x", "<i4", 1]])
def test_a_directory_of_impossible_arrays_is_refused(entry):
    header = json.dumps({"header": {}, "arrays": [entry]}).encode()

    with pytest.raises(ValueError, match="header of these bytes"):
        unpack(b"TEST", b"TEST" + struct.pack("<I", len(header)) + header)


def test_no_latencies_add_up_to_none():
    assert LatencyProfile.merge_all([]).n == 0


def arrow_batches(rows, size):
    """Yield record batches as a Parquet reader gives them: dictionary text, nulls as nulls."""
    rng = np.random.default_rng(5)
    for start in range(0, rows, size):
        n = min(size, rows - start)
        amount = pa.array(rng.lognormal(size=n), mask=rng.random(n) < 0.1)
        region = pa.array(rng.choice(["EU", "US"], n), mask=rng.random(n) < 0.1).dictionary_encode()
        yield pa.RecordBatch.from_arrays([amount, region, pa.array(rng.random(n))], ["amount", "region", "score"])


def of_arrow(batch):
    region = batch.column("region")
    codes = region.indices.fill_null(-1).to_numpy()
    return build(
        {
            "amount": batch.column("amount").to_numpy(zero_copy_only=False),
            "region": CodedColumn(codes, tuple(region.dictionary.to_pylist())),
        },
        GRID,
        score=batch.column("score").to_numpy(),
    )


def test_arrow_batches_of_any_size_come_to_the_same_profile():
    whole = pa.Table.from_batches(list(arrow_batches(5_000, 5_000))).combine_chunks().to_batches()
    pieces = [part for batch in whole for start in range(0, 5_000, 700) for part in [batch.slice(start, 700)]]

    assert_same(merge_all(map(of_arrow, pieces)), merge_all(map(of_arrow, whole)))


@pytest.mark.slow
def test_a_long_stream_of_batches_takes_the_memory_of_one():
    def peak(batches):
        tracemalloc.start()
        profile = Profile.empty(GRID)
        for batch in arrow_batches(batches * 20_000, 20_000):
            profile = merge(profile, of_arrow(batch))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert profile.rows == batches * 20_000
        return size

    peak(1)
    assert peak(30) < 1.25 * peak(3)
