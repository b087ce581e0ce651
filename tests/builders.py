"""Seeded traffic for tests: records, inbox rows, and days whose drift is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from itertools import count
from typing import Any

import msgspec
import numpy as np

from mlops_portal.jobs import queue
from mlops_portal.jobs.queue import Lease
from monitoring.models import IngestBatch
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import inbox, payload
from monitoring.traffic.payload import Group
from monitoring.traffic.schema import Decoded
from registry.inventory import FeatureDraft
from registry.models import ModelVersion, RegisteredModel
from tests.factories import make_model, make_version

DAY = datetime(2026, 11, 10, tzinfo=UTC)
REGIONS = ("EU", "UK", "US")

_serial = count(1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction as its sender would describe it."""

    request_id: str
    at: datetime
    income: float | None = 41_000.0
    region: str | None = "EU"
    score: float | None = 0.3
    label: str | None = None
    number: float | None = None
    latency_ms: float | None = 20.0
    cost: float | None = 0.001
    stages: str | None = None
    endpoint: str = "credit-decision"
    fallback: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome as its sender would describe it; near: when the prediction was made, if the sender says so."""

    request_id: str
    value: Any
    at: datetime
    kind: str = "truth"
    near: datetime | None = None


def make_credit_model(**fields: Any) -> RegisteredModel:
    """A binary model that reads a number and a category, which is a segment."""
    fields.setdefault("output", {"classes": ["repaid", "default"], "positive": "default"})
    drafts = [FeatureDraft(name="income", dtype="number"), FeatureDraft(name="region", dtype="category", segment=True)]
    return make_model(features=drafts, **fields)


def make_credit_version(model: RegisteredModel | None = None) -> ModelVersion:
    """A version of a credit model."""
    return make_version(model or make_credit_model())


def day_of(
    start: datetime = DAY, *, rows: int = 200, seed: int = 1, shift: float = 0.0, prefix: str = "r"
) -> list[Prediction]:
    """Predictions spread over one day. shift: how many standard deviations the income has moved."""
    rng = np.random.default_rng(seed)
    incomes = 40_000 + 10_000 * (rng.normal(size=rows) + shift)
    regions = rng.choice(REGIONS, size=rows, p=(0.5, 0.3, 0.2))
    scores = rng.beta(2, 5, size=rows)
    return [
        Prediction(
            f"{prefix}-{start:%m%d}-{i:06d}",
            start + timedelta(seconds=86_400 * i / rows),
            income=round(float(incomes[i]), 2),
            region=str(regions[i]),
            score=round(float(scores[i]), 6),
            label="default" if scores[i] >= 0.5 else "repaid",
            latency_ms=round(float(20 + 5 * scores[i]), 3),
        )
        for i in range(rows)
    ]


def send(version: ModelVersion, predictions: Sequence[Prediction], *, now: datetime, via: str = "api") -> IngestBatch:
    """Put predictions into the inbox as one accepted body."""
    return _accept(version.model, Kind.PREDICTION, [prediction_group(version, predictions, now)], now, via)


def report(model: RegisteredModel, outcomes: Sequence[Outcome], *, now: datetime, via: str = "api") -> IngestBatch:
    """Put outcomes into the inbox as one accepted body."""
    return _accept(model, Kind.OUTCOME, [outcome_group(outcomes, now)], now, via)


def prediction_group(version: ModelVersion, predictions: Sequence[Prediction], now: datetime) -> Group:
    """What the inbox holds of predictions of one version."""
    columns = {
        "request_id": [one.request_id for one in predictions],
        "predicted_at": [micros(one.at) for one in predictions],
        "endpoint": [one.endpoint for one in predictions],
        "score": [one.score for one in predictions],
        "prediction": [one.label for one in predictions],
        "prediction_number": [one.number for one in predictions],
        "latency_ms": [one.latency_ms for one in predictions],
        "cost": [one.cost for one in predictions],
        "stages": [one.stages for one in predictions],
        "fallback": [one.fallback for one in predictions],
        "error": [one.error for one in predictions],
        "content_hash": [_digest(one) for one in predictions],
        "received_at": [micros(now)] * len(predictions),
    }
    features = {"income": [one.income for one in predictions], "region": [one.region for one in predictions]}
    return Group(str(version.pk), len(predictions), columns, features)


def outcome_group(outcomes: Sequence[Outcome], now: datetime) -> Group:
    """What the inbox holds of outcomes."""
    columns = {
        "request_id": [one.request_id for one in outcomes],
        "kind": [one.kind for one in outcomes],
        "value_number": [float(one.value) if isinstance(one.value, bool | int | float) else None for one in outcomes],
        "value_text": [_text(one.value) for one in outcomes],
        "observed_at": [micros(one.at) for one in outcomes],
        "predicted_at": [micros(one.near) if one.near else None for one in outcomes],
        "content_hash": [_digest((one.request_id, one.kind, one.value, one.at)) for one in outcomes],
        "received_at": [micros(now)] * len(outcomes),
    }
    return Group("", len(outcomes), columns)


def lease(kind: str, key: str, **fields: Any) -> Lease:
    """Order a job and win it, as a worker would."""
    won = queue.take(kind, key, worker="test", payload=fields)
    assert won is not None, f"{kind} {key} is held by somebody else"
    return won


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _accept(model: RegisteredModel, kind: Kind, groups: list[Group], now: datetime, via: str) -> IngestBatch:
    decoded = Decoded(kind, sum(group.rows for group in groups), groups, [])
    body = sha256(payload.encode(groups)).hexdigest()
    return inbox.accept(model, kind, decoded, key=f"test-{next(_serial)}", body_sha256=body, via=via, now=now)


def _digest(content: Any) -> bytes:
    return blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else None
