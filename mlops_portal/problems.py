"""Help pages of the API: the schema, its readable form, and one page for each error code."""

import re
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from mlops_portal.problem_codes import CODES

_METHODS = ("get", "post", "put", "patch", "delete")
_TEXT = {"type": "string"}
_FAULT = {
    "type": "object",
    "required": ["pointer", "code", "detail"],
    "properties": {
        "index": {"type": "integer", "description": "Which item of the body."},
        "pointer": {**_TEXT, "description": "Where in the body, as a JSON pointer."},
        "code": _TEXT,
        "detail": _TEXT,
        "received": {**_TEXT, "description": "At most 64 characters of the value; absent where privacy forbids."},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457; `code` is stable, and `type` the page that explains it.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        **dict.fromkeys(("type", "title", "detail", "instance", "code", "request_id"), _TEXT),
        "status": {"type": "integer"},
        "errors": {"type": "array", "items": _FAULT},
        "errors_total": {"type": "integer"},
    },
}
_REFUSALS = {
    "4XX": "What is wrong with the request, and how to mend it.",
    "503": "The database is away or busy; nothing was written. Try again after `Retry-After` seconds.",
}


@login_not_required
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    document = schema_document()
    if request.GET.get("format") == "yaml":
        return HttpResponse(schema_yaml(document), content_type="application/yaml")
    return JsonResponse(document)


@login_not_required
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/api_docs.html", {"groups": _groups(schema_document()), "codes": CODES})


@login_not_required
@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    if code not in CODES:
        raise Http404
    return render(request, "portal/problem.html", {"code": code, "entry": CODES[code]})


def schema_document() -> dict[str, Any]:
    """The OpenAPI schema of every route."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-any-return,no-untyped-call]


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular hook: every operation may answer with a problem document."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for methods in result["paths"].values():
        for method in methods.keys() & set(_METHODS):
            responses = methods[method]["responses"]
            for status, words in _REFUSALS.items():
                responses.setdefault(status, {"description": words, "content": content})
    return result


def close_bodies(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular hook: bodies take the fields that are named, and refuse others."""
    held = result["components"]["schemas"]
    for methods in result["paths"].values():
        for method in methods.keys() & set(_METHODS):
            for content in methods[method].get("requestBody", {}).get("content", {}).values():
                _close(content.get("schema", {}), held)
    return result


def _close(part: Any, held: dict[str, Any]) -> None:
    """Close an object and all that it is made of."""
    if isinstance(part, list):
        for one in part:
            _close(one, held)
    elif isinstance(part, dict):
        if name := str(part.get("$ref", "")).rpartition("/")[2]:
            _close(held.get(name, {}), held)
        if "properties" in part and part.setdefault("additionalProperties", False) is False:
            _close(list(part["properties"].values()), held)
        _close([part[key] for key in ("items", "oneOf", "allOf", "anyOf") if key in part], held)


def schema_yaml(document: dict[str, Any]) -> str:
    """The schema as YAML text."""
    text: bytes = OpenApiYamlRenderer().render(document)  # type: ignore[no-untyped-call]
    return text.decode()


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by the first noun of their path, in the schema's order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for route, methods in document["paths"].items():
        noun = re.sub(r"^/api/v1/", "", route).split("/")[0]
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                groups.setdefault(noun, []).append(
                    {
                        "method": method.upper(),
                        "route": route,
                        "text": operation.get("description", "").strip(),
                        "parameters": operation.get("parameters", []),
                        "statuses": sorted(operation.get("responses", {})),
                        "anchor": f"{method}-{re.sub(r'[^a-z0-9]+', '-', route.lower()).strip('-')}",
                    }
                )
    return groups
