"""The audit trail by API."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit.api import Cursor
from registry import trail
from registry.api.base import InventoryView, caller, page
from registry.models import AuditEntry


class AuditDocument(serializers.Serializer[Any]):
    """One fact, and the hash that chains it to the one before."""

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    actor_kind = serializers.ChoiceField(AuditEntry.ActorKind.choices)
    via = serializers.CharField(help_text="ui, api, mlflow, manifest or job; empty in entries older than the column.")
    verb = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    team = serializers.CharField(source="team.slug", default=None, allow_null=True)
    changes = serializers.DictField()
    reason = serializers.CharField()
    request_id = serializers.CharField()
    prev_hash = serializers.CharField()
    hash = serializers.CharField()


class AuditList(InventoryView):
    """The audit trail."""

    parameters = (*trail.PARAMETERS, *Cursor.parameters)

    @extend_schema(
        operation_id="audit_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in trail.PARAMETERS],
        responses=AuditDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Entries the caller may read, newest first. Takes the right audit.view."""
        question = trail.read_question(request.query_params.dict())
        return page(request, trail.answer(question, caller(request)), AuditDocument)
