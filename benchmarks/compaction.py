"""Compaction: from inbox rows to Parquet chunks with profiles, in one process."""

import json

from benchmarks import database, datasets, processes
from benchmarks.ingest import FEATURES
from benchmarks.report import Line, Lines, at_least, at_most, rate


def lines() -> Lines:
    """500,000 records of 20 features, with a reference, so that they are profiled."""
    for kind in (database.POSTGRESQL, database.SQLITE):
        try:
            with database.portal(kind) as env:
                arguments = (json.dumps(FEATURES), datasets.drift_pair()[0])
                processes.ours("compaction", "fill", *arguments, env=env)
                found = processes.ours("compaction", "empty", *arguments, env=env)
        except database.Absent as absent:
            yield Line(f"compaction, {kind}", f"not measured: {absent}")
            continue
        per_s = found["rows"] / found["cpu_s"]
        promise = at_least(per_s, 150_000, " records/s/core")
        yield Line(f"compaction, {kind}", f"{rate(per_s, 'records/s/core')}", promise=promise)
        yield Line(
            f"compaction, {kind}, peak memory",
            f"{found['peak_mb']:.0f} MB",
            promise=at_most(found["peak_mb"], 400, " MB"),
        )
    yield Line(
        "stored, 20 features and a random UUID as id",
        f"{found['bytes_a_row']:.0f} bytes a row",
        promise=at_most(found["bytes_a_row"], 160, " bytes"),
    )
