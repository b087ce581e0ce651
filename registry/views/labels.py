"""Pages of tags and aliases."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from mlops_portal.kit import clock
from registry import governance, inventory
from registry.forms import obey, status
from registry.forms.labels import AliasForm, TagForm, TagRemoveForm
from registry.models import Alias, ModelVersion, RegisteredModel, Tag
from registry.views.models import found_model
from registry.views.request import SignedInRequest
from registry.views.versions import found_version

HISTORY = 100  # earlier places of aliases that a page shows


@require_http_methods(["GET", "POST"])
@login_required
def alias_list(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    may_edit = inventory.may_edit(request.user, model)
    if request.method == "POST":
        may_edit.require()
    form = AliasForm(request.POST or None)
    if form.is_valid() and _assigned(request, model, form):
        return redirect("registry:alias-list", slug)
    rows = Alias.objects.filter(model=model).select_related("version", "deployment__endpoint")
    context = {
        "model": model,
        "tab": "aliases",
        "form": form,
        "aliases": rows.open().order_by("name"),
        "bound": dict(model.endpoints.filter(retired_at=None).exclude(alias="").values_list("alias", "slug")),
        "history": rows.exclude(ended_at=None).order_by("-ended_at", "-set_at")[:HISTORY],
        "may_edit": may_edit,
    }
    return render(request, "registry/alias_list.html", context, status=status(form))


@require_POST
@login_required
def alias_drop(request: SignedInRequest, slug: str, name: str) -> HttpResponse:
    model = found_model(request, slug)
    inventory.may_edit(request.user, model).require()
    if not governance.drop_alias(model, name, by=request.user, now=clock.now()):
        raise Http404
    return redirect("registry:alias-list", slug)


@require_http_methods(["GET", "POST"])
@login_required
def model_tags(request: SignedInRequest, slug: str) -> HttpResponse:
    return _tags(request, found_model(request, slug))


@require_POST
@login_required
def model_tag_remove(request: SignedInRequest, slug: str) -> HttpResponse:
    return _remove(request, found_model(request, slug))


@require_http_methods(["GET", "POST"])
@login_required
def version_tags(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    return _tags(request, found_version(request, slug, number))


@require_POST
@login_required
def version_tag_remove(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    return _remove(request, found_version(request, slug, number))


def _assigned(request: SignedInRequest, model: RegisteredModel, form: AliasForm) -> bool:
    """Whether the alias points there now; what was refused stands in the form."""
    name, number = form.cleaned_data["name"], form.cleaned_data["version"]
    version = ModelVersion.objects.live().filter(model=model, number=number).first()
    if version is None:
        form.add_error("version", f"{model.slug} has no version {number}.")
        return False
    version.model = model
    now = clock.now()
    return bool(obey(form, lambda: governance.assign_alias(model, name, version, by=request.user, now=now)))


def _tags(request: SignedInRequest, obj: RegisteredModel | ModelVersion) -> HttpResponse:
    model, version = _place(obj)
    may_edit = inventory.may_edit(request.user, model)
    if request.method == "POST":
        may_edit.require()
    form = TagForm(request.POST or None)
    if form.is_valid():
        key, value, now = form.cleaned_data["key"], form.cleaned_data["value"], clock.now()
        if obey(form, lambda: inventory.set_tag(obj, key, value, by=request.user, now=now)):
            return _back(model, version)
    context = {
        "model": model,
        "version": version,
        "tab": "versions" if version else "tags",
        "form": form,
        "tags": Tag.objects.filter(model=model, version=version).order_by("key"),
        "may_edit": may_edit,
    }
    return render(request, "registry/tag_list.html", context, status=status(form))


def _remove(request: SignedInRequest, obj: RegisteredModel | ModelVersion) -> HttpResponse:
    model, version = _place(obj)
    inventory.may_edit(request.user, model).require()
    form = TagRemoveForm(request.POST)
    if not form.is_valid() or not inventory.delete_tag(obj, form.cleaned_data["key"], by=request.user, now=clock.now()):
        raise Http404
    return _back(model, version)


def _place(obj: RegisteredModel | ModelVersion) -> tuple[RegisteredModel, ModelVersion | None]:
    return (obj.model, obj) if isinstance(obj, ModelVersion) else (obj, None)


def _back(model: RegisteredModel, version: ModelVersion | None) -> HttpResponse:
    if version is None:
        return redirect("registry:model-tags", model.slug)
    return redirect("registry:version-tags", model.slug, version.number)
