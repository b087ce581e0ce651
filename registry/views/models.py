"""Pages of models: the list, the overview, and what describes a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.request import Request

from mlops_portal.kit import clock, sheets
from mlops_portal.kit.api import Cursor, only_parameters
from mlops_portal.kit.htmx import render_page
from mlops_portal.kit.ruling import Ruling
from registry import deployments, inventory, listing, permissions
from registry.forms import obey, status
from registry.forms.inventory import DeleteForm, ModelForm
from registry.models import Feature, RegisteredModel, Team
from registry.permissions import Permission
from registry.views.request import SignedInRequest

EXPORT_LIMIT = 10_000
EXPORTED = ("slug", "name", "team", "owner", "lifecycle", "risk", "task", "versions", "endpoints", "updated_at")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the first steps; the form `_checks.html` takes."""

    tone: str
    text: str
    fact: str = ""
    fix_url: str = ""


@require_safe
@login_required
def model_list(request: SignedInRequest) -> HttpResponse:
    question = listing.read_question(only_parameters(request, (*listing.PARAMETERS, *Cursor.parameters)))
    cursor = Cursor()
    page = cursor.paginate_queryset(listing.with_counts(listing.answer(question, request.user)), Request(request))
    token = cursor.get_paginated_response([]).data["next"]
    context = {
        "models": page,
        "question": question,
        "choices": listing.choices(request.user),
        "next_url": _url(request, cursor=token) if token else "",
        "previous_url": _url(request) if "cursor" in request.GET else "",
        "export_url": _url(request),
        "may_register": _may_register(request),
        "anything": page or _visible(request).exists(),
    }
    return render_page(request, "registry/model_list.html", context, partials={"model-rows"})


@require_safe
@login_required
def model_export(request: SignedInRequest) -> HttpResponse:
    question = listing.read_question(only_parameters(request, listing.PARAMETERS))
    models = listing.with_counts(listing.answer(question, request.user))[:EXPORT_LIMIT]
    response = HttpResponse(sheets.document(EXPORTED, map(_exported, models)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="models.csv"'
    return response


@require_safe
@login_required
def model_detail(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    version = model.versions.filter(deleted_at=None).order_by("-number").first()
    feature_count = Feature.objects.current().filter(model=model).count()
    context = {
        "model": model,
        "tab": "overview",
        "version": version,
        "version_count": model.versions.filter(deleted_at=None).count(),
        "endpoints": deployments.served(
            model.endpoints.active().select_related("environment", "pointer__deployment").order_by("slug")
        ),
        "feature_count": feature_count,
        "steps": _first_steps(model, feature_count),
        "may_edit": inventory.may_edit(request.user, model),
    }
    return render(request, "registry/model_detail.html", context)


def _first_steps(model: RegisteredModel, feature_count: int) -> list[Step]:
    """What a new model still needs, in order, each with where it is done."""
    features_url = reverse("registry:feature-list", args=[model.slug])
    version_url = reverse("registry:version-create", args=[model.slug])
    named = f"{feature_count} named" if feature_count else "Add features"
    return [
        Step("ok" if feature_count else "mute", "Name the features it reads", named, features_url),
        Step("mute", "Register a version, which copies them", "Register", version_url),
        Step("mute", "Upload training data for it, then send predictions with a key of the scope ingest"),
    ]


@require_http_methods(["GET", "POST"])
@login_required
def model_create(request: SignedInRequest) -> HttpResponse:
    _may_register(request).require()
    form = ModelForm(request.POST or None, teams=teams_to_edit(request))
    if form.is_valid():
        values = form.described()
        team, now = values.pop("team"), clock.now()
        model = obey(form, lambda: inventory.register_model(team, **values, by=request.user, now=now))
        if model is not None:
            return redirect("registry:feature-list", model.slug)
    return render(request, "registry/model_create.html", {"form": form}, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def model_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    inventory.may_edit(request.user, model).require()
    initial = ModelForm.initial_of(model)
    form = ModelForm(request.POST or None, initial=initial, teams=[model.team], model=model)
    if form.is_valid():
        base, now = _base(request, model), clock.now()
        patch = form.described()
        if obey(form, lambda: inventory.edit_model(model, patch, base=base, by=request.user, now=now)):
            return redirect("registry:model-detail", model.slug)
    context = {"form": form, "model": model, "tab": "edit", "base": _base(request, model)}
    context["may_remove"] = inventory.may_remove(request.user, model)
    return render(request, "registry/model_edit.html", context, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def model_delete(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    inventory.may_remove(request.user, model).require()
    form = DeleteForm(request.POST or None, model=model, initial={"base": model.lock_version})
    if form.is_valid():
        base = form.cleaned_data["base"]
        inventory.delete_model(model, base=base, by=request.user, now=clock.now())
        return redirect("registry:model-list")
    return render(request, "registry/model_delete.html", {"form": form, "model": model}, status=status(form))


def found_model(request: SignedInRequest, slug: str) -> RegisteredModel:
    """The model, if the person may see it."""
    return get_object_or_404(_visible(request).select_related("team", "owner", "deputy"), slug=slug)


def teams_to_edit(request: SignedInRequest) -> list[Team]:
    """The teams whose inventory the person may change."""
    teams = Team.objects.visible_to(request.user).order_by("name")
    return [team for team in teams if permissions.has(request.user, Permission.INVENTORY_EDIT, team)]


def _visible(request: SignedInRequest) -> QuerySet[RegisteredModel]:
    return RegisteredModel.objects.visible_to(request.user).live()


def _may_register(request: SignedInRequest) -> Ruling:
    return permissions.somewhere(request.user, Permission.INVENTORY_EDIT)


def _base(request: SignedInRequest, model: RegisteredModel) -> int:
    """The state the person has seen: that of the form they were shown."""
    given = request.POST.get("base", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else model.lock_version


def _url(request: SignedInRequest, **changes: str) -> str:
    kept = {name: str(value) for name, value in request.GET.items() if name not in Cursor.parameters and value}
    return f"?{urlencode({**kept, **changes})}"


def _exported(model: Any) -> Sequence[object]:
    owner = model.owner.username if model.owner else ""
    counts = (model.version_count, model.endpoint_count)
    return (
        model.slug,
        model.name,
        model.team.slug,
        owner,
        model.lifecycle,
        model.risk,
        model.task,
        *counts,
        model.updated_at,
    )
