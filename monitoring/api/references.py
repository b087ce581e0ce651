"""References below /api/v1/: the file is the body."""

import hashlib
import tempfile
from typing import IO, Any, cast
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, StrictParser, only_parameters
from mlops_portal.kit.conditions import idempotency_key, replayed
from mlops_portal.kit.errors import Invalid, Malformed, TooLarge
from monitoring.api.reading import caller, model_for
from monitoring.models import Reference
from monitoring.traffic import reference as references
from registry import permissions
from registry.models import ModelVersion
from registry.permissions import Permission

_PIECE = 1024 * 1024
_KEY = OpenApiParameter(
    "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="New for each intent."
)
_QUERY = [
    OpenApiParameter("version", OpenApiTypes.STR, required=True, description="Number of the version."),
    OpenApiParameter("name", OpenApiTypes.STR, description="`training` unless given."),
    OpenApiParameter("primary", OpenApiTypes.BOOL, description="Measure drift against it: `true` unless `false`."),
]


class _File(BaseParser):
    """The body as it comes, unread."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The stream itself."""
        return stream


class ParquetBody(_File):
    """A Parquet file."""

    media_type = "application/vnd.apache.parquet"
    file_format = "parquet"


class CsvBody(_File):
    """A CSV file in UTF-8."""

    media_type = "text/csv"
    file_format = "csv"


class ReferenceDocument(serializers.ModelSerializer[Reference]):
    """A reference and how far its loading is."""

    version = serializers.CharField(source="version.number")

    class Meta:
        model = Reference
        fields = [
            "id",
            "version",
            "name",
            "source",
            "state",
            "is_primary",
            "file_format",
            "sha256",
            "size_bytes",
            "rows",
            "label_rows",
            "problems",
            "notes",
            "created_at",
            "created_by",
            "ready_at",
        ]
        read_only_fields = fields


class ReferenceList(APIView):
    """The references of a model."""

    pagination_class = Cursor
    parser_classes = [ParquetBody, CsvBody]

    @extend_schema(operation_id="references_list", responses=ReferenceDocument(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """References of all versions, newest first."""
        model = model_for(request, slug, Permission.MONITOR_VIEW)
        only_parameters(request._request, Cursor.parameters)
        rows = Reference.objects.filter(version__model=model).select_related("version").order_by("-created_at", "pk")
        cursor = Cursor()
        found = cursor.paginate_queryset(rows, request)
        return cursor.get_paginated_response(ReferenceDocument(found, many=True).data)

    @extend_schema(
        operation_id="references_upload",
        parameters=[*_QUERY, _KEY],
        request={body.media_type: OpenApiTypes.BINARY for body in (ParquetBody, CsvBody)},
        responses={202: ReferenceDocument},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Upload reference data; loading is a job, whose end the reference shows."""
        model = model_for(request, slug, Permission.MONITOR_EDIT)
        given = only_parameters(request._request, ("version", "name", "primary"))
        version = _version(model.versions.filter(deleted_at=None), given.get("version", ""))
        idempotency_key(request)
        name = given.get("name", "training")
        with tempfile.TemporaryFile() as file:
            file_format = _received(request, file)
            row = _same(version, name, file)
            if row:
                return replayed(Response(ReferenceDocument(row).data, status=202))
            row = references.request(
                version,
                file,
                name=name,
                primary=_truth(given.get("primary", "true")),
                source=Reference.Source.API,
                file_format=file_format,
                by=caller(request),
                now=clock.now(),
            )
        response = Response(ReferenceDocument(row).data, status=202)
        response["Location"] = f"/api/v1/references/{row.pk}"
        return response


class ReferenceDetail(APIView):
    """One reference."""

    @extend_schema(operation_id="references_read", responses=ReferenceDocument)
    def get(self, request: Request, reference_id: UUID) -> Response:
        """The reference with its state and problems."""
        return Response(ReferenceDocument(_reference(request, reference_id, Permission.MONITOR_VIEW)).data)

    @extend_schema(operation_id="references_delete", responses={204: OpenApiResponse(description="Deleted.")})
    def delete(self, request: Request, reference_id: UUID) -> Response:
        """Give the reference up; the primary one cannot be."""
        row = _reference(request, reference_id, Permission.MONITOR_EDIT)
        references.delete(row, by=caller(request), now=clock.now())
        return Response(status=204)


class ReferenceMakePrimary(APIView):
    """The choice of the reference that drift is measured against."""

    parser_classes = [StrictParser]

    @extend_schema(
        operation_id="references_make_primary", parameters=[_KEY], request=None, responses={202: ReferenceDocument}
    )
    def post(self, request: Request, reference_id: UUID) -> Response:
        """Count all traffic of the version against this reference from now on."""
        row = _reference(request, reference_id, Permission.MONITOR_EDIT)
        idempotency_key(request)
        if not row.is_primary:
            references.make_primary(row, by=caller(request), now=clock.now())
            row.refresh_from_db()
        return Response(ReferenceDocument(row).data, status=202)


def _reference(request: Request, reference_id: UUID, permission: Permission) -> Reference:
    only_parameters(request._request, ())
    rows = Reference.objects.visible_to(caller(request)).select_related("version__model__team")
    row = get_object_or_404(rows, pk=reference_id)
    permissions.require(caller(request), permission, row.version.model.team)
    return row


def _version(rows: Any, text: str) -> ModelVersion:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Malformed("Say which version it belongs to: ?version=1.", code="malformed_parameter")
    version: ModelVersion | None = rows.filter(number=int(text)).first()
    if version is None:
        raise Invalid(f"The model has no version {text}.", field="version")
    return version


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Malformed(f"primary={text[:64]!r} is neither true nor false.", code="malformed_parameter")
    return text == "true"


def _received(request: Request, file: IO[bytes]) -> str:
    """Copy the body into the file, no more than its format may have, and say the format."""
    stream = cast("HttpRequest", request.data)
    declared = (request.content_type or "").split(";")[0].strip().lower()
    file_format = next(parser.file_format for parser in (ParquetBody, CsvBody) if parser.media_type == declared)
    limit, size = references.SIZE_LIMITS[file_format], 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > limit:
            raise TooLarge(f"A {file_format} reference may have {limit // _PIECE} MiB.")
        file.write(piece)
    file.seek(0)
    return file_format


def _same(version: ModelVersion, name: str, file: IO[bytes]) -> Reference | None:
    """The reference that an earlier, identical request made."""
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    file.seek(0)
    rows = Reference.objects.filter(version=version, name=name, sha256=digest.hexdigest())
    return rows.exclude(state=Reference.State.FAILED).select_related("version").first()
