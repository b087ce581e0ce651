"""Routes of endpoints."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.conditions import if_match, once, replayed, tagged
from mlops_portal.kit.errors import Invalid
from registry import inventory
from registry.api import documents
from registry.api.base import IDEMPOTENCY, IF_MATCH, InventoryView, body, caller, may_write, models_of, page
from registry.models import Endpoint
from registry.permissions import Permission, require_somewhere


class EndpointList(InventoryView):
    """The endpoints."""

    parameters = ("model", "environment", "kind", *Cursor.parameters)

    @extend_schema(
        operation_id="endpoints_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in ("model", "environment", "kind")],
        responses=documents.EndpointDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Endpoints of models the caller may see."""
        columns = {"model": "model__slug", "environment": "environment_id", "kind": "kind"}
        wanted = {
            column: request.query_params[name] for name, column in columns.items() if name in request.query_params
        }
        rows = Endpoint.objects.visible_to(caller(request)).filter(**wanted).select_related("model")
        return page(request, rows.order_by("slug"), documents.EndpointDocument)

    @extend_schema(
        operation_id="endpoints_create",
        parameters=[IDEMPOTENCY],
        request=documents.EndpointBody,
        responses={201: documents.EndpointDocument},
    )
    def post(self, request: Request) -> Response:
        """Note a place where a model is served."""
        require_somewhere(caller(request), Permission.INVENTORY_EDIT)
        intent = once(request)
        values = body(request, documents.EndpointBody)
        slug = values.pop("model")
        model = models_of(request).filter(slug=slug).first()
        if model is None:
            raise Invalid(f"The model {slug[:64]!r} does not exist.", field="model")
        if row := intent.made(Endpoint.objects.filter(model=model)):
            return replayed(_shown_endpoint(row, 201))
        made_by: dict[str, Any] = {"client_key": intent.key, "client_body_sha": intent.body_sha256}
        endpoint = inventory.create_endpoint(model, **values, **made_by, by=caller(request), now=clock.now())
        return _shown_endpoint(endpoint, 201)


class EndpointDetail(InventoryView):
    """One endpoint."""

    @extend_schema(operation_id="endpoints_read", responses=documents.EndpointDocument)
    def get(self, request: Request, slug: str) -> Response:
        """The endpoint; the ETag is what a change sends back."""
        return _shown_endpoint(_endpoint(request, slug))

    @extend_schema(
        operation_id="endpoints_change",
        parameters=[IF_MATCH],
        request=documents.EndpointPatch,
        responses=documents.EndpointDocument,
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Change what describes the endpoint."""
        endpoint = _endpoint(request, slug)
        may_write(request, endpoint.model)
        base = if_match(request)
        patch = body(request, documents.EndpointPatch)
        return _shown_endpoint(inventory.edit_endpoint(endpoint, patch, base=base, by=caller(request), now=clock.now()))


def _endpoint(request: Request, slug: str) -> Endpoint:
    visible = Endpoint.objects.visible_to(caller(request)).select_related("model__team")
    return get_object_or_404(visible, slug=slug)


def _shown_endpoint(endpoint: Endpoint, status: int = 200) -> Response:
    return tagged(Response(documents.EndpointDocument(endpoint).data, status=status), endpoint.lock_version)
