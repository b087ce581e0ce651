"""What a sender writes: items, bodies and the posts that carry them."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.http import HttpResponse
from django.test import Client

from monitoring.traffic import schema
from registry.inventory import FeatureDraft
from registry.models import RegisteredModel, Team
from tests.factories import make_model, make_version

FEATURES = (
    FeatureDraft("income", "number", allowed_min=0),
    FeatureDraft("region", "category", categories=("EU", "UK", "US"), segment=True),
    FeatureDraft("channel", "category"),
    FeatureDraft("children", "integer", required=False),
    FeatureDraft("employer", "text", required=False),
    FeatureDraft("owner", "boolean", required=False),
    FeatureDraft("opened", "timestamp", required=False),
)
CLASSES = {"classes": ["repaid", "default"], "positive": "default"}
GIVEN = {"income": 41200, "region": "EU", "channel": "web"}


def make_credit(team: Team, slug: str = "credit") -> RegisteredModel:
    """A binary model with one version, and features of every type."""
    model = make_model(team=team, slug=slug, output=CLASSES, features=FEATURES)
    make_version(model)
    return model


def written(at: datetime) -> str:
    """A time as most senders write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def just_now() -> str:
    """A time some seconds back."""
    return written(datetime.now(UTC) - timedelta(seconds=5))


def prediction(request_id: str = "r-1", *, features: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A good prediction item; features are added to the usual ones, fields replace or add."""
    item = {"request_id": request_id, "version": "1", "predicted_at": just_now(), "score": 0.31}
    return item | {"features": GIVEN | (features or {})} | fields


def outcome(request_id: str = "r-1", **fields: Any) -> dict[str, Any]:
    """A good outcome item."""
    return {"request_id": request_id, "kind": "truth", "value": "default", "observed_at": just_now()} | fields


def json_body(*items: Any) -> bytes:
    """The items in a JSON body."""
    return json.dumps({"items": list(items)}).encode()


def lines(*items: Any) -> bytes:
    """The items as NDJSON; bytes stand for themselves."""
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)


def parquet(**columns: Any) -> bytes:
    """A Parquet file with these columns."""
    return parquet_of(pa.table(columns))


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    """The table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def post(
    client: Client,
    body: bytes,
    *,
    kind: str = "predictions",
    slug: str = "credit",
    media: str = schema.JSON,
    query: str = "",
    **headers: str,
) -> HttpResponse:
    """Send a body. headers: names with _ for -."""
    named = {"Content-Type": media} | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/api/v1/models/{slug}/{kind}{query}", body, content_type=media, headers=named)
