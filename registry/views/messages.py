"""Pages of what was sent to the outside: the delivery log of a team."""

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import changed, render_page
from registry import webhooks
from registry.models import OutboxMessage, Team, Webhook
from registry.views.paging import newest_first
from registry.views.request import SignedInRequest
from registry.views.webhooks import found_team

FILTERS = {"state": "state", "type": "type", "webhook": "destination"}
SHOWN_BYTES = 20_000


@require_safe
@login_required
def message_list(request: SignedInRequest, slug: str) -> HttpResponse:
    team = found_team(request, slug)
    rows = OutboxMessage.objects.filter(team=team)
    types = list(rows.order_by("type").values_list("type", flat=True).distinct())
    for name, column in FILTERS.items():
        if value := request.GET.get(name, "").replace("\x00", ""):
            rows = rows.filter(**{column: value})
    page = newest_first(rows.defer("body"), request, column="created_at", kept=FILTERS)
    names = _names(team)
    context = {
        "team": team,
        "rows": [(message, names.get(message.destination, message.destination)) for message in page.rows],
        "next_url": page.next_url,
        "previous_url": page.previous_url,
        "filtered": any(request.GET.get(name) for name in FILTERS),
        "type_options": types,
        "state_options": OutboxMessage.State.choices,
        "webhook_options": sorted(names.items(), key=lambda one: one[1]),
    }
    return render_page(request, "registry/message_list.html", context, partials={"message-rows"})


@require_safe
@login_required
def message_detail(request: SignedInRequest, message_id: UUID) -> HttpResponse:
    message = _found(request, message_id)
    context: dict[str, Any] = {
        "message": message,
        "team": message.team,
        "receiver": _names(message.team).get(message.destination, message.destination),
        "webhook": _webhook(message),
        "attempts": list(reversed(message.attempt_log)),
        "body": _readable(bytes(message.body)) if message.transport == "webhook" else "",
    }
    return render_page(request, "registry/message_detail.html", context)


@require_POST
@login_required
def message_replay(request: SignedInRequest, message_id: UUID) -> HttpResponse:
    message = _found(request, message_id)
    webhooks.replay(message, by=request.user, now=clock.now())
    return changed(request, event="messages-changed", back_to="registry:message-detail", message_id=message.pk)


def _found(request: SignedInRequest, message_id: UUID) -> OutboxMessage:
    rows = OutboxMessage.objects.filter(team__in=Team.objects.visible_to(request.user)).select_related("team")
    message = get_object_or_404(rows, pk=message_id)
    webhooks.may_manage(request.user, message.team).require()
    return message


def _names(team: Team) -> dict[str, str]:
    """What the destinations of the team's webhooks are called, deleted ones too."""
    return {str(pk): name for pk, name in Webhook.objects.filter(team=team).values_list("pk", "name")}


def _webhook(message: OutboxMessage) -> Webhook | None:
    if message.transport != "webhook":
        return None
    return Webhook.objects.filter(team=message.team, deleted_at=None, pk=UUID(message.destination)).first()


def _readable(body: bytes) -> str:
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        text = body.decode("utf-8", "replace")
    return text[:SHOWN_BYTES]
