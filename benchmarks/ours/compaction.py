"""Compaction: what a worker makes of an inbox full of bodies, each of 1,000 records of 20 features."""

import json
import random
import sys
import uuid
from hashlib import sha256
from pathlib import Path

import numpy as np
from django.db.models import Sum

from benchmarks import datasets
from benchmarks.ours import company
from benchmarks.timing import Stopwatch, peak_mb
from mlops_portal.jobs import queue
from mlops_portal.kit import clock, memory
from monitoring.models import Chunk, InboxRow, IngestBatch
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import compaction, inbox, schema
from monitoring.traffic.specs import ModelSpec
from registry.models import RegisteredModel

BODIES, ITEMS = 500, 1000


def fill(names: list[str], reference_path: str) -> None:
    """Load a reference and let the inbox accept bodies, as the web server does."""
    version = company.make_version(names)
    company.load_reference(version, Path(reference_path))
    spec, now = ModelSpec.of(version.model), clock.now()
    rng = random.Random(5)  # noqa: S311 (data, no secret)
    for i in range(BODIES):
        body = _body(names, i, rng, now.isoformat(timespec="milliseconds"))
        decoded = schema.decode(body, schema.JSON, Kind.PREDICTION, spec, now)
        digest = sha256(body).hexdigest()
        via = IngestBatch.Via.API
        entry = inbox.entry(spec, Kind.PREDICTION, decoded, key=digest, body_sha256=digest, via=via, now=now)
        inbox.receive(entry)
    waiting = InboxRow.objects.aggregate(n=Sum("items"), size=Sum("size_bytes"))
    assert waiting["n"] == BODIES * ITEMS, waiting
    print(json.dumps({"inbox_bytes_a_row": waiting["size"] / waiting["n"]}))


def _body(names: list[str], i: int, rng: random.Random, at: str) -> bytes:
    columns = datasets.columns(ITEMS, seed=i)
    kept = [columns[name].tolist() for name in names]
    rounded = [[round(value, 4) for value in column] if isinstance(column[0], float) else column for column in kept]
    items = [
        {
            "request_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "version": "1",
            "predicted_at": at,
            "endpoint": "credit-decision",
            "score": round(rng.random(), 6),
            "prediction": "repaid",
            "latency_ms": round(20 + 30 * rng.random(), 3),
            "features": dict(zip(names, values, strict=True)),
        }
        for values in zip(*rounded, strict=True)
    ]
    return json.dumps({"items": items}).encode()


def empty(_names: list[str], _reference_path: str) -> None:
    """Compact until nothing waits; print what it took."""
    memory.keep_freed()
    memory.spare_pandas()
    model = RegisteredModel.objects.get()
    key, payload = str(model.pk), {"model": str(model.pk)}
    watch, taken_s = Stopwatch(), []
    while InboxRow.objects.exists():
        queue.enqueue("monitoring.compact", key, payload=payload, queue="ingest")
        lease = queue.claim("ingest")
        assert lease is not None
        one = Stopwatch()
        compaction.compact(model.pk, lease)
        taken_s.append(one.core_s())
    stored = Chunk.objects.aggregate(rows=Sum("rows"), size=Sum("size_bytes"))
    assert stored["rows"] == BODIES * ITEMS, stored
    print(
        json.dumps(
            {
                "rows": stored["rows"],
                "cpu_s": watch.cpu_s(),
                "longest_s": float(np.max(taken_s)),
                "bytes_a_row": stored["size"] / stored["rows"],
                "peak_mb": peak_mb(),
            }
        )
    )


if __name__ == "__main__":
    {"fill": fill, "empty": empty}[sys.argv[1]](json.loads(sys.argv[2]), sys.argv[3])
