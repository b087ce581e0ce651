"""Once a day the head of the audit chain leaves the house, so that a trail whose end was cut off shows too."""

from datetime import datetime

from django.db import transaction

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from registry import audit, outbox
from registry.models import AuditEntry, Team

KIND = "registry.anchor_audit"
ANCHORED = "audit.anchored"
ACTOR = "system:audit"


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order the anchor of the day, if something was recorded since the last one."""
    if _is_due(now):
        queue.enqueue(KIND, now.date().isoformat(), queue=Job.Queue.MAINTAIN)


@transaction.atomic
def anchor(*, now: datetime) -> AuditEntry | None:
    """Send number and hash of the newest entry to whoever listens for `audit.anchor`, and record that.

    None if that was done today, or nothing has been recorded since. Idempotent within a day.
    """
    if not _is_due(now):
        return None
    head = AuditEntry.objects.order_by("-seq")[0]
    data = {"seq": head.seq, "hash": head.hash, "at": head.at.isoformat(timespec="milliseconds")}
    for team in Team.objects.order_by("slug"):
        outbox.publish("audit.anchor", str(head.seq), data, team=team, now=now)
    return audit.record(ANCHORED, head, by=ACTOR, now=now, changes={"hash": [None, head.hash]})


def _is_due(now: datetime) -> bool:
    newest = AuditEntry.objects.order_by("-seq").values_list("verb", flat=True).first()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    anchored = AuditEntry.objects.filter(verb=ANCHORED).order_by("-seq").values_list("at", flat=True)
    last = anchored.first() if newest not in (None, ANCHORED) else now
    return last is None or last < midnight
