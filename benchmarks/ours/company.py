"""A model with traffic for the benches, in the database that the environment names. Importing it starts Django."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import django

django.setup()

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from benchmarks import datasets  # noqa: E402
from mlops_portal.jobs import worker  # noqa: E402
from monitoring.models import VersionTraffic  # noqa: E402
from monitoring.traffic import frames, reference  # noqa: E402
from registry import inventory, permissions  # noqa: E402
from registry.inventory import FeatureDraft  # noqa: E402
from registry.models import ModelVersion, RegisteredModel  # noqa: E402

DAY = datetime(2026, 3, 2, tzinfo=UTC)
NOW = DAY + timedelta(days=10)
OUTPUT = {"classes": ["repaid", "default"], "positive": "default"}


def make_version(names: Sequence[str], *, segment: str = "") -> ModelVersion:
    """A binary model whose features are these columns of `datasets.columns`."""
    team = permissions.create_team("bench", name="Bench", by="setup", now=NOW)
    drafts = [
        FeatureDraft(name=name, dtype="number" if name[0] == "n" else "category", segment=name == segment)
        for name in names
    ]
    model = inventory.register_model(
        team,
        name="Bench",
        slug="bench",
        task=RegisteredModel.Task.BINARY,
        output=OUTPUT,
        features=drafts,
        by="setup",
        now=NOW,
    )
    return inventory.register_version(model, by="setup", now=NOW)


def load_reference(version: ModelVersion, path: Path) -> None:
    """Take a file in as the version's primary reference and have it loaded."""
    reference.request(
        version, path, name="training", primary=True, source="bench", file_format="parquet", by="setup", now=NOW
    )
    worker.do_one("compute")


def frame(version: ModelVersion, rows: int, *, seed: int = 0, start: datetime = DAY, hours: float = 24) -> pa.Table:
    """Predictions spread evenly over some hours, as a chunk holds them."""
    schema = frames.prediction_schema(frames.columns_of([version.pk])[version.pk])
    rng = np.random.default_rng(seed)
    made = datasets.columns(rows, seed=seed, shift=0.1)
    us = np.linspace(0, hours * 3_600e6, rows, endpoint=False).astype(np.int64)
    ids = [f"{seed:04d}-{i:08d}" for i in range(rows)]
    score = rng.beta(2, 5, rows)
    given: dict[str, object] = {
        "request_id": ids,
        "predicted_at": pa.array(us + round(start.timestamp() * 1e6)).cast(frames.TIME),
        "endpoint": ["credit-decision"] * rows,
        "score": score,
        "prediction": np.where(score >= 0.5, "default", "repaid"),
        "latency_ms": rng.lognormal(3, 0.4, rows),
        "cost": np.full(rows, 0.0004),
        "calls": np.ones(rows, dtype=np.int32),
        "fallback": np.zeros(rows, dtype=bool),
        "shadow": np.zeros(rows, dtype=bool),
        "received_at": pa.array(us + round(start.timestamp() * 1e6)).cast(frames.TIME),
        "id_hash": frames.id_hashes(ids),
        "content_hash": rng.integers(0, 2**63, rows).astype(np.uint64),
    } | {frames.FEATURE + name: column for name, column in made.items()}
    return table(given, schema, "predicted_at")


def table(given: Mapping[str, object], schema: pa.Schema, order: str) -> pa.Table:
    """Columns as a chunk holds them; what is not given is null."""
    rows = len(given["request_id"])  # type: ignore[arg-type]
    arrays = [_array(given.get(field.name), field.type, rows) for field in schema]
    return frames.finished(pa.table(arrays, names=schema.names), schema, order)


def activate(version: ModelVersion, grid_id: UUID) -> None:
    """Have the version counted on a grid."""
    VersionTraffic.objects.update_or_create(version=version, defaults={"grid_id": grid_id})


def parts(version: ModelVersion, rows: int, most: int = 250_000) -> Iterator[pa.Table]:
    """A day of predictions as several frames of at most so many rows, one after the other in time."""
    count = -(-rows // most)
    for i in range(count):
        start = DAY + timedelta(hours=24 * i / count)
        yield frame(version, rows // count, seed=i, start=start, hours=24 / count)


def _array(values: object, kind: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, pa.string() if kind == frames.LABEL else kind)
    return values if isinstance(values, pa.Array) else pa.array(values)
