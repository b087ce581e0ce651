"""References of a model: the list with state and problems, the upload, which one counts."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from mlops_portal.kit import clock
from mlops_portal.kit.errors import Invalid
from mlops_portal.kit.htmx import HtmxRequest, changed, render_page
from monitoring.forms import ReferenceForm
from monitoring.models import Reference
from monitoring.traffic import reference as references
from registry import permissions
from registry.models import RegisteredModel
from registry.permissions import Permission


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def reference_upload(request: HtmxRequest, slug: str) -> HttpResponse:
    models = RegisteredModel.objects.visible_to(request.user).live().select_related("team", "owner")
    model = get_object_or_404(models, slug=slug)
    ruling = permissions.ruling(request.user, Permission.MONITOR_EDIT, model.team)
    form = ReferenceForm(request.POST or None, request.FILES or None, model=model)
    if request.method == "POST":
        ruling.require()
        if form.is_valid() and _is_accepted(form, request):
            return changed(request, event="references-changed", back_to="monitoring:reference-upload", slug=slug)
    rows = Reference.objects.filter(version__model=model).select_related("version").order_by("-created_at")
    context = {
        "model": model,
        "form": form,
        "references": rows,
        "may_upload": ruling,
        "is_loading": any(row.state == Reference.State.LOADING for row in rows),
    }
    status = 422 if form.errors else 200
    return render_page(request, "monitoring/reference_upload.html", context, partials={"reference-rows"}, status=status)


@require_POST
@login_required
def reference_make_primary(request: HtmxRequest, slug: str, reference_id: UUID) -> HttpResponse:
    rows = Reference.objects.visible_to(request.user).filter(version__model__slug=slug)
    reference = get_object_or_404(rows.select_related("version__model__team"), pk=reference_id)
    references.make_primary(reference, by=request.user, now=clock.now())
    return changed(request, event="references-changed", back_to="monitoring:reference-upload", slug=slug)


def _is_accepted(form: ReferenceForm, request: HtmxRequest) -> bool:
    data = form.cleaned_data
    try:
        references.request(
            data["version"],
            data["file"],
            name=data["name"],
            primary=data["primary"],
            source=Reference.Source.UPLOAD,
            file_format=form.file_format,
            by=request.user,
            now=clock.now(),
        )
    except Invalid as error:  # belongs to a field of the form
        form.add_error(error.field if error.field in form.fields else None, error.detail)
        return False
    return True
