"""One million predictions joined with one million outcomes, against pandas on the same files."""

import json

from benchmarks import database, processes
from benchmarks.ingest import FEATURES
from benchmarks.report import Line, Lines, at_most, seconds


def lines() -> Lines:
    """Ours reads, joins and counts the labels; pandas reads and merges."""
    with database.portal(database.SQLITE) as env:
        files = processes.ours("outcomes", "fill", json.dumps(FEATURES), env=env)
        ours = processes.ours("outcomes", "join", "null", env=env)
        pandas = processes.ours("pandas_merge", json.dumps(files), env=env)
    yield Line(
        "outcome join and label profile, 1M x 1M",
        f"{seconds(ours['wall_s'])} ({seconds(ours['cpu_s'])} of processor time)",
        f"pandas {pandas['version']} merge alone {seconds(pandas['wall_s'])} ({seconds(pandas['cpu_s'])})",
        pandas["cpu_s"] / ours["cpu_s"],
        at_most(ours["wall_s"], 1.5, " s"),
    )
    yield Line(
        "outcome join, peak memory",
        f"{ours['peak_mb']:.0f} MB",
        f"pandas {pandas['peak_mb']:.0f} MB",
        pandas["peak_mb"] / ours["peak_mb"],
        at_most(ours["peak_mb"], 400, " MB"),
    )
