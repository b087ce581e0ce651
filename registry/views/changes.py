"""Pages of change events: the list, one of them, and the form that reports one."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import render_page
from registry import permissions, upstream
from registry.forms import obey, status
from registry.forms.changes import ChangeForm
from registry.models import ChangeEvent, RegisteredModel, Source, Team
from registry.permissions import Permission
from registry.views.models import found_model
from registry.views.paging import newest_first
from registry.views.request import SignedInRequest

FILTERS = {"kind": "kind", "severity": "severity", "model": "model__slug", "source": "source__slug"}
IN_FRAGMENT = 10


@require_safe
@login_required
def change_list(request: SignedInRequest) -> HttpResponse:
    rows = _visible(request)
    for name, column in FILTERS.items():
        if value := request.GET.get(name, "").replace("\x00", ""):
            rows = rows.filter(**{column: value})
    page = newest_first(rows, request, column="started_at", kept=FILTERS)
    models = RegisteredModel.objects.visible_to(request.user).live().order_by("name")
    sources = Source.objects.visible_to(request.user).order_by("name")
    context = {
        "events": page.rows,
        "next_url": page.next_url,
        "previous_url": page.previous_url,
        "filtered": any(request.GET.get(name) for name in FILTERS),
        "kind_options": ChangeEvent.Kind.choices,
        "severity_options": ChangeEvent.Severity.choices,
        "model_options": list(models.values_list("slug", "name")),
        "source_options": list(sources.values_list("slug", "name")),
        "may_report": permissions.somewhere(request.user, Permission.CHANGE_EVENT_REPORT),
    }
    return render_page(request, "registry/change_list.html", context, partials={"change-rows"})


@require_safe
@login_required
def change_detail(request: SignedInRequest, event_id: UUID) -> HttpResponse:
    event = get_object_or_404(_visible(request), pk=event_id)
    seen = set(RegisteredModel.objects.visible_to(request.user).values_list("pk", flat=True))
    affects = [one for one in upstream.affected_by(event) if one.model.pk in seen]
    return render(request, "registry/change_detail.html", {"event": event, "affects": affects})


@require_http_methods(["GET", "POST"])
@login_required
def change_report(request: SignedInRequest) -> HttpResponse:
    permissions.require_somewhere(request.user, Permission.CHANGE_EVENT_REPORT)
    teams = _teams(request)
    first = teams.first()
    initial = {name: request.GET.get(name, "") for name in ("model", "source", "endpoint", "kind")}
    given = request.POST.copy() if request.method == "POST" else None
    if given is not None and first is not None:
        given.setdefault("team", first.slug)  # one team: the form does not ask
    form = ChangeForm(given, teams=teams, initial=initial | {"team": first.slug if first else ""})
    if form.is_valid():
        team, now = form.cleaned_data["team"], clock.now()
        made = obey(form, lambda: upstream.report_change(team, form.change(now), by=request.user, now=now))
        if made is not None:
            return redirect("registry:change-detail", made[0].pk)
    return render(request, "registry/change_report.html", {"form": form}, status=status(form))


@require_safe
@login_required
def model_changes(request: SignedInRequest, slug: str) -> HttpResponse:
    """A card for the model's page: what changed at it, at its sources, and for the whole team."""
    model = found_model(request, slug)
    sources = model.features.current().filter(source__isnull=False).values("source")
    about = Q(model=model) | Q(source__in=sources) | Q(team=model.team, model=None, source=None)
    context = {
        "events": list(_visible(request).filter(about).order_by("-started_at", "-pk")[:IN_FRAGMENT]),
        "model": model,
        "may_report": upstream.may_report(request.user, model.team),
    }
    return render(request, "registry/_changes.html", context)


@require_safe
@login_required
def source_changes(request: SignedInRequest, slug: str) -> HttpResponse:
    """A card for the source's page."""
    rows = Source.objects.visible_to(request.user).select_related("team")
    source = get_object_or_404(rows, slug=slug)
    context = {
        "events": list(_visible(request).filter(source=source).order_by("-started_at", "-pk")[:IN_FRAGMENT]),
        "source": source,
        "may_report": upstream.may_report(request.user, source.team),
    }
    return render(request, "registry/_changes.html", context)


def _visible(request: SignedInRequest) -> QuerySet[ChangeEvent]:
    rows = ChangeEvent.objects.visible_to(request.user)
    return rows.select_related("team", "source", "model", "endpoint__model")


def _teams(request: SignedInRequest) -> "QuerySet[Team]":
    """The teams to which the person may report."""
    visible = Team.objects.visible_to(request.user)
    able = [team.pk for team in visible if upstream.may_report(request.user, team)]
    return Team.objects.filter(pk__in=able).order_by("name")
