"""Background work of monitoring: each handler turns a payload into one domain call."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from monitoring import arrivals, purging
from monitoring.runs import execution
from monitoring.traffic import chunks, compaction, outcomes, replaying
from monitoring.traffic.erasures import forgetting
from monitoring.traffic.reference import loading, reprofiling


def compact(lease: Lease) -> None:
    compaction.compact(UUID(lease.payload["model"]), lease)


def consolidate(lease: Lease) -> None:
    compaction.consolidate(UUID(lease.payload["version"]), date.fromisoformat(lease.payload["day"]), lease)


def match_parked(lease: Lease) -> None:
    outcomes.match_parked(UUID(lease.payload["model"]), lease)


def erase(lease: Lease) -> None:
    forgetting.erase(UUID(lease.payload["erasure"]), lease, clock.now())


def expire(lease: Lease) -> None:
    day = lease.payload["day"]
    chunks.expire_day(UUID(lease.payload["model"]), date.fromisoformat(day) if day else None, lease, clock.now())


def execute_run(lease: Lease) -> None:
    execution.execute(UUID(lease.payload["run"]), lease)


def load_reference(lease: Lease) -> None:
    loading.load(UUID(lease.payload["reference"]), lease)


def replay_items(lease: Lease) -> None:
    replaying.replay(UUID(lease.payload["model"]), lease.payload["code"], lease, clock.now())


def reprofile(lease: Lease) -> None:
    reprofiling.reprofile(UUID(lease.payload["version"]), UUID(lease.payload["grid"]), lease)


def purge(lease: Lease) -> None:
    purging.purge(lease, clock.now())


def tidy(lease: Lease) -> None:
    chunks.tidy(clock.now())


def watch_arrivals(lease: Lease) -> None:
    arrivals.watch(UUID(lease.payload["model"]), lease, clock.now())


JOBS: dict[str, Callable[[Lease], None]] = {
    "monitoring.compact": compact,
    "monitoring.consolidate": consolidate,
    "monitoring.erase": erase,
    "monitoring.execute_run": execute_run,
    "monitoring.expire": expire,
    "monitoring.load_reference": load_reference,
    "monitoring.match_parked": match_parked,
    "monitoring.purge": purge,
    "monitoring.replay_items": replay_items,
    "monitoring.reprofile": reprofile,
    "monitoring.tidy": tidy,
    "monitoring.watch_arrivals": watch_arrivals,
}
