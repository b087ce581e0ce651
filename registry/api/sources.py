"""Routes of sources: the systems whose data features are made of."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.body import StrictSerializer, Text, Whole, Word
from mlops_portal.kit.conditions import if_match, if_match_given, once, replayed, tagged
from mlops_portal.kit.errors import Invalid
from registry import inventory, lineage
from registry.api.base import IDEMPOTENCY, IF_MATCH, InventoryView, body, caller, page, team_of
from registry.models import Source, Team
from registry.permissions import Permission, require, require_somewhere


class SourceDocument(serializers.Serializer[Any]):
    """A system whose data features are made of."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    team = serializers.CharField(source="team.slug")
    name = serializers.CharField()
    kind = serializers.ChoiceField(Source.Kind.choices)
    latency = serializers.CharField(help_text="batch, micro_batch or real_time; empty: not said.")
    stability = serializers.CharField(help_text="stable, evolving or fragile; empty: not said.")
    volatility = serializers.CharField(help_text="low, medium or high; empty: not said.")
    expected_lag_s = serializers.IntegerField(allow_null=True)
    contract_url = serializers.CharField()
    schema_version = serializers.CharField()
    description = serializers.CharField()
    fed_by = serializers.CharField(source="fed_by.slug", default=None, allow_null=True)
    managed_by = serializers.CharField()
    lock_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    updated_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class DependentDocument(serializers.Serializer[Any]):
    """A model that reads from the source, and by which features."""

    model = serializers.CharField(source="model.slug")
    features = serializers.ListField(child=serializers.CharField())
    by_way_of = serializers.CharField(source="by_way_of.slug", default=None, allow_null=True)


class SourceDetailDocument(SourceDocument):
    """A source with what depends on it."""

    dependents = DependentDocument(many=True)


class SourcePatch(StrictSerializer):
    """What may change about a source; what is left out stays."""

    name = Text(required=False)
    kind = Word(Source.Kind.choices, required=False)
    latency = Word([*Source.Latency.choices, ("", "Not said")], required=False)
    stability = Word([*Source.Stability.choices, ("", "Not said")], required=False)
    volatility = Word([*Source.Volatility.choices, ("", "Not said")], required=False)
    expected_lag_s = Whole(required=False, allow_null=True)
    contract_url = Text(required=False, help_text="It is never fetched.")
    schema_version = Text(required=False)
    description = Text(required=False)
    fed_by = Text(required=False, allow_null=True, help_text="Slug of another source of the team.")


class SourceBody(SourcePatch):
    """A source to note."""

    slug = Text()
    team = Text(required=False, help_text="Slug of the team; may be left out with an API key.")
    name = Text()
    kind = Word(Source.Kind.choices)


class SourceList(InventoryView):
    """The sources."""

    parameters = ("team", "kind", *Cursor.parameters)

    @extend_schema(
        operation_id="sources_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in ("team", "kind")],
        responses=SourceDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Sources in use of the caller's teams."""
        columns = {"team": "team__slug", "kind": "kind"}
        wanted = {columns[name]: request.query_params[name] for name in columns if name in request.query_params}
        rows = Source.objects.visible_to(caller(request)).active().filter(**wanted).select_related("team", "fed_by")
        return page(request, rows.order_by("slug"), SourceDocument)

    @extend_schema(
        operation_id="sources_create", parameters=[IDEMPOTENCY], request=SourceBody, responses={201: SourceDocument}
    )
    def post(self, request: Request) -> Response:
        """Note a system that models read from."""
        require_somewhere(caller(request), Permission.INVENTORY_EDIT)
        intent = once(request)
        values = body(request, SourceBody)
        team = team_of(request, values.pop("team", ""))
        if row := intent.made(Source.objects.filter(team=team)):
            return replayed(_shown(row, 201))
        made_by: dict[str, Any] = {"client_key": intent.key, "client_body_sha": intent.body_sha256}
        values = _feeder_in(values, team)
        return _shown(inventory.create_source(team, **values, **made_by, by=caller(request), now=clock.now()), 201)


class SourceDetail(InventoryView):
    """One source."""

    @extend_schema(operation_id="sources_read", responses=SourceDetailDocument)
    def get(self, request: Request, slug: str) -> Response:
        """The source and the models that depend on it, directly or by way of a source it feeds."""
        source = _source(request, slug)
        found = [
            {
                "model": one.model.slug,
                "features": [feature.name for feature in one.features],
                "by_way_of": one.by_way_of.slug if one.by_way_of else None,
            }
            for one in lineage.dependents(source, caller(request))
        ]
        return tagged(Response(SourceDocument(source).data | {"dependents": found}), source.lock_version)

    @extend_schema(operation_id="sources_change", parameters=[IF_MATCH], request=SourcePatch, responses=SourceDocument)
    def patch(self, request: Request, slug: str) -> Response:
        """Change what describes the source."""
        source = _source(request, slug)
        require(caller(request), Permission.INVENTORY_EDIT, source.team)
        base = if_match(request)
        patch = _feeder_in(body(request, SourcePatch), source.team)
        return _shown(inventory.edit_source(source, patch, base=base, by=caller(request), now=clock.now()))

    @extend_schema(operation_id="sources_retire", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Note that nothing reads from it any more; refused while something does. `If-Match` may be sent."""
        source = _source(request, slug)
        require(caller(request), Permission.INVENTORY_REMOVE, source.team)
        base = if_match_given(request)
        base = source.lock_version if base is None else base
        inventory.retire_source(source, base=base, by=caller(request), now=clock.now())
        return Response(status=204)


def _source(request: Request, slug: str) -> Source:
    visible = Source.objects.visible_to(caller(request)).select_related("team", "fed_by")
    return get_object_or_404(visible, slug=slug)


def _feeder_in(values: dict[str, Any], team: Team) -> dict[str, Any]:
    """The values with the slug of the feeding source replaced by the source."""
    slug = values.get("fed_by")
    if slug is None:
        return values
    feeder = Source.objects.active().filter(team=team, slug=slug).first()
    if feeder is None:
        raise Invalid(f"{team.name} has no source {slug[:64]!r}; create it first.", field="fed_by")
    return values | {"fed_by": feeder}


def _shown(source: Source, status: int = 200) -> Response:
    return tagged(Response(SourceDocument(source).data, status=status), source.lock_version)
