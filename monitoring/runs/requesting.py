"""Asking for a window to be measured once more."""

from datetime import datetime

from django.db import transaction

from mlops_portal.kit.errors import Conflict, Invalid
from monitoring import windows
from monitoring.models import Monitor, Run
from registry import audit, permissions
from registry.actors import Actor
from registry.permissions import Permission


class WindowOpen(Conflict):
    """The window is being measured already."""

    code = "window_open"


@transaction.atomic
def request(monitor: Monitor, window_start: datetime, *, by: Actor, now: datetime) -> Run:
    """Have a window measured once more, as revision n+1, whatever has changed.

    Raises Refused without the permission, WindowOpen if it is being measured already, and Invalid (`unknown_window`)
    if the monitor never did.
    """
    permissions.require(by, Permission.MONITOR_EDIT, monitor.model.team)
    newest = Run.objects.latest().filter(monitor=monitor, window_start=window_start)
    run = newest.select_related("model__team", "config").order_by("-window_end").first()
    if run is None:
        raise Invalid("This monitor has no such window.", code="unknown_window", field="window_start")
    again = windows.plan_again(run, why=Run.Why.MANUAL, now=now)
    if again is None:
        raise WindowOpen("This window is being measured already.")
    audit.record("run.requested", again, by=by, now=now, team=run.model.team)
    return again
