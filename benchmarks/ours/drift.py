"""Cold drift: from two data frames in memory to every metric; nothing is kept between calls."""

import json
import sys

import pandas as pd

from benchmarks.timing import median_s
from mlops_portal.kit import memory
from monitoring.stats import divergence, quality, twosample
from monitoring.stats.columns import Column, encode
from monitoring.stats.grid import CategoryGrid, FeatureSpec, Grid, NumericGrid, freeze
from monitoring.stats.profile import Profile, build


def schema(frame: pd.DataFrame) -> list[FeatureSpec]:
    """The features of a frame, as a registered version would declare them."""
    numbers = set(frame.select_dtypes("number").columns)
    return [FeatureSpec(name, "number" if name in numbers else "category") for name in frame]


def columns_of(frame: pd.DataFrame) -> dict[str, Column]:
    """The columns of a frame, texts coded once as the portal reads them from Parquet."""
    return {name: encode(column) if column.dtype.kind == "O" else column for name, column in frame.items()}


def distances(grid: Grid, reference: Profile, current: Profile) -> list[object]:
    """Every metric of every feature, with p-values."""
    found: list[object] = []
    for name, cells in grid.features.items():
        before, now = reference.headline(name), current.headline(name)
        a, c = reference.feature(name), current.feature(name)
        found += [
            divergence.psi(before, now),
            divergence.kl(before, now),
            divergence.js(before, now),
            divergence.tvd(before, now),
            divergence.linf(before, now),
            divergence.hellinger(before, now),
            twosample.chi2_homogeneity(before, now),
            quality.share_change(a.n_null, reference.rows, c.n_null, current.rows),
        ]
        if isinstance(cells, NumericGrid):
            found += [
                twosample.ks(a.counts, c.counts),
                twosample.wasserstein(a.counts, c.counts, cells),
                twosample.wasserstein(a.counts, c.counts, cells, clip=False),
            ]
        if isinstance(cells, CategoryGrid):
            found.append(twosample.cramers_v(before, now))
    return found


def cold(reference: pd.DataFrame, current: pd.DataFrame) -> list[object]:
    """Freeze a grid, count both frames on it and compare them."""
    before, now = columns_of(reference), columns_of(current)
    grid = freeze(before, schema(reference))
    return distances(grid, build(before, grid), build(now, grid))


def main(reference_path: str, current_path: str) -> None:
    """Print the median times."""
    memory.keep_freed()  # as every worker does
    reference, current = (pd.read_parquet(path) for path in (reference_path, current_path))
    before, now = columns_of(reference), columns_of(current)
    grid = freeze(before, schema(reference))
    profiles = build(before, grid), build(now, grid)
    print(
        json.dumps(
            {
                "cold": median_s(lambda: cold(reference, current), times=7),
                "stored": median_s(lambda: distances(grid, *profiles), times=5),
                "metrics": len(distances(grid, *profiles)),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])
