"""What machines ask: is the process up, can it do its work, and how is it going."""

import ipaddress
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mlops_portal import figures, readiness_checks
from mlops_portal.kit import api, clock, peer
from mlops_portal.kit.errors import DomainError, Unauthenticated
from registry import permissions
from registry.models import Scope

View = Callable[[HttpRequest], HttpResponse]


def for_operators(view: View) -> View:
    """Answer programs on this machine, and those with a key that may read; everybody else gets a problem document."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        try:
            _require_operator(request)
        except DomainError as error:
            return api.problem(error, request)
        return view(request)

    return guarded


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
@for_operators
def readyz(request: HttpRequest) -> HttpResponse:
    checks = readiness_checks.all_checks()
    ready = all(check.holds for check in checks)
    answer = {"ready": ready, "checks": {check.name: list(check.problems) or "ok" for check in checks}}
    return JsonResponse(answer, status=200 if ready else 503)


@require_safe
@for_operators
def metrics(request: HttpRequest) -> HttpResponse:
    return HttpResponse(figures.generate(clock.now()), content_type=CONTENT_TYPE_LATEST)


def _require_operator(request: HttpRequest) -> None:
    key = permissions.key_from_request(request)
    if key is not None:
        permissions.require_scope(permissions.authenticate_key(key, clock.now()), Scope.READ)
    elif not _is_local(request):
        raise Unauthenticated("Send an API key with the scope read as `Authorization: Bearer …`.")


def _is_local(request: HttpRequest) -> bool:
    """Whether the client is on this machine; what an undeclared proxy on this machine passes on is not."""
    if not settings.TRUSTED_PROXIES and "X-Forwarded-For" in request.headers:
        return False
    try:
        return ipaddress.ip_address(peer.address(request)).is_loopback
    except ValueError:
        return False
