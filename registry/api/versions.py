"""Routes of versions."""

from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.conditions import once, replayed
from registry import inventory
from registry.api import documents
from registry.api.base import IDEMPOTENCY, InventoryView, body, caller, may_write, models_of, page
from registry.models import Feature, ModelVersion
from registry.permissions import Permission

NUMBER_LIMIT = 2**31 - 1  # what the column holds


class VersionList(InventoryView):
    """The model's versions."""

    parameters = Cursor.parameters

    @extend_schema(operation_id="versions_list", responses=documents.VersionDocument(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Versions, newest first."""
        model = get_object_or_404(models_of(request), slug=slug)
        rows = ModelVersion.objects.live().filter(model=model).select_related("model").order_by("-number")
        return page(request, rows, documents.VersionDocument)

    @extend_schema(
        operation_id="versions_register",
        parameters=[IDEMPOTENCY],
        request=documents.VersionBody,
        responses={201: documents.VersionDetail},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Register the next version."""
        model = get_object_or_404(models_of(request), slug=slug)
        may_write(request, model)
        intent = once(request)
        values = body(request, documents.VersionBody)
        if row := intent.made(ModelVersion.objects.filter(model=model)):
            return replayed(_shown(row))
        features = values.pop("features", None)
        version = inventory.register_version(
            model,
            features=None if features is None else documents.drafts(features, model.team),
            client_key=intent.key,
            client_body_sha=intent.body_sha256,
            by=caller(request),
            now=clock.now(),
            **values,
        )
        return _shown(version)


class VersionDetail(InventoryView):
    """One version."""

    @extend_schema(operation_id="versions_read", responses=documents.VersionDetail)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """The version with its features."""
        return Response(documents.VersionDetail(found_version(request, slug, number)).data)

    @extend_schema(operation_id="versions_delete", responses={204: None})
    def delete(self, request: Request, slug: str, number: int) -> Response:
        """Delete the version; its number is never used again. Refused while an endpoint serves it."""
        version = found_version(request, slug, number)
        may_write(request, version.model, Permission.INVENTORY_REMOVE)
        inventory.delete_version(version, by=caller(request), now=clock.now())
        return Response(status=204)


class VersionFeatureList(InventoryView):
    """The features of one version."""

    @extend_schema(operation_id="version_features_read", responses=documents.FeaturesDocument)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """The list that predictions of this version are checked against."""
        return Response(documents.features(found_version(request, slug, number).features.all()))

    @extend_schema(
        operation_id="version_features_replace", request=documents.FeaturesBody, responses=documents.FeaturesDocument
    )
    def put(self, request: Request, slug: str, number: int) -> Response:
        """Replace the list; once traffic has come only privacy (stricter), tolerances and descriptions change."""
        version = found_version(request, slug, number)
        may_write(request, version.model)
        drafts = documents.drafts(body(request, documents.FeaturesBody)["features"], version.model.team)
        rows = inventory.set_version_features(version, drafts, by=caller(request), now=clock.now())
        return Response(documents.features(rows))


def found_version(request: Request, slug: str, number: int) -> ModelVersion:
    """The version with its features, if the caller may see its model."""
    if number > NUMBER_LIMIT:
        raise Http404
    model = get_object_or_404(models_of(request), slug=slug)
    versions = ModelVersion.objects.live().filter(model=model).select_related("model__team")
    return get_object_or_404(versions.prefetch_related(_features()), number=number)


def _features() -> "Prefetch[Any]":
    return Prefetch("features", Feature.objects.select_related("source").order_by("position", "name"))


def _shown(version: ModelVersion) -> Response:
    prefetch_related_objects([version], _features())
    return Response(documents.VersionDetail(version).data, status=201)
