"""What every request passes: its id and log line, the API's error shape, the pages' refusals."""

import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache
from uuid import uuid4

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import ResolverMatch, get_urlconf, resolve
from django.utils.cache import patch_cache_control
from django.utils.log import log_response

from mlops_portal import refusing
from mlops_portal.kit import api, correlation
from mlops_portal.kit.errors import DomainError, Malformed, Refused

Handler = Callable[[HttpRequest], HttpResponse]
_log = logging.getLogger("portal.request")
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
API = "/api/"
_TRAFFIC = re.compile(r"/api/v1/(?:models/[^/]+/(?:predictions|outcomes)|serving/[^/]+)|/api/[23]\.0/mlflow/.*")
_MLFLOW = re.compile(r"/(?:ajax-)?api/\d\.\d/mlflow/")
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


def _way(path: str) -> str:
    """Which surface the address belongs to, as the audit trail names it."""
    if _MLFLOW.match(path):
        return "mlflow"
    return "api" if path.startswith(API) else "ui"


class RequestLog:
    """Gives the request its id (or takes a well-formed `X-Request-ID`) and writes its one log line, never a body."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request.request_id = given if _ID.match(given) else uuid4().hex  # type: ignore[attr-defined]
        started = time.perf_counter()
        with correlation.answering(request.request_id, way=_way(request.path)):  # type: ignore[attr-defined]
            response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        if _log.isEnabledFor(logging.INFO):
            self._write(request, response, (time.perf_counter() - started) * 1000)
        return response

    @staticmethod
    def _write(request: HttpRequest, response: HttpResponse, took_ms: float) -> None:
        match = request.resolver_match
        _log.info(
            "request",
            extra={
                "request_id": request.request_id,  # type: ignore[attr-defined]
                "method": request.method,
                "route": match.route if match else None,
                "status": response.status_code,
                "ms": round(took_ms, 1),
            },
        )


class ApiBoundary:
    """Below /api every error is a problem document, also 404, 405, 413 and 500, and no key comes by query string."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API):
            return self.get_response(request)
        if "\x00" in request.path:
            return api.problem(Malformed("The address holds U+0000."), request)
        response = self.get_response(request)
        is_error = response.status_code >= 400
        if is_error and not response.headers.get("Content-Type", "").startswith((api.PROBLEM, "application/json")):
            response = self._as_problem(request, response)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @staticmethod
    def _as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        answer = api.problem_for_status(response.status_code, request)
        if "Allow" in response:
            answer["Allow"] = response["Allow"]
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A domain error of a plain view becomes its problem document; a bug stays one."""
        if not request.path.startswith(API):
            return None
        error = api.as_domain_error(exception)
        return api.problem(error, request) if error else None


class TrafficWay:
    """The short way of predictions, outcomes, polls of the serving layer and MLflow's clients: they carry a key, so
    sessions, CSRF, messages and htmx do not concern them, and what these cost would be half of the work that a single
    record is."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._boundary = ApiBoundary(self._view)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not _TRAFFIC.fullmatch(request.path_info):
            return self.get_response(request)
        response = self._boundary(request)
        response.headers.setdefault("Content-Security-Policy", _NO_PAGE)
        if response.status_code != 304:
            response.headers["Content-Length"] = str(len(response.content))
        return response

    def _view(self, request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()  # an unknown one is refused here as everywhere
            request.resolver_match = match = _resolved(request.path_info, get_urlconf())
            answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
        except Exception as error:
            return self._boundary.process_exception(request, error) or self._bug(request, error)
        return answer

    @staticmethod
    def _bug(request: HttpRequest, error: Exception) -> HttpResponse:
        """As Django answers a bug, without the page."""
        got_request_exception.send(sender=TrafficWay, request=request)
        response = api.problem_for_status(500, request)
        log_response(
            "%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=error
        )
        return response


@lru_cache(maxsize=1024)
def _resolved(path: str, urlconf: str | None) -> ResolverMatch:
    """The view of an address; a sender uses one address for all it has to say."""
    return resolve(path, urlconf)


class Refusals:
    """A domain error of a page becomes the refusal with its reason: a fragment for htmx, else a page."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user = getattr(request, "user", None)
        if user is not None and not request.path.startswith(API) and user.is_authenticated:
            patch_cache_control(response, no_store=True, private=True)  # Back after sign-out shows nothing
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer with the error's own status and sentence."""
        if not isinstance(exception, DomainError) or request.path.startswith(API):
            return None
        if isinstance(exception, Refused):
            refusing.note(request, request.user, exception)
        template = "components/_refusal.html" if getattr(request, "htmx", False) else "refusal.html"
        return render(request, template, {"error": exception}, status=exception.status)
