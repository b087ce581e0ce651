"""From Parquet to a profile: stored chunks counted on a grid, and a reference file taken in."""

import json
import sys
from typing import Any
from uuid import UUID

from benchmarks.ours import company
from benchmarks.timing import Stopwatch, peak_mb
from mlops_portal.kit import memory
from monitoring.models import Chunk
from monitoring.stats.grid import freeze
from monitoring.stats.profile import merge_all
from monitoring.traffic import chunks, frames
from monitoring.traffic.reference.content import Declared

ROWS = 1_000_000
FEATURES = 50


def write(names: list[str]) -> None:
    """Store a day of predictions as chunks and freeze a grid; print where they are."""
    version = company.make_version(names)
    folder = chunks.folder(version.model_id, version.pk, company.DAY.date())
    files = [chunks.write([part], folder, order="predicted_at") for part in company.parts(version, ROWS)]
    first = next(company.parts(version, 100_000))
    scores = chunks.profiling.scores_of(first)
    grid = freeze(frames.feature_columns(first), Declared.of(version).grid_specs, scores, "probability")
    grid_id = chunks.grids.keep(grid, version.pk, company.NOW)
    chunks_written = [{"path": file.path, "rows": file.rows} for file in files]
    print(json.dumps({"grid": str(grid_id), "chunks": chunks_written}))


def count(written: dict[str, Any]) -> None:
    """Count the chunks one by one, as a re-profile does; print the median of three rounds and the peak memory."""
    memory.keep_freed()
    memory.spare_pandas()
    declared = Declared.of(company.ModelVersion.objects.select_related("model").get())
    grid = chunks.grids.load(UUID(written["grid"]))
    stored = [Chunk(**chunk) for chunk in written["chunks"]]
    before_mb = peak_mb()
    taken = []
    for _ in range(3):
        watch = Stopwatch()
        profile = merge_all(chunks.recounted(chunk, grid, declared.model) for chunk in stored)
        taken.append(watch.cpu_s())
        assert profile.rows == ROWS
    memory_mb = {"peak_mb": peak_mb(), "imports_mb": before_mb}
    print(json.dumps({"cpu_s": sorted(taken)[1], "cells": ROWS * FEATURES, **memory_mb}))


if __name__ == "__main__":
    {"write": write, "count": count}[sys.argv[1]](json.loads(sys.argv[2]))
