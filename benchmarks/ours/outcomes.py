"""Outcomes: a day of predictions joined with its outcomes and counted, from stored chunks."""

import json
import sys
from datetime import timedelta

import numpy as np
import pyarrow as pa
from django.conf import settings

from benchmarks.ours import company
from benchmarks.timing import Stopwatch, peak_mb
from mlops_portal.kit import memory
from monitoring.models import LabelProfile
from monitoring.models.ingest_batch import Kind
from monitoring.stats.grid import freeze
from monitoring.traffic import chunks, frames, ledger, outcomes
from monitoring.traffic.ledger import Draft
from monitoring.traffic.reference.content import Declared
from registry.models import ModelVersion

ROWS = 1_000_000
PARTS = 4


def fill(names: list[str]) -> None:
    """Store predictions and outcomes as chunks; print the files of each."""
    version = company.make_version(names)
    first = next(company.parts(version, 100_000))
    scores = chunks.profiling.scores_of(first)
    grid = freeze(frames.feature_columns(first), Declared.of(version).grid_specs, scores, "probability")
    grid_id = chunks.grids.keep(grid, version.pk, company.NOW)
    company.activate(version, grid_id)
    files: dict[str, list[str]] = {Kind.PREDICTION: [], Kind.OUTCOME: []}
    ids: list[np.ndarray] = []
    for part in company.parts(version, ROWS, ROWS // PARTS):
        ids.append(part["request_id"].to_numpy())
        files[Kind.PREDICTION].append(_store(version, part, Kind.PREDICTION, "predicted_at"))
    shuffled = np.random.default_rng(3).permutation(np.concatenate(ids))
    for seed, piece in enumerate(np.split(shuffled, PARTS)):
        files[Kind.OUTCOME].append(_store(version, _outcomes(piece, seed), Kind.OUTCOME, "observed_at"))
    root = settings.STORAGE_URL.removeprefix("file://")
    print(json.dumps({kind: [f"{root}/{path}" for path in paths] for kind, paths in files.items()}))


def _outcomes(ids: np.ndarray, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    start_us = round((company.DAY + timedelta(days=2)).timestamp() * 1e6)
    observed = np.sort(rng.integers(start_us, start_us + 86_400_000_000, len(ids)))
    texts = list(ids)
    given = {
        "request_id": texts,
        "kind": ["truth"] * len(ids),
        "value_text": np.where(rng.random(len(ids)) < 0.3, "default", "repaid"),
        "observed_at": pa.array(observed).cast(frames.TIME),
        "received_at": pa.array(observed).cast(frames.TIME),
        "id_hash": frames.id_hashes(texts),
        "content_hash": rng.integers(0, 2**63, len(ids)).astype(np.uint64),
    }
    return company.table(given, frames.OUTCOME_SCHEMA, "observed_at")


def _store(version: ModelVersion, frame: pa.Table, kind: Kind, order: str) -> str:
    on = company.DAY.date()
    file = chunks.write([frame], chunks.folder(version.model_id, version.pk, on), order=order)
    draft = Draft(file, kind, version.pk, on)
    ledger.record(version.model_id, [draft], ledger.see([version.pk], [on]), company.NOW)
    return file.path


def join(_: object) -> None:
    """Join and count the day three times; print the median."""
    memory.keep_freed()
    memory.spare_pandas()
    version = ModelVersion.objects.select_related("model").get()
    on = company.DAY.date()
    taken, cpu = [], []
    for _again in range(3):
        LabelProfile.objects.all().delete()
        watch = Stopwatch()
        found = outcomes.label_profile(version, on, on + timedelta(days=1))
        taken.append(watch.wall_s())
        cpu.append(watch.cpu_s())
        assert (found.rows, found.labelled) == (ROWS, ROWS), (found.rows, found.labelled)
    print(json.dumps({"wall_s": sorted(taken)[1], "cpu_s": sorted(cpu)[1], "peak_mb": peak_mb()}))


if __name__ == "__main__":
    {"fill": fill, "join": join}[sys.argv[1]](json.loads(sys.argv[2]))
