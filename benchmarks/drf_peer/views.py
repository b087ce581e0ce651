"""Predictions as a Django REST framework view takes them: authenticate, validate each record, store one durable row."""

import hashlib
import zlib

import msgspec
from django.db import transaction
from django.http import Http404
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.drf_peer.serializers import prediction_of
from mlops_portal.kit import clock
from monitoring.models import InboxRow, IngestBatch
from monitoring.models.ingest_batch import Kind
from registry.api.authentication import KeyAuthentication
from registry.models import ModelVersion, Scope
from registry.permissions import require_scope

CODEC = "peer"  # compaction leaves these rows alone


class Predictions(APIView):
    """Takes a batch of predictions."""

    authentication_classes = (KeyAuthentication,)
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)

    def post(self, request: Request, slug: str) -> Response:
        require_scope(request.auth or request.user, Scope.INGEST)
        version = ModelVersion.objects.select_related("model").filter(model__slug=slug).order_by("number").first()
        if version is None:
            raise Http404
        serializer = prediction_of(str(version.pk))(data=request.data["items"], many=True)
        serializer.is_valid(raise_exception=True)
        now = clock.now()
        blob = zlib.compress(msgspec.json.encode(serializer.validated_data), 1)
        count, sha256 = len(serializer.validated_data), hashlib.sha256(blob).hexdigest()
        with transaction.atomic():
            batch = IngestBatch.objects.create(
                team_id=version.model.team_id,
                model=version.model,
                kind=Kind.PREDICTION,
                key=sha256,
                body_sha256=sha256,
                via=IngestBatch.Via.API,
                answer={"accepted": count},
                received=count,
                accepted=count,
                rejected=0,
                received_at=now,
            )
            InboxRow.objects.create(
                batch=batch,
                model=version.model,
                kind=Kind.PREDICTION,
                items=count,
                codec=CODEC,
                payload_v=1,
                payload=blob,
                size_bytes=len(blob),
                received_at=now,
            )
        return Response({"batch": str(batch.pk), "received": count, "accepted": count}, status=202)
