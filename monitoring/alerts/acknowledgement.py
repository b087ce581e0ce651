"""Somebody says that they look at an alert, takes it back, or lets the time run out."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from mlops_portal.kit import wording
from mlops_portal.kit.errors import Conflict, Invalid
from mlops_portal.kit.ruling import YES, Ruling, not_now, refused
from monitoring.alerts import messages
from monitoring.alerts.lifecycle import NOT_ACKNOWLEDGED
from monitoring.models import Alert, AlertTransition
from registry import audit, permissions
from registry.models import User
from registry.permissions import Actor, Permission

HOLDS_FOR = {
    Alert.Severity.INFO: timedelta(hours=72),
    Alert.Severity.WARNING: timedelta(hours=72),
    Alert.Severity.CRITICAL: timedelta(hours=24),
}
LONGEST = timedelta(days=7)
NOTE_LENGTH = 512


class AlreadyAcknowledged(Conflict):
    """Another person was faster; the first name stays."""

    code = "already_acknowledged"


class AlertClosed(Conflict):
    """The episode is over."""

    code = "alert_closed"


def may_acknowledge(actor: Actor, alert: Alert) -> Ruling:
    """Whether the person may say now that they look at the alert. No key ever may."""
    if not (ruling := _may_handle(actor, alert)):
        return ruling
    if alert.closed_at:
        return Ruling("This alert is closed.", AlertClosed)
    if alert.acknowledged_at:
        who = alert.acknowledged_by or "Somebody"
        until = f" until {wording.moment(alert.acknowledged_until)}" if alert.acknowledged_until else ""
        return Ruling(f"{who} has acknowledged this alert{until}.", AlreadyAcknowledged)
    return YES


def may_unacknowledge(actor: Actor, alert: Alert) -> Ruling:
    """Whether the person may take an acknowledgement back: only their own."""
    if not (ruling := _may_handle(actor, alert)):
        return ruling
    if alert.closed_at or not alert.acknowledged_at:
        return not_now("Nobody has acknowledged this alert.")
    if not isinstance(actor, User) or alert.acknowledged_by_id != actor.pk:
        return refused(f"Only {alert.acknowledged_by} can take this acknowledgement back.")
    return YES


@transaction.atomic
def acknowledge(
    alert: Alert,
    *,
    by: User,
    now: datetime,
    until: datetime | None = None,
    note: str = "",
    client_key: str | None = None,
    client_body_sha: str = "",
) -> Alert:
    """Record that a person looks at the alert, until a time: 24 h for a critical one, else 72 h, unless they say.

    client_key, client_body_sha: the idempotency key of the request that asked for it, and the hash of its body.
    Raises AlreadyAcknowledged if another person was faster, AlertClosed if the episode is over, Refused without the
    right, Invalid (`until_too_far`, `until_in_the_past`) if the time lies outside the next seven days.
    """
    permissions.require(by, Permission.ALERT_HANDLE, alert.model.team)
    ends_at = until or now + HOLDS_FOR[Alert.Severity(alert.severity)]
    _require_near(ends_at, now)
    row = Alert.objects.unacknowledged().filter(pk=alert.pk)
    if not row.update(
        sequence=F("sequence") + 1,
        acknowledged_at=now,
        acknowledged_by=by,
        acknowledged_until=ends_at,
        acknowledged_note=note[:NOTE_LENGTH],
    ):
        alert.refresh_from_db()
        may_acknowledge(by, alert).require()
        raise AlreadyAcknowledged("Somebody has changed this alert in between.")
    alert.refresh_from_db()
    said = f"until {wording.moment(ends_at)}" + (f": {note}" if note else "")
    _note(alert, "acknowledged", by=str(by), note=said, now=now, client_key=client_key, client_body_sha=client_body_sha)
    audit.record("alert.acknowledged", alert, by=by, now=now, team=alert.model.team, reason=note[:NOTE_LENGTH])
    return alert


@transaction.atomic
def unacknowledge(alert: Alert, *, by: User, now: datetime) -> Alert:
    """Take one's own acknowledgement back: the alert is open again.

    Raises Refused if another person gave it, Conflict if nobody did.
    """
    may_unacknowledge(by, alert).require()
    row = Alert.objects.open().filter(pk=alert.pk, acknowledged_by=by)
    if not row.update(sequence=F("sequence") + 1, **NOT_ACKNOWLEDGED):
        raise Conflict("Somebody has changed this alert in between.")
    alert.refresh_from_db()
    _note(alert, "unacknowledged", by=str(by), note="", now=now)
    audit.record("alert.unacknowledged", alert, by=by, now=now, team=alert.model.team)
    return alert


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Open alerts again whose acknowledgement has ended, each with one reminder."""
    for alert in Alert.objects.open().filter(acknowledged_until__lte=now).select_related("model__team"):
        _remind(alert, now)


@transaction.atomic
def _remind(alert: Alert, now: datetime) -> None:
    row = Alert.objects.open().filter(Q(acknowledged_until=alert.acknowledged_until), pk=alert.pk)
    if not row.update(sequence=F("sequence") + 1, **NOT_ACKNOWLEDGED):
        return  # another worker, or the person again
    alert.refresh_from_db(fields=["sequence", *NOT_ACKNOWLEDGED])
    _note(alert, "reminded", by="", note="The acknowledgement ended.", now=now)
    if alert.announced_at:
        messages.publish(alert, "reminded", now=now)


def _may_handle(actor: Actor, alert: Alert) -> Ruling:
    return permissions.ruling(actor, Permission.ALERT_HANDLE, alert.model.team)


def _require_near(until: datetime, now: datetime) -> None:
    if until <= now:
        raise Invalid("An acknowledgement has to end in the future.", code="until_in_the_past", field="until")
    if until > now + LONGEST:
        raise Invalid("An acknowledgement may last 7 days at most.", code="until_too_far", field="until")


def _note(alert: Alert, verb: str, *, by: str, note: str, now: datetime, **client: str | None) -> None:
    AlertTransition.objects.create(alert=alert, at=now, event_at=now, verb=verb, by=by[:128], note=note[:512], **client)
