"""Pages of the audit trail: all that a person may read, and that of one model."""

from collections.abc import Sequence

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mlops_portal.kit import sheets
from mlops_portal.kit.api import Cursor, only_parameters
from registry import permissions, trail
from registry.models import AuditEntry
from registry.permissions import Permission
from registry.views.models import found_model
from registry.views.paging import address, in_order
from registry.views.request import SignedInRequest

EXPORT_LIMIT = 50_000
EXPORTED = (
    "seq",
    "at",
    "actor",
    "actor_kind",
    "via",
    "verb",
    "object_type",
    "object_id",
    "label",
    "team",
    "changes",
    "reason",
    "request_id",
    "prev_hash",
    "hash",
)


@require_safe
@login_required
def audit_list(request: SignedInRequest) -> HttpResponse:
    question = trail.read_question(only_parameters(request, (*trail.PARAMETERS, *Cursor.parameters)))
    entries = trail.answer(question, request.user)
    context = _page(request, entries) | {
        "wanted": question.wanted,
        "teams": trail.teams(request.user).order_by("name"),
        "ways": AuditEntry.Via.choices,
        "export_url": address(request),
    }
    return render(request, "registry/audit_list.html", context)


@require_safe
@login_required
def audit_export(request: SignedInRequest) -> HttpResponse:
    question = trail.read_question(only_parameters(request, trail.PARAMETERS))
    entries = trail.answer(question, request.user)[:EXPORT_LIMIT].iterator(chunk_size=2000)
    response = HttpResponse(sheets.document(EXPORTED, map(_exported, entries)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


@require_safe
@login_required
def model_audit(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    permissions.require(request.user, Permission.AUDIT_VIEW, model.team)
    only_parameters(request, Cursor.parameters)
    context = _page(request, trail.of_model(model)) | {"model": model, "tab": "audit"}
    return render(request, "registry/model_audit.html", context)


def _page(request: SignedInRequest, entries: QuerySet[AuditEntry]) -> dict[str, object]:
    page = in_order(entries, request)
    return {"entries": page.rows, "next_url": page.next_url, "previous_url": page.previous_url}


def _exported(entry: AuditEntry) -> Sequence[object]:
    values = {name: getattr(entry, name) for name in EXPORTED if name != "team"}
    return [entry.team.slug if name == "team" and entry.team else values.get(name) for name in EXPORTED]
