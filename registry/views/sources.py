"""Pages of sources: what feeds the models, and what depends on each."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, only_parameters
from registry import inventory, lineage, permissions
from registry.forms import obey, status
from registry.forms.lineage import SourceForm
from registry.models import Source, Team
from registry.permissions import Permission
from registry.views.models import teams_to_edit
from registry.views.paging import in_order
from registry.views.request import SignedInRequest

FILTERS = ("q", "team", "kind")


@require_safe
@login_required
def source_list(request: SignedInRequest) -> HttpResponse:
    asked = only_parameters(request, (*FILTERS, *Cursor.parameters))
    text, rows = asked.get("q", "").strip()[:200], lineage.sources(request.user)
    if text:
        rows = rows.filter(Q(slug__icontains=text) | Q(name__icontains=text))
    for name, column in (("team", "team__slug"), ("kind", "kind")):
        if asked.get(name):
            rows = rows.filter(**{column: asked[name]})
    page = in_order(rows.order_by("slug"), request)
    context = {
        "sources": page.rows,
        "text": text,
        "filtered": any(asked.get(name) for name in FILTERS),
        "teams": list(Team.objects.visible_to(request.user).order_by("name").values_list("slug", "name")),
        "kinds": Source.Kind.choices,
        "next_url": page.next_url,
        "previous_url": page.previous_url,
        "may_create": permissions.somewhere(request.user, Permission.INVENTORY_EDIT),
    }
    return render(request, "registry/source_list.html", context)


@require_safe
@login_required
def source_detail(request: SignedInRequest, slug: str) -> HttpResponse:
    source = _found(request, slug)
    dependents = lineage.dependents(source, request.user)
    context = {
        "source": source,
        "dependents": dependents,
        "model_count": len({one.model for one in dependents}),
        "feeds": Source.objects.active().filter(fed_by=source).order_by("slug"),
        "may_edit": permissions.ruling(request.user, Permission.INVENTORY_EDIT, source.team),
        "may_remove": permissions.ruling(request.user, Permission.INVENTORY_REMOVE, source.team),
    }
    return render(request, "registry/source_detail.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def source_create(request: SignedInRequest) -> HttpResponse:
    permissions.somewhere(request.user, Permission.INVENTORY_EDIT).require()
    form = SourceForm(request.POST or None, teams=teams_to_edit(request))
    if form.is_valid():
        values, now = form.described(), clock.now()
        team = values.pop("team")
        source = obey(form, lambda: inventory.create_source(team, **values, by=request.user, now=now))
        if source is not None:
            return redirect("registry:source-detail", source.slug)
    return render(request, "registry/source_edit.html", {"form": form}, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def source_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    source = _found(request, slug)
    permissions.require(request.user, Permission.INVENTORY_EDIT, source.team)
    form = SourceForm(request.POST or None, initial=SourceForm.initial_of(source), teams=[source.team], source=source)
    if form.is_valid():
        base = form.cleaned_data["base"] or source.lock_version
        patch, now = form.described(), clock.now()
        if obey(form, lambda: inventory.edit_source(source, patch, base=base, by=request.user, now=now)):
            return redirect("registry:source-detail", slug)
    return render(request, "registry/source_edit.html", {"form": form, "source": source}, status=status(form))


@require_POST
@login_required
def source_retire(request: SignedInRequest, slug: str) -> HttpResponse:
    source = _found(request, slug)
    inventory.retire_source(source, base=source.lock_version, by=request.user, now=clock.now())
    return redirect("registry:source-list")


def _found(request: SignedInRequest, slug: str) -> Source:
    visible = Source.objects.visible_to(request.user).active().select_related("team", "fed_by")
    return get_object_or_404(visible, slug=slug)
