"""Pages of features: the current list, and one feature of it or of a version."""

from collections.abc import Sequence
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from mlops_portal.kit import clock
from registry import inventory, lineage
from registry.forms import obey, status
from registry.forms.inventory import FeatureForm, FeatureLinesForm
from registry.inventory import FeatureDraft
from registry.models import Feature, RegisteredModel
from registry.views.models import found_model
from registry.views.request import SignedInRequest


@require_http_methods(["GET", "POST"])
@login_required
def feature_list(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    may_edit = inventory.may_edit(request.user, model)
    form = FeatureLinesForm(request.POST or None)
    if request.method == "POST":
        may_edit.require()
    if form.is_valid():
        added, now = form.cleaned_data["lines"], clock.now()
        drafts = [*_current(model), *added]
        if obey(form, lambda: inventory.set_features(model, drafts, by=request.user, now=now)) is not None:
            return redirect("registry:feature-list", slug)
    context = {
        "model": model,
        "tab": "features",
        "form": form,
        "features": Feature.objects.current().filter(model=model).select_related("source"),
        "may_edit": may_edit,
    }
    return render(request, "registry/feature_list.html", context, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def feature_create(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    inventory.may_edit(request.user, model).require()
    form = FeatureForm(request.POST or None, team=model.team)
    if form.is_valid():
        drafts, now = [*_current(model), form.as_draft()], clock.now()
        if obey(form, lambda: inventory.set_features(model, drafts, by=request.user, now=now)) is not None:
            return redirect("registry:feature-list", slug)
    context = {"form": form, "model": model, "tab": "features"}
    return render(request, "registry/feature_edit.html", context, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def feature_edit(request: SignedInRequest, slug: str, feature_id: UUID) -> HttpResponse:
    model, feature = _found(request, slug, feature_id)
    inventory.may_edit(request.user, model).require()
    frozen = bool(feature.version and feature.version.schema_frozen_at)
    form = FeatureForm(request.POST or None, initial=FeatureForm.initial_of(feature), team=model.team, frozen=frozen)
    if form.is_valid():
        draft = form.as_draft()
        drafts = [draft if each.name == feature.name else each for each in _list_of(model, feature)]
        if obey(form, lambda: _save(request, model, feature, drafts)) is not None:
            return redirect(_back_url(model, feature))
    others = lineage.dependents(feature.source, request.user) if feature.source else []
    context = {
        "form": form,
        "model": model,
        "feature": feature,
        "dependents": [one for one in others if one.model != model],
        "tab": "versions" if feature.version else "features",
        "frozen": frozen,
        "back_url": _back_url(model, feature),
    }
    return render(request, "registry/feature_edit.html", context, status=status(form))


@require_POST
@login_required
def feature_remove(request: SignedInRequest, slug: str, feature_id: UUID) -> HttpResponse:
    model, feature = _found(request, slug, feature_id)
    drafts = [each for each in _list_of(model, feature) if each.name != feature.name]
    _save(request, model, feature, drafts)
    return redirect(_back_url(model, feature))


def _found(request: SignedInRequest, slug: str, feature_id: UUID) -> tuple[RegisteredModel, Feature]:
    model = found_model(request, slug)
    feature = get_object_or_404(Feature.objects.select_related("version", "source"), model=model, pk=feature_id)
    if feature.version:
        feature.version.model = model
    return model, feature


def _current(model: RegisteredModel) -> list[FeatureDraft]:
    return inventory.drafts_of(Feature.objects.current().filter(model=model))


def _list_of(model: RegisteredModel, feature: Feature) -> list[FeatureDraft]:
    """The whole list the feature stands in."""
    if feature.version is None:
        return _current(model)
    return inventory.drafts_of(Feature.objects.filter(version=feature.version))


def _save(
    request: SignedInRequest, model: RegisteredModel, feature: Feature, drafts: Sequence[FeatureDraft]
) -> list[Feature]:
    if feature.version is None:
        return inventory.set_features(model, drafts, by=request.user, now=clock.now())
    return inventory.set_version_features(feature.version, drafts, by=request.user, now=clock.now())


def _back_url(model: RegisteredModel, feature: Feature) -> str:
    if feature.version is None:
        return reverse("registry:feature-list", args=[model.slug])
    return reverse("registry:version-detail", args=[model.slug, feature.version.number])
