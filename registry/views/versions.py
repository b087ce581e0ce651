"""Pages of versions: their list, one of them, and registering the next."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.api import only_parameters
from mlops_portal.kit.errors import Malformed
from registry import comparison, inventory
from registry.forms import obey, status
from registry.forms.inventory import BlockForm, VersionEditForm, VersionForm
from registry.models import Feature, ModelVersion
from registry.views.models import found_model
from registry.views.request import SignedInRequest

NUMBER_LIMIT = 2**31 - 1  # what the column holds
SHOWN_LIMIT = 200


@require_safe
@login_required
def version_list(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    versions = model.versions.filter(deleted_at=None).annotate(feature_count=Count("features")).order_by("-number")
    context = {
        "model": model,
        "tab": "versions",
        "versions": versions[:SHOWN_LIMIT],
        "may_edit": inventory.may_edit(request.user, model),
    }
    return render(request, "registry/version_list.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def version_create(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    inventory.may_edit(request.user, model).require()
    form = VersionForm(request.POST) if request.method == "POST" else VersionForm.fresh()
    if form.is_valid():
        values, now = dict(form.cleaned_data), clock.now()
        once = values.pop("once")
        made = model.versions.filter(client_key=once).first()
        version = made or obey(
            form, lambda: inventory.register_version(model, **values, client_key=once, by=request.user, now=now)
        )
        if version is not None:
            return redirect("registry:version-detail", model.slug, version.number)
    features = Feature.objects.current().filter(model=model)
    context = {"form": form, "model": model, "tab": "versions", "feature_count": features.count()}
    return render(request, "registry/version_create.html", context, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def version_detail(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    version = found_version(request, slug, number)
    if request.method == "POST":
        inventory.may_edit(request.user, version.model).require()
    form = VersionEditForm(request.POST or None, initial={"description": version.description})
    if form.is_valid():
        said, now = form.cleaned_data["description"], clock.now()
        if obey(form, lambda: inventory.edit_version(version, description=said, by=request.user, now=now)):
            return redirect("registry:version-detail", slug, number)
    return _version_page(request, version, form, BlockForm())


@require_safe
@login_required
def version_compare(request: SignedInRequest, slug: str) -> HttpResponse:
    model = found_model(request, slug)
    asked = only_parameters(request, ("left", "right"))
    live = model.versions.filter(deleted_at=None).order_by("-number")
    numbers = list(live.values_list("number", flat=True)[:SHOWN_LIMIT])
    right = _number(asked, "right", numbers[0] if numbers else None)
    left = _number(asked, "left", next((number for number in numbers if number != right), right))
    context = {"model": model, "tab": "versions", "numbers": numbers}
    if left is not None and right is not None:
        sides = [found_version(request, slug, number) for number in (left, right)]
        context |= {"left": sides[0], "right": sides[1], "compared": comparison.compare(*sides)}
    return render(request, "registry/version_compare.html", context)


@require_POST
@login_required
def version_delete(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    version = found_version(request, slug, number)
    inventory.delete_version(version, by=request.user, now=clock.now())
    return redirect("registry:version-list", slug)


@require_POST
@login_required
def version_block(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    version = found_version(request, slug, number)
    inventory.may_remove(request.user, version.model).require()
    form = BlockForm(request.POST)
    if form.is_valid():
        reason, now = form.cleaned_data["reason"], clock.now()
        if obey(form, lambda: inventory.block_version(version, reason=reason, by=request.user, now=now)):
            return redirect("registry:version-detail", slug, number)
    return _version_page(request, version, VersionEditForm(initial={"description": version.description}), form)


@require_POST
@login_required
def version_unblock(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    version = found_version(request, slug, number)
    inventory.unblock_version(version, by=request.user, now=clock.now())
    return redirect("registry:version-detail", slug, number)


def _number(asked: dict[str, str], name: str, usual: int | None) -> int | None:
    """The version number that a parameter names. Raises Malformed if it names none."""
    text = asked.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise Malformed(f"{name}={text[:64]!r} is not the number of a version.", code="malformed_parameter")
    return int(text)


def found_version(request: SignedInRequest, slug: str, number: int) -> ModelVersion:
    """The version, if the person may see its model."""
    model = found_model(request, slug)
    if number > NUMBER_LIMIT:
        raise Http404
    version: ModelVersion = get_object_or_404(model.versions.filter(deleted_at=None), number=number)
    version.model = model
    return version


def _version_page(
    request: SignedInRequest, version: ModelVersion, form: VersionEditForm, block_form: BlockForm
) -> HttpResponse:
    context = {
        "model": version.model,
        "version": version,
        "tab": "versions",
        "form": form,
        "block_form": block_form,
        "features": Feature.objects.filter(version=version).select_related("source").order_by("position", "name"),
        "aliases": version.aliases.open().order_by("name"),
        "tags": list(version.tags.order_by("key")),
        "may_edit": inventory.may_edit(request.user, version.model),
        "may_remove": inventory.may_remove(request.user, version.model),
    }
    answered = max(status(form), status(block_form))
    return render(request, "registry/version_detail.html", context, status=answered)
