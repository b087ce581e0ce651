"""Alerts: the list, one alert, and what a person says to it."""

from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core import signing
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import changed, render_page
from monitoring import alerts
from monitoring.forms import AcknowledgeForm
from monitoring.models import Alert
from monitoring.models.alert import AlertQuerySet
from monitoring.reports.alert import alert_report
from registry.models import RegisteredModel
from registry.views.request import SignedInRequest

PAGE = 50
CURSOR_SALT = "alerts.list"
STATES = {"open": "Open", "closed": "Closed", "all": "Open and closed"}
FILTERS = ("q", "state", "severity", "family", "model")


@require_safe
@login_required
def alert_list(request: SignedInRequest) -> HttpResponse:
    found = list(_page(_filtered(request), request))
    models = RegisteredModel.objects.visible_to(request.user).live().order_by("name").values_list("slug", "name")
    context = {
        "alerts": found[:PAGE],
        "filtered": any(request.GET.get(name) for name in FILTERS),
        "state_options": STATES.items(),
        "severity_options": Alert.Severity.choices,
        "family_options": Alert.Family.choices,
        "model_options": list(models),
        "next_url": _url(request, cursor=_cursor(found[PAGE - 1])) if len(found) > PAGE else "",
        "previous_url": _url(request) if request.GET.get("cursor") else "",
        "here": request.get_full_path(),
    }
    return render_page(request, "monitoring/alert_list.html", context, partials={"alert-rows"})


@require_safe
@login_required
def alert_detail(request: SignedInRequest, alert_id: UUID) -> HttpResponse:
    alert = _alert(request, alert_id)
    context = {
        "alert": alert,
        "report": alert_report(alert, request.user),
        "is_flapping": alerts.is_flapping(alert, alert.last_breach_at),
        "may_acknowledge": alerts.may_acknowledge(request.user, alert),
        "may_unacknowledge": alerts.may_unacknowledge(request.user, alert),
        "form": AcknowledgeForm(),
    }
    return render_page(request, "monitoring/alert_detail.html", context, partials={"alert-page"})


@require_POST
@login_required
def alert_acknowledge(request: SignedInRequest, alert_id: UUID) -> HttpResponse:
    alert, now = _alert(request, alert_id), clock.now()
    form = AcknowledgeForm(request.POST)
    said = form.values()
    until = now + timedelta(hours=said.hours) if said.hours else None
    alerts.acknowledge(alert, by=request.user, now=now, until=until, note=said.note)
    return changed(request, event="alerts-changed", back_to="monitoring:alert-detail", alert_id=alert.pk)


@require_POST
@login_required
def alert_unacknowledge(request: SignedInRequest, alert_id: UUID) -> HttpResponse:
    alert = _alert(request, alert_id)
    alerts.unacknowledge(alert, by=request.user, now=clock.now())
    return changed(request, event="alerts-changed", back_to="monitoring:alert-detail", alert_id=alert.pk)


def _alert(request: SignedInRequest, alert_id: UUID) -> Alert:
    rows = Alert.objects.visible_to(request.user).select_related("model__team", "model__owner", "acknowledged_by")
    return get_object_or_404(rows, pk=alert_id)


def _filtered(request: SignedInRequest) -> AlertQuerySet:
    """The alerts that the address asks for, open ones unless it says otherwise; an unknown value finds nothing."""
    rows = Alert.objects.visible_to(request.user)
    state = request.GET.get("state", "") or "open"
    if state == "open":
        rows = rows.open()
    elif state == "closed":
        rows = rows.filter(closed_at__isnull=False)
    elif state != "all":
        return rows.none()
    for name, column in (("severity", "severity"), ("family", "family"), ("model", "model__slug")):
        if value := request.GET.get(name, ""):
            rows = rows.filter(**{column: value})
    text = request.GET.get("q", "").strip().replace("\x00", "")[:200]
    return rows.matching(text) if text else rows


def _page(rows: AlertQuerySet, request: SignedInRequest) -> AlertQuerySet:
    """One page and one alert more, the most urgent first, from the signed cursor on; a forged one starts at the top."""
    ordered = rows.for_list().by_urgency()
    try:
        urgency, at, pk = signing.loads(request.GET.get("cursor", ""), salt=CURSOR_SALT)
    except signing.BadSignature:
        return ordered[: PAGE + 1]
    opened_at, last = datetime.fromisoformat(at), UUID(pk)
    later = Q(urgency__lt=urgency) | Q(urgency=urgency, opened_at__lt=opened_at)
    return ordered.filter(later | Q(urgency=urgency, opened_at=opened_at, pk__lt=last))[: PAGE + 1]


def _cursor(alert: Alert) -> str:
    return signing.dumps([alert.urgency, alert.opened_at.isoformat(), str(alert.pk)], salt=CURSOR_SALT)  # type: ignore[attr-defined]


def _url(request: SignedInRequest, **more: str) -> str:
    kept = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    return f"?{urlencode(kept | more)}"
