"""Pages of a team's webhooks."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mlops_portal.kit import clock
from registry import webhooks
from registry.forms import obey, status
from registry.forms.webhooks import WebhookForm
from registry.models import OutboxMessage, Team, Webhook
from registry.views.request import SignedInRequest

LAST_MESSAGES = 20


@require_safe
@login_required
def webhook_list(request: SignedInRequest, slug: str) -> HttpResponse:
    team = found_team(request, slug)
    context = {
        "team": team,
        "webhooks": list(Webhook.objects.filter(team=team, deleted_at=None).order_by("name")),
        "dead_count": OutboxMessage.objects.filter(team=team, state=OutboxMessage.State.DEAD).count(),
    }
    return render(request, "registry/webhook_list.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def webhook_create(request: SignedInRequest, slug: str) -> HttpResponse:
    team = found_team(request, slug)
    form = WebhookForm(request.POST or None, initial={"events": ["*"]})
    if form.is_valid():
        values, now = form.described(), clock.now()
        made = obey(form, lambda: webhooks.register(team, **values, by=request.user, now=now))
        if made is not None:
            return _page(request, made[0], secret=made[1])
    return render(request, "registry/webhook_edit.html", {"form": form, "team": team}, status=status(form))


@require_safe
@login_required
def webhook_detail(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    return _page(request, _found(request, webhook_id))


@require_http_methods(["GET", "POST"])
@login_required
def webhook_edit(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    webhook = _found(request, webhook_id)
    form = WebhookForm(request.POST or None, initial=WebhookForm.initial_of(webhook), webhook=webhook)
    if form.is_valid():
        base, patch, now = form.cleaned_data["base"] or webhook.lock_version, form.described(), clock.now()
        if obey(form, lambda: webhooks.edit(webhook, patch, base=base, by=request.user, now=now)):
            return redirect("registry:webhook-detail", webhook_id)
    context = {"form": form, "team": webhook.team, "webhook": webhook}
    return render(request, "registry/webhook_edit.html", context, status=status(form))


@require_POST
@login_required
def webhook_test(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    webhook = _found(request, webhook_id)
    trial = webhooks.try_out(webhook, by=request.user, now=clock.now())
    webhook.refresh_from_db()
    return _page(request, webhook, trial=trial)


@require_POST
@login_required
def webhook_rotate(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    webhook = _found(request, webhook_id)
    webhook, secret = webhooks.rotate_secret(webhook, base=webhook.lock_version, by=request.user, now=clock.now())
    return _page(request, webhook, secret=secret)


@require_POST
@login_required
def webhook_enable(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    webhook = _found(request, webhook_id)
    webhooks.enable(webhook, base=webhook.lock_version, by=request.user, now=clock.now())
    return redirect("registry:webhook-detail", webhook_id)


@require_POST
@login_required
def webhook_disable(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    webhook = _found(request, webhook_id)
    webhooks.disable(webhook, base=webhook.lock_version, by=request.user, now=clock.now())
    return redirect("registry:webhook-detail", webhook_id)


@require_http_methods(["GET", "POST"])
@login_required
def webhook_delete(request: SignedInRequest, webhook_id: UUID) -> HttpResponse:
    webhook = _found(request, webhook_id)
    if request.method == "POST":
        webhooks.delete(webhook, by=request.user, now=clock.now())
        return redirect("registry:webhook-list", webhook.team.slug)
    return render(request, "registry/webhook_delete.html", {"webhook": webhook, "team": webhook.team})


def found_team(request: SignedInRequest, slug: str) -> Team:
    """The team, for whoever manages its webhooks."""
    team = get_object_or_404(Team.objects.visible_to(request.user), slug=slug)
    webhooks.may_manage(request.user, team).require()
    return team


def messages_of(webhook: Webhook) -> QuerySet[OutboxMessage]:
    """What was written for the webhook, newest first."""
    rows = OutboxMessage.objects.filter(team=webhook.team, destination=str(webhook.pk)).defer("body")
    return rows.order_by("-created_at", "-pk")


def _found(request: SignedInRequest, webhook_id: UUID) -> Webhook:
    rows = Webhook.objects.visible_to(request.user).filter(deleted_at=None).select_related("team")
    webhook = get_object_or_404(rows, pk=webhook_id)
    webhooks.may_manage(request.user, webhook.team).require()
    return webhook


def _page(
    request: SignedInRequest, webhook: Webhook, *, secret: str = "", trial: webhooks.Trial | None = None
) -> HttpResponse:
    rows = messages_of(webhook)
    counts = dict(rows.order_by().values_list("state").annotate(Count("pk")))
    now = clock.now()
    context: dict[str, Any] = {
        "webhook": webhook,
        "team": webhook.team,
        "secret": secret,
        "trial": trial,
        "kept_old": webhook.old_secret_until is not None and webhook.old_secret_until > now,
        "sent_messages": list(rows[:LAST_MESSAGES]),
        "dead_count": counts.get(OutboxMessage.State.DEAD, 0),
        "waiting_count": counts.get(OutboxMessage.State.PENDING, 0) + counts.get(OutboxMessage.State.SENDING, 0),
    }
    return render(request, "registry/webhook_detail.html", context)
