"""Items of a model that were set aside: why, and their replay."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import HtmxRequest, changed, render_page
from monitoring import reports
from monitoring.models import QuarantinedItem
from monitoring.traffic import replaying
from registry import permissions
from registry.models import RegisteredModel
from registry.permissions import Permission

PAGE_ROWS = 50


@require_safe
@login_required
def set_aside_list(request: HtmxRequest, slug: str) -> HttpResponse:
    model = _model(request, slug)
    rows = QuarantinedItem.objects.filter(model=model).order_by("-created_at", "-pk")
    context = {
        "model": model,
        "reasons": reports.set_aside(model),
        "page": Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page")),
        "may_replay": permissions.ruling(request.user, Permission.MONITOR_EDIT, model.team),
        "is_replaying": replaying.is_under_way(model),
    }
    return render_page(request, "monitoring/set_aside_list.html", context, partials={"set-aside"})


@require_POST
@login_required
def set_aside_replay(request: HtmxRequest, slug: str) -> HttpResponse:
    model = _model(request, slug)
    replaying.request(model, code=request.POST.get("code", "")[:64], by=request.user, now=clock.now())
    return changed(request, event="items-changed", back_to="monitoring:set-aside-list", slug=slug)


def _model(request: HtmxRequest, slug: str) -> RegisteredModel:
    visible = RegisteredModel.objects.visible_to(request.user).live()
    return get_object_or_404(visible.select_related("team", "owner"), slug=slug)
