"""Pages of models: the list, the overview, and what describes a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_http_methods, require_safe

from mlops_portal.kit import clock, sheets
from mlops_portal.kit.api import Cursor, only_parameters
from mlops_portal.kit.htmx import render_page
from mlops_portal.kit.ruling import Ruling
from registry import facets, history, inventory, listing, permissions
from registry.forms import obey, status
from registry.forms.inventory import DeleteForm, ModelForm
from registry.models import Feature, RegisteredModel, Tag, Team
from registry.permissions import Permission
from registry.views.paging import address, in_order
from registry.views.request import SignedInRequest

EXPORT_LIMIT = 10_000
EXPORTED = (
    "slug",
    "name",
    "team",
    "owner",
    "lifecycle",
    "risk",
    "task",
    "versions",
    "endpoints",
    "serves",
    "readiness",
    "updated_at",
)
ORDER_COOKIE = "model-order"
YEAR_S = 365 * 24 * 3600


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
    if usual := _usual_order(request):
        return redirect(f"{request.path}{address(request, sort=usual)}")
    page = in_order(listing.narrowed(listing.answer(question, request.user)), request)
    own = facets.own_options(question, request.user)
    context = {
        "rows": listing.listed(page.rows),
        "question": question,
        "facets": [(name, facets.LABELS[name], _pairs(found)) for name, found in own.items()],
        "chosen": _chosen(question),
        "next_url": page.next_url,
        "previous_url": page.previous_url,
        "same_url": address(request),
        "may_register": _may_register(request),
        "anything": page.rows or _visible(request).exists(),
    }
    if not context["anything"]:
        teams = Team.objects.visible_to(request.user).order_by("name")
        context["team_slug"] = teams.values_list("slug", flat=True).first() or "my-team"
    response = render_page(request, "registry/model_list.html", context, partials={"model-rows"})
    if "sort" in request.GET:  # a person's last order stays until they choose another
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(ORDER_COOKIE, question.sort, max_age=YEAR_S, secure=secure, httponly=True, samesite="Lax")
    return response


@require_safe
@login_required
def model_filters(request: SignedInRequest) -> HttpResponse:
    """The filters that take longer to count: the page asks for them when they are unfolded."""
    question = listing.read_question(only_parameters(request, listing.PARAMETERS))
    found = facets.related_options(question, request.user)
    context = {
        "question": question,
        "facets": [(name, facets.LABELS[name], _pairs(options)) for name, options in found.items() if options],
        "list_url": f"{reverse('registry:model-list')}{address(request)}",
    }
    return render_page(request, "registry/model_filters.html", context, partials={"more-filters"})


@require_safe
@login_required
def model_export(request: SignedInRequest) -> HttpResponse:
    question = listing.read_question(only_parameters(request, listing.PARAMETERS))
    rows = listing.exported(listing.answer(question, request.user), EXPORT_LIMIT)
    response = HttpResponse(sheets.document(EXPORTED, map(_exported, rows)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="models.csv"'
    return response


@require_safe
@login_required
def model_detail(request: SignedInRequest, slug: str) -> HttpResponse:
    asked = only_parameters(request, ("as_of",))
    at = history.moment("as_of", asked["as_of"]) if asked.get("as_of") else None
    model = found_model(request, slug)
    version = model.versions.filter(deleted_at=None).order_by("-number").first()
    feature_count = Feature.objects.current().filter(model=model).count()
    context = {
        "model": model,
        "tab": "overview",
        "version": version,
        "version_count": model.versions.filter(deleted_at=None).count(),
        "at": at,
        "serving": history.serving(model, at),
        "aliases": history.aliases(model, at),
        "tags": list(Tag.objects.of_models().filter(model=model).order_by("key")),
        "feature_count": feature_count,
        "steps": _first_steps(model, feature_count),
        "readiness": [_readiness_step(item) for item in model.readiness],
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


def _readiness_step(item: Mapping[str, Any]) -> Step:
    """One answer of readiness; a gap leads to the form that closes it."""
    if item["holds"]:
        return Step("ok", item["title"])
    return Step("warn", item["title"], item["gap"], _address(item["fix"]))


def _address(fix: Sequence[str]) -> str:
    """The page that a stored answer names, or nothing if there is no such page any more."""
    try:
        return reverse(fix[0], args=fix[1:]) if fix else ""
    except NoReverseMatch:
        return ""


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


def _usual_order(request: SignedInRequest) -> str:
    """The order the person chose last, if the address names none and it is not the one it stands for."""
    usual = request.COOKIES.get(ORDER_COOKIE, "")
    return usual if "sort" not in request.GET and usual in listing.ORDERS and usual != "name" else ""


def _pairs(options: Sequence[facets.Option]) -> list[tuple[str, str]]:
    return [option.pair for option in options]


def _chosen(question: listing.ModelQuestion) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """What of the filters that are counted apart is set, as the facets of one value each."""
    names = [name for name in facets.RELATED if name in question.facets]
    return [(name, facets.LABELS[name], [(question.facets[name], question.facets[name])]) for name in names]


def _exported(row: listing.ListedModel) -> Sequence[object]:
    model = row.model
    return (
        model.slug,
        model.name,
        model.team.slug,
        model.owner.username if model.owner else "",
        model.lifecycle,
        model.risk,
        model.task,
        row.version_count,
        row.endpoint_count,
        row.strategies,
        model.readiness_share,
        model.updated_at,
    )
