"""What monitoring shows of one model: health, inputs, one feature."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import HtmxRequest, render_page
from monitoring import reports
from monitoring.models import Alert
from monitoring.reports.health import DEFAULT_SPAN, SPANS
from registry.models import RegisteredModel

PARTS = ("model-health", "model-alerts")


@require_safe
@login_required
def model_health(request: HtmxRequest, slug: str) -> HttpResponse:
    model = _model(request, slug)
    span = request.GET.get("span", DEFAULT_SPAN)
    report = reports.health(model, span=span if span in SPANS else DEFAULT_SPAN, now=clock.now())
    context = {"model": model, "report": report, "spans": SPANS}
    return render_page(request, "monitoring/model_health.html", context, partials={"model-health"})


@require_safe
@login_required
def model_alerts(request: HtmxRequest, slug: str) -> HttpResponse:
    model = _model(request, slug)
    alerts = Alert.objects.visible_to(request.user).open().filter(model=model).for_list()
    context = {"model": model, "alerts": alerts}
    return render_page(request, "monitoring/model_alerts.html", context, partials={"model-alerts"})


@require_safe
@login_required
def model_inputs(request: HtmxRequest, slug: str) -> HttpResponse:
    model = _model(request, slug)
    run, rows = reports.feature_rows(model)
    wanted, words = request.GET.get("verdict", ""), request.GET.get("q", "").strip()
    shown = [row for row in rows if wanted in ("", row.verdict) and words.lower() in row.name.lower()]
    verdicts = sorted({row.verdict for row in rows})
    context = {
        "model": model,
        "run": run,
        "rows": shown,
        "total": len(rows),
        "query": words,
        "verdict_options": [(verdict, verdict.replace("_", " ")) for verdict in verdicts],
    }
    return render_page(request, "monitoring/model_inputs.html", context, partials={"feature-rows"})


@require_safe
@login_required
def model_feature(request: HtmxRequest, slug: str, feature: str) -> HttpResponse:
    model = _model(request, slug)
    report = reports.feature_report(model, feature)
    if report is None:
        raise Http404
    return render_page(request, "monitoring/model_feature.html", {"model": model, "report": report})


def _model(request: HtmxRequest, slug: str) -> RegisteredModel:
    visible = RegisteredModel.objects.visible_to(request.user).live()
    return get_object_or_404(visible.select_related("team", "owner"), slug=slug)
