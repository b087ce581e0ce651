"""Webhooks over MLflow's API: the client's words for what `registry.webhooks` keeps and sends."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from mlops_portal.kit.errors import Invalid, NotThere
from registry import permissions, webhooks
from registry.mlflow import pages
from registry.mlflow.protocol import Call, Given
from registry.mlflow.shapes import milliseconds
from registry.mlflow.views import Document, route, takes
from registry.models import Team, Webhook
from registry.permissions import Permission

AT_ONCE, LIMIT = 100, 1000
NAME_LIMIT, SHOWN = 63, 64
NO_ANSWER = "The address is not allowed, or gave no answer."  # closed, filtered and refused read alike
ORDER = pages.Orders(
    columns={}, default=(pages.Key("created_at", descending=True),), ending=(pages.Key("name", descending=True),)
)
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z", re.IGNORECASE)
OneAction = Callable[..., Document]  # takes the call, and the id as webhook_id


manages = takes(Permission.WEBHOOK_MANAGE)  # reading included


def one(**actions: OneAction) -> Callable[[HttpRequest, str], HttpResponse]:
    """The view of one webhook: an action for each method."""

    @csrf_exempt
    def view(request: HttpRequest, webhook_id: str) -> HttpResponse:
        bound = {method: manages(partial(action, webhook_id=webhook_id)) for method, action in actions.items()}
        return route(**bound)(request)

    return view


@manages
def webhook_create(call: Call) -> Document:
    given = call.given
    webhook, _ = webhooks.register(
        Team.objects.get(pk=call.by.team_id),
        name=_name(given),
        url=given.needed("url"),
        events=_events(given),
        description=given.text("description"),
        format=Webhook.Format.MLFLOW,
        secret=given.text("secret") or None,
        status=_status(given) or Webhook.Status.ACTIVE,
        by=call.by,
        now=call.now,
    )
    return {"webhook": shape(webhook)}


@manages
def webhook_search(call: Call) -> Document:
    given = call.given
    size = given.page_size(AT_ONCE, LIMIT)
    page = pages.Page.read("webhooks", "", ORDER.read([]), given.text("page_token"))
    rows = list(page.of(_rows(call))[: size + 1])
    token = page.token(rows[size - 1]) if len(rows) > size else ""
    return {"webhooks": [shape(row) for row in rows[:size]]} | ({"next_page_token": token} if token else {})


def webhook_get(call: Call, webhook_id: str) -> Document:
    return {"webhook": shape(_found(call, webhook_id))}


def webhook_update(call: Call, webhook_id: str) -> Document:
    webhook, given = _found(call, webhook_id), call.given
    patch: dict[str, Any] = {name: given.text(name) for name in ("description", "url") if given.text(name)}
    if given.text("name"):
        patch["name"] = _name(given)
    if given.objects("events"):
        patch["events"] = _events(given)
    if status := _status(given):
        patch["status"] = status
    secret = given.text("secret") or None
    webhooks.edit(webhook, patch, base=webhook.lock_version, secret=secret, by=call.by, now=call.now)
    return {"webhook": shape(webhook)}


def webhook_delete(call: Call, webhook_id: str) -> Document:
    webhooks.delete(_found(call, webhook_id), by=call.by, now=call.now)
    return {}


def webhook_test(call: Call, webhook_id: str) -> Document:
    webhook = _found(call, webhook_id)
    asked = call.given.objects("event")
    event = _event(asked[0]) if asked else ""
    trial = webhooks.try_out(webhook, event=event, by=call.by, now=call.now)
    told: Document = {"success": trial.success}
    if trial.status is None:
        return {"result": told | {"error_message": NO_ANSWER}}
    told |= {"response_status": trial.status, "response_body": trial.answer}
    return {"result": told | ({} if trial.success else {"error_message": trial.error})}


def shape(webhook: Webhook) -> Document:
    """The webhook as the client reads it; the secret never comes back."""
    is_active = webhook.status == Webhook.Status.ACTIVE
    return {
        "webhook_id": str(webhook.pk),
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [
            {"entity": entity.upper(), "action": action.upper()}
            for entity, _, action in (event.rpartition(".") for event in webhook.events)
        ],
        "status": "ACTIVE" if is_active else "DISABLED",
        "creation_timestamp": milliseconds(webhook.created_at),
        "last_updated_timestamp": milliseconds(webhook.updated_at),
    }


def _rows(call: Call) -> Any:
    rows = Webhook.objects.visible_to(call.by).select_related("team")
    return rows.filter(format=Webhook.Format.MLFLOW, deleted_at=None)


def _found(call: Call, webhook_id: str) -> Webhook:
    try:
        webhook: Webhook | None = _rows(call).filter(pk=UUID(webhook_id)).first()
    except ValueError:
        webhook = None
    if webhook is None:
        raise NotThere(f"Webhook with ID {webhook_id[:SHOWN]} not found.")
    permissions.require(call.by, Permission.WEBHOOK_MANAGE, webhook.team)
    return webhook


def _name(given: Given) -> str:
    name = given.needed("name")
    if len(name) > NAME_LIMIT or not _NAME.match(name):
        raise Invalid(
            f"Invalid webhook name '{name[:SHOWN]}': at most {NAME_LIMIT} letters, digits, dots, dashes and "
            "underscores, with a letter or digit at both ends.",
            field="name",
        )
    return name


def _events(given: Given) -> list[str]:
    events = [_event(one) for one in given.objects("events")]
    if not events:
        raise Invalid("Missing value for required parameter 'events'.", field="events")
    return events


def _event(given: Given) -> str:
    event = f"{given.needed('entity')}.{given.needed('action')}".lower()
    if event not in webhooks.MLFLOW_EVENTS:
        known = ", ".join(webhooks.MLFLOW_EVENTS)
        raise Invalid(f"Invalid event '{event[:SHOWN]}'; this registry has {known}.", field="events")
    return event


def _status(given: Given) -> str:
    status = given.text("status").upper()
    if status not in {"", "ACTIVE", "DISABLED"}:
        raise Invalid(f"Invalid status '{status[:SHOWN]}'; it is ACTIVE or DISABLED.", field="status")
    return status.lower()
