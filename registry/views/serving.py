"""Pages of what endpoints serve: now, before, and next."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from rest_framework.request import Request

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor, only_parameters
from mlops_portal.kit.errors import Malformed
from registry import deployments, history, inventory
from registry.deployments import ApprovalRequired, Authority, BaseMoved, Difference, Plan
from registry.forms import obey, status
from registry.forms.serving import ActivateForm, RollBackForm, SwitchOffForm, is_shown_whole
from registry.models import Acknowledgement, Deployment, Endpoint, Environment, ModelVersion
from registry.views.request import SignedInRequest

HISTORY_LENGTH = 20
VERSIONS_OFFERED = 200
INSTANCES_SHOWN = 50
SILENT_AFTER = timedelta(minutes=15)  # the ttl of a served document: by then a client has fallen back
DETAIL_PARAMETERS = ("compare", "from", "to", "on", *Cursor.parameters)


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One row of the history."""

    deployment: Deployment
    summary: str


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance of the serving layer, and whether it keeps up."""

    acknowledgement: Acknowledgement
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two revisions, and every leaf that differs between them."""

    before: int
    after: int
    differences: list[Difference]


@require_safe
@login_required
def endpoint_list(request: SignedInRequest) -> HttpResponse:
    given = only_parameters(request, ("environment", "model", *Cursor.parameters))
    rows = Endpoint.objects.visible_to(request.user).active().order_by("slug")
    columns = {"environment": "environment_id", "model": "model__slug"}
    wanted = {columns[name]: given[name] for name in columns if given.get(name)}
    cursor = Cursor()
    page = cursor.paginate_queryset(
        rows.filter(**wanted).select_related("environment", "model", "pointer__deployment"), Request(request)
    )
    token = cursor.get_paginated_response([]).data["next"]
    kept = {name: given[name] for name in columns if given.get(name)}
    context = {
        "rows": deployments.served(page),
        "environments": [(one.slug, one.name) for one in Environment.objects.all()],
        "is_narrowed": bool(wanted),
        "next_url": f"?{urlencode({**kept, 'cursor': token})}" if token else "",
        "previous_url": f"?{urlencode(kept)}" if "cursor" in given else "",
    }
    return render(request, "registry/endpoint_list.html", context)


@require_safe
@login_required
def endpoint_detail(request: SignedInRequest, slug: str) -> HttpResponse:
    return _detail(request, found_endpoint(request, slug))


@require_http_methods(["GET", "POST"])
@login_required
def endpoint_activate(request: SignedInRequest, slug: str) -> HttpResponse:
    endpoint = found_endpoint(request, slug)
    deployments.may_activate(request.user, endpoint).require()
    present = deployments.current(endpoint)
    plan = Plan.of(present) if present else Plan()
    versions = list(_offered(endpoint))
    initial = ActivateForm.initial_of(plan, present.revision if present else 0)
    form = ActivateForm(request.POST or None, initial=initial, versions=versions, present=plan)
    if form.is_valid():
        wanted, base = form.as_plan(), form.cleaned_data["base"]
        answer = _served(
            request, form, lambda by, now: deployments.activate(endpoint, wanted, base=base, authority=by, now=now)
        )
        if answer is not None:
            return answer
    context = {
        "form": form,
        "endpoint": endpoint,
        "model": endpoint.model,
        "present": present,
        "versions": versions,
        "is_shown_whole": is_shown_whole(plan),
        "needs_approval": Authority.of_person(request.user).needs_approval(endpoint),
    }
    return render(request, "registry/endpoint_activate.html", context, status=status(form))


@require_POST
@login_required
def endpoint_roll_back(request: SignedInRequest, slug: str) -> HttpResponse:
    endpoint = found_endpoint(request, slug)
    deployments.may_activate(request.user, endpoint).require()
    form = RollBackForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        to, said = values["roll_back_to"], {"base": values["base"], "reason": values["reason"]}
        answer = _served(
            request, form, lambda by, now: deployments.roll_back(endpoint, to=to, authority=by, now=now, **said)
        )
        if answer is not None:
            return answer
    return _detail(request, endpoint, roll_back_form=form)


@require_POST
@login_required
def endpoint_switch_off(request: SignedInRequest, slug: str) -> HttpResponse:
    endpoint = found_endpoint(request, slug)
    deployments.may_activate(request.user, endpoint).require()
    form = SwitchOffForm(request.POST)
    if form.is_valid():
        said = {"base": form.cleaned_data["base"], "reason": form.cleaned_data["reason"]}
        answer = _served(request, form, lambda by, now: deployments.switch_off(endpoint, authority=by, now=now, **said))
        if answer is not None:
            return answer
    return _detail(request, endpoint, switch_off_form=form)


def found_endpoint(request: SignedInRequest, slug: str) -> Endpoint:
    """The endpoint with its model, team and environment, if the person may see it."""
    visible = Endpoint.objects.visible_to(request.user).select_related("model__team", "environment")
    return get_object_or_404(visible, slug=slug)


def _served(
    request: SignedInRequest, form: forms.Form, verb: Callable[[Authority, datetime], Deployment]
) -> HttpResponse | None:
    """The answer to a change of what is served; None if the form has to be shown again.

    Where a second person has to agree the way leads to the page that says so.
    """
    try:
        deployment = obey(form, lambda: verb(Authority.of_person(request.user), clock.now()))
    except ApprovalRequired as approval:
        if approval.intent_id is None:
            raise
        return redirect("review:decision-intent", approval.intent_id)
    if deployment is not None:
        return redirect("registry:endpoint-detail", deployment.endpoint.slug)
    refusal = getattr(form, "refusal", None)
    if isinstance(refusal, BaseMoved):  # the page says what won; pressing again replaces that
        data = request.POST.copy()
        data["base"] = str(refusal.winner.revision if refusal.winner else 0)
        form.data = data
    return None


def _detail(
    request: SignedInRequest,
    endpoint: Endpoint,
    *,
    roll_back_form: RollBackForm | None = None,
    switch_off_form: SwitchOffForm | None = None,
) -> HttpResponse:
    given = only_parameters(request, DETAIL_PARAMETERS)
    present = deployments.current(endpoint)
    base = present.revision if present else 0
    plan = Plan.of(present) if present else Plan()
    cursor, now = Cursor(), clock.now()
    past = cursor.paginate_queryset(endpoint.deployments.order_by("-revision"), Request(request))
    token = cursor.get_paginated_response([]).data["next"]
    back = roll_back_form or RollBackForm(initial={"base": base, "roll_back_to": base - 1 if base > 1 else None})
    off = switch_off_form or SwitchOffForm(initial={"base": base})
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "model": endpoint.model,
        "present": present,
        "plan": plan,
        "rule": deployments.described_rule(plan.decision_rule),
        "fallback": deployments.described_fallback(plan.fallback),
        "instances": _instances(endpoint, base, now),
        "history": [RevisionRow(one, deployments.summary(Plan.of(one))) for one in past],
        "next_url": f"?{urlencode({'cursor': token})}#history-title" if token else "",
        "previous_url": "?#history-title" if "cursor" in given else "",
        "comparison": _comparison(endpoint, given),
        "lookup": _lookup(endpoint, given.get("on", "")),
        "roll_back_form": back,
        "switch_off_form": off,
        "may_activate": deployments.may_activate(request.user, endpoint),
        "may_edit": inventory.may_edit(request.user, endpoint.model),
        "needs_approval": Authority.of_person(request.user).needs_approval(endpoint),
    }
    answered = max(status(form) for form in (back, off))
    return render(request, "registry/endpoint_detail.html", context, status=answered)


def _offered(endpoint: Endpoint) -> Any:
    """Versions that may serve, newest first."""
    usable = ModelVersion.objects.live().filter(model=endpoint.model_id, status=ModelVersion.Status.READY)
    return usable.order_by("-number")[:VERSIONS_OFFERED]


def _instances(endpoint: Endpoint, revision: int, now: datetime) -> list[InstanceRow]:
    rows = endpoint.acknowledgements.order_by("-last_seen_at")[:INSTANCES_SHOWN]
    return [InstanceRow(row, *_keeps_up(row, revision, now)) for row in rows]


def _keeps_up(row: Acknowledgement, revision: int, now: datetime) -> tuple[str, str]:
    if now - row.last_seen_at > SILENT_AFTER:
        return "no_data", "silent"
    if row.mode == Acknowledgement.Mode.FALLBACK:
        return "warning", "uses the fallback"
    return ("active", "up to date") if row.revision == revision else ("waiting", f"behind, at rev {row.revision}")


def _comparison(endpoint: Endpoint, given: dict[str, str]) -> Comparison | None:
    """Two revisions named as `compare=3..5`, or by the form as `from` and `to`."""
    before, dots, after = given.get("compare", "").partition("..")
    if not dots:
        before, after = given.get("from", ""), given.get("to", "")
    if not before and not after:
        return None
    numbers = [_revision(text) for text in (before, after)]
    found = {one.revision: one for one in endpoint.deployments.filter(revision__in=numbers)}
    if missing := [number for number in numbers if number not in found and number != 0]:
        raise Malformed(f"{endpoint.slug} has no revision {missing[0]}.", code="malformed_parameter")
    differences = deployments.differences(found.get(numbers[0]), found.get(numbers[1]))
    return Comparison(numbers[0], numbers[1], differences)


def _revision(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Malformed(f"compare: {text[:64]!r} is not the number of a revision.", code="malformed_parameter")
    return int(text)


def _lookup(endpoint: Endpoint, text: str) -> dict[str, Any] | None:
    """What was served at a moment."""
    if not text:
        return None
    when = history.moment("on", text)
    deployment = deployments.served_at(endpoint, when)
    summary = deployments.summary(Plan.of(deployment)) if deployment else ""
    return {"text": text, "when": when, "deployment": deployment, "summary": summary}
