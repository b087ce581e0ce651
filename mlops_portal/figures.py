"""The figures of /metrics, read from the database at the moment they are asked for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, DurationField, F, Min, Sum
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from mlops_portal import readiness_checks
from mlops_portal.jobs import limits
from mlops_portal.jobs.models import Job
from monitoring.models import Chunk, InboxRow, IngestBatch, Monitor, RejectCount, Run
from registry.models import OutboxMessage

MOST_CODES = 100
STEPS = {
    Monitor.Cadence.HOUR: timedelta(hours=1),
    Monitor.Cadence.DAY: timedelta(days=1),
    Monitor.Cadence.WEEK: timedelta(days=7),
}


def generate(now: datetime) -> bytes:
    """The text of /metrics: the figures of this moment, and nothing of the process."""
    fresh = CollectorRegistry(auto_describe=False)
    fresh.register(_Figures(now))
    return generate_latest(fresh)


class _Figures(Collector):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield self._due()
        yield _gauge("portal_jobs_quarantined", "Jobs that need a person.", _quarantined())
        yield _gauge("portal_windows_missed", "Planned window ends without a run; must be 0.", windows_missed())
        yield _gauge("portal_inbox_oldest_seconds", "Age of the oldest traffic not compacted.", self._inbox_age_s())
        yield self._items()
        damaged = Chunk.objects.filter(state=Chunk.State.DAMAGED).count()
        yield _gauge("portal_chunks_damaged", "Traffic files whose checksum is wrong.", damaged)
        dead = OutboxMessage.objects.filter(state=OutboxMessage.State.DEAD).count()
        yield _gauge("portal_outbox_dead", "Messages given up.", dead)
        free, _ = readiness_checks.disk_free()
        yield _gauge("portal_disk_free_bytes", "Free bytes where the portal keeps its data.", free)

    def _due(self) -> Metric:
        family = GaugeMetricFamily("portal_jobs_due", "Jobs that could run now.", labels=["queue"])
        due = dict(Job.objects.due().order_by().values_list("queue").annotate(n=Count("pk")))
        for queue in limits.SERVED_IN_ORDER:
            family.add_metric([queue], due.get(queue, 0))
        return family

    def _inbox_age_s(self) -> float:
        oldest = InboxRow.objects.aggregate(at=Min("received_at"))["at"]
        return max((self._now - oldest).total_seconds(), 0.0) if oldest else 0.0

    def _items(self) -> Metric:
        """Gauges, not counters: receipts and reject counts are kept for a while, so the sums also shrink."""
        family = GaugeMetricFamily(
            "portal_items_total",
            "Items of the receipts that are kept, by what became of them.",
            labels=["result", "code"],
        )
        results = ("accepted", "stored", "duplicates", "conflicts", "parked")
        sums = IngestBatch.objects.aggregate(**{name: Sum(name) for name in results})
        for name in results:
            family.add_metric([name, ""], sums[name] or 0)
        rejected = RejectCount.objects.values_list("code").annotate(items=Sum("n")).order_by("-items", "code")
        for code, items in rejected[:MOST_CODES]:
            family.add_metric(["rejected", code], items)
        return family


def windows_missed() -> int:
    """Window ends between the two marks of an active monitor that no run covers.

    A run that is longer than the others of its configuration stands for a gap, and covers every end within it.
    """
    marks = Monitor.objects.filter(state=Monitor.State.ACTIVE, cadence__in=STEPS).values_list(
        "pk", "cadence", "planned_from", "planned_until"
    )
    covered = _covered()
    missed = 0
    for pk, cadence, since, until in marks:
        if since is not None and until is not None:
            planned = (until - since) / STEPS[Monitor.Cadence(cadence)]
            missed += max(round(planned - covered.get(pk, 0)), 0)
    return missed


def _covered() -> dict[UUID, float]:
    """How many window ends since its first mark the runs of each monitor stand for."""
    length = F("window_end") - F("window_start")
    runs = Run.objects.latest().filter(window_end__gte=F("monitor__planned_from"), monitor__cadence__in=STEPS)
    sums = runs.order_by().values_list("monitor", "monitor__cadence", "config")
    ends: dict[UUID, float] = {}
    for pk, cadence, _, count, total, least in sums.annotate(
        Count("pk"),
        total=Sum(length, output_field=DurationField()),
        least=Min(length, output_field=DurationField()),
    ):
        in_gaps = (total - least * count) / STEPS[Monitor.Cadence(cadence)]
        ends[pk] = ends.get(pk, 0) + count + in_gaps
    return ends


def _quarantined() -> int:
    return Job.objects.filter(state=Job.State.QUARANTINED).count()


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)
