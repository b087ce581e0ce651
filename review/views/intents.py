"""Where a change that needs approval leads: what was wanted, what is needed, and who can agree to it."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from registry import deployments
from registry.models import Endpoint, Membership
from registry.views.request import SignedInRequest


@require_safe
@login_required
def decision_intent(request: SignedInRequest, intent_id: UUID) -> HttpResponse:
    intent = deployments.intent(intent_id)
    if intent is None:
        raise Http404
    visible = Endpoint.objects.visible_to(request.user).select_related("model__team", "environment")
    endpoint = get_object_or_404(visible, pk=intent.endpoint_id)
    members = Membership.objects.filter(team=endpoint.model.team, user__is_active=True).select_related("user")
    present = deployments.current(endpoint)
    context = {
        "intent": intent,
        "endpoint": endpoint,
        "model": endpoint.model,
        "present": present,
        "has_moved": (present.revision if present else 0) != intent.base,
        "rule": deployments.described_rule(intent.plan.decision_rule),
        "fallback": deployments.described_fallback(intent.plan.fallback),
        "approvers": sorted(member.user.username for member in members if member.is_approver),
    }
    return render(request, "review/decision_intent.html", context)
