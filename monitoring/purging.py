"""Rows that have had their time go: once a day, in batches that each commit alone, so that nobody waits for them.

Files and what stands for them have rules of their own: `traffic.chunks.retention`.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease, LostLease
from monitoring.models import (
    DayManifest,
    Erasure,
    InboxRow,
    IngestBatch,
    LabelProfile,
    Measurement,
    QuarantinedItem,
    RejectCount,
    Run,
)

KEEP_RECEIPTS = timedelta(days=7)  # a repeated batch gets the same answer for as long
KEEP_QUARANTINE = timedelta(days=14)
KEEP_REJECTS = timedelta(days=90)  # a window may be measured again as long as its raw traffic is kept
KEEP_SUPERSEDED = timedelta(days=400)
AT_ONCE = 2000

Rows = QuerySet[Model]


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order one purge per day."""
    key = f"{now:%Y-%m-%d}"
    if not Job.objects.filter(kind="monitoring.purge", key=key).exists():
        queue.enqueue("monitoring.purge", key, queue=Job.Queue.MAINTAIN, priority=90)


def purge(lease: Lease, now: datetime) -> None:
    """Delete what is older than it is kept. Safe to call twice; what a dead worker began, the next one goes on with.

    Raises LostLease if another worker has taken over.
    """
    gone = {name: sum(_batches(rows, lease)) for name, rows in _old(now).items()}
    with queue.finishing(lease, {name: n for name, n in gone.items() if n}):
        pass


def _old(now: datetime) -> dict[str, Callable[[], Rows]]:
    """What has to go, in this order: a receipt stays while an item that was set aside names it."""
    return {
        "set_aside": lambda: QuarantinedItem.objects.filter(created_at__lt=now - KEEP_QUARANTINE),
        "forgotten": _of_forgotten,
        "receipts": lambda: _receipts(now - KEEP_RECEIPTS),
        "rejects": lambda: RejectCount.objects.filter(hour__lt=now - KEEP_REJECTS),
        "measurements": lambda: Measurement.objects.filter(run__in=_superseded(now - KEEP_SUPERSEDED)),
        "runs": lambda: _superseded(now - KEEP_SUPERSEDED),
        "label_profiles": _outdated_label_profiles,
    }


def _batches(rows: Callable[[], Rows], lease: Lease) -> Iterator[int]:
    """Delete the rows some at a time; yields how many."""
    while some := list(rows().order_by().values_list("pk", flat=True)[:AT_ONCE]):
        if not queue.renew(lease):
            raise LostLease(f"job {lease.job_id}: fence {lease.fence} is over")
        rows().filter(pk__in=some).delete()
        yield len(some)


def _of_forgotten() -> QuerySet[QuarantinedItem]:
    """Items of subjects that were forgotten, set aside after that."""
    refs = [ref for refs in Erasure.objects.values_list("refs", flat=True) for ref in refs.values()]
    return QuarantinedItem.objects.filter(subject_ref__in=refs) if refs else QuarantinedItem.objects.none()


def _receipts(before: datetime) -> QuerySet[IngestBatch]:
    """Receipts of bodies whose records are all stored; one that waits is never old."""
    over = IngestBatch.objects.filter(Q(stored_at__isnull=False) | Q(accepted=0), received_at__lt=before)
    waiting = InboxRow.objects.filter(batch=OuterRef("pk"))
    set_aside = QuarantinedItem.objects.filter(batch=OuterRef("pk"))
    return over.exclude(Exists(waiting)).exclude(Exists(set_aside))


def _superseded(before: datetime) -> QuerySet[Run]:
    return Run.objects.filter(state=Run.State.SUPERSEDED, is_latest=False, finished_at__lt=before)


def _outdated_label_profiles() -> QuerySet[LabelProfile]:
    """Joined days whose predictions or outcomes have changed since: nobody reads them any more."""
    current = DayManifest.objects.filter(
        **{name: OuterRef(name) for name in ("version", "day", "generation", "label_generation")}
    )
    return LabelProfile.objects.exclude(Exists(current))
