"""Runs over the API."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit.api import Cursor, only_parameters
from monitoring.api import reading
from monitoring.models import Run
from monitoring.stats.results import Verdict
from registry import permissions
from registry.permissions import Permission


def _worst(name: str, text: str) -> Q:
    """Runs whose worst verdict is one of these."""
    chosen = reading.values(name, text)
    for value in chosen:
        if value not in list(Verdict):
            raise reading.malformed(name, value, f"one of {', '.join(Verdict)}")
    return Q(summary__worst__in=chosen)


FILTERS: dict[str, reading.Narrow] = {
    "monitor": reading.among("monitor__slug"),
    "state": reading.among_choices("state", Run.State.values),
    "verdict": _worst,
    **reading.WINDOW_FILTERS,
}
PARAMETERS = {
    "monitor": "Slugs of monitors, by comma.",
    "state": f"States, by comma: {', '.join(Run.State.values)}.",
    "verdict": "The worst verdict of the run, by comma.",
    **reading.WINDOW_PARAMETERS,
}


class RunDocument(serializers.Serializer[Any]):
    """A run without the list of what it read."""

    id = serializers.UUIDField()
    model = serializers.CharField(source="model.slug")
    monitor = serializers.CharField(source="monitor.slug")
    config_revision = serializers.IntegerField(source="config.number")
    window_start = serializers.DateTimeField()
    window_end = serializers.DateTimeField()
    data_start = serializers.DateTimeField(allow_null=True)
    revision = serializers.IntegerField()
    latest = serializers.BooleanField(source="is_latest")
    why = serializers.CharField()
    state = serializers.CharField()
    quiet = serializers.BooleanField()
    rows = serializers.IntegerField()
    coverage_share = serializers.FloatField(allow_null=True)
    mature = serializers.BooleanField(allow_null=True)
    dirty_at = serializers.DateTimeField(allow_null=True)
    dirty_rows = serializers.IntegerField()
    summary = serializers.JSONField()
    code_version = serializers.CharField()
    inputs_sha = serializers.CharField()
    error = serializers.CharField()
    planned_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RunDetailDocument(RunDocument):
    """A run with its configuration and the exact inputs it can be computed from again."""

    config = serializers.JSONField(source="config.config")
    inputs = serializers.JSONField()


class RunList(APIView):
    """Runs of a model, the newest window first."""

    pagination_class = Cursor  # for the schema

    @extend_schema(
        operation_id="run_list",
        parameters=reading.parameters(PARAMETERS),
        responses=RunDocument(many=True),
        tags=["runs"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Runs of a model, the newest window first."""
        model = reading.model_for(request, slug, Permission.MONITOR_VIEW)
        rows = _with_names(Run.objects.filter(model=model)).defer("inputs", "config__config")
        rows = reading.narrowed(rows, request, FILTERS, besides=Cursor.parameters)
        if "revision" not in request.query_params:
            rows = rows.filter(is_latest=True)
        cursor = Cursor()
        page = cursor.paginate_queryset(rows.order_by("-window_end", "-pk"), request)
        return cursor.get_paginated_response(RunDocument(page, many=True).data)


class RunDetail(APIView):
    """One run."""

    @extend_schema(operation_id="run_detail", responses=RunDetailDocument, tags=["runs"])
    def get(self, request: Request, run_id: UUID) -> Response:
        """One run, with the inputs it has read."""
        only_parameters(request._request, ())
        run = get_object_or_404(_with_names(Run.objects.visible_to(reading.caller(request))), pk=run_id)
        permissions.require(reading.caller(request), Permission.MONITOR_VIEW, run.model.team)
        data: dict[str, Any] = RunDetailDocument(run).data
        return Response(data)


def _with_names(rows: QuerySet[Run]) -> Any:
    return rows.select_related("model__team", "monitor", "config")
