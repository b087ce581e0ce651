"""Traffic in: plain views with API keys (sessions never count, hence no CSRF token), answered after the commit."""

import re
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from mlops_portal.kit import clock
from mlops_portal.kit.api import only_parameters
from mlops_portal.kit.errors import DomainError, Invalid, Malformed, NotThere, TooLarge, Unauthenticated, WrongMedia
from mlops_portal.kit.faults import fault
from monitoring.models import IngestBatch
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import admission, intake, limits, schema
from monitoring.traffic.admission import Question
from monitoring.traffic.intake import Order, Taken, Terms
from registry.models import Scope
from registry.permissions import authenticate_key, key_from_request, require_scope

_MEMBERS = ("batch", "received", "accepted", "rejected", "errors_total", "errors")
_FAULT_MEMBERS = ("index", "pointer", "code", "detail", "received")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_DRAINED_BYTES = 128 * limits.MIB  # of a body that is too large, so that its sender reads the answer
_PIECE = 64 * 1024
_NO_KEY = "Send an API key as `Authorization: Bearer …`."


@csrf_exempt
def predictions(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a batch of predictions of the model."""
    return _take(request, slug, Kind.PREDICTION)


@csrf_exempt
def outcomes(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a batch of outcomes of the model's predictions."""
    return _take(request, slug, Kind.OUTCOME)


@csrf_exempt
def batch(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """What became of a batch."""
    principal = authenticate_key(_key_text(request), clock.now())
    if Scope.INGEST not in principal.scopes:
        require_scope(principal, Scope.READ)
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    only_parameters(request, ())
    found = IngestBatch.objects.visible_to(principal).filter(pk=batch_id).first()
    if found is None:
        raise NotThere("There is nothing at this address that you may see.")
    return _json(_state(found), status=200)


def _take(request: HttpRequest, slug: str, kind: Kind) -> HttpResponse:
    now = clock.now()
    key_text = _key_text(request)
    stranger = Question(key_text, slug, None)  # who may not send at all, is told that first
    if request.method != "POST":
        admission.admit(stranger, now)
        return HttpResponseNotAllowed(["POST"])
    try:
        body, content_type = _body(request)
    except DomainError:
        admission.admit(stranger, now)
        raise
    order = Order(key_text, slug, kind, body, content_type, partial(_terms, request), now)
    return _answer(intake.take(order))


def _terms(request: HttpRequest) -> Terms:
    return Terms(_is_strict(request), _idempotency_key(request))


def _answer(taken: Taken) -> HttpResponse:
    receipt = taken.receipt
    if receipt is None:
        raise _refusal(taken.decoded, "With on_error=abort nothing was stored")
    if not receipt.accepted:
        raise _refusal(taken.decoded, "No item was taken")
    response = _json(_ordered(receipt.answer), status=202)
    response["Location"] = f"/api/v1/batches/{receipt.batch_id}"
    if receipt.is_replay:
        response["Idempotency-Replayed"] = "true"
    fault("ingest.mid_reply")
    return response


def _ordered(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with its members in the order of the first time; a database may keep JSON in an order of its own."""
    errors = [{name: one[name] for name in _FAULT_MEMBERS if name in one} for one in answer["errors"]]
    return {name: errors if name == "errors" else answer[name] for name in _MEMBERS}


def _refusal(decoded: schema.Decoded, what: str) -> Invalid:
    count = len(decoded.rejects)
    detail = f"{what}: {count} of {decoded.received} items will not do."
    return Invalid(detail, faults=decoded.errors, faults_total=count)


def _json(document: object, *, status: int) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(document), status=status, content_type="application/json")


def _state(row: IngestBatch) -> dict[str, object]:
    return {
        "batch": str(row.pk),
        "kind": row.kind,
        "state": row.state,
        "received": row.received,
        "accepted": row.accepted,
        "rejected": row.rejected,
        "stored": row.stored,
        "duplicates": row.duplicates,
        "conflicts": row.conflicts,
        "parked": row.parked,
        "erased": row.erased,
        "stored_at": row.stored_at,
        "surprises": row.surprises,
        "errors_total": row.answer["errors_total"],
        "errors": _ordered(row.answer)["errors"],
    }


def _key_text(request: HttpRequest) -> str:
    text = key_from_request(request)
    if text is None:
        raise Unauthenticated(_NO_KEY)
    return text


def _is_strict(request: HttpRequest) -> bool:
    given = only_parameters(request, ("on_error",)).get("on_error")
    if given not in {None, "abort"}:
        raise Malformed("on_error takes the value abort.", code="malformed_parameter")
    return given == "abort"


def _idempotency_key(request: HttpRequest) -> str | None:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _KEY.fullmatch(key):
        raise Malformed("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


def _body(request: HttpRequest) -> tuple[bytes, str]:
    """The body without its gzip, and its media type; sizes are checked before, while and after reading."""
    if not request.META.get("CONTENT_TYPE") and request.META.get("CONTENT_LENGTH") in {None, "", "0"}:
        raise Malformed("The body is empty.", code="invalid_json")
    content_type = _content_type(request)
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise WrongMedia("The one Content-Encoding taken is gzip.")
    wire = _read(request, limits.PARQUET_BYTES if content_type == schema.PARQUET else limits.WIRE_BYTES)
    return (limits.inflate(wire) if encoding == "gzip" else wire), content_type


def _content_type(request: HttpRequest) -> str:
    media, *parameters = request.META.get("CONTENT_TYPE", "").lower().split(";")
    if media.strip() not in schema.TYPES:
        raise WrongMedia(f"Send {', '.join(schema.TYPES)} as Content-Type.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in {"utf-8", "utf8"}:
            raise WrongMedia("Send the body in UTF-8.")
    return str(media.strip())


def _read(request: HttpRequest, limit: int) -> bytes:
    """The bytes on the wire. Raises TooLarge above the limit; such a body is read on for a while and thrown away."""
    stream = request
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        stream = request.META["wsgi.input"]
    body: bytes = stream.read(limit + 1)
    if len(body) <= limit:
        return body
    del body
    drained = limit
    while drained < _DRAINED_BYTES and (piece := stream.read(_PIECE)):
        drained += len(piece)
    raise TooLarge(f"A body may hold {limit // limits.MIB} MiB; this one holds more. Send smaller batches.")
