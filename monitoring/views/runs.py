"""Runs: the list, one run, its measurements as CSV, and "run again"."""

from datetime import timedelta
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import HtmxRequest, changed, render_page
from monitoring import exports, reports, runs
from monitoring.models import Measurement, Monitor, Run
from monitoring.stats.results import WORST_FIRST
from registry import permissions
from registry.models import RegisteredModel
from registry.permissions import Permission

PAGE_ROWS = 50
STOP_POLLING = 286  # htmx ends a poll at this status
OPEN_STATES = {Run.State.PLANNED, Run.State.RUNNING}
FILTERS = {"model": "model__slug", "monitor": "monitor__slug", "state": "state", "verdict": "summary__worst"}


@require_safe
@login_required
def run_list(request: HtmxRequest) -> HttpResponse:
    rows = Run.objects.visible_to(request.user).latest().select_related("model", "monitor")
    for key, column in FILTERS.items():
        if value := request.GET.get(key, "").replace("\x00", ""):  # PostgreSQL stores no U+0000
            rows = rows.filter(**{column: value})
    page = Paginator(rows.order_by("-window_end", "model__name", "pk"), PAGE_ROWS).get_page(request.GET.get("page"))
    models = RegisteredModel.objects.visible_to(request.user).live().order_by("name")
    monitors = Monitor.objects.visible_to(request.user).order_by("slug").values_list("slug", flat=True).distinct()
    context = {
        "page": page,
        "model_options": list(models.values_list("slug", "name")),
        "monitor_options": list(monitors),
        "verdict_options": [(verdict.value, verdict.value.replace("_", " ")) for verdict in WORST_FIRST],
    }
    return render_page(request, "monitoring/run_list.html", context, partials={"run-rows"})


@require_safe
@login_required
def run_detail(request: HtmxRequest, run_id: UUID) -> HttpResponse:
    run = _run(request, run_id)
    report = reports.run_report(run)
    context = {
        "run": run,
        "report": report,
        "last_day": (run.window_end - timedelta(seconds=1)).date(),
        "may_run": permissions.ruling(request.user, Permission.MONITOR_EDIT, run.model.team),
    }
    response = render_page(request, "monitoring/run_detail.html", context, partials={"run-state"})
    if request.htmx.target == "run-state" and run.state not in OPEN_STATES:
        response.status_code = STOP_POLLING
    return response


@require_safe
@login_required
def run_csv(request: HtmxRequest, run_id: UUID) -> StreamingHttpResponse:
    run = _run(request, run_id)
    rows = Measurement.objects.filter(run=run).order_by("pk")
    response = StreamingHttpResponse(exports.csv_lines(rows), content_type="text/csv; charset=utf-8")
    name = f"{run.model.slug}-{run.monitor.slug}-{run.window_end:%Y-%m-%d}-r{run.revision}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
@login_required
def run_again(request: HtmxRequest, run_id: UUID) -> HttpResponse:
    run = _run(request, run_id)
    again = runs.request(run.monitor, run.window_start, by=request.user, now=clock.now())
    return changed(request, event="runs-changed", back_to="monitoring:run-detail", run_id=again.pk)


def _run(request: HtmxRequest, run_id: UUID) -> Run:
    rows = Run.objects.visible_to(request.user).select_related("model", "model__team", "monitor", "config")
    return get_object_or_404(rows, pk=run_id)
