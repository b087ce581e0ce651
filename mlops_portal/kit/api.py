"""What every API route shares: problem answers (RFC 9457), strict JSON in and out, signed keyset cursors."""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core import signing
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, OperationalError
from django.db.models import Model, Q
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, negotiation, parsers, renderers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import errors
from mlops_portal.kit.errors import DomainError, Fault

PROBLEM = "application/problem+json"
SHOWN_FAULTS = 100
DEPTH_LIMIT = 32  # of a control body; ingestion has its own
CONTROL_LIMIT_BYTES = 1024 * 1024
PAGE_SIZE, PAGE_LIMIT = 50, 200

_log = logging.getLogger(__name__)
_BY_STATUS: dict[int, type[DomainError]] = {
    cls.status: cls
    for cls in (
        errors.Malformed,
        errors.Unauthenticated,
        errors.Refused,
        errors.NotThere,
        errors.Conflict,
        errors.Stale,
        errors.TooLarge,
        errors.WrongMedia,
        errors.Invalid,
        errors.TooMany,
        errors.Overloaded,
    )
}


def problem(error: DomainError, request: HttpRequest) -> JsonResponse:
    """The problem document of a domain error, as a finished response."""
    answer = _document(error.status, error.code, error.title, error.detail, request) | dict(error.members())
    if error.field and not error.faults:
        answer |= _faults([Fault(error.code, error.detail, f"/{error.field}")], 1)
    if error.faults:
        answer |= _faults(error.faults, error.faults_total)
    response = JsonResponse(answer, status=error.status, content_type=PROBLEM)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="portal"'
    if error.retry_after_s is not None or error.status in {429, 503, 507}:
        response["Retry-After"] = str(error.retry_after_s or 5)
    return response


def problem_for_status(status: int, request: HttpRequest) -> JsonResponse:
    """The problem document of a bare HTTP status, where no domain error is known."""
    if status in _BY_STATUS:
        cls = _BY_STATUS[status]
        return problem(cls(f"{cls.title}."), request)
    phrase = HTTPStatus(status).phrase
    code = "internal_error" if status >= 500 else phrase.lower().replace(" ", "_").replace("-", "_")
    detail = "Something failed on our side; quote the request id when you report it." if status >= 500 else phrase
    return JsonResponse(_document(status, code, phrase, detail, request), status=status, content_type=PROBLEM)


def problem_handler(raised: Exception, context: Mapping[str, Any]) -> Response | JsonResponse | None:
    """DRF's exception handler: every error leaves as a problem document, a bug as a bare 500."""
    request: HttpRequest = context["request"]._request
    error = as_domain_error(raised)
    if error is None:
        return None
    response = problem(error, request)
    if isinstance(raised, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def as_domain_error(raised: Exception) -> DomainError | None:
    """The domain error that says the same, or None for what is a bug."""
    if isinstance(raised, DomainError):
        return raised
    if isinstance(raised, Http404 | exceptions.NotFound):
        return errors.NotThere("There is nothing at this address that you may see.")
    if isinstance(raised, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return errors.Unauthenticated("Send an API key as `Authorization: Bearer …`.")
    if isinstance(raised, PermissionDenied | exceptions.PermissionDenied):
        return errors.Refused(str(getattr(raised, "detail", "")) or "You may not do this.")
    if isinstance(raised, exceptions.ValidationError):
        return _invalid(raised)
    if isinstance(raised, exceptions.UnsupportedMediaType):
        return errors.WrongMedia(str(raised.detail))
    if isinstance(raised, SuspiciousOperation | exceptions.ParseError):
        return errors.Malformed(str(raised))
    if isinstance(raised, exceptions.MethodNotAllowed):
        return MethodNotAllowed(str(raised.detail))
    if isinstance(raised, OperationalError):
        _log.warning("the database did not answer", exc_info=raised)
        return errors.Overloaded("The database does not answer now; nothing was stored by this request.")
    if isinstance(raised, DatabaseError) and "out of range" in str(raised):
        return errors.Malformed("A number in the request is out of range.")
    return None


class MethodNotAllowed(DomainError):
    """The route has no such method."""

    status, code, title = 405, "method_not_allowed", "This method is not taken here"


class StrictJSON(renderers.JSONRenderer):
    """JSON without NaN and with the problem type for errors."""

    strict = True
    ensure_ascii = False


class AlwaysFirst(negotiation.BaseContentNegotiation):
    """The API answers JSON whatever Accept says; the body's type must be one we take."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any | None:
        """The parser of the declared type, or None (415)."""
        declared = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == declared), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Always the first renderer."""
        first = next(iter(renderers))
        return first, first.media_type


class StrictParser(parsers.BaseParser):
    """A JSON object of at most 1 MiB in UTF-8, without duplicate keys, NaN, NUL, lone surrogates or deep nesting."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The object.

        Raises WrongMedia for another charset, TooLarge over the limit, Malformed for anything that is not clean JSON.
        """
        if "charset=" in (media_type or "").lower() and "utf-8" not in (media_type or "").lower():
            raise errors.WrongMedia("Send the body in UTF-8.")
        body = stream.read(CONTROL_LIMIT_BYTES + 1)
        if len(body) > CONTROL_LIMIT_BYTES:
            raise errors.TooLarge(f"A control body may hold {CONTROL_LIMIT_BYTES} bytes.")
        value = parse_json(body)
        if not isinstance(value, dict):
            raise errors.Invalid("The body has to be a JSON object.")
        return value


def parse_json(body: bytes, *, depth: int = DEPTH_LIMIT) -> Any:
    """Clean JSON of a control body, or Malformed with the reason."""
    if nesting(body) > depth:
        raise errors.Malformed(f"JSON may be nested {depth} deep here.", code="too_deep")
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, RecursionError) as error:
        raise errors.Malformed("The body is not valid UTF-8 text.", code="invalid_json") from error
    except json.JSONDecodeError as error:
        raise errors.Malformed(f"The body is not JSON: {error}.", code="invalid_json") from error
    except ValueError as error:  # thousands of digits
        raise errors.Malformed("A number in the body has too many digits.", code="invalid_json") from error
    if "\\u0000" in text or "\x00" in text:
        raise errors.Invalid("U+0000 cannot be stored.", code="invalid_character")
    return value


def nesting(body: bytes) -> int:
    """An upper bound of how deep the brackets of a JSON text nest, without recursion; quoted text is passed over."""
    if body.count(b"[") + body.count(b"{") <= DEPTH_LIMIT:
        return 0
    depth = deepest = 0
    quoted = escaped = False
    for byte in body:
        if quoted:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                quoted = False
        elif byte == 0x22:
            quoted = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > 1000:
                break
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return deepest


def only_parameters(request: HttpRequest, allowed: Collection[str]) -> dict[str, str]:
    """The query parameters, each given once and known, or Malformed naming the first that is not."""
    for name, values in request.GET.lists():
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise errors.Malformed(
                f"{name!r} is not a parameter of this route; it takes {known}.", code="unknown_parameter"
            )
        if len(values) > 1:
            raise errors.Malformed(f"{name!r} is given more than once.", code="repeated_parameter")
        if "\x00" in values[0]:
            raise errors.Malformed(f"{name!r} holds U+0000.", code="malformed_parameter")
    return {name: request.GET[name] for name in request.GET}


class Cursor(BasePagination):
    """Keyset pages: `{"items": […], "next": "<cursor>" or null}`; `limit` is clamped to 200, a cursor is signed.

    The queryset has to be ordered by fields that are together unique; null values may not occur in them.
    """

    parameters = ("cursor", "limit")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """One page after the cursor of the request. Raises Malformed if limit or cursor is not one of ours."""
        fields = [str(name) for name in queryset.query.order_by]
        limit = self._limit(request.query_params.get("limit", str(PAGE_SIZE)))
        bound = self._bound(request)
        if after := request.query_params.get("cursor"):
            queryset = queryset.filter(_after(fields, self._position(after, bound, len(fields))))
        rows = list(queryset[: limit + 1])
        self._next = None
        if len(rows) > limit:
            rows = rows[:limit]
            position = [_plain(rows[-1], name) for name in fields]
            self._next = signing.dumps([bound, position], salt="cursor", compress=True)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page with the cursor of the next one."""
        return Response({"items": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What drf-spectacular writes for a page."""
        return {
            "type": "object",
            "required": ["items", "next"],
            "properties": {"items": schema, "next": {"type": "string", "nullable": True}},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The two parameters every list takes."""
        return [
            {
                "name": "cursor",
                "in": "query",
                "schema": {"type": "string"},
                "description": "`next` of the page before.",
            },
            {
                "name": "limit",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT, "default": PAGE_SIZE},
            },
        ]

    @staticmethod
    def _limit(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) < 1:
            raise errors.Malformed(
                f"limit={text[:64]!r} is not a whole number from 1 to {PAGE_LIMIT}.", code="malformed_parameter"
            )
        return min(int(text), PAGE_LIMIT)

    @staticmethod
    def _bound(request: Request) -> str:
        """Path and filters: a cursor is good for the question that made it."""
        others = sorted((name, value) for name, value in request.query_params.items() if name not in Cursor.parameters)
        return json.dumps([request.path, others])

    @staticmethod
    def _position(cursor: str, bound: str, width: int) -> list[Any]:
        try:
            made_for, position = signing.loads(cursor, salt="cursor")
        except (signing.BadSignature, ValueError, TypeError) as error:
            raise errors.Malformed("The cursor was not made by this portal.", code="malformed_parameter") from error
        if made_for != bound or len(position) != width:
            raise errors.Malformed("The cursor belongs to another list or filter.", code="malformed_parameter")
        return list(position)


def _after(fields: Sequence[str], position: Sequence[Any]) -> Q:
    condition = Q()
    for i, name in enumerate(fields):
        same = Q(**{key.lstrip("-"): value for key, value in zip(fields[:i], position, strict=False)})
        beyond = f"{name.lstrip('-')}__{'lt' if name.startswith('-') else 'gt'}"
        condition |= same & Q(**{beyond: position[i]})
    return condition


def _plain(row: Model, name: str) -> Any:
    value = row
    for part in name.lstrip("-").split("__"):
        value = row.pk if part == "pk" else getattr(value, part)
    return value if isinstance(value, int | float | str | None) else str(value)


def _document(status: int, code: str, title: str, detail: str, request: HttpRequest) -> dict[str, Any]:
    return {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "code": code,
        "request_id": getattr(request, "request_id", ""),
    }


def _faults(faults: Sequence[Fault], total: int) -> dict[str, Any]:
    return {"errors": [fault_document(fault) for fault in faults[:SHOWN_FAULTS]], "errors_total": total}


def fault_document(fault: Fault) -> dict[str, Any]:
    """One entry of `errors`; members that are not known are left out."""
    members = {
        "index": fault.index,
        "pointer": fault.pointer or None,
        "code": fault.code,
        "detail": fault.detail,
        "received": fault.received,
        "line": fault.line,
    }
    return {name: value for name, value in members.items() if value is not None}


def _invalid(raised: exceptions.ValidationError) -> DomainError:
    faults = list(_flatten(raised.get_full_details(), ""))
    unknown = [fault for fault in faults if fault.code == "unknown_field"]
    if unknown:
        return errors.Malformed(unknown[0].detail, code="unknown_field", faults=unknown)
    return errors.Invalid(faults[0].detail if faults else "Some values are not valid.", faults=faults)


def _flatten(details: Any, pointer: str) -> list[Fault]:
    if isinstance(details, Mapping) and "message" in details and "code" in details:
        return [Fault(str(details["code"]), str(details["message"]), pointer or "/")]
    if isinstance(details, Mapping):
        return [fault for key, value in details.items() for fault in _flatten(value, f"{pointer}/{key}")]
    nested: Callable[[int, Any], str] = lambda i, value: pointer if "message" in value else f"{pointer}/{i}"  # noqa: E731
    return [fault for i, value in enumerate(details) if value for fault in _flatten(value, nested(i, value))]


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise errors.Malformed(f"The key {twice[:64]!r} stands twice in one object.", code="duplicate_key")
    return made


def _no_constant(name: str) -> Any:
    raise errors.Malformed(f"{name} is not JSON.", code="invalid_json")
