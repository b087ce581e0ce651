"""From conditions to alerts: an episode opens, gains members, is raised, closes and reopens.

Every change of an alert is one conditional UPDATE on its `sequence`; who loses the race reads again and goes on from
there. That at most one alert of a group is open is a constraint of the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Prefetch

from mlops_portal.kit import wording
from mlops_portal.kit.errors import Conflict
from monitoring.alerts import messages
from monitoring.alerts.conditions import JudgedWindow, fired_at, first_breach_at, is_burning, last_breach_at
from monitoring.alerts.wording import name, summary
from monitoring.models import Alert, AlertMember, AlertTransition, Condition
from registry.models import RegisteredModel

ATTEMPTS = 5
FLAPPING_REOPENS = 3
FLAPPING_SPAN = timedelta(days=7)
RANK = {Alert.Severity.INFO: 0, Alert.Severity.WARNING: 1, Alert.Severity.CRITICAL: 2}
NOT_ACKNOWLEDGED: dict[str, Any] = {
    "acknowledged_at": None,
    "acknowledged_by": None,
    "acknowledged_until": None,
    "acknowledged_note": "",
}

Group = tuple[str, str]  # endpoint, family


class AlertKeepsMoving(Conflict):
    """Others changed the alert again and again while it was to be updated; the job tries once more later."""

    code = "alert_keeps_moving"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why the alerts of a model are looked at: one window of it, noted now. recomputed: late data changed the past."""

    model: RegisteredModel
    window: JudgedWindow
    now: datetime
    recomputed: bool = False


def settle(conditions: Iterable[Condition], occasion: Occasion) -> None:
    """Bring the alerts of the conditions' groups in line with them, in the transaction of the caller.

    conditions: those whose window has just been judged; members of the same group from other sources count with the
    state the database holds. A quiet window writes no message; the first one that is not announces what is still open.
    """
    groups: dict[Group, list[Condition]] = {}
    for condition in conditions:
        groups.setdefault((condition.scope.get("endpoint", ""), condition.family), []).append(condition)
    opened = _open_alerts(occasion.model, groups)
    for group, members in sorted(groups.items()):
        _settle_group(group, members, opened.get(group), occasion)


def note_too_late(conditions: Sequence[Condition], occasion: Occasion) -> None:
    """Leave a line in the history of open alerts whose conditions got a window too old for their rings."""
    if not conditions:
        return
    members = AlertMember.objects.filter(condition__in=conditions, left_at=None, alert__closed_at=None)
    for alert in Alert.objects.filter(pk__in=members.values("alert")):
        _note(alert, "noted", occasion, note="Late data changed a window too old to count.")


def is_flapping(alert: Alert, at: datetime) -> bool:
    """Whether the alert reopened three times within seven days up to this time."""
    if alert.reopen_count < FLAPPING_REOPENS:
        return False
    recent = alert.transitions.filter(verb="reopened", event_at__gt=at - FLAPPING_SPAN)
    return recent.count() >= FLAPPING_REOPENS


def _open_alerts(model: RegisteredModel, groups: Iterable[Group]) -> dict[Group, Alert]:
    """Read them with their members, which nobody changes without moving the sequence of the alert."""
    families = {family for _, family in groups}
    if not families:
        return {}
    members = AlertMember.objects.select_related("condition")
    found = Alert.objects.open().filter(model=model, family__in=families)
    opened = {(a.endpoint, a.family): a for a in found.prefetch_related(Prefetch("members", members))}
    for alert in opened.values():
        alert.model = model  # with what is known of it already
    return opened


def _settle_group(group: Group, judged: Sequence[Condition], alert: Alert | None, occasion: Occasion) -> None:
    for _ in range(ATTEMPTS):
        if alert is None:
            done = _begin(group, [one for one in judged if is_burning(one)], occasion)
        else:
            done = _follow(alert, judged, occasion)
        if done:
            return
        alert = _open_alerts(occasion.model, [group]).get(group)
    raise AlertKeepsMoving("The alert of this group is being changed by others.")


def _begin(group: Group, burning: Sequence[Condition], occasion: Occasion) -> bool:
    """Open an episode, or go on with one that has just ended; False if another worker has opened one."""
    if not burning:
        return True
    try:
        with transaction.atomic():
            last = _reopened(group, burning, occasion)
            alert = last or _opened(group, burning, occasion)
            _join(alert, list(last.members.all()) if last else [], burning, occasion)
    except IntegrityError:
        return False
    return True


def _opened(group: Group, burning: Sequence[Condition], occasion: Occasion) -> Alert:
    endpoint, family = group
    alert = Alert.objects.create(
        model=occasion.model,
        endpoint=endpoint,
        family=family,
        opened_at=min(map(fired_at, burning)),
        since_at=min(map(first_breach_at, burning)),
        detected_at=occasion.now,
        announced_at=None if occasion.window.quiet else occasion.now,
        **_picture(burning, occasion),
    )
    _note(alert, "opened", occasion, note=alert.summary, event_at=alert.opened_at)
    _tell(alert, "opened", occasion)
    return alert


def _reopened(group: Group, burning: Sequence[Condition], occasion: Occasion) -> Alert | None:
    """The last episode of the group, open again, if it ended shortly before; None if there is none to go on with."""
    endpoint, family = group
    again_at = min(map(fired_at, burning))
    last = (
        Alert.objects.filter(model=occasion.model, endpoint=endpoint, family=family)
        .filter(closed_at__gte=again_at - occasion.window.reopens_within)
        .order_by("-closed_at")
        .first()
    )
    if last is None:
        return None
    last.model = occasion.model
    changes = (
        _picture(burning, occasion)
        | NOT_ACKNOWLEDGED
        | {
            "closed_at": None,
            "close_reason": "",
            "reopen_count": last.reopen_count + 1,
            "announced_at": None if occasion.window.quiet else occasion.now,
        }
    )
    if not _move(last, changes):
        return None
    _note(last, "reopened", occasion, note=last.summary, event_at=again_at)
    if not is_flapping(last, again_at):
        _tell(last, "reopened", occasion)
    return last


def _follow(alert: Alert, judged: Sequence[Condition], occasion: Occasion) -> bool:
    """Bring an open alert in line with its conditions; False if somebody else changed it meanwhile."""
    known = {member.condition_id: member.condition for member in alert.members.all() if member.left_at is None}
    known |= {one.pk: one for one in judged}
    burning = [one for one in known.values() if is_burning(one)]
    return _stay_open(alert, burning, occasion) if burning else _close(alert, occasion)


def _stay_open(alert: Alert, burning: Sequence[Condition], occasion: Occasion) -> bool:
    changes = _picture(burning, occasion, seen=alert.last_breach_at)
    was = RANK[Alert.Severity(alert.severity)]
    raised = RANK[changes["severity"]] > was
    announces = alert.announced_at is None and not occasion.window.quiet
    if raised:
        changes |= NOT_ACKNOWLEDGED
    if announces:
        changes["announced_at"] = occasion.now
    changes = {key: value for key, value in changes.items() if getattr(alert, key) != value}
    inside = {member.condition_id for member in alert.members.all() if member.left_at is None}
    if not changes and inside == {one.pk for one in burning}:
        return True
    if not _move(alert, changes):
        return False
    _join(alert, alert.members.all(), burning, occasion)
    if "severity" in changes:
        _note(alert, "raised" if raised else "lowered", occasion, note=alert.summary)
    if announces:
        _tell(alert, "opened", occasion)
    elif raised and alert.announced_at:
        _tell(alert, "raised", occasion)
    return True


def _close(alert: Alert, occasion: Occasion) -> bool:
    reason = "recomputed" if occasion.recomputed else "cleared"
    ended_at = max(occasion.window.end, alert.opened_at)
    if not _move(alert, {"closed_at": ended_at, "close_reason": reason}):
        return False
    alert.members.filter(left_at=None).update(left_at=ended_at)
    _note(alert, "closed", occasion, note=reason, event_at=ended_at)
    if alert.announced_at and not is_flapping(alert, ended_at):
        _tell(alert, "closed", occasion)
    return True


def _picture(burning: Sequence[Condition], occasion: Occasion, *, seen: datetime | None = None) -> dict[str, Any]:
    """The columns of an alert that follow from its conditions. seen: the newest breach known so far."""
    breaches = [at for at in (seen, *map(last_breach_at, burning)) if at]
    return {
        "severity": max((Alert.Severity(one.severity) for one in burning), key=RANK.__getitem__),
        "summary": summary(burning),
        "last_breach_at": max(breaches, default=occasion.window.end),
    }


def _move(alert: Alert, changes: Mapping[str, Any]) -> bool:
    """Change the alert if it is still as it was read. The row count names the winner."""
    row = Alert.objects.filter(pk=alert.pk, sequence=alert.sequence)
    if not row.update(sequence=alert.sequence + 1, **changes):
        return False
    alert.sequence += 1
    for key, value in changes.items():
        setattr(alert, key, value)
    return True


def _join(alert: Alert, known: Iterable[AlertMember], burning: Sequence[Condition], occasion: Occasion) -> None:
    """Make the burning conditions the members of the alert: new ones join, those that rest leave."""
    members = {member.condition_id: member for member in known}
    wanted = {one.pk: one for one in burning}
    arrived = [one for pk, one in wanted.items() if pk not in members]
    back = [pk for pk in wanted if pk in members and members[pk].left_at]
    gone = [pk for pk, member in members.items() if pk not in wanted and member.left_at is None]
    at = occasion.window.end
    AlertMember.objects.bulk_create([AlertMember(alert=alert, condition=one, joined_at=at) for one in arrived])
    if back:
        AlertMember.objects.filter(alert=alert, condition__in=back).update(left_at=None)
    if gone:
        AlertMember.objects.filter(alert=alert, condition__in=gone).update(left_at=at)
    if members and (arrived or back):
        names = [name(wanted[pk]) for pk in (*(one.pk for one in arrived), *back)]
        _note(alert, "joined", occasion, note=wording.listed(names))
    if gone:
        _note(alert, "left", occasion, note=wording.plural(len(gone), "condition"))


def _note(alert: Alert, verb: str, occasion: Occasion, *, note: str = "", event_at: datetime | None = None) -> None:
    AlertTransition.objects.create(
        alert=alert, at=occasion.now, event_at=event_at or occasion.window.end, verb=verb, note=note[:512]
    )


def _tell(alert: Alert, verb: str, occasion: Occasion) -> None:
    if not occasion.window.quiet:
        messages.publish(alert, verb, now=occasion.now)
