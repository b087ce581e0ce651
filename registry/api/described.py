"""What the OpenAPI schema says of the poll of the serving layer, which is a plain view for speed."""

from typing import Any

_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_OPEN = {"type": "object", "additionalProperties": True}
_ARM = {
    "type": "object",
    "required": ["label", "role", "version", "version_id", "source", "weight_bps", "mirror_bps"],
    "properties": {
        "label": _TEXT,
        "role": {"type": "string", "enum": ["primary", "canary", "variant", "shadow", "fallback"]},
        "version": _TEXT,
        "version_id": {"type": "string", "format": "uuid"},
        "source": _TEXT,
        "weight_bps": _WHOLE,
        "mirror_bps": _WHOLE,
    },
}
_DOCUMENT = {
    "type": "object",
    "required": ["endpoint", "revision", "sha256", "ttl_s", "arms", "routing", "decision_rule", "fallback"],
    "properties": {
        "endpoint": _TEXT,
        "revision": _WHOLE,
        "sha256": {"type": "string", "description": "Of the canonical JSON of everything else."},
        "ttl_s": {"type": "integer", "description": "Seconds without an answer after which the fallback is used."},
        "arms": {"type": "array", "items": _ARM, "description": "Empty: the endpoint is off."},
        "routing": {"type": "object", "properties": {"unit": _TEXT, "salt": _TEXT}},
        "decision_rule": _OPEN,
        "fallback": _OPEN,
    },
}
_HEADERS = {
    "If-None-Match": "The tag of the document that is held.",
    "X-Instance": "Name of the instance that polls.",
    "X-Applied-Revision": "The revision it applies; 0 before the first.",
    "X-Mode": "`normal`, or `fallback` while it uses the fallback.",
}
_PROBLEM = {"description": "A problem document; `code` says which."}


def add_serving(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular hook: the schema with the poll of the serving layer."""
    headers = [{"in": "header", "name": name, "schema": _TEXT, "description": text} for name, text in _HEADERS.items()]
    result["paths"]["/api/v1/serving/{slug}"] = {
        "get": {
            "operationId": "serving_poll",
            "description": "What the endpoint serves now. Takes the scope serving, read or registry.",
            "tags": ["serving"],
            "security": [{"apiKey": []}],
            "parameters": [{"in": "path", "name": "slug", "required": True, "schema": _TEXT}, *headers],
            "responses": {
                "200": {"content": {"application/json": {"schema": _DOCUMENT}}, "description": ""},
                "304": {"description": "The client holds it."},
                "404": _PROBLEM,
            },
        }
    }
    return result
