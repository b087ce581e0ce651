"""Errors as MLflow's client reads them: a code that it knows, and a sentence."""

import logging
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import DatabaseError, DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.log import log_response

from mlops_portal.kit.errors import (
    Conflict,
    DomainError,
    Fault,
    NotThere,
    Overloaded,
    Refused,
    Stale,
    TooMany,
    Unauthenticated,
)

INVALID, TAKEN, ABSENT = "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"
NOWHERE, CONFLICT, DENIED = "ENDPOINT_NOT_FOUND", "RESOURCE_CONFLICT", "PERMISSION_DENIED"
RETRY_AFTER_S = 5
_ANSWERS: tuple[tuple[type[DomainError], str, int], ...] = (
    (Unauthenticated, "UNAUTHENTICATED", 401),
    (Refused, DENIED, 403),
    (NotThere, ABSENT, 404),
    (Conflict, CONFLICT, 409),
    (Stale, CONFLICT, 409),
    (TooMany, "REQUEST_LIMIT_EXCEEDED", 429),
    (Overloaded, "TEMPORARILY_UNAVAILABLE", 503),
    (DomainError, INVALID, 400),  # whatever is wrong with a request is 400: the client repeats 5xx for minutes
)
_log = logging.getLogger(__name__)


def answer(raised: Exception, request: HttpRequest, *, name: str = "") -> HttpResponse:
    """What the client gets for an exception. name: the name of a model that the request asked for, if any."""
    if isinstance(raised, DomainError):
        return _of_domain(raised, name)
    if isinstance(raised, OperationalError | InterfaceError):
        _log.warning("the database did not answer", exc_info=raised)
        sentence = "The database does not answer now; nothing was stored by this request."
        return document("TEMPORARILY_UNAVAILABLE", sentence, 503)
    is_out_of_range = isinstance(raised, DatabaseError) and "out of range" in str(raised)
    if isinstance(raised, SuspiciousOperation | DataError) or is_out_of_range:
        return document(INVALID, "A value of the request is too large, or cannot be stored.", 400)
    return _bug(raised, request)


def document(code: str, message: str, status: int, **more: Any) -> JsonResponse:
    """An error as the client expects it; it keeps members it does not know."""
    response = JsonResponse({"error_code": code, "message": message, **more}, status=status)
    if status in {429, 503}:
        response["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        response["WWW-Authenticate"] = 'Basic realm="portal"'
    return response


def _of_domain(raised: DomainError, name: str) -> HttpResponse:
    if raised.code == "name_taken" and raised.field == "name":
        return document(TAKEN, f"Registered Model (name={name}) already exists.", 400)
    code, status = next((code, status) for kind, code, status in _ANSWERS if isinstance(raised, kind))
    message = _said(raised.faults[0]) if raised.faults else raised.detail
    url, intent = getattr(raised, "url", ""), getattr(raised, "intent_id", None)
    proposed = {"change_request_url": str(url), "intent_id": str(intent)} if url and intent else {}
    response = document(code, message, status, **proposed)
    if raised.retry_after_s is not None:
        response["Retry-After"] = str(raised.retry_after_s)
    return response


def _said(fault: Fault) -> str:
    """The sentence of a fault, with the name of its field where the sentence itself has none."""
    field = fault.pointer.rsplit("/", 1)[-1]
    if fault.code == "missing_field":
        return f"Missing value for required parameter '{field}'."
    return (
        f"Invalid value for parameter '{field}' supplied: {fault.detail}" if fault.detail[:3] == "It " else fault.detail
    )


def _bug(raised: Exception, request: HttpRequest) -> HttpResponse:
    """As Django answers a bug: logged, told to the test client, and nothing of it shown."""
    got_request_exception.send(sender=None, request=request)
    request_id = getattr(request, "request_id", "")
    response = document("INTERNAL_ERROR", f"Something failed on our side; the request id is {request_id}.", 500)
    log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=raised)
    return response
