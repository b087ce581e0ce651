"""What the OpenAPI schema says of the traffic routes, which are plain views for speed."""

from typing import Any

_TEXT, _NUMBER, _TIME = {"type": "string"}, {"type": "number"}, {"type": "string", "format": "date-time"}
_STAGE = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": _TEXT, "ms": _NUMBER, "calls": _NUMBER, "units": _NUMBER, "cost": _NUMBER},
}
_PREDICTION = {
    "type": "object",
    "required": ["request_id", "version", "predicted_at", "features"],
    "properties": {
        "request_id": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$"},
        "version": _TEXT,
        "predicted_at": _TIME,
        "features": {"type": "object", "additionalProperties": True},
        "prediction": {"description": "A label, a number, or for ranking the shown item ids in order."},
        "score": _NUMBER,
        "scores": {"type": "object", "additionalProperties": _NUMBER},
        "action": _TEXT,
        "endpoint": _TEXT,
        "revision": {"type": "integer"},
        "latency_ms": _NUMBER,
        "cost": _NUMBER,
        "stages": {"type": "array", "items": _STAGE, "maxItems": 10},
        "fallback": {"type": "boolean"},
        "error": _TEXT,
        "subject_id": _TEXT,
        "trace_id": _TEXT,
    },
}
_OUTCOME = {
    "type": "object",
    "required": ["request_id", "kind", "value", "observed_at"],
    "properties": {
        "request_id": _TEXT,
        "kind": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$", "description": "`truth` or a proxy signal."},
        "value": {"description": "A label, a number, a boolean, or for ranking relevances by item id."},
        "observed_at": _TIME,
        "predicted_at": _TIME,
    },
}
_ANSWER = {
    "type": "object",
    "required": ["batch", "received", "accepted", "rejected", "errors", "errors_total"],
    "properties": {
        "batch": {"type": "string", "format": "uuid"},
        "received": {"type": "integer"},
        "accepted": {"type": "integer"},
        "rejected": {"type": "integer"},
        "errors": {"type": "array", "items": {"type": "object"}},
        "errors_total": {"type": "integer"},
    },
}
_BATCH = {
    "type": "object",
    "properties": {
        "batch": {"type": "string", "format": "uuid"},
        "kind": {"type": "string", "enum": ["prediction", "outcome"]},
        "state": {"type": "string", "enum": ["accepted", "stored"]},
        **{
            name: {"type": "integer"}
            for name in ("received", "accepted", "rejected", "stored", "duplicates", "conflicts", "parked", "erased")
        },
        "stored_at": {"type": "string", "format": "date-time", "nullable": True},
        "surprises": {"type": "object", "additionalProperties": True},
    },
}


def add_traffic(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular hook: the schema with the routes that take traffic in."""
    result["paths"]["/api/v1/models/{slug}/predictions"] = {"post": _take("predictions", _PREDICTION)}
    result["paths"]["/api/v1/models/{slug}/outcomes"] = {"post": _take("outcomes", _OUTCOME)}
    result["paths"]["/api/v1/batches/{batch_id}"] = {
        "get": {
            "operationId": "batches_read",
            "description": "What became of a batch: accepted until its items are stored.",
            "parameters": [_path("batch_id", {"type": "string", "format": "uuid"})],
            "responses": {"200": _json("The receipt.", _BATCH)},
        }
    }
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _take(noun: str, item: dict[str, Any]) -> dict[str, Any]:
    whole = {"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "items": item}}}
    return {
        "operationId": f"{noun}_take",
        "description": f"Take up to 10,000 {noun} in; the answer comes after they are durable.",
        "parameters": [
            _path("slug", _TEXT),
            {
                "in": "header",
                "name": "Idempotency-Key",
                "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
                "description": "The body's hash unless given.",
            },
            {
                "in": "query",
                "name": "on_error",
                "schema": {"type": "string", "enum": ["abort"]},
                "description": "`abort`: one wrong item refuses the whole batch.",
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": whole},
                "application/x-ndjson": {"schema": item},
                "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "responses": {
            "202": _json("Stored durably; items that were wrong are named.", _ANSWER),
            "507": {"description": "The portal is short of disk space; nothing was stored."},
        },
    }


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "path", "name": name, "required": True, "schema": schema}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
