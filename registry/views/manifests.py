"""Pages of the inventory as code: a manifest is pasted, its plan shown, the plan applied; a team is exported."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_safe

from mlops_portal.kit import clock
from registry import manifest, permissions
from registry.forms import obey, status
from registry.forms.manifests import ManifestForm
from registry.manifest import Notes, Plan
from registry.models import Team
from registry.permissions import Permission
from registry.views.request import SignedInRequest

FILE = "manifest"  # what faults call a text that was pasted


@require_http_methods(["GET", "POST"])
@login_required
def manifest_apply(request: SignedInRequest) -> HttpResponse:
    may_edit = permissions.somewhere(request.user, Permission.INVENTORY_EDIT)
    if request.method == "POST":
        may_edit.require()
    form = ManifestForm(request.POST or None, request.FILES or None)
    context = {"may_edit": may_edit, "form": form}
    if form.is_valid():
        seen = request.POST.get("seen") or None
        plan = obey(form, lambda: _run(request, form, seen))
        told = getattr(getattr(form, "refusal", None), "told", ())
        text = form.cleaned_data["data"].decode("utf-8", errors="replace")
        context |= {"plan": plan, "told": told, "text": text, "is_done": bool(seen and plan is not None)}
    return render(request, "registry/manifest_apply.html", context, status=status(form))


@require_safe
@login_required
def team_export(request: SignedInRequest, slug: str) -> HttpResponse:
    team = get_object_or_404(Team.objects.visible_to(request.user), slug=slug)
    response = HttpResponse(manifest.export(team), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{team.slug}.yaml"'
    return response


def _run(request: SignedInRequest, form: ManifestForm, seen: str | None) -> Plan:
    """The plan of the manifest; applied, if it is the one that was seen."""
    notes, values = Notes(), form.cleaned_data
    file = values["file"].name[:64] if values["file"] else FILE
    manifests = [manifest.load_yaml(values["data"], notes, file)]
    if seen is None:
        return manifest.plan(manifests, notes, prune=values["prune"], by=request.user, now=clock.now())
    return manifest.apply(manifests, notes, prune=values["prune"], seen=seen, by=request.user, now=clock.now())
