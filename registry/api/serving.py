"""The poll of the serving layer: a plain view with API keys, as short as the way of predictions.

A poll that finds nothing new costs two queries: the key, and the pointer with what the instance said last.
"""

import logging
import re
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import DatabaseError
from django.db.models import FilteredRelation, Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.http import parse_etags
from django.views.decorators.csrf import csrf_exempt

from mlops_portal.kit import clock
from mlops_portal.kit.api import only_parameters
from mlops_portal.kit.errors import Malformed, NotThere, Unauthenticated
from mlops_portal.kit.prepared import Prepared
from registry import deployments
from registry.models import Acknowledgement, Deployment, Scope, ServingPointer
from registry.permissions import KeyPrincipal, authenticate_key, key_from_request, require_scope

MAX_AGE_S = 10
_INSTANCE = re.compile(r"[\x21-\x7e]{1,128}\Z")
_log = logging.getLogger(__name__)


class _Row(NamedTuple):
    """What a poll reads: the endpoint behind its wall, what it serves, and what this instance said last."""

    endpoint_id: UUID
    endpoint__model_id: UUID
    endpoint__model__team_id: UUID
    revision: int
    deployment_id: UUID | None
    deployment__sha256: str | None
    mine__revision: int | None
    mine__mode: str | None
    mine__last_seen_at: datetime | None

    @property
    def said(self) -> tuple[int, str, datetime] | None:
        """Revision, mode and time of the acknowledgement there is."""
        if self.mine__revision is None or self.mine__mode is None or self.mine__last_seen_at is None:
            return None
        return self.mine__revision, self.mine__mode, self.mine__last_seen_at


_POINTER = Prepared(
    lambda instance, slug: (
        ServingPointer.objects.annotate(
            mine=FilteredRelation(
                "endpoint__acknowledgements", condition=Q(endpoint__acknowledgements__instance=instance)
            )
        )
        .filter(endpoint__slug=slug, endpoint__retired_at=None, endpoint__model__deleted_at=None)
        .values_list(*_Row._fields)
    ),
    parameters=["instance", "slug"],
)


@csrf_exempt
def serving(request: HttpRequest, slug: str) -> HttpResponse:
    """What the endpoint serves now."""
    now = clock.now()
    principal = _principal(request, now)
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    only_parameters(request, ())
    instance, applied, mode = _acknowledgement(request)
    row = _row(principal, instance, slug)
    if applied is not None:
        _acknowledge(row, instance, applied, mode, now)
    if row.deployment_id is None:
        raise NotThere(f"{slug} was never activated, so there is nothing to serve yet.", code="never_activated")
    etag = f'"{row.revision}-{(row.deployment__sha256 or "")[:8]}"'
    response = HttpResponse(status=304) if _has(request, etag) else _document(row.deployment_id)
    response["ETag"] = etag
    response["Cache-Control"] = f"max-age={MAX_AGE_S}"
    return response


def _principal(request: HttpRequest, now: datetime) -> KeyPrincipal:
    text = key_from_request(request)
    if text is None:
        raise Unauthenticated("Send an API key as `Authorization: Bearer …`.")
    principal = authenticate_key(text, now)
    if Scope.READ not in principal.scopes and Scope.REGISTRY not in principal.scopes:
        require_scope(principal, Scope.SERVING)
    return principal


def _row(principal: KeyPrincipal, instance: str, slug: str) -> _Row:
    rows = [] if "\x00" in slug else [_Row(*row) for row in _POINTER.rows(instance, slug)]
    if not rows or not _may_see(principal, rows[0]):
        raise NotThere("There is nothing at this address that you may see.")
    return rows[0]


def _may_see(principal: KeyPrincipal, row: _Row) -> bool:
    own_model = principal.model_id is None or principal.model_id == row.endpoint__model_id
    return own_model and principal.team_id == row.endpoint__model__team_id


def _acknowledgement(request: HttpRequest) -> tuple[str, int | None, str]:
    """Instance, applied revision and mode, if the poll says them. Raises Malformed for headers that cannot be read."""
    instance = request.headers.get("X-Instance", "")
    applied = request.headers.get("X-Applied-Revision", "")
    mode = request.headers.get("X-Mode", Acknowledgement.Mode.NORMAL)
    if not instance and not applied:
        return "", None, mode
    if not _INSTANCE.match(instance):
        raise Malformed("X-Instance names the instance in 1 to 128 visible ASCII characters.")
    if not (applied.isascii() and applied.isdecimal() and len(applied) < 10):
        raise Malformed(
            f"X-Applied-Revision: {applied[:64]!r} is not the number of a revision; before the first it is 0."
        )
    if mode not in Acknowledgement.Mode.values:
        raise Malformed(f"X-Mode: {mode[:64]!r} is none of {', '.join(Acknowledgement.Mode.values)}.")
    return instance, int(applied), mode


def _acknowledge(row: _Row, instance: str, applied: int, mode: str, now: datetime) -> None:
    """Note it if that is due; a poll is answered although it could not be noted."""
    try:
        deployments.acknowledge(row.endpoint_id, instance, applied, mode=mode, last=row.said, now=now)
    except DatabaseError as error:
        _log.warning("acknowledgement not noted", extra={"endpoint": row.endpoint_id, "error": type(error).__name__})


def _has(request: HttpRequest, etag: str) -> bool:
    """Whether the client says it holds the document; tags are compared weakly."""
    held = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in held or etag in {tag.removeprefix("W/") for tag in held}


def _document(deployment_id: UUID) -> HttpResponse:
    text = Deployment.objects.values_list("document", flat=True).get(pk=deployment_id)
    return HttpResponse(text, content_type="application/json")
