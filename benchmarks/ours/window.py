"""A run over 7 days x 1M rows x 50 features from stored profiles, with its job, its reads and its transaction."""

import json
import statistics
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks.ours import company
from benchmarks.timing import Stopwatch, peak_mb
from mlops_portal.jobs import queue
from mlops_portal.kit import memory
from monitoring import planner, runs
from monitoring.models import Run
from monitoring.models.ingest_batch import Kind
from monitoring.runs import execution
from monitoring.stats.profile import dumps
from monitoring.traffic import chunks, ledger
from monitoring.traffic.ledger import Draft
from monitoring.traffic.specs import ModelSpec
from registry.models import ModelVersion

DAYS = 7
ROWS_A_DAY = 1_000_000
REPEATS = 15


def fill(reference_path: str, names: list[str], segment: str) -> None:
    """Store a week of traffic and plan its runs."""
    version = company.make_version(names, segment=segment)
    company.load_reference(version, Path(reference_path))
    store(version)
    planner.plan(company.NOW, drain=True)
    print(json.dumps(Run.objects.count()))


def measure(_reference_path: str, _names: list[str], _segment: str) -> None:
    """Print how long a run takes, from its lease to its commit, and what it measured."""
    memory.keep_freed()
    memory.spare_pandas()
    end = company.DAY + timedelta(days=DAYS)
    planned = Run.objects.select_related("monitor").filter(monitor__slug="inputs-training")
    queries = [_queries(earlier) for earlier in planned.filter(window_end__lt=end).order_by("window_end")]
    run = planned.get(window_end=end)
    taken, cpu, measurements = [], [], 0
    for again in range(REPEATS + 2):
        if again:
            run = runs.request(run.monitor, run.window_start, by="setup", now=company.NOW)
        lease = take(run)
        watch = Stopwatch()
        execution.execute(run.pk, lease, now=company.NOW)
        taken.append(watch.wall_s())
        cpu.append(watch.cpu_s())
        run = Run.objects.select_related("monitor").get(pk=run.pk)
        measurements = run.measurements.count()
        assert (run.state, run.rows) == ("done", DAYS * ROWS_A_DAY), (run.state, run.rows)
    found = {"median_s": statistics.median(taken[2:]), "slowest_s": max(taken[2:]), "cpu_s": statistics.median(cpu[2:])}
    print(json.dumps(found | {"queries": queries[-1], "measurements": measurements, "peak_mb": peak_mb()}))


def _queries(run: Run) -> int:
    """Execute a run and count its statements; from the third day on, the alerts of the drift in the data are open."""
    lease = take(run)
    with CaptureQueriesContext(connection) as seen:
        execution.execute(run.pk, lease, now=company.NOW)
    return len(seen)


def store(version: ModelVersion) -> None:
    """Count one day of predictions and let seven days consist of chunks with these profiles."""
    grid_id = chunks.grids.active(version.pk)
    assert grid_id is not None
    grid, spec = chunks.grids.load(grid_id), ModelSpec.of(version.model)
    for part in company.parts(version, ROWS_A_DAY):
        costs = chunks.costs_of(part)
        profile = chunks.profile_of(part, grid, spec, costs)
        hours = chunks.hours_of(part, costs)
        for day in range(DAYS):
            later = timedelta(days=day)
            moved = replace(profile, first_at=profile.first_at + later, last_at=profile.last_at + later)
            file = chunks.ChunkFile(
                f"bench/{day}", f"{day}{id(part):063x}"[:64], 1, profile.rows, moved.first_at, moved.last_at
            )
            on = (company.DAY + later).date()
            draft = Draft(file, Kind.PREDICTION, version.pk, on, profiles={grid_id: dumps(moved)})
            draft = replace(draft, hours=[replace(hour, hour=hour.hour + later) for hour in hours])
            ledger.record(version.model_id, [draft], ledger.see([version.pk], [on]), company.NOW)
            ledger.count_traffic([draft], {version.pk: grid_id}, None)


def take(run: Run) -> queue.Lease:
    """The lease of the job that executes the run."""
    while lease := queue.claim("compute"):
        if UUID(lease.payload["run"]) == run.pk:
            return lease
        queue.finish(lease)
    raise AssertionError("the run was not ordered")


if __name__ == "__main__":
    {"fill": fill, "measure": measure}[sys.argv[1]](sys.argv[2], json.loads(sys.argv[3]), sys.argv[4])
