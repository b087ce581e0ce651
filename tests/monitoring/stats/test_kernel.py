"""The kernel counts exactly as sorting does, whatever lies where."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.stats.grid import NumericGrid, numeric_edges
from monitoring.stats.grid.buckets import BUCKETS, Atoms, Buckets, ByRatio, Even
from monitoring.stats.profile import kernel
from monitoring.stats.profile.kernel import SMALL, count_cells

LARGEST = np.finfo(np.float64).max
finite = st.floats(allow_nan=False, allow_infinity=False)
near_zero = st.integers(-3, 3).map(lambda n: n * 5e-324)
near_one = st.integers(-4, 4).map(lambda n: 1 + n * np.spacing(1.0))
few = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 3.0, 1e9, -1e9, LARGEST, -LARGEST])
numbers = st.one_of(finite, near_zero, near_one, few, st.integers(-20, 20).map(float))


def by_sorting(values: np.ndarray, edges: np.ndarray) -> list[int]:
    below = np.searchsorted(np.sort(values), edges, "left")
    return np.diff(below, prepend=0, append=len(values)).tolist()


def around(edges: np.ndarray) -> np.ndarray:
    """The edges, the floats beside them, and what lies between."""
    with np.errstate(over="ignore"):
        beside = [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), edges / 2 + np.roll(edges, 1) / 2]
    together = np.concatenate([*beside, -edges, [0.0, -0.0, 5e-324, -5e-324, LARGEST, -LARGEST]])
    return together[np.isfinite(together)]


def divisions(grid: NumericGrid) -> list[Buckets]:
    """Every division of the grid, good or bad: over its bulk, over all of its edges, and between two of them."""
    edges = grid.edges
    found = []
    for low, high in ((grid.clip_low, grid.clip_high), (edges[0], edges[-1]), (edges[len(edges) // 3], edges[-1])):
        if low is not None and high is not None and low < high:
            places = [Even.over(low, high), ByRatio.over(low, high)]
            found += [Buckets.with_places(one, edges, low) for one in places if one]
    return found


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@example([-5e-324, 1.0], [0.0, -0.0], 1)  # the float after the first is -0.0, which is an edge then
@given(st.lists(numbers, min_size=2, max_size=90), st.lists(numbers, max_size=40), st.integers(1, 3))
def test_every_division_counts_as_sorting_does(reference: list[float], others: list[float], times: int) -> None:
    grid = numeric_edges(np.array(reference * times))
    values = np.concatenate([around(grid.edges), np.array(others), np.array(reference)])

    for buckets in divisions(grid):
        assert kernel._by_buckets(values, grid.edges, buckets).tolist() == by_sorting(values, grid.edges)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["normal", "lognormal", "both signs", "far from zero", "rounded", "mostly zero"]),
    st.integers(0, 2**32),
    st.floats(1e-3, 1e3),
    st.integers(400, 4_000),
)
def test_columns_of_any_shape_and_blocks_of_any_size_count_as_sorting_does(
    shape: str, seed: int, stretched: float, block: int
) -> None:
    rng = np.random.default_rng(seed)
    draw = {
        "normal": lambda n: rng.normal(size=n),
        "lognormal": lambda n: rng.lognormal(0, 3, n),
        "both signs": lambda n: rng.lognormal(0, 3, n) * rng.choice([-1.0, 1.0, -0.0], n),
        "far from zero": lambda n: 1e12 + rng.normal(size=n),
        "rounded": lambda n: rng.normal(size=n).round(2),
        "mostly zero": lambda n: np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n)),
    }[shape]
    grid = numeric_edges(draw(900))
    values = np.concatenate([draw(700), draw(300) * stretched, around(grid.edges)])
    whole = kernel._BLOCK
    try:
        kernel._BLOCK = block
        counted = [kernel._by_buckets(values, grid.edges, buckets).tolist() for buckets in divisions(grid)]
    finally:
        kernel._BLOCK = whole

    assert all(counts == by_sorting(values, grid.edges) for counts in counted)


@pytest.mark.parametrize("rows", [SMALL, SMALL + 1])
def test_both_ways_to_count_meet_where_one_ends(rows: int) -> None:
    values = np.random.default_rng(4).normal(size=rows)
    grid = numeric_edges(values[:2_000])

    assert count_cells(values, grid).tolist() == by_sorting(values, grid.edges)


def test_a_bucket_never_decreases_within_the_bulk() -> None:
    values = np.sort(np.random.default_rng(5).lognormal(0, 4, 5_000))

    for places in (Even.over(values[10], values[-10]), ByRatio.over(values[10], values[-10])):
        assert places is not None
        found = places.of(values[10:-10])
        assert (np.diff(found) >= 0).all()
        assert found[0] == 0
        assert found.max() <= places.last < BUCKETS


@pytest.mark.parametrize(
    ("low", "high"),
    [(-LARGEST, LARGEST), (1.0, 1.0 + np.spacing(1.0)), (0.0, 5e-324), (1e300, 1.1e300), (-5e-324, 5e-324)],
    ids=["everything", "neighbours", "least float", "huge", "around zero"],
)
def test_what_cannot_be_divided_evenly_is_divided_by_ratio(low: float, high: float) -> None:
    places = ByRatio.over(low, high)

    assert places.of(np.array([low])).tolist() == [0]
    assert places.of(np.array([high]))[0] < places.last < BUCKETS
    with np.errstate(over="ignore"):
        beyond = np.nextafter(np.array([low, high]), [-np.inf, np.inf])
    outside = beyond[np.isfinite(beyond)]
    assert set(places.of(outside).tolist()) <= {places.of(np.array([high]))[0], places.last}


def test_a_bulk_without_width_has_no_buckets() -> None:
    edges = np.array([3.0, np.nextafter(3.0, 4)])

    assert Buckets.over(edges, 3.0, 3.0) is None
    assert Even.over(3.0, 3.0) is None
    assert numeric_edges(np.array([np.nan])).buckets is None


def test_the_division_that_leaves_fewer_in_doubt_is_taken() -> None:
    rng = np.random.default_rng(6)

    assert isinstance(numeric_edges(rng.normal(size=5_000)).buckets.places, Even)
    assert isinstance(numeric_edges(rng.lognormal(0, 4, 5_000)).buckets.places, ByRatio)


def test_of_two_atoms_in_a_bucket_the_larger_is_certain() -> None:
    edges = np.array([1.0, 2.0, 3.0]).repeat(2)
    edges[1::2] = np.nextafter(edges[1::2], np.inf)

    atoms = Atoms.of(edges, np.array([5, 5, 5, 5, 9, 9]))

    assert atoms is not None
    assert (atoms.values.tolist(), atoms.buckets.tolist(), atoms.cells.tolist()) == ([2.0, 3.0], [5, 9], [3, 5])
    assert np.flatnonzero(~np.isnan(atoms.table())).tolist() == [5, 9]


def test_the_end_of_a_grid_alone_is_no_atom() -> None:
    grid = numeric_edges(np.random.default_rng(7).normal(size=5_000))

    assert grid.buckets.atoms is None
