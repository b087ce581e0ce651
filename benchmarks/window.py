"""A window of 7 days x 1M rows x 50 features from stored profiles, end to end with the database."""

import json

from benchmarks import database, datasets, peering, processes
from benchmarks.profile import FEATURES
from benchmarks.report import Line, Lines, at_most, seconds

SEGMENT = "c00"


def lines() -> Lines:
    """A whole run on both databases, with and without segments; Evidently only for a sample of its rows."""
    paths = datasets.drift_pair()
    for kind in (database.SQLITE, database.POSTGRESQL):
        for segment in ("", SEGMENT):
            try:
                with database.portal(kind) as env:
                    arguments = (paths[0], json.dumps(FEATURES), segment)
                    processes.ours("window", "fill", *arguments, env=env)
                    run = processes.ours("window", "measure", *arguments, env=env)
            except database.Absent as absent:
                yield Line(f"run, 7 d x 1M x 50, {kind}", f"not measured: {absent}")
                break
            yield _line(kind, segment, run)
            if kind == database.SQLITE and not segment:
                peak = run["peak_mb"]
                yield Line("run, 7 d x 1M x 50, peak memory", f"{peak:.0f} MB", promise=at_most(peak, 400, " MB"))
                yield _against_evidently(run["median_s"])


def _line(kind: str, segment: str, run: dict[str, float]) -> Line:
    detail = (
        f"{run['measurements']:.0f} measurements, {run['queries']:.0f} queries with two open alerts, "
        f"slowest {seconds(run['slowest_s'])}"
    )
    where = f"{kind}, {'one dimension of segments' if segment else 'no segments'}"
    promise = at_most(run["median_s"] * 1e3, 100, " ms") if not segment else None
    return Line(f"run, 7 d x 1M x 50, {where}", f"{seconds(run['median_s'])} ({detail})", promise=promise)


def _against_evidently(run_s: float) -> Line:
    peer = peering.measure("evidently", *datasets.drift_pair())
    ours = f"{seconds(run_s)} for 7M rows"
    theirs = f"Evidently {peer['version']} DataDriftPreset {seconds(peer['preset']['wall_s'])} for a sample of 100k"
    return Line("run against Evidently on 1.4 % of the rows", ours, theirs, peer["preset"]["wall_s"] / run_s)
