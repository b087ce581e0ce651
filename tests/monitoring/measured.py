"""Monitors, runs and traffic records for the tests of measurement, as plain rows."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

from monitoring.checks import config as configs
from monitoring.checks.config import AgainstReference, Checks, InputDrift, MonitorConfig
from monitoring.models import DayManifest, InboxRow, IngestBatch, Monitor, MonitorRevision, Run, VersionTraffic
from registry.models import ModelVersion, RegisteredModel
from tests.factories import make_model, make_version

_serial = count(1)


def at(text: str) -> datetime:
    """The moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_monitor(
    model: RegisteredModel | None = None,
    *,
    slug: str = "inputs-training",
    cadence: str = Monitor.Cadence.DAY,
    window_hours: int = 168,
    baseline: object = None,
    checks: Checks | None = None,
    grace_minutes: int = 5,
) -> Monitor:
    """A monitor with its first revision."""
    config = MonitorConfig(
        window_hours=window_hours,
        baseline=baseline or AgainstReference(),
        checks=checks or Checks(input_drift=InputDrift()),
        grace_minutes=grace_minutes,
    )
    monitor = Monitor.objects.create(
        model=model or make_model(), slug=slug, cadence=cadence, created_at=at("2011-01-01")
    )
    MonitorRevision.objects.create(
        monitor=monitor,
        number=1,
        config=configs.dump(config),
        sha256=configs.digest(config),
        created_at=monitor.created_at,
        created_by="setup",
    )
    return monitor


def make_run(monitor: Monitor, *, end: str, state: str = Run.State.DONE, **fields: object) -> Run:
    """A run of the monitor's window that ends then, finished five minutes later."""
    revision = monitor.revisions.get(number=monitor.revision)
    hours = fields.pop("hours", revision.config["window_hours"])
    ended = at(end)
    values = {
        "why": Run.Why.FIRST,
        "window_start": ended - timedelta(hours=hours),
        "planned_at": ended + timedelta(minutes=5),
        "finished_at": ended + timedelta(minutes=5),
    }
    return Run.objects.create(
        monitor=monitor, model_id=monitor.model_id, config=revision, window_end=ended, state=state, **values | fields
    )


def make_traffic(
    version: ModelVersion | None = None, *, first: str, newest: str, live: str | None = None, days: bool = False
) -> VersionTraffic:
    """What is known of a version's traffic; days: with a manifest for each day from the first to the newest."""
    version = version or make_version()
    if days:
        make_days(version, at(first).date(), at(newest).date())
    return VersionTraffic.objects.create(
        version=version, first_at=at(first), newest_at=at(newest), last_live_at=at(live) if live else None, rows=1
    )


def make_days(version: ModelVersion, first: date, last: date, *, rows: int = 1) -> None:
    """A manifest for each day."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    DayManifest.objects.bulk_create([DayManifest(version=version, day=day, generation=1, rows=rows) for day in days])


def make_waiting(model: RegisteredModel, *, received: str, via: str = IngestBatch.Via.API) -> InboxRow:
    """An inbox row that compaction has not stored yet."""
    batch = IngestBatch.objects.create(
        team=model.team,
        model=model,
        kind="prediction",
        key=f"waiting-{next(_serial)}",
        body_sha256="0" * 64,
        via=via,
        answer={},
        received=1,
        accepted=1,
        rejected=0,
        received_at=at(received),
    )
    return InboxRow.objects.create(
        batch=batch,
        model=model,
        kind="prediction",
        items=1,
        codec="zlib-1",
        payload_v=1,
        payload=b"",
        size_bytes=0,
        received_at=at(received),
    )
