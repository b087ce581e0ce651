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
