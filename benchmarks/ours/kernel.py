"""The innermost loop: numbers of every shape into the cells of their grids, against sorting them."""

import json
from functools import partial

import numpy as np

from benchmarks import datasets
from benchmarks.timing import median_s
from mlops_portal.kit import memory
from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import numeric_edges
from monitoring.stats.profile.kernel import count_cells

REFERENCE_ROWS = 100_000
ROWS = 131_072  # a row group
TIMES = 25


def by_sorting(values: FloatArray, edges: FloatArray) -> IntArray:
    """The same counts the simple way."""
    return np.diff(np.searchsorted(np.sort(values), edges, "left"), prepend=0, append=len(values))


def main() -> None:
    """Print the mean over the shapes of the median time of a value, in nanoseconds."""
    memory.keep_freed()
    rng = np.random.default_rng(8)
    ours, sorting = [], []
    for shape in datasets.SHAPES:
        grid = numeric_edges(datasets.numbers(rng, shape, REFERENCE_ROWS, 0.0))
        values = datasets.numbers(rng, shape, ROWS, 0.1)
        assert np.array_equal(count_cells(values, grid), by_sorting(values, grid.edges))
        ours.append(median_s(partial(count_cells, values, grid), times=TIMES)["cpu_s"])
        sorting.append(median_s(partial(by_sorting, values, grid.edges), times=TIMES)["cpu_s"])
    print(json.dumps({"ours_ns": np.mean(ours) / ROWS * 1e9, "sorting_ns": np.mean(sorting) / ROWS * 1e9}))


if __name__ == "__main__":
    main()
