"""Alerts over the API. Keys read them; a person acknowledges."""

import re
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, only_parameters
from mlops_portal.kit.body import StrictSerializer, Text
from mlops_portal.kit.conditions import once, replayed
from monitoring import alerts
from monitoring.alerts import messages
from monitoring.api import reading
from monitoring.models import Alert, AlertMember
from registry import permissions
from registry.api.base import IDEMPOTENCY
from registry.models import User
from registry.permissions import Permission

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?\Z")

STATES = {
    "open": Q(closed_at=None, acknowledged_at=None),
    "acked": Q(closed_at=None, acknowledged_at__isnull=False),
    "closed": Q(closed_at__isnull=False),
}


def _state(name: str, text: str) -> Q:
    """Alerts in one of these states."""
    found = Q(pk__in=())
    for value in reading.values(name, text):
        if value not in STATES:
            raise reading.malformed(name, value, f"one of {', '.join(STATES)}")
        found |= STATES[value]
    return found


FILTERS: dict[str, reading.Narrow] = {
    "state": _state,
    "family": reading.among_choices("family", Alert.Family.values),
    "severity": reading.among_choices("severity", Alert.Severity.values),
    "endpoint": reading.among("endpoint"),
}
PARAMETERS = {
    "state": "States, by comma: open, acked, closed.",
    "family": f"Families, by comma: {', '.join(Alert.Family.values)}.",
    "severity": "Severities, by comma: info, warning, critical.",
    "endpoint": "Slugs of endpoints, by comma; empty: alerts of the whole model.",
}


class AlertDocument(serializers.Serializer[Any]):
    """An alert without its history."""

    id = serializers.UUIDField()
    model = serializers.CharField(source="model.slug")
    endpoint = serializers.CharField()
    family = serializers.CharField()
    severity = serializers.CharField()
    state = serializers.CharField()
    summary = serializers.CharField()
    since_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    detected_at = serializers.DateTimeField()
    last_breach_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    close_reason = serializers.CharField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField(source="acknowledged_by.username", default=None, allow_null=True)
    acknowledged_until = serializers.DateTimeField(allow_null=True)
    acknowledged_note = serializers.CharField()
    reopen_count = serializers.IntegerField()
    sequence = serializers.IntegerField()
    url = serializers.SerializerMethodField()

    def get_url(self, alert: Alert) -> str:
        """The address of the alert's page."""
        return messages.url(alert)


class MemberDocument(serializers.Serializer[Any]):
    """A condition that belongs to the alert."""

    source = serializers.CharField(source="condition.source")  # type: ignore[assignment]
    endpoint = serializers.SerializerMethodField()
    feature = serializers.SerializerMethodField()
    segment = serializers.SerializerMethodField()
    state = serializers.CharField(source="condition.state")
    severity = serializers.CharField(source="condition.severity")
    verdict = serializers.CharField(source="condition.verdict")
    value = serializers.FloatField(source="condition.value", allow_null=True)
    threshold = serializers.FloatField(source="condition.threshold", allow_null=True)
    unknown_since = serializers.DateTimeField(source="condition.unknown_since", allow_null=True)
    joined_at = serializers.DateTimeField()
    left_at = serializers.DateTimeField(allow_null=True)

    def get_endpoint(self, member: AlertMember) -> str:
        """Its endpoint, or an empty text."""
        return str(member.condition.scope.get("endpoint", ""))

    def get_feature(self, member: AlertMember) -> str:
        """Its feature, or an empty text."""
        return str(member.condition.scope.get("feature", ""))

    def get_segment(self, member: AlertMember) -> str:
        """Its segment, or an empty text."""
        return str(member.condition.scope.get("segment", ""))


class TransitionDocument(serializers.Serializer[Any]):
    """One change of an alert."""

    at = serializers.DateTimeField()
    event_at = serializers.DateTimeField()
    verb = serializers.CharField()
    by = serializers.CharField()
    note = serializers.CharField()


class AlertDetailDocument(AlertDocument):
    """An alert with its members and its history."""

    members = MemberDocument(many=True)
    transitions = TransitionDocument(many=True)


class Moment(serializers.DateTimeField):
    """An RFC 3339 time with its offset, as text."""

    def to_internal_value(self, value: Any) -> datetime:
        """The time; one without an offset could mean any hour."""
        if not isinstance(value, str):
            raise serializers.ValidationError("This takes a time such as 2026-11-20T00:00:00Z.", code="wrong_type")
        try:
            at = parse_datetime(value) if _TIME.match(value) else None
        except ValueError:  # the 31st of February
            at = None
        if at is None:
            raise serializers.ValidationError("This is no time such as 2026-11-20T00:00:00Z.", code="bad_time")
        if at.tzinfo is None:
            raise serializers.ValidationError("The time needs its offset, such as Z.", code="timezone_required")
        return at


class AcknowledgeBody(StrictSerializer):
    """What may be said with an acknowledgement."""

    until = Moment(required=False, allow_null=True)
    note = Text(required=False, max_length=512)


class AlertList(APIView):
    """Alerts of a model."""

    pagination_class = Cursor  # for the schema

    @extend_schema(
        operation_id="alert_list",
        parameters=reading.parameters(PARAMETERS),
        responses=AlertDocument(many=True),
        tags=["alerts"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Alerts of a model, the newest first."""
        model = reading.model_for(request, slug, Permission.ALERT_VIEW)
        rows = reading.narrowed(
            Alert.objects.filter(model=model).for_list(), request, FILTERS, besides=Cursor.parameters
        )
        cursor = Cursor()
        page = cursor.paginate_queryset(rows, request)
        return cursor.get_paginated_response(AlertDocument(page, many=True).data)


class AlertDetail(APIView):
    """One alert."""

    @extend_schema(operation_id="alert_detail", responses=AlertDetailDocument, tags=["alerts"])
    def get(self, request: Request, alert_id: UUID) -> Response:
        """One alert, with its conditions and its history."""
        only_parameters(request._request, ())
        return Response(AlertDetailDocument(_seen(request, alert_id)).data)


class AlertAcknowledge(APIView):
    """Somebody looks at the alert."""

    @extend_schema(
        operation_id="alert_acknowledge",
        parameters=[IDEMPOTENCY],
        request=AcknowledgeBody,
        responses=AlertDocument,
        tags=["alerts"],
    )
    def post(self, request: Request, alert_id: UUID) -> Response:
        """Say that you look at it. For people who are signed in: an API key is refused (403)."""
        only_parameters(request._request, ())
        alert = _seen(request, alert_id)
        permissions.require(reading.caller(request), Permission.ALERT_HANDLE, alert.model.team)
        intent = once(request)
        if intent.made(alert.transitions.all()):
            return replayed(Response(AlertDocument(alert).data))
        said = AcknowledgeBody(data=request.data)
        said.is_valid(raise_exception=True)
        alerts.acknowledge(
            alert,
            by=cast("User", request.user),
            now=clock.now(),
            client_key=intent.key,
            client_body_sha=intent.body_sha256,
            **said.validated_data,
        )
        return Response(AlertDocument(alert).data)


def _seen(request: Request, alert_id: UUID) -> Alert:
    members = AlertMember.objects.select_related("condition").order_by("joined_at", "pk")
    rows: QuerySet[Alert] = Alert.objects.visible_to(reading.caller(request)).for_list()
    rows = rows.prefetch_related(Prefetch("members", members), "transitions")
    alert = get_object_or_404(rows, pk=alert_id)
    permissions.require(reading.caller(request), Permission.ALERT_VIEW, alert.model.team)
    return alert
