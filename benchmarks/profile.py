"""Parquet -> profile: how many cells a core counts in a second, and how much memory that takes."""

import json

from benchmarks import database, datasets, processes
from benchmarks.report import Line, Lines, at_least, at_most, rate

FEATURES = [*(f"n{i:02d}" for i in range(datasets.NUMERIC)), *(f"c{i:02d}" for i in range(datasets.CATEGORIES))]


def lines() -> Lines:
    """A day of 1M x 50 in chunks of 250,000 rows, read and counted by one process."""
    kernel = processes.ours("kernel")
    yield Line(
        "numbers into cells, mean of eight shapes",
        f"{kernel['ours_ns']:.1f} ns a value",
        f"np.sort and searchsorted {kernel['sorting_ns']:.1f} ns",
        kernel["sorting_ns"] / kernel["ours_ns"],
        at_most(kernel["ours_ns"], 8, " ns"),
    )
    with database.portal(database.SQLITE) as env:
        files = processes.ours("profile", "write", json.dumps(FEATURES), env=env)
        counted = processes.ours("profile", "count", json.dumps(files), env=env)
    per_s = counted["cells"] / counted["cpu_s"]
    yield Line(
        "Parquet to profile, 1M x 50",
        f"{rate(per_s, 'cells/s/core')} ({counted['cpu_s']:.2f} s of processor time)",
        promise=at_least(per_s, 50e6, " cells/s/core"),
    )
    yield Line(
        "Parquet to profile, peak memory",
        f"{counted['peak_mb']:.0f} MB, of which {counted['imports_mb']:.0f} MB are the program",
        promise=at_most(counted["peak_mb"], 250, " MB"),
    )
