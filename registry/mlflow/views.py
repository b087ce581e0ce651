"""The endpoints: each reads its request, calls one verb, and answers. Rules stand in the verbs."""

from collections.abc import Callable
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from mlops_portal.kit import clock
from registry import governance, inventory, permissions
from registry.mlflow import errors, filters, finding, pages, protocol, shapes
from registry.mlflow.protocol import Call, Given
from registry.models import ModelVersion, Team
from registry.permissions import Permission

Document = dict[str, Any]
Action = Callable[[Call], Document]
View = Callable[[HttpRequest], HttpResponse]

MODELS_AT_ONCE, MODELS_LIMIT = 100, 1000
VERSIONS_AT_ONCE, VERSIONS_LIMIT = 10_000, 200_000  # more may be asked for, and comes in pages
NOWHERE = "This portal is a model registry; set the tracking URI to a tracking server."


def takes(permission: Permission) -> Callable[[Action], Action]:
    """Mark an action with the right it takes where that is not `inventory.edit`; the verb asks again for the object."""

    def mark(action: Action) -> Action:
        action.needs = permission  # type: ignore[attr-defined]
        return action

    return mark


reads = takes(Permission.INVENTORY_VIEW)  # whatever method it comes by
removes = takes(Permission.INVENTORY_REMOVE)


def route(**actions: Action) -> View:
    """The view of one path: an action for each method. It needs a key; cookies are not looked at."""

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        action = actions.get("GET" if request.method == "HEAD" else request.method or "")
        if action is None:
            return _wrong_method(request, actions)
        given = Given({})
        try:
            call_by = protocol.caller(request, now := clock.now())
            permissions.require_somewhere(call_by, getattr(action, "needs", Permission.INVENTORY_EDIT))
            given = protocol.given(request)
            document = action(Call(call_by, now, given))
            return HttpResponse(msgspec.json.encode(document), content_type="application/json")
        except Exception as raised:
            return errors.answer(raised, request, name=given.wanted_name())

    return view


@csrf_exempt
def nowhere(request: HttpRequest, path: str = "") -> HttpResponse:
    return errors.document(errors.NOWHERE, NOWHERE, 404)


def _wrong_method(request: HttpRequest, actions: dict[str, Action]) -> HttpResponse:
    allowed = ", ".join(sorted(actions))
    response = errors.document(errors.NOWHERE, f"{request.method} is not taken here; use {allowed}.", 405)
    response["Allow"] = allowed
    return response


def model_create(call: Call) -> Document:
    given = call.given
    model = inventory.register_model(
        Team.objects.get(pk=call.by.team_id),
        name=given.model_name(),
        description=given.text("description"),
        tags=given.tags(),
        by=call.by,
        now=call.now,
    )
    return {"registered_model": shapes.model(model)}


@reads
def model_get(call: Call) -> Document:
    name = call.given.model_name()
    rows = shapes.model_rows(finding.models(call).filter(name=name))
    if not rows:
        raise finding.no_model(name)
    return {"registered_model": shapes.models(rows)[0]}


@reads
def model_search(call: Call) -> Document:
    given = call.given
    size, text = given.page_size(MODELS_AT_ONCE, MODELS_LIMIT), given.text("filter")
    found = finding.models(call).filter(filters.condition(text, filters.MODELS))
    page = pages.Page.read("models", text, pages.MODELS.read(given.texts("order_by")), given.text("page_token"))
    keys = list(page.of(found).values_list("pk", "name", "updated_at", named=True)[: size + 1])
    rows = {
        row.pk: row for row in shapes.model_rows(finding.models(call).filter(pk__in=[key.pk for key in keys[:size]]))
    }
    shown = shapes.models([rows[key.pk] for key in keys[:size] if key.pk in rows])
    return _page("registered_models", shown, page.token(keys[size - 1]) if len(keys) > size else "")


@removes
def model_rename(call: Call) -> Document:
    model, name = finding.model(call), call.given.model_name("new_name")
    return {"registered_model": shapes.model(inventory.rename_model(model, name, by=call.by, now=call.now))}


def model_update(call: Call) -> Document:
    model, patch = finding.model(call), {"description": call.given.text("description")}
    return {"registered_model": shapes.model(inventory.edit_model(model, patch, base=None, by=call.by, now=call.now))}


@removes
def model_delete(call: Call) -> Document:
    inventory.delete_model(finding.model(call), by=call.by, now=call.now)
    return {}


@reads
def model_latest(call: Call) -> Document:
    name, stages = call.given.model_name(), call.given.texts("stages")
    wanted = {inventory.canonical_stage(stage) for stage in stages} or set(ModelVersion.Stage.values)
    rows = shapes.model_rows(finding.models(call).filter(name=name))
    if not rows:
        raise finding.no_model(name)
    found = shapes.version_rows(ModelVersion.objects.filter(pk__in=rows[0].newest, stage__in=wanted).order_by("number"))
    return _page("model_versions", shapes.versions(found))


def model_set_tag(call: Call) -> Document:
    key, value = call.given.needed("key"), call.given.text("value")
    inventory.set_tag(finding.model(call), key, value, by=call.by, now=call.now)
    return {}


def model_delete_tag(call: Call) -> Document:
    inventory.delete_tag(finding.model(call), call.given.needed("key"), by=call.by, now=call.now)
    return {}


def alias_set(call: Call) -> Document:
    alias, version = call.given.needed("alias"), finding.version(call)
    governance.assign_alias(version.model, alias, version, by=call.by, now=call.now)
    return {}


@reads
def alias_get(call: Call) -> Document:
    return {"model_version": shapes.version(finding.aliased(call))}


def alias_delete(call: Call) -> Document:
    governance.drop_alias(finding.model(call), call.given.needed("alias"), by=call.by, now=call.now)
    return {}


def version_create(call: Call) -> Document:
    given = call.given
    source = given.needed("source")
    version = inventory.register_version(
        finding.model(call),
        source=source,
        run_id=given.text("run_id"),
        run_link=given.text("run_link"),
        mlflow_model_id=given.text("model_id"),
        description=given.text("description"),
        tags=given.tags(),
        by=call.by,
        now=call.now,
    )
    return {"model_version": shapes.version(version)}


@reads
def version_get(call: Call) -> Document:
    return {"model_version": shapes.version(finding.version(call))}


@reads
def version_search(call: Call) -> Document:
    given = call.given
    size = min(given.page_size(VERSIONS_LIMIT, VERSIONS_LIMIT), VERSIONS_AT_ONCE)
    text = given.text("filter")
    found = finding.versions(call).filter(filters.condition(text, filters.VERSIONS))
    page = pages.Page.read("versions", text, pages.VERSIONS.read(given.texts("order_by")), given.text("page_token"))
    rows = shapes.version_rows(page.of(found)[: size + 1])
    token = page.token(rows[size - 1]) if len(rows) > size else ""
    return _page("model_versions", shapes.versions(rows[:size]), token)


def version_update(call: Call) -> Document:
    version, text = finding.version(call), call.given.text("description")
    return {
        "model_version": shapes.version(inventory.edit_version(version, description=text, by=call.by, now=call.now))
    }


@removes
def version_delete(call: Call) -> Document:
    inventory.delete_version(finding.version(call), by=call.by, now=call.now)
    return {}


def version_transition(call: Call) -> Document:
    stage = inventory.canonical_stage(call.given.needed("stage"))
    archive = call.given.flag("archive_existing_versions")
    version = finding.version(call)
    governance.move_to_stage(version, stage, archive_existing=archive, by=call.by, now=call.now)
    return {"model_version": shapes.version(finding.version(call))}


@reads
def version_download_uri(call: Call) -> Document:
    version = finding.version(call)
    return {"artifact_uri": version.storage_uri or version.source}


def version_set_tag(call: Call) -> Document:
    key, value = call.given.needed("key"), call.given.text("value")
    inventory.set_tag(finding.version(call), key, value, by=call.by, now=call.now)
    return {}


def version_delete_tag(call: Call) -> Document:
    inventory.delete_tag(finding.version(call), call.given.needed("key"), by=call.by, now=call.now)
    return {}


def _page(name: str, items: list[Document], token: str = "") -> Document:
    """A list as the client expects it: an empty one is left out, and so is the token of the last page."""
    return ({name: items} if items else {}) | ({"next_page_token": token} if token else {})
