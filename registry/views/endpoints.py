"""Pages of endpoints."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from mlops_portal.kit import clock
from registry import inventory
from registry.forms import obey, status
from registry.forms.inventory import EndpointForm
from registry.models import Endpoint
from registry.views.models import found_model
from registry.views.request import SignedInRequest


@require_http_methods(["GET", "POST"])
@login_required
def endpoint_create(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    inventory.may_edit(request.user, model).require()
    form = EndpointForm(request.POST or None)
    if form.is_valid():
        values, now = form.described(), clock.now()
        endpoint = obey(form, lambda: inventory.create_endpoint(model, **values, by=request.user, now=now))
        if endpoint is not None:
            return redirect("registry:endpoint-detail", endpoint.slug)
    return render(request, "registry/endpoint_edit.html", {"form": form, "model": model}, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def endpoint_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    endpoint = _found(request, slug)
    inventory.may_edit(request.user, endpoint.model).require()
    form = EndpointForm(request.POST or None, initial=EndpointForm.initial_of(endpoint), endpoint=endpoint)
    if form.is_valid():
        base = form.cleaned_data["base"] or endpoint.lock_version
        patch, now = form.described(), clock.now()
        if obey(form, lambda: inventory.edit_endpoint(endpoint, patch, base=base, by=request.user, now=now)):
            return redirect("registry:endpoint-detail", endpoint.slug)
    context = {"form": form, "model": endpoint.model, "endpoint": endpoint}
    context["may_remove"] = inventory.may_remove(request.user, endpoint.model)
    return render(request, "registry/endpoint_edit.html", context, status=status(form))


@require_POST
@login_required
def endpoint_retire(request: SignedInRequest, slug: str) -> HttpResponse:
    endpoint = _found(request, slug)
    inventory.retire_endpoint(endpoint, base=endpoint.lock_version, by=request.user, now=clock.now())
    return redirect("registry:model-detail", endpoint.model.slug)


def _found(request: SignedInRequest, slug: str) -> Endpoint:
    visible = Endpoint.objects.visible_to(request.user).active()
    return get_object_or_404(visible.select_related("model__team"), slug=slug)
