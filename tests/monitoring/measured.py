"""Monitors, runs and traffic records for the tests of measurement, as plain rows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import numpy as np
from django.db.models import F

from mlops_portal.jobs import queue
from mlops_portal.jobs.queue import Lease
from monitoring import windows
from monitoring.checks import config as configs
from monitoring.checks.config import AgainstReference, Checks, InputDrift, MonitorConfig
from monitoring.models import (
    Chunk,
    ChunkProfile,
    DayManifest,
    HourProfile,
    InboxRow,
    IngestBatch,
    Monitor,
    MonitorRevision,
    Reference,
    Run,
    VersionTraffic,
)
from monitoring.models import Grid as GridRow
from monitoring.models import LabelProfile as LabelRow
from monitoring.runs import execution
from monitoring.stats.columns import Column
from monitoring.stats.grid import Grid
from monitoring.stats.profile import CostProfile, LabelProfile, LatencyProfile, Operations, build, dumps
from registry.models import ModelVersion, RegisteredModel
from tests.factories import make_model, make_version
from tests.monitoring.checks.windows_of import frozen

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


def make_reference(
    version: ModelVersion,
    columns: Mapping[str, Column],
    *,
    segments: Sequence[str] = (),
    score: Column | None = None,
    score_kind: str = "none",
    labels: LabelProfile | None = None,
    name: str = "training",
) -> Reference:
    """A primary reference that is ready, with the grid of the version frozen from it."""
    grid = frozen(columns, segments=segments, score=score, score_kind=score_kind)
    row = GridRow.objects.create(sha256=grid.id, version=version, blob=grid.dumps(), created_at=at("2011-01-01"))
    traffic, _ = VersionTraffic.objects.get_or_create(version=version)
    VersionTraffic.objects.filter(pk=traffic.pk).update(grid=row)
    return Reference.objects.create(
        version=version,
        name=name,
        source="upload",
        state=Reference.State.READY,
        is_primary=True,
        file_format="parquet",
        path=f"references/{version.pk}",
        sha256="0" * 64,
        size_bytes=1,
        rows=len(next(iter(columns.values()))),
        grid=row,
        profile=dumps(build(columns, grid, score=score)),
        label_profile=labels.dumps() if labels else None,
        created_at=at("2011-01-01"),
        created_by="setup",
        ready_at=at("2011-01-01"),
    )


def add_chunk(
    version: ModelVersion,
    day: date,
    columns: Mapping[str, Column],
    *,
    endpoint: str = "",
    live: bool = True,
    now: datetime | None = None,
    **counted: Any,
) -> Chunk:
    """A stored chunk of one day, with its profiles, as compaction leaves it; what it makes dirty is marked."""
    rows = len(next(iter(columns.values())))
    first = datetime.combine(day, time(12), tzinfo=UTC)
    chunk = Chunk.objects.create(
        model_id=version.model_id,
        version=version,
        day=day,
        kind="prediction",
        path=f"chunk-{next(_serial)}",
        sha256=f"{next(_serial):064x}",
        size_bytes=1,
        rows=rows,
        first_at=first,
        last_at=first,
        created_at=first,
    )
    traffic, _ = VersionTraffic.objects.get_or_create(version=version)
    if traffic.grid_id:
        grid = Grid.loads(bytes(traffic.grid.blob))
        profile = build(columns, grid, first_at=first, last_at=first, **counted)
        ChunkProfile.objects.create(chunk=chunk, grid=traffic.grid, blob=dumps(profile))
    cost = counted.get("cost")
    held = Operations(
        rows=rows,
        n_fallback=0,
        n_error=0,
        latency=LatencyProfile.of(np.asarray(counted.get("latency_ms", []), float)),
        cost=CostProfile() if cost is None else CostProfile.of(cost),
    )
    HourProfile.objects.create(
        chunk=chunk,
        version=version,
        endpoint=endpoint,
        hour=first,
        rows=rows,
        calls=rows,
        amount=Decimal(repr(held.cost.amount)),
        amount_missing=rows if cost is None else 0,
        blob=held.dumps(),
    )
    _count(version, day, rows)
    traffic.first_at = min(traffic.first_at or first, first)
    traffic.newest_at = max(traffic.newest_at or first, first)
    traffic.last_live_at = traffic.newest_at if live else None
    traffic.rows += rows
    traffic.save()
    windows.mark_dirty(version.model_id, day, rows, now or first)
    return chunk


def _count(version: ModelVersion, day: date, rows: int) -> None:
    manifest, _ = DayManifest.objects.get_or_create(version=version, day=day)
    DayManifest.objects.filter(pk=manifest.pk).update(generation=F("generation") + 1, rows=F("rows") + rows)


def lease_of(run: Run) -> Lease:
    """The right to execute a run that was planned."""
    windows.order(run, team=run.model.team_id)
    lease = queue.claim("compute", worker="test")
    assert lease is not None
    return lease


def executed(run: Run, *, now: datetime | None = None) -> Run:
    """The run after a worker has executed it."""
    execution.execute(run.pk, lease_of(run), now=now or run.window_end + timedelta(minutes=5))
    run.refresh_from_db()
    return run


def add_labels(version: ModelVersion, day: date, joined: LabelProfile, *, delay_s: float | None = 3600.0) -> None:
    """What the join of a day with its outcomes came to, as `outcomes.label_profile` keeps it."""
    manifest = DayManifest.objects.get(version=version, day=day)
    DayManifest.objects.filter(pk=manifest.pk).update(
        label_generation=F("label_generation") + 1, labels=joined.n_labelled
    )
    LabelRow.objects.create(
        version=version,
        day=day,
        signal="truth",
        generation=manifest.generation,
        label_generation=manifest.label_generation + 1,
        rows=joined.rows,
        labelled=joined.n_labelled,
        delay_p95_s=delay_s,
        blob=joined.dumps(),
    )
    windows.mark_dirty(version.model_id, day, joined.n_labelled, at("2026-11-20"), labels=True)
