"""Items that were set aside, over the API: why, and their replay. What they hold is not given out."""

from typing import Any

from django.db.models import Q
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
from monitoring.models import QuarantinedItem
from monitoring.traffic import replaying
from registry.api.base import IDEMPOTENCY
from registry.permissions import Permission

STATES = {
    "waiting": Q(replayed_at=None, is_whole=True),
    "lost": Q(replayed_at=None, is_whole=False),
    "replayed": Q(replayed_at__isnull=False),
}


def _state(name: str, text: str) -> Q:
    """Items in one of these states."""
    found = Q(pk__in=())
    for value in reading.values(name, text):
        if value not in STATES:
            raise reading.malformed(name, value, f"one of {', '.join(STATES)}")
        found |= STATES[value]
    return found


FILTERS: dict[str, reading.Narrow] = {"code": reading.among("code"), "state": _state}
PARAMETERS = {
    "code": "Codes of reasons, by comma.",
    "state": "States, by comma: waiting (can be replayed), lost (was not kept whole), replayed.",
}


class ItemDocument(serializers.ModelSerializer[QuarantinedItem]):
    """An item that was set aside: where it stood, and why it was not taken."""

    batch = serializers.UUIDField(source="batch_id")

    class Meta:
        model = QuarantinedItem
        fields = ["id", "batch", "index", "code", "pointer", "detail", "is_whole", "created_at", "replayed_at"]
        read_only_fields = fields


class ReplayBody(StrictSerializer):
    """Which items to judge anew."""

    code = Text(max_length=64, required=False, default="", allow_blank=True)


class ReplayDocument(serializers.Serializer[Any]):
    """How many items will be judged anew."""

    items = serializers.IntegerField()


class SetAsideList(APIView):
    """Items of a model that were set aside."""

    pagination_class = Cursor  # for the schema

    @extend_schema(
        operation_id="set_aside_list",
        parameters=reading.parameters(PARAMETERS),
        responses=ItemDocument(many=True),
        tags=["set-aside"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Items of a model that were set aside in the last 14 days, newest first."""
        model = reading.model_for(request, slug, Permission.MONITOR_VIEW)
        rows = QuarantinedItem.objects.filter(model=model).defer("item", "rules")
        rows = reading.narrowed(rows, request, FILTERS, besides=Cursor.parameters)
        cursor = Cursor()
        page = cursor.paginate_queryset(rows.order_by("-created_at", "-pk"), request)
        return cursor.get_paginated_response(ItemDocument(page, many=True).data)


class SetAsideReplay(APIView):
    """The replay of a model's items."""

    @extend_schema(
        operation_id="set_aside_replay",
        parameters=[IDEMPOTENCY],
        request=ReplayBody,
        responses={202: ReplayDocument},
        tags=["set-aside"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Judge items anew whose cause was mended; what still will not do stays with its new reason.

        A repetition while the replay waits or runs orders nothing more; nothing ever comes in twice.
        """
        model = reading.model_for(request, slug, Permission.MONITOR_EDIT)
        only_parameters(request._request, ())
        idempotency_key(request)
        body = ReplayBody(data=request.data)
        body.is_valid(raise_exception=True)
        code = body.validated_data["code"]
        n = replaying.request(model, code=code, by=reading.caller(request), now=clock.now())
        return Response(ReplayDocument({"items": n}).data, status=202)
