"""Routes of models and their current features."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.conditions import Once, if_match, if_match_given, once, replayed, tagged
from mlops_portal.kit.errors import Fault, Invalid
from registry import history, inventory, listing
from registry.api import documents
from registry.api.base import IDEMPOTENCY, IF_MATCH, InventoryView, body, caller, may_write, models_of, page, team_of
from registry.models import Feature, RegisteredModel, Tag, Team, User
from registry.permissions import Permission, require_somewhere


class ModelList(InventoryView):
    """The models."""

    parameters = (*listing.PARAMETERS, *Cursor.parameters)

    @extend_schema(
        operation_id="models_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in listing.PARAMETERS],
        responses=documents.ModelDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Models the caller may see, filtered and ordered."""
        question = listing.read_question(request.query_params.dict())
        found = listing.answer(question, caller(request)).select_related("team", "owner", "deputy")
        return page(request, found, documents.ModelDocument)

    @extend_schema(
        operation_id="models_register",
        parameters=[IDEMPOTENCY],
        request=documents.ModelBody,
        responses={201: documents.ModelDocument},
    )
    def post(self, request: Request) -> Response:
        """Register a model, with its features if they are given."""
        require_somewhere(caller(request), Permission.INVENTORY_EDIT)
        intent = once(request)
        values = body(request, documents.ModelBody)
        team = team_of(request, values.pop("team", ""))
        if row := intent.made(RegisteredModel.objects.live().filter(team=team)):
            return replayed(_shown(row, 201))
        return _shown(_register(request, team, values, intent), 201)


class ModelDetail(InventoryView):
    """One model."""

    parameters = ("as_of",)

    @extend_schema(
        operation_id="models_read",
        parameters=[
            OpenApiParameter(
                "as_of",
                OpenApiTypes.STR,
                description="A time or day: aliases and served revisions of that moment; the present ones if absent.",
            )
        ],
        responses=documents.ModelDetailDocument,
    )
    def get(self, request: Request, slug: str) -> Response:
        """The model with tags, aliases and what its endpoints serve; the ETag is what a change sends back."""
        text = request.query_params.get("as_of")
        at = None if text is None else history.moment("as_of", text)
        model = get_object_or_404(models_of(request), slug=slug)
        return tagged(Response(documents.ModelDocument(model).data | _state(model, at)), model.lock_version)

    @extend_schema(
        operation_id="models_change",
        parameters=[IF_MATCH],
        request=documents.ModelPatch,
        responses=documents.ModelDocument,
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Change what describes the model."""
        model = get_object_or_404(models_of(request), slug=slug)
        may_write(request, model)
        base = if_match(request)
        patch = _people_in(body(request, documents.ModelPatch))
        return _shown(inventory.edit_model(model, patch, base=base, by=caller(request), now=clock.now()))

    @extend_schema(operation_id="models_delete", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete the model; its rows stay for the audit trail."""
        model = get_object_or_404(models_of(request), slug=slug)
        may_write(request, model, Permission.INVENTORY_REMOVE)
        inventory.delete_model(model, base=if_match_given(request), by=caller(request), now=clock.now())
        return Response(status=204)


class ModelReadiness(InventoryView):
    """How ready one model is."""

    @extend_schema(operation_id="models_readiness", responses=documents.ReadinessDocument)
    def get(self, request: Request, slug: str) -> Response:
        """The share of the items that hold, and each item with its gap."""
        model = get_object_or_404(models_of(request), slug=slug)
        return Response(documents.ReadinessDocument(model).data)


class FeatureList(InventoryView):
    """The model's current features."""

    @extend_schema(operation_id="features_read", responses=documents.FeaturesDocument)
    def get(self, request: Request, slug: str) -> Response:
        """The current list, which the next version will copy."""
        model = get_object_or_404(models_of(request), slug=slug)
        rows = Feature.objects.current().filter(model=model).select_related("source")
        return tagged(Response(documents.features(rows)), model.lock_version)

    @extend_schema(
        operation_id="features_replace", request=documents.FeaturesBody, responses=documents.FeaturesDocument
    )
    def put(self, request: Request, slug: str) -> Response:
        """Replace the current list; versions keep the copies they have. `If-Match` may be sent."""
        model = get_object_or_404(models_of(request), slug=slug)
        may_write(request, model)
        base, given = if_match_given(request), body(request, documents.FeaturesBody)["features"]
        drafts = documents.drafts(given, model.team)
        rows = inventory.set_features(model, drafts, base=base, by=caller(request), now=clock.now())
        return tagged(Response(documents.features(rows)), model.lock_version)


def _state(model: RegisteredModel, at: datetime | None) -> dict[str, Any]:
    """What is said of the model besides its own columns, now or at the moment."""
    return {
        "as_of": None if at is None else serializers.DateTimeField().to_representation(at),
        "tags": dict(Tag.objects.of_models().filter(model=model).values_list("key", "value")),
        "aliases": {alias.name: alias.version.number for alias in history.aliases(model, at)},
        "serving": documents.ServedDocument(history.serving(model, at), many=True).data,
    }


def _register(request: Request, team: Team, values: dict[str, Any], intent: Once) -> RegisteredModel:
    return inventory.register_model(
        team,
        **_people_in(values | {"features": documents.drafts(values.get("features", []), team)}),
        client_key=intent.key,
        client_body_sha=intent.body_sha256,
        by=caller(request),
        now=clock.now(),
    )


def _shown(model: RegisteredModel, status: int = 200) -> Response:
    return tagged(Response(documents.ModelDocument(model).data, status=status), model.lock_version)


def _people_in(values: dict[str, Any]) -> dict[str, Any]:
    """The values with user names replaced by people."""
    names = {role: values[role] for role in ("owner", "deputy") if values.get(role) is not None}
    known = {user.username: user for user in User.objects.filter(username__in=set(names.values()))}
    faults = [
        Fault("invalid", f"{name[:64]!r} does not exist.", f"/{role}")
        for role, name in names.items()
        if name not in known
    ]
    if faults:
        raise Invalid(faults[0].detail, faults=faults)
    return values | {role: known[name] for role, name in names.items()}
