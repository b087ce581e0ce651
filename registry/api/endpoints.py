"""Routes of endpoints."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.conditions import if_match, if_match_given, once, replayed, tagged
from mlops_portal.kit.errors import Invalid
from registry import deployments, history, inventory
from registry.api import documents
from registry.api.base import IDEMPOTENCY, IF_MATCH, InventoryView, body, caller, may_write, models_of, page
from registry.api.revisions import RevisionDocument
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


class EndpointDetailDocument(documents.EndpointDocument):
    """An endpoint with what it serves."""

    serving = RevisionDocument(allow_null=True, read_only=True, default=None)


class EndpointDetail(InventoryView):
    """One endpoint."""

    parameters = ("as_of",)

    @extend_schema(
        operation_id="endpoints_read",
        parameters=[
            OpenApiParameter("as_of", OpenApiTypes.DATETIME, description="A moment; the present one if absent.")
        ],
        responses=EndpointDetailDocument,
    )
    def get(self, request: Request, slug: str) -> Response:
        """The endpoint and what it served at the moment; the ETag is what a change sends back."""
        endpoint, text = _endpoint(request, slug), request.query_params.get("as_of")
        at = None if text is None else history.moment("as_of", text)
        deployment = deployments.served_at(endpoint, at) if at else deployments.current(endpoint)
        shown = EndpointDetailDocument(endpoint).data | {
            "serving": RevisionDocument(deployment).data if deployment else None
        }
        return tagged(Response(shown), endpoint.lock_version)

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

    @extend_schema(operation_id="endpoints_retire", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Note that the model no longer answers there; refused while it serves. `If-Match` may be sent."""
        endpoint = _endpoint(request, slug)
        may_write(request, endpoint.model, Permission.INVENTORY_REMOVE)
        base = if_match_given(request)
        base = endpoint.lock_version if base is None else base
        inventory.retire_endpoint(endpoint, base=base, by=caller(request), now=clock.now())
        return Response(status=204)


def _endpoint(request: Request, slug: str) -> Endpoint:
    visible = Endpoint.objects.visible_to(caller(request)).select_related("model__team")
    return get_object_or_404(visible, slug=slug)


def _shown_endpoint(endpoint: Endpoint, status: int = 200) -> Response:
    return tagged(Response(documents.EndpointDocument(endpoint).data, status=status), endpoint.lock_version)
