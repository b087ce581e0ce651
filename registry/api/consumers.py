"""Routes of consumers: who depends on what an endpoint answers."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.body import StrictSerializer, Text, Word
from mlops_portal.kit.conditions import if_match, if_match_given, once, replayed, tagged
from mlops_portal.kit.errors import Invalid
from registry import inventory
from registry.api.base import IDEMPOTENCY, IF_MATCH, InventoryView, body, caller, may_write, page
from registry.models import Consumer, Endpoint
from registry.permissions import Permission, require_somewhere


class ConsumerDocument(serializers.Serializer[Any]):
    """A service, report or group of people that depends on an endpoint."""

    id = serializers.UUIDField()
    endpoint = serializers.CharField(source="endpoint.slug")
    model = serializers.CharField(source="endpoint.model.slug")
    name = serializers.CharField()
    kind = serializers.ChoiceField(Consumer.Kind.choices)
    output = serializers.CharField(help_text="Which part of the answer it uses; empty: not said.")
    use = serializers.ChoiceField(Consumer.Use.choices)
    criticality = serializers.ChoiceField(Consumer.Criticality.choices)
    contact = serializers.CharField()
    managed_by = serializers.CharField()
    lock_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    updated_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class ConsumerPatch(StrictSerializer):
    """What may change about a consumer; what is left out stays."""

    name = Text(required=False)
    kind = Word(Consumer.Kind.choices, required=False)
    output = Text(required=False)
    use = Word(Consumer.Use.choices, required=False)
    criticality = Word(Consumer.Criticality.choices, required=False)
    contact = Text(required=False)


class ConsumerBody(ConsumerPatch):
    """A consumer to note."""

    endpoint = Text(help_text="Slug of the endpoint.")
    name = Text()
    kind = Word(Consumer.Kind.choices)
    use = Word(Consumer.Use.choices)


class ConsumerList(InventoryView):
    """The consumers."""

    parameters = ("endpoint", "model", "kind", *Cursor.parameters)

    @extend_schema(
        operation_id="consumers_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in ("endpoint", "model", "kind")],
        responses=ConsumerDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Consumers of endpoints the caller may see."""
        columns = {"endpoint": "endpoint__slug", "model": "endpoint__model__slug", "kind": "kind"}
        wanted = {columns[name]: request.query_params[name] for name in columns if name in request.query_params}
        rows = Consumer.objects.visible_to(caller(request)).active().filter(**wanted)
        return page(request, rows.select_related("endpoint__model").order_by("name", "pk"), ConsumerDocument)

    @extend_schema(
        operation_id="consumers_create",
        parameters=[IDEMPOTENCY],
        request=ConsumerBody,
        responses={201: ConsumerDocument},
    )
    def post(self, request: Request) -> Response:
        """Note who depends on an endpoint."""
        require_somewhere(caller(request), Permission.INVENTORY_EDIT)
        intent = once(request)
        values = body(request, ConsumerBody)
        slug = values.pop("endpoint")
        visible = Endpoint.objects.visible_to(caller(request)).select_related("model__team")
        endpoint = visible.filter(slug=slug).first()
        if endpoint is None:
            raise Invalid(f"The endpoint {slug[:64]!r} does not exist.", field="endpoint")
        if row := intent.made(Consumer.objects.filter(endpoint=endpoint)):
            return replayed(_shown(row, 201))
        made_by: dict[str, Any] = {"client_key": intent.key, "client_body_sha": intent.body_sha256}
        consumer = inventory.create_consumer(endpoint, **values, **made_by, by=caller(request), now=clock.now())
        return _shown(consumer, 201)


class ConsumerDetail(InventoryView):
    """One consumer."""

    @extend_schema(operation_id="consumers_read", responses=ConsumerDocument)
    def get(self, request: Request, consumer_id: UUID) -> Response:
        """The consumer; the ETag is what a change sends back."""
        return _shown(_consumer(request, consumer_id))

    @extend_schema(
        operation_id="consumers_change", parameters=[IF_MATCH], request=ConsumerPatch, responses=ConsumerDocument
    )
    def patch(self, request: Request, consumer_id: UUID) -> Response:
        """Change what describes the consumer."""
        consumer = _consumer(request, consumer_id)
        may_write(request, consumer.endpoint.model)
        base, patch = if_match(request), body(request, ConsumerPatch)
        return _shown(inventory.edit_consumer(consumer, patch, base=base, by=caller(request), now=clock.now()))

    @extend_schema(operation_id="consumers_retire", responses={204: None})
    def delete(self, request: Request, consumer_id: UUID) -> Response:
        """Note that it no longer depends on the endpoint. `If-Match` may be sent."""
        consumer = _consumer(request, consumer_id)
        may_write(request, consumer.endpoint.model, Permission.INVENTORY_REMOVE)
        base = if_match_given(request)
        base = consumer.lock_version if base is None else base
        inventory.retire_consumer(consumer, base=base, by=caller(request), now=clock.now())
        return Response(status=204)


def _consumer(request: Request, consumer_id: UUID) -> Consumer:
    visible = Consumer.objects.visible_to(caller(request)).select_related("endpoint__model__team")
    return get_object_or_404(visible, pk=consumer_id)


def _shown(consumer: Consumer, status: int = 200) -> Response:
    return tagged(Response(ConsumerDocument(consumer).data, status=status), consumer.lock_version)
