"""Erasures below /api/v1/: forget everything about one subject."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, only_parameters
from mlops_portal.kit.body import StrictSerializer, Text
from mlops_portal.kit.conditions import idempotency_key
from monitoring.api import reading
from monitoring.models import Erasure
from monitoring.traffic import erasures, limits
from registry.api.base import IDEMPOTENCY
from registry.permissions import Permission


class ErasureDocument(serializers.ModelSerializer[Erasure]):
    """An erasure and what came of it. Whom it is about nobody can tell from it."""

    class Meta:
        model = Erasure
        fields = ["id", "state", "receipt", "requested_at", "requested_by", "finished_at"]
        read_only_fields = fields


class ErasureBody(StrictSerializer):
    """Who is to be forgotten."""

    subject_id = Text(max_length=limits.TEXT_LENGTH)


class ErasureList(APIView):
    """Erasures of the team that owns a model."""

    pagination_class = Cursor  # for the schema

    @extend_schema(operation_id="erasures_list", responses=ErasureDocument(many=True), tags=["erasures"])
    def get(self, request: Request, slug: str) -> Response:
        """Erasures of the team, the newest first."""
        model = reading.model_for(request, slug, Permission.MONITOR_VIEW)
        only_parameters(request._request, Cursor.parameters)
        cursor = Cursor()
        rows = Erasure.objects.filter(team=model.team).order_by("-requested_at", "-pk")
        page = cursor.paginate_queryset(rows, request)
        return cursor.get_paginated_response(ErasureDocument(page, many=True).data)

    @extend_schema(
        operation_id="erasures_request",
        parameters=[IDEMPOTENCY],
        request=ErasureBody,
        responses={202: ErasureDocument},
        tags=["erasures"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Forget everything about a subject, in all models of the team; none of their records is stored any more.

        A job does it; its end and what went stand in the list.
        """
        model = reading.model_for(request, slug, Permission.TRAFFIC_ERASE)
        only_parameters(request._request, ())
        key = idempotency_key(request)
        body = ErasureBody(data=request.data)
        body.is_valid(raise_exception=True)
        subject_id: Any = body.validated_data["subject_id"]
        erasure = erasures.request(model.team, subject_id, client_key=key, by=reading.caller(request), now=clock.now())
        return Response(ErasureDocument(erasure).data, status=202)
