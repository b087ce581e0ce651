"""Measurements over the API: pages for programs, files for notebooks and spreadsheets."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid5

from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.module_loading import import_string
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit.api import Cursor
from monitoring import exports
from monitoring.api import reading
from monitoring.models import Measurement
from monitoring.stats.results import Verdict
from registry.models import RegisteredModel
from registry.permissions import Permission

PARQUET = "monitoring.exports.parquet.write"  # resolved when asked for: pyarrow stays out of the web process
DEFINITIONS = range(1, 10)  # versions a metric definition may have: `psi` finds `psi.1` to `psi.9`


def _metric(name: str, text: str) -> Q:
    """`psi.1` is one definition, `psi` any of them."""
    wanted: list[str] = []
    for value in reading.values(name, text):
        wanted += [value] if "." in value else [f"{value}.{version}" for version in DEFINITIONS]
    return Q(metric__in=wanted)


FILTERS: dict[str, reading.Narrow] = {
    "monitor": reading.among("run__monitor__slug"),
    "metric": _metric,
    "check": reading.among("check_key"),
    "feature": reading.among("feature"),
    "segment": reading.among("segment"),
    "version": reading.among_numbers("version__number"),
    "endpoint": reading.among("endpoint"),
    "signal": reading.among("signal"),
    "run": reading.among_ids("run_id"),
    "verdict": reading.among_choices("verdict", [verdict.value for verdict in Verdict]),
    **reading.WINDOW_FILTERS,
}
PARAMETERS = {
    "monitor": "Slugs of monitors, by comma.",
    "metric": "Metric definitions (`psi.1`) or metrics (`psi`), by comma.",
    "check": "Checks, by comma.",
    "feature": "Features, by comma; empty: measurements of no single feature.",
    "segment": "Segments such as `region=EU`, by comma; empty: all traffic.",
    "version": "Numbers of model versions, by comma.",
    "endpoint": "Slugs of endpoints, by comma.",
    "signal": "Outcome signals, by comma.",
    "run": "Ids of runs, by comma.",
    "verdict": f"Verdicts, by comma: {', '.join(Verdict)}.",
    **reading.WINDOW_PARAMETERS,
}


class MeasurementDocument(serializers.Serializer[Any]):
    """One number with its certainty. `id` follows from the run and the key, so it is the same wherever it is read."""

    id = serializers.SerializerMethodField()
    run = serializers.UUIDField(source="run_id")
    model = serializers.SerializerMethodField()
    monitor = serializers.CharField(source="run.monitor.slug")
    revision = serializers.IntegerField(source="run.revision")
    latest = serializers.BooleanField(source="is_latest")
    window_start = serializers.DateTimeField()
    window_end = serializers.DateTimeField()
    check = serializers.CharField(source="check_key")
    metric = serializers.CharField()
    version = serializers.IntegerField(source="version.number", default=None, allow_null=True)
    endpoint = serializers.CharField()
    signal = serializers.CharField()
    feature = serializers.CharField()
    segment = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    base_value = serializers.FloatField(allow_null=True)
    base_n = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    gap = serializers.FloatField(allow_null=True)
    verdict = serializers.CharField()
    reason = serializers.CharField()
    hard = serializers.BooleanField()
    provisional = serializers.BooleanField()
    rank = serializers.IntegerField(allow_null=True)
    details = serializers.JSONField()

    def get_id(self, row: Measurement) -> UUID:
        """The row's public id."""
        key = (row.check_key, row.metric, row.version_id, row.endpoint, row.signal, row.feature, row.segment)
        return uuid5(row.run_id, "\x1f".join(str(part or "") for part in key))

    def get_model(self, row: Measurement) -> str:
        """The slug of the model the list belongs to."""
        return str(self.context["model"].slug)


class MeasurementList(APIView):
    """Measurements of a model."""

    pagination_class = Cursor  # for the schema

    @extend_schema(
        operation_id="measurement_list",
        parameters=reading.parameters(PARAMETERS),
        responses=MeasurementDocument(many=True),
        tags=["measurements"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Measurements of a model, the newest window first; the latest revision of each unless asked otherwise."""
        model = reading.model_for(request, slug, Permission.MONITOR_VIEW)
        rows = _found(request, model, besides=Cursor.parameters).select_related("run__monitor", "version")
        rows = rows.defer("run__inputs", "run__summary", "run__error")
        cursor = Cursor()
        page = cursor.paginate_queryset(rows.order_by("-window_end", "-pk"), request)
        data = MeasurementDocument(page, many=True, context={"model": model}).data
        return cursor.get_paginated_response(data)


class MeasurementExport(APIView):
    """Measurements of a model as a file."""

    @extend_schema(
        operation_id="measurement_export",
        parameters=[
            OpenApiParameter("format", str, enum=["csv", "parquet"], default="csv"),
            *reading.parameters(PARAMETERS),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/vnd.apache.parquet"): OpenApiTypes.BINARY},
        tags=["measurements"],
    )
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """At most 100,000 measurements as CSV or Parquet, with the filters of the list, the oldest window first."""
        model = reading.model_for(request, slug, Permission.MONITOR_VIEW)
        rows = _found(request, model, besides=("format",)).order_by("window_end", "pk")
        wanted = request.query_params.get("format", "csv")
        if wanted not in _FORMATS:
            raise reading.malformed("format", wanted, "csv or parquet")
        exports.require_exportable(rows)
        answer = _FORMATS[wanted](rows)
        answer["Content-Disposition"] = f'attachment; filename="measurements-{model.slug}.{wanted}"'
        return answer


def _found(request: Request, model: RegisteredModel, besides: tuple[str, ...]) -> QuerySet[Measurement]:
    rows = reading.narrowed(Measurement.objects.filter(model=model), request, FILTERS, besides=besides)
    return rows if "revision" in request.query_params else rows.filter(is_latest=True)


def _csv(rows: QuerySet[Measurement]) -> HttpResponseBase:
    return StreamingHttpResponse(exports.csv_lines(rows), content_type="text/csv; charset=utf-8")


def _parquet(rows: QuerySet[Measurement]) -> HttpResponseBase:
    return HttpResponse(import_string(PARQUET)(rows), content_type="application/vnd.apache.parquet")


_FORMATS: Mapping[str, Callable[[QuerySet[Measurement]], HttpResponseBase]] = {"csv": _csv, "parquet": _parquet}
