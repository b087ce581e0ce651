"""Refused changes are told to the audit trail, whichever surface they came by; the answer is the same without it."""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from rest_framework.response import Response

from mlops_portal.kit import api, clock
from mlops_portal.kit.errors import Refused
from registry.actors import KeyPrincipal
from registry.models import User
from registry.refusals import record_refusal

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_log = logging.getLogger(__name__)


def problem_handler(raised: Exception, context: Mapping[str, Any]) -> Response | JsonResponse | None:
    """The API's exception handler, which also notes who was refused a change."""
    if isinstance(raised, Refused):
        note(context["request"]._request, context["request"].user, raised)
    return api.problem_handler(raised, context)


def note(request: HttpRequest, actor: object, refusal: Refused) -> None:
    """Record the refusal, if it is of a change and somebody known was refused; what fails here changes no answer."""
    if request.method in _READING or not isinstance(actor, User | KeyPrincipal):
        return
    try:
        record_refusal(actor, f"{request.method} {request.path}"[:512], refusal.detail, now=clock.now())
    except DatabaseError:
        _log.exception("a refusal was not recorded")
