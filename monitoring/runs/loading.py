"""Reading what a run measures: outside of any transaction, in a number of queries that does not grow with traffic."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import F, Sum

from monitoring.checks.base import FeatureInfo, Labels, Objective, Usage, VersionWindow, WindowData
from monitoring.checks.config import HOUR_PARTS, PROFILE_PARTS, AgainstReference, MonitorConfig, Performance
from monitoring.models import Reference, RejectCount, Run, VersionTraffic
from monitoring.runs.bases import EarlyDays, early_days
from monitoring.runs.pins import Pins, pin
from monitoring.stats import gates
from monitoring.stats.grid import Grid
from monitoring.stats.profile import LabelProfile, Profile, loads, merge
from monitoring.traffic import chunks, outcomes
from registry.models import Endpoint, Feature, ModelVersion

FIRST_DAYS = timedelta(days=7)
UNKNOWN_DELAY = timedelta(hours=72)
LEAST_DELAYS = 200
USUAL_WINDOWS = 28
LEAST_ROWS = 100
BASE_DAYS = timedelta(days=28)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Maturity:
    """How complete the outcomes of a window are. at: when they count as complete whatever the coverage."""

    coverage: float
    is_mature: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that a run reads, and what it notes about it."""

    data: WindowData
    pins: Pins
    data_start: datetime
    chunks: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    maturity: Maturity | None = None
    rejected: int = 0
    damaged: int = 0

    def inputs(self) -> dict[str, Any]:
        """Return what pins the result, as JSON."""
        return {
            "chunks": list(self.chunks),
            "generations": self.pins.generations(),
            "labels": self.pins.label_generations(),
            "grids": list(self.grids),
            "references": list(self.references),
        }

    def digest(self, config_sha256: str) -> str:
        """Return the SHA-256 of what decides the result: equal inputs give equal findings.

        Chunks are left out: consolidation replaces them by others with the same counts.
        """
        decisive = self.inputs() | {"chunks": [], "config": config_sha256, "since": self.data_start.isoformat()}
        decisive["mature"] = self.maturity.is_mature if self.maturity else None
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def load(run: Run, config: MonitorConfig, now: datetime, *, mature: bool | None = None) -> Loaded:
    """Read the window of a run. mature: take this as the maturity of its labels, to compute an old result again."""
    reach = max(config.window, gates.LADDER_DAYS[-1] * DAY) + config.baseline_days * DAY
    first, until = _date(run.window_end - reach), _date(run.window_end)
    pins = pin(run.model_id, first, until, with_labels=config.checks.performance is not None)
    versions = _versions(run, pins, config)
    profiles = _profiles(run, config, pins, versions) if _reads_profiles(config) else {}
    labels = _labels(run, config, pins, versions) if config.checks.performance else {}
    maturity = _maturity(run, labels, now, mature) if labels else None
    bases = _bases(config, versions, labels, now)
    starts = [run.window_start, *(one.start for one in profiles.values()), *(one.start for one in labels.values())]
    usage, usage_start = _usage(run, config, pins) if _reads_hours(config) else (Usage(), run.window_start)
    rejects = _rejects(run)
    return Loaded(
        data=WindowData(
            run.model.task,
            run.window_start,
            run.window_end,
            rows=pins.rows(_date(run.window_start), until),
            versions=_windows(config, versions, profiles, labels, maturity, bases),
            usage=usage,
            rejects=rejects,
        ),
        pins=pins,
        data_start=min(*starts, usage_start),
        chunks=tuple(chunk for one in profiles.values() for chunk in one.chunks),
        grids=tuple(sorted({one.seen.grid.id for one in profiles.values() if one.seen.grid})),
        references=tuple(
            sorted(
                [*(str(one.reference.pk) for one in versions if one.reference), *(one.name for one in bases.values())]
            )
        ),
        maturity=maturity,
        rejected=sum(rejects.values()),
        damaged=len(
            {sha256 for one in profiles.values() for sha256 in one.damaged}
            | {sha256 for one in labels.values() for sha256 in one.seen.damaged}
        ),
    )


@dataclass(frozen=True, slots=True)
class _Version:
    """A version that served, the grid its traffic is counted on, and the reference it is compared with."""

    row: ModelVersion
    grid_id: UUID | None
    reference: Reference | None = None


def _versions(run: Run, pins: Pins, config: MonitorConfig) -> list[_Version]:
    """Return what served in the window by number; nothing where only hours are read, which need neither."""
    if not _reads_profiles(config) and not config.checks.performance:
        return []
    served = pins.versions(_date(run.window_start), _date(run.window_end))
    found = {one.version_id: _Version(one.version, one.grid_id, one) for one in _references(served, config)}
    if missing := served - found.keys():
        others = ModelVersion.objects.filter(pk__in=missing).select_related("traffic")
        found |= {version.pk: _Version(version, _active_grid(version)) for version in others}
    for one in found.values():
        one.row.model = run.model
    return sorted(found.values(), key=lambda one: one.row.number)


def _active_grid(version: ModelVersion) -> UUID | None:
    traffic: VersionTraffic | None = getattr(version, "traffic", None)
    return traffic.grid_id if traffic else None


def _references(versions: Collection[UUID], config: MonitorConfig) -> list[Reference]:
    """Return the references that are counted on the active grid of their version; of two of a version the last counts.

    While a new primary is being counted the old grid is active; then the former reference still answers.
    """
    if not versions or not isinstance(config.baseline, AgainstReference):
        return []
    ready = Reference.objects.filter(version__in=versions, state=Reference.State.READY)
    ready = ready.filter(grid=F("version__traffic__grid")).select_related("version")
    if config.baseline.name != "primary":
        ready = ready.filter(name=config.baseline.name)
    unread = ["problems", "notes"]
    unread += [] if config.checks.performance else ["label_profile"]
    unread += [] if _reads_profiles(config) else ["profile"]
    return list(ready.defer(*unread).order_by("is_primary", "ready_at"))


def _reads_profiles(config: MonitorConfig) -> bool:
    return bool(config.checks.input_drift or config.checks.data_quality or _parts(config) & set(PROFILE_PARTS))


def _reads_hours(config: MonitorConfig) -> bool:
    checks = config.checks
    return bool(checks.volume or checks.latency or checks.cost or _parts(config) & set(HOUR_PARTS))


def _parts(config: MonitorConfig) -> set[str]:
    return set(config.checks.output_drift.parts) if config.checks.output_drift else set()


def _widened(run: Run, config: MonitorConfig, is_enough: Callable[[date], bool]) -> datetime:
    """Return the start of the shortest window of the ladder that has enough, else that of the window itself."""
    length = gates.widened(config.window, lambda length: is_enough(_date(_start(run, config, length))))
    return _start(run, config, length)


def _start(run: Run, config: MonitorConfig, length: timedelta) -> datetime:
    return run.window_start if length == config.window else run.window_end - length


@dataclass(frozen=True, slots=True)
class _Profiled:
    """What a version got in the window, what verdicts rest on and since when, and the days before as a baseline."""

    start: datetime
    seen: chunks.Pinned
    judged: Profile | None
    before: Profile | None = None
    chunks: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def _profiles(run: Run, config: MonitorConfig, pins: Pins, versions: Sequence[_Version]) -> dict[UUID, _Profiled]:
    until = _date(run.window_end)
    start = _widened(
        run, config, lambda since: any(pins.rows(since, until, one.row.pk) >= gates.MIN_WINDOW for one in versions)
    )
    grid_ids = {one.row.pk: one.grid_id for one in versions}
    held = chunks.stretch(grid_ids, start - config.baseline_days * DAY, run.window_end)
    return {version: _profiled(run, config, held, version, start) for version in grid_ids}


def _profiled(run: Run, config: MonitorConfig, held: chunks.Stretch, version: UUID, start: datetime) -> _Profiled:
    seen = held.pinned(version, run.window_start, run.window_end)
    judged, names, damaged = seen.profile, seen.chunks, seen.damaged
    if start < run.window_start:
        earlier = held.pinned(version, start, run.window_start)
        judged, names = _together(earlier.profile, judged), [*earlier.chunks, *names]
        damaged = [*earlier.damaged, *damaged]
    before = None
    if config.baseline_days:
        before = held.pinned(version, start - config.baseline_days * DAY, start).profile
    return _Profiled(start, seen, judged, before, tuple(names), tuple(damaged))


def _together(earlier: Profile | None, later: Profile | None) -> Profile | None:
    return merge(earlier, later) if earlier and later else later or earlier


@dataclass(frozen=True, slots=True)
class _Labelled:
    """What became of a version's predictions, and since when."""

    start: datetime
    seen: outcomes.PinnedLabels


def _labels(run: Run, config: MonitorConfig, pins: Pins, versions: Sequence[_Version]) -> dict[UUID, _Labelled]:
    check = config.checks.performance or Performance()
    until = _date(run.window_end)
    start = _widened(run, config, lambda since: pins.labels(since, until) >= check.min_labels)
    return {
        one.row.pk: _Labelled(start, outcomes.label_profile(one.row, _date(start), until, check.signal))
        for one in versions
    }


def _bases(
    config: MonitorConfig, versions: Sequence[_Version], labels: dict[UUID, _Labelled], now: datetime
) -> dict[UUID, EarlyDays]:
    """Return the first days of those versions whose reference knows no outcomes."""
    check = config.checks.performance or Performance()
    lacking = [
        one.row for one in versions if one.row.pk in labels and not (one.reference and one.reference.label_profile)
    ]
    found = {row.pk: early_days(row, labels[row.pk].start, check.signal, now) for row in lacking}
    return {version: days for version, days in found.items() if days}


def _maturity(
    run: Run,
    labels: dict[UUID, _Labelled],
    now: datetime,
    known: bool | None,  # noqa: FBT001
) -> Maturity:
    seen = [one.seen for one in labels.values()]
    rows, labelled = sum(one.rows for one in seen), sum(one.labelled for one in seen)
    delays = [one.delay_p95_s for one in seen if one.delay_p95_s is not None]
    delay = timedelta(seconds=max(delays)) if delays and labelled >= LEAST_DELAYS else None
    coverage = labelled / rows if rows else 0.0
    if known is None:
        age_h = (now - run.window_end) / timedelta(hours=1)
        delay_h = None if delay is None else delay / timedelta(hours=1)
        known = gates.mature(coverage, _usual_coverage(run), age_h, delay_h)
    return Maturity(coverage, known, run.window_end + (UNKNOWN_DELAY if delay is None else delay))


def _usual_coverage(run: Run) -> float:
    """Return the coverage that mature windows of the monitor had, their median; 1 until there are some."""
    earlier = Run.objects.latest().filter(monitor=run.monitor_id, mature=True, window_end__lt=run.window_end)
    shares = earlier.order_by("-window_end").values_list("coverage_share", flat=True)[:USUAL_WINDOWS]
    return median([share for share in shares if share] or [1.0])


def _windows(
    config: MonitorConfig,
    versions: Sequence[_Version],
    profiles: dict[UUID, _Profiled],
    labels: dict[UUID, _Labelled],
    maturity: Maturity | None,
    bases: dict[UUID, EarlyDays],
) -> tuple[VersionWindow, ...]:
    features = _features(profiles) if profiles else {}
    windows = []
    for one in versions:
        version = one.row.pk
        profiled, labelled = profiles.get(version), labels.get(version)
        grid = profiled.seen.grid if profiled else None
        joined = labelled.seen.profile if labelled else None
        windows.append(
            VersionWindow(
                id=version,
                number=one.row.number,
                current=profiled.seen.profile if profiled else None,
                judged=profiled.judged if profiled else None,
                reference=_reference_profile(profiled, one.reference) if profiled else None,
                features=tuple(features.get(version, ())),
                dimensions=_dimensions(grid or (joined.grid if joined else None), config),
                labels=(
                    _judged(labelled.seen, one.reference, maturity, bases.get(version))
                    if labelled and maturity
                    else None
                ),
            )
        )
    return tuple(windows)


def _reference_profile(profiled: _Profiled, reference: Reference | None) -> Profile | None:
    if profiled.before is not None or profiled.seen.grid is None:
        return profiled.before
    return loads(bytes(reference.profile), profiled.seen.grid) if reference and reference.profile else None


def _judged(
    seen: outcomes.PinnedLabels, reference: Reference | None, maturity: Maturity, early: EarlyDays | None
) -> Labels:
    base = early.profile if early else None
    if seen.profile and reference and reference.label_profile:
        base = LabelProfile.loads(bytes(reference.label_profile), seen.profile.grid)
    since = early.first if early else None
    return Labels(seen.rows, seen.labelled, seen.profile, base, maturity.is_mature, base_since=since)


def _dimensions(grid: Grid | None, config: MonitorConfig) -> tuple[str, ...]:
    return tuple(name for name in grid.segments if config.wants_segment(name)) if grid else ()


def _features(versions: Collection[UUID]) -> dict[UUID, list[FeatureInfo]]:
    found: dict[UUID, list[FeatureInfo]] = {}
    rows = Feature.objects.filter(version__in=versions).order_by("position", "name")
    for version, name, importance, privacy in rows.values_list("version_id", "name", "importance", "privacy"):
        found.setdefault(version, []).append(FeatureInfo(name, importance, privacy == Feature.Privacy.DROP))
    return found


def _rejects(run: Run) -> dict[tuple[str, str], int]:
    """Return how many items that came in during the window were refused, by version label and feature at fault."""
    counts = RejectCount.objects.filter(model=run.model_id, hour__gte=run.window_start, hour__lt=run.window_end)
    summed = counts.values_list("version_label", "feature").annotate(items=Sum("n")).order_by()
    return {(label, feature): items for label, feature, items in summed}


def _usage(run: Run, config: MonitorConfig, pins: Pins) -> tuple[Usage, datetime]:
    """Read the hours of the window, of the days before it, and of the first days of its versions."""
    until, least = _date(run.window_end), config.checks.latency.min_n if config.checks.latency else LEAST_ROWS
    start = _widened(run, config, lambda since: pins.rows(since, until) >= least)
    before = start - (config.baseline_days * DAY or BASE_DAYS)
    traffic = VersionTraffic.objects.filter(version__model=run.model_id, first_at__isnull=False)
    known = list(traffic.values_list("version_id", "first_at", "newest_at"))
    firsts = {version: _first_days(began) for version, began, newest in known if began and newest and newest >= start}
    firsts = {version: days for version, days in firsts.items() if config.checks.latency and days[1] <= start}
    hours = chunks.hours(run.model, before, run.window_end, also=firsts)
    current = [hour for hour in hours if hour.hour >= start]
    objectives = Endpoint.objects.filter(model=run.model_id).values_list("slug", "slo_p95_ms", "slo_p99_ms")
    usage = Usage(
        current=current,
        before=[hour for hour in hours if before <= hour.hour < start],
        first_days={
            version: [hour for hour in hours if hour.version_id == version and first <= hour.hour < after]
            for version, (first, after) in firsts.items()
            if any(hour.version_id == version for hour in current)
        },
        objectives={slug: Objective(p95, p99) for slug, p95, p99 in objectives},
        started_on=_date(_next_midnight(min(began for _, began, _ in known if began))) if known else None,
    )
    return usage, start


def _first_days(began: datetime) -> tuple[datetime, datetime]:
    """Return the first seven full days of a version."""
    first = _next_midnight(began)
    return first, first + FIRST_DAYS


def _next_midnight(moment: datetime) -> datetime:
    """Return the moment itself if it is midnight, else the next one."""
    midnight = datetime.combine(_date(moment), time.min, tzinfo=UTC)
    return midnight if midnight == moment else midnight + DAY


def _date(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
