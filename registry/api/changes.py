"""Routes of change events."""

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, StrictParser, only_parameters
from mlops_portal.kit.body import Moment
from mlops_portal.kit.errors import Malformed
from registry import upstream
from registry.api.base import caller, page, team_of
from registry.api.documents_changes import ChangeBody, ChangeEventDetail, ChangeEventDocument
from registry.models import ChangeEvent, RegisteredModel
from registry.permissions import Permission, require, require_somewhere, require_view

FILTERS = {
    "kind": "kind",
    "severity": "severity",
    "origin": "origin",
    "team": "team__slug",
    "model": "model__slug",
    "endpoint": "endpoint__slug",
    "source": "source__slug",
}
TIMES = {"since": "started_at__gte", "until": "started_at__lt"}


class CloudEventParser(StrictParser):
    """A structured CloudEvent is a JSON object as well."""

    media_type = "application/cloudevents+json"


class ChangeEventList(APIView):
    """Changes upstream of the models."""

    pagination_class = Cursor  # for the schema

    parser_classes = (StrictParser, CloudEventParser)

    @extend_schema(
        operation_id="change_events_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in (*FILTERS, *TIMES)],
        responses=ChangeEventDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Changes of the caller's teams, newest first."""
        require_view(caller(request), Permission.CHANGE_EVENT_VIEW)
        asked = only_parameters(request._request, (*FILTERS, *TIMES, *Cursor.parameters))
        wanted: dict[str, Any] = {column: asked[name] for name, column in FILTERS.items() if name in asked}
        wanted |= {column: _moment(name, asked[name]) for name, column in TIMES.items() if name in asked}
        return page(request, _visible(request).filter(**wanted).order_by("-started_at", "-pk"), ChangeEventDocument)

    @extend_schema(
        operation_id="change_events_report",
        request={"application/json": ChangeBody, "application/cloudevents+json": OpenApiTypes.OBJECT},
        responses={201: ChangeEventDocument, 200: ChangeEventDocument},
        description=(
            "Report a change, as JSON or as a CloudEvent 1.0 (structured, or binary with `ce-*` headers). "
            "The first report of (origin, event_id) answers 201, every later one 200 with the same row."
        ),
    )
    def post(self, request: Request) -> Response:
        """Report a change."""
        require_somewhere(caller(request), Permission.CHANGE_EVENT_REPORT)
        only_parameters(request._request, ())
        given = upstream.from_cloudevent(request.headers, cast("dict[str, Any]", request.data)) or request.data
        read = ChangeBody(data=given)
        read.is_valid(raise_exception=True)
        values = dict(read.validated_data)
        team = team_of(request, values.pop("team", ""))
        require(caller(request), Permission.CHANGE_EVENT_REPORT, team)
        now = clock.now()
        values.setdefault("started_at", now)
        event, is_new = upstream.report_change(team, upstream.change_of(team, values), by=caller(request), now=now)
        return Response(ChangeEventDocument(event).data, status=201 if is_new else 200)


class ChangeEventOne(APIView):
    """One change."""

    @extend_schema(operation_id="change_events_read", responses=ChangeEventDetail)
    def get(self, request: Request, event_id: UUID) -> Response:
        """The change with the models that it may explain, as far as the caller may see them."""
        require_view(caller(request), Permission.CHANGE_EVENT_VIEW)
        event = get_object_or_404(_visible(request), pk=event_id)
        seen = set(RegisteredModel.objects.visible_to(caller(request)).values_list("pk", flat=True))
        affects = [one for one in upstream.affected_by(event) if one.model.pk in seen]
        event.affects = affects  # type: ignore[attr-defined]
        return Response(ChangeEventDetail(event).data)


def _visible(request: Request) -> QuerySet[ChangeEvent]:
    rows = ChangeEvent.objects.visible_to(caller(request))
    return rows.select_related("team", "source", "model", "endpoint__model")


def _moment(name: str, text: str) -> Any:
    try:
        return Moment().to_internal_value(text)
    except Exception as error:
        raise Malformed(f"{name}: write a time such as 2025-11-20T09:31:07Z.", code="malformed_parameter") from error
