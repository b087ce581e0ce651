"""Pages of consumers: who depends on what the endpoints answer."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, only_parameters
from registry import inventory
from registry.forms import obey, status
from registry.forms.lineage import ConsumerForm
from registry.models import Consumer, Endpoint
from registry.views.paging import in_order
from registry.views.request import SignedInRequest

FILTERS = {"endpoint": "endpoint__slug", "model": "endpoint__model__slug", "kind": "kind", "criticality": "criticality"}


@require_safe
@login_required
def consumer_list(request: SignedInRequest) -> HttpResponse:
    asked = only_parameters(request, (*FILTERS, *Cursor.parameters))
    wanted = {name: asked[name] for name in FILTERS if asked.get(name)}
    rows = Consumer.objects.visible_to(request.user).active().select_related("endpoint__model", "endpoint__environment")
    rows = rows.filter(**{FILTERS[name]: value for name, value in wanted.items()})
    page = in_order(rows.order_by("name", "pk"), request)
    context: dict[str, Any] = {
        "consumers": page.rows,
        "wanted": wanted,
        "kinds": Consumer.Kind.choices,
        "criticalities": Consumer.Criticality.choices,
        "next_url": page.next_url,
        "previous_url": page.previous_url,
    }
    if "endpoint" in wanted:
        visible = Endpoint.objects.visible_to(request.user).active().select_related("model__team")
        context["endpoint"] = endpoint = visible.filter(slug=wanted["endpoint"]).first()
        context["may_edit"] = endpoint and inventory.may_edit(request.user, endpoint.model)
    return render(request, "registry/consumer_list.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def consumer_create(request: SignedInRequest, slug: str) -> HttpResponse:
    visible = Endpoint.objects.visible_to(request.user).active().select_related("model__team")
    endpoint = get_object_or_404(visible, slug=slug)
    inventory.may_edit(request.user, endpoint.model).require()
    form = ConsumerForm(request.POST or None)
    if form.is_valid():
        values, now = form.described(), clock.now()
        if obey(form, lambda: inventory.create_consumer(endpoint, **values, by=request.user, now=now)):
            return redirect(_list_url(endpoint))
    context = {"form": form, "endpoint": endpoint, "model": endpoint.model}
    return render(request, "registry/consumer_edit.html", context, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def consumer_edit(request: SignedInRequest, consumer_id: UUID) -> HttpResponse:
    consumer = _found(request, consumer_id)
    inventory.may_edit(request.user, consumer.endpoint.model).require()
    form = ConsumerForm(request.POST or None, initial=ConsumerForm.initial_of(consumer))
    if form.is_valid():
        base = form.cleaned_data["base"] or consumer.lock_version
        patch, now = form.described(), clock.now()
        if obey(form, lambda: inventory.edit_consumer(consumer, patch, base=base, by=request.user, now=now)):
            return redirect(_list_url(consumer.endpoint))
    endpoint = consumer.endpoint
    context = {"form": form, "consumer": consumer, "endpoint": endpoint, "model": endpoint.model}
    context["may_remove"] = inventory.may_remove(request.user, endpoint.model)
    return render(request, "registry/consumer_edit.html", context, status=status(form))


@require_POST
@login_required
def consumer_retire(request: SignedInRequest, consumer_id: UUID) -> HttpResponse:
    consumer = _found(request, consumer_id)
    inventory.retire_consumer(consumer, base=consumer.lock_version, by=request.user, now=clock.now())
    return redirect(_list_url(consumer.endpoint))


def _found(request: SignedInRequest, consumer_id: UUID) -> Consumer:
    visible = Consumer.objects.visible_to(request.user).active().select_related("endpoint__model__team")
    return get_object_or_404(visible, pk=consumer_id)


def _list_url(endpoint: Endpoint) -> str:
    return f"{reverse('registry:consumer-list')}?{urlencode({'endpoint': endpoint.slug})}"
