"""Routes of webhooks and of the log of what was delivered."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.conditions import if_match, once, replayed, tagged
from registry import webhooks
from registry.api import documents_webhooks as documents
from registry.api.base import IDEMPOTENCY, IF_MATCH, InventoryView, body, caller, page, team_of
from registry.models import OutboxMessage, Team, Webhook
from registry.permissions import Permission, require, require_somewhere

MESSAGE_FILTERS = {"state": "state", "type": "type", "webhook": "destination", "transport": "transport"}


class WebhookList(InventoryView):
    """The webhooks."""

    parameters = Cursor.parameters

    @extend_schema(operation_id="webhooks_list", responses=documents.WebhookDocument(many=True))
    def get(self, request: Request) -> Response:
        """Webhooks of the teams in which the caller manages them."""
        require_somewhere(caller(request), Permission.WEBHOOK_MANAGE)
        teams = _teams(request)
        rows = Webhook.objects.filter(team__in=teams, deleted_at=None).select_related("team")
        return page(request, rows.order_by("name", "pk"), documents.WebhookDocument)

    @extend_schema(
        operation_id="webhooks_register",
        parameters=[IDEMPOTENCY],
        request=documents.WebhookBody,
        responses={201: documents.WebhookWithSecret},
    )
    def post(self, request: Request) -> Response:
        """Register a webhook; its secret is in this answer and nowhere else."""
        require_somewhere(caller(request), Permission.WEBHOOK_MANAGE)
        intent = once(request)
        values = body(request, documents.WebhookBody)
        team = team_of(request, values.pop("team", ""))
        require(caller(request), Permission.WEBHOOK_MANAGE, team)
        if row := intent.made(Webhook.objects.filter(team=team)):
            return replayed(_with_secret(row, ""))
        made_by: dict[str, Any] = {"client_key": intent.key, "client_body_sha": intent.body_sha256}
        webhook, secret = webhooks.register(team, **values, **made_by, by=caller(request), now=clock.now())
        return _with_secret(webhook, secret)


class WebhookDetail(InventoryView):
    """One webhook."""

    @extend_schema(operation_id="webhooks_read", responses=documents.WebhookDocument)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """The webhook; the ETag is what a change sends back."""
        return _shown(_webhook(request, webhook_id))

    @extend_schema(
        operation_id="webhooks_change",
        parameters=[IF_MATCH],
        request=documents.WebhookPatch,
        responses=documents.WebhookDocument,
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change what the webhook gets and where, or switch it off and on."""
        webhook = _webhook(request, webhook_id)
        base = if_match(request)
        patch = body(request, documents.WebhookPatch)
        return _shown(webhooks.edit(webhook, patch, base=base, by=caller(request), now=clock.now()))

    @extend_schema(operation_id="webhooks_delete", parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """End the webhook; its messages stay in the log."""
        webhook = _webhook(request, webhook_id)
        webhooks.delete(webhook, base=if_match(request), by=caller(request), now=clock.now())
        return Response(status=204)


class WebhookTrial(InventoryView):
    """The test of a webhook."""

    @extend_schema(operation_id="webhooks_test", request=documents.TrialBody, responses=documents.TrialDocument)
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send an example now and tell what came back; ten a minute and caller."""
        webhook = _webhook(request, webhook_id)
        event = body(request, documents.TrialBody).get("event", "")
        trial = webhooks.try_out(webhook, event=event, by=caller(request), now=clock.now())
        return Response(documents.TrialDocument(trial).data)


class WebhookSecret(InventoryView):
    """The secret of a webhook."""

    @extend_schema(
        operation_id="webhooks_rotate", parameters=[IF_MATCH], request=None, responses=documents.WebhookWithSecret
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """A new secret; for 24 hours messages carry the signatures of both."""
        webhook = _webhook(request, webhook_id)
        webhook, secret = webhooks.rotate_secret(webhook, base=if_match(request), by=caller(request), now=clock.now())
        return _with_secret(webhook, secret, 200)


class MessageList(InventoryView):
    """The log of what was delivered."""

    parameters = (*MESSAGE_FILTERS, *Cursor.parameters)

    @extend_schema(
        operation_id="messages_list",
        parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in MESSAGE_FILTERS],
        responses=documents.MessageDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Messages of the teams whose webhooks the caller manages, newest first, with their attempts."""
        require_somewhere(caller(request), Permission.WEBHOOK_MANAGE)
        asked = request.query_params
        wanted = {column: asked[name] for name, column in MESSAGE_FILTERS.items() if name in asked}
        rows = OutboxMessage.objects.filter(team__in=_teams(request), **wanted).select_related("team").defer("body")
        return page(request, rows.order_by("-created_at", "-pk"), documents.MessageDocument)


class MessageReplay(InventoryView):
    """A message that was given up."""

    @extend_schema(operation_id="messages_replay", request=None, responses=documents.MessageDocument)
    def post(self, request: Request, message_id: UUID) -> Response:
        """Send it again, with the same id and body."""
        rows = OutboxMessage.objects.filter(team__in=Team.objects.visible_to(caller(request))).select_related("team")
        message = get_object_or_404(rows, pk=message_id)
        webhooks.replay(message, by=caller(request), now=clock.now())
        return Response(documents.MessageDocument(message).data)


def _teams(request: Request) -> list[Team]:
    who = caller(request)
    return [team for team in Team.objects.visible_to(who) if webhooks.may_manage(who, team)]


def _webhook(request: Request, webhook_id: UUID) -> Webhook:
    """The webhook, for whoever may manage it: its log and address are not for every member."""
    rows = Webhook.objects.visible_to(caller(request)).filter(deleted_at=None).select_related("team")
    webhook = get_object_or_404(rows, pk=webhook_id)
    require(caller(request), Permission.WEBHOOK_MANAGE, webhook.team)
    return webhook


def _shown(webhook: Webhook) -> Response:
    return tagged(Response(documents.WebhookDocument(webhook).data), webhook.lock_version)


def _with_secret(webhook: Webhook, secret: str, status: int = 201) -> Response:
    shown = documents.WebhookDocument(webhook).data | {"secret": secret}
    return tagged(Response(shown, status=status), webhook.lock_version)
