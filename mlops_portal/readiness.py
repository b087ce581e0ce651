"""Week-three readiness as a whole: every app answers for its part, the inventory keeps the sum."""

from collections.abc import Callable, Sequence
from datetime import datetime

import monitoring.readiness
import registry.readiness
import review.readiness
from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from registry import inventory
from registry.models import RegisteredModel

KIND = "portal.measure_readiness"
AT_ONCE = 100  # models of one step
PARTS = (registry.readiness.readiness, monitoring.readiness.readiness, review.readiness.readiness)


def measure(models: Sequence[RegisteredModel], *, now: datetime) -> None:
    """Find out how ready each model is, and keep it; the number of queries for reading does not depend on how many."""
    parts = [part(models, now=now) for part in PARTS]
    for model in models:
        items = [item for part in parts for item in part[model.pk]]
        inventory.record_readiness(model, items, now=now)


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order the measuring of what is due: after a change within seconds, everything once a day."""
    if registry.readiness.due(now).exists():
        queue.enqueue(KIND, "due", queue=Job.Queue.MAINTAIN)


def measure_due(lease: Lease) -> None:
    """Measure what is due, some models at a time, until nothing is."""
    while models := list(registry.readiness.due(now := clock.now()).select_related("owner", "deputy")[:AT_ONCE]):
        measure(models, now=now)
        if not queue.renew(lease):
            return  # another worker goes on


JOBS: dict[str, Callable[[Lease], None]] = {KIND: measure_due}
