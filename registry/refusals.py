"""Refused attempts to change something: who tried what, and the sentence they were told, in the audit trail."""

from datetime import datetime, timedelta

from django.db import transaction

from registry import audit
from registry.actors import KeyPrincipal, actor_label
from registry.models import ApiKey, AuditEntry, Membership, Team, User

REFUSED = "request.refused"
SAME_WITHIN = timedelta(minutes=10)  # the same again is not worth another entry


@transaction.atomic
def record_refusal(actor: User | KeyPrincipal, request: str, reason: str, *, now: datetime) -> AuditEntry | None:
    """Note that somebody was refused; None if the same stands there since less than ten minutes.

    request: method and path. It belongs to the actor's team where they have just one, else to no team.
    """
    lately = AuditEntry.objects.filter(actor=actor_label(actor)[:128], verb=REFUSED, at__gt=now - SAME_WITHIN)
    changes = {"request": [None, request]}
    if any(entry.changes == changes for entry in lately.only("changes", "seq")):
        return None
    who = ApiKey.objects.get(pk=actor.pk) if isinstance(actor, KeyPrincipal) else actor
    return audit.record(REFUSED, who, by=actor, now=now, team=_team(actor), changes=changes, reason=reason)


def _team(actor: User | KeyPrincipal) -> Team | None:
    if isinstance(actor, KeyPrincipal):
        return Team.objects.get(pk=actor.team_id)
    memberships = list(Membership.objects.filter(user=actor).select_related("team")[:2])
    return memberships[0].team if len(memberships) == 1 else None
