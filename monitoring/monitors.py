"""Monitors: standing orders to measure a model. The only writer of Monitor and MonitorRevision.

The content of a monitor is an immutable, numbered revision; a change counts from the next window on.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mlops_portal.kit.errors import Conflict, Fault, Invalid
from monitoring.checks import config as configs
from monitoring.checks.config import (
    HOUR_PARTS,
    AgainstPrevious,
    Checks,
    Cost,
    DataQuality,
    InputDrift,
    Latency,
    MonitorConfig,
    OutputDrift,
    Performance,
    Volume,
)
from monitoring.models import Monitor, MonitorRevision, Reference, VersionTraffic
from registry import audit
from registry.actors import Actor
from registry.audit import actor_label
from registry.models import RegisteredModel

OPERATIONS = "operations"
WEEK_HOURS = 7 * 24
BY_PORTAL = "system:planner"

OF_TRAFFIC = {
    OPERATIONS: MonitorConfig(
        window_hours=24,
        baseline=AgainstPrevious(days=28),
        checks=Checks(volume=Volume(), latency=Latency(), cost=Cost(), output_drift=OutputDrift(parts=HOUR_PARTS)),
    ),
}
OF_REFERENCE = {
    "inputs-training": MonitorConfig(
        window_hours=WEEK_HOURS,
        checks=Checks(input_drift=InputDrift(), output_drift=OutputDrift(), data_quality=DataQuality()),
    ),
    "performance": MonitorConfig(window_hours=WEEK_HOURS, checks=Checks(performance=Performance())),
}


def create_defaults(model: RegisteredModel, now: datetime) -> list[Monitor]:
    """Give the model the daily monitors that what is known of it allows, as far as it lacks them.

    With traffic: operations. With a primary reference that is ready: inputs-training and performance.
    Returns those that are new; safe to call at any time.
    """
    wanted: dict[str, MonitorConfig] = {}
    if VersionTraffic.objects.filter(version__model=model, first_at__isnull=False).exists():
        wanted |= OF_TRAFFIC
    ready = Reference.objects.filter(version__model=model, is_primary=True, state=Reference.State.READY)
    if ready.exists():
        wanted |= OF_REFERENCE
    present = set(Monitor.objects.filter(model=model, slug__in=wanted).values_list("slug", flat=True))
    return [_create(model, slug, config, now) for slug, config in wanted.items() if slug not in present]


def complete(models: Collection[UUID], now: datetime) -> None:
    """Create the defaults of those models with traffic that have no operations monitor yet."""
    having = Monitor.objects.filter(slug=OPERATIONS).values_list("model_id", flat=True)
    lacking = set(models) - set(having)
    for model in RegisteredModel.objects.filter(pk__in=lacking).select_related("team") if lacking else ():
        create_defaults(model, now)


@transaction.atomic
def change(
    monitor: Monitor, config: MonitorConfig, *, base: int, by: Actor, now: datetime, reason: str = ""
) -> MonitorRevision:
    """Measure differently from the next window on; what was measured stays.

    base: the revision the caller saw. Raises Conflict if another is current by now, and Invalid
    (`monitor_invalid`) with a fault per wrong field.
    """
    if faults := problems(config):
        raise Invalid("This monitor cannot work.", code="monitor_invalid", faults=faults)
    current = Monitor.objects.filter(pk=monitor.pk, revision=base)
    if not current.update(revision=base + 1):
        raise Conflict(f"{monitor.slug} is no longer at revision {base}.", code="monitor_moved")
    monitor.refresh_from_db()
    revision = _revise(monitor, config, by=by, now=now, reason=reason)
    audit.record("monitor.changed", monitor, by=by, now=now, team=monitor.model.team, reason=reason)
    return revision


def problems(config: MonitorConfig) -> list[Fault]:
    """Name what in a configuration contradicts itself."""
    found = []
    for key, check in config.checks.items():
        if hasattr(check, "warn") and check.warn >= check.drift:
            detail = f"{key}: warn has to be below drift"
            found.append(Fault("monitor_invalid", detail, pointer=f"/checks/{key}/warn"))
    if config.checks.input_drift:
        for feature, own in config.checks.input_drift.overrides.items():
            if own.warn >= own.drift:
                pointer = f"/checks/input_drift/overrides/{feature}/warn"
                found.append(Fault("monitor_invalid", f"{feature}: warn has to be below drift", pointer=pointer))
    if not list(config.checks.items()):
        found.append(Fault("monitor_invalid", "a monitor needs a check", pointer="/checks"))
    return found


@transaction.atomic
def pause(monitor: Monitor, *, by: Actor, now: datetime, reason: str = "") -> None:
    """Plan no further windows; raises Conflict if it is paused already."""
    _move(monitor, Monitor.State.ACTIVE, Monitor.State.PAUSED)
    audit.record("monitor.paused", monitor, by=by, now=now, team=monitor.model.team, reason=reason)


@transaction.atomic
def resume(monitor: Monitor, *, by: Actor, now: datetime) -> None:
    """Plan windows again, those of the pause too; raises Conflict if it is not paused."""
    _move(monitor, Monitor.State.PAUSED, Monitor.State.ACTIVE)
    audit.record("monitor.resumed", monitor, by=by, now=now, team=monitor.model.team)


def _move(monitor: Monitor, source: str, to: str) -> None:
    if not Monitor.objects.filter(pk=monitor.pk, state=source).update(state=to):
        raise Conflict(f"{monitor.slug} is already {to}.", code="wrong_state")
    monitor.refresh_from_db()


@transaction.atomic
def _create(model: RegisteredModel, slug: str, config: MonitorConfig, now: datetime) -> Monitor:
    """Insert a default monitor, or return the one that somebody else has just inserted."""
    monitor, is_new = Monitor.objects.get_or_create(
        model=model, slug=slug, defaults={"cadence": Monitor.Cadence.DAY, "created_at": now}
    )
    if is_new:
        _revise(monitor, config, by=BY_PORTAL, now=now, reason="default")
        audit.record("monitor.created", monitor, by=BY_PORTAL, now=now, team=model.team)
    return monitor


def _revise(monitor: Monitor, config: MonitorConfig, *, by: Actor, now: datetime, reason: str) -> MonitorRevision:
    return MonitorRevision.objects.create(
        monitor=monitor,
        number=monitor.revision,
        config=configs.dump(config),
        sha256=configs.digest(config),
        reason=reason,
        created_at=now,
        created_by=actor_label(by),
    )
