"""What becomes of files in time: raw traffic goes after 90 days, its profiles stay; leftovers of dead writers go.

A damaged file that somebody has put back is taken up again.
"""

import logging
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease
from monitoring.models import Chunk, ChunkIds, ChunkProfile, Erasure, HourProfile, Reference
from monitoring.traffic import storage
from monitoring.traffic.chunks import files

logger = logging.getLogger(__name__)

KEEP_RAW = timedelta(days=90)
KEEP_RETIRED = timedelta(hours=24)  # readers that pinned a replaced chunk may still be at it
KEEP_IDS = timedelta(days=35)  # a record may be 30 days late, and is sought on the neighbouring days
KEEP_DRAFTS = timedelta(hours=1)
KEEP_ORPHANS = timedelta(hours=24)
_AT_ONCE = 500
_READABLE = (Chunk.State.LIVE, Chunk.State.PARKED, Chunk.State.DAMAGED)


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Order one tidying per hour."""
    key = f"{now:%Y-%m-%dT%H}"
    if not Job.objects.filter(kind="monitoring.tidy", key=key).exists():
        queue.enqueue("monitoring.tidy", key, queue=Job.Queue.MAINTAIN, priority=90)


def tidy(now: datetime) -> None:
    """Delete what nobody can need any more, and order the expiry of days that have come of age.

    Drafts after an hour; files of replaced or expired chunks, and files without any row, after a day; ids after 35.
    """
    of = storage.store()
    storage.delete_drafts(of, now - KEEP_DRAFTS)
    _take_up_restored()
    _order_expiry(now)
    _delete_retired(now)
    _delete_ids(now)
    _delete_orphans(of, now)


def expire_day(model_id: UUID, day: date | None, lease: Lease, now: datetime) -> None:
    """Give up the rows of a model's chunks of one day that are older than 90 days; their profiles still count."""
    old = Chunk.objects.filter(model=model_id, day=day, state__in=_READABLE, created_at__lt=now - KEEP_RAW)
    with queue.finishing(lease):
        old.update(state=Chunk.State.EXPIRED, retired_at=now)


def _take_up_restored() -> None:
    """Read chunks again that were damaged and whose files are whole by now."""
    for chunk in Chunk.objects.filter(state=Chunk.State.DAMAGED).select_related("model")[:_AT_ONCE]:
        if not files.is_whole(chunk):
            continue
        state = Chunk.State.LIVE if chunk.version_id else Chunk.State.PARKED
        try:
            with transaction.atomic():
                Chunk.objects.filter(pk=chunk.pk, state=Chunk.State.DAMAGED).update(state=state)
                _order_erasures(chunk)
        except IntegrityError:
            logger.exception("a live chunk holds the same", extra={"chunk": str(chunk.pk)})


def _order_erasures(chunk: Chunk) -> None:
    """What comes back may hold records of somebody who was forgotten meanwhile."""
    team = chunk.model.team_id
    for pk in Erasure.objects.filter(team=team).values_list("pk", flat=True):
        queue.enqueue("monitoring.erase", str(pk), payload={"erasure": str(pk)}, queue=Job.Queue.MAINTAIN, team=team)


def _delete_ids(now: datetime) -> None:
    old = ChunkIds.objects.filter(chunk__created_at__lt=now - KEEP_IDS)
    while some := list(old.values_list("pk", flat=True)[:_AT_ONCE]):
        ChunkIds.objects.filter(pk__in=some).delete()


def _order_expiry(now: datetime) -> None:
    old = Chunk.objects.filter(state__in=_READABLE, created_at__lt=now - KEEP_RAW)
    for model_id, day in old.values_list("model", "day").distinct().order_by("day")[:_AT_ONCE]:
        payload = {"model": str(model_id), "day": day.isoformat() if day else None}
        queue.enqueue("monitoring.expire", f"{model_id}:{day}", payload=payload, queue=Job.Queue.MAINTAIN, priority=90)


def _delete_retired(now: datetime) -> None:
    """Delete files first and their paths after: a crash between the two only repeats the deletion."""
    over = Chunk.objects.filter(state__in=(Chunk.State.REPLACED, Chunk.State.EXPIRED)).exclude(path="")
    in_use = Chunk.objects.filter(path=OuterRef("path"), state__in=_READABLE)
    for chunk in over.filter(retired_at__lt=now - KEEP_RETIRED).exclude(Exists(in_use))[:_AT_ONCE]:
        storage.store().delete(chunk.path)
        if chunk.state == Chunk.State.REPLACED:
            ChunkProfile.objects.filter(chunk=chunk).delete()
            HourProfile.objects.filter(chunk=chunk).delete()
        Chunk.objects.filter(pk=chunk.pk).update(path="")


def _delete_orphans(of: storage.Store, now: datetime) -> None:
    old = [path for path, written_at in of.files() if written_at < now - KEEP_ORPHANS]
    for start in range(0, len(old), _AT_ONCE):
        paths = old[start : start + _AT_ONCE]
        named = set(Chunk.objects.filter(path__in=paths).values_list("path", flat=True))
        named |= set(Reference.objects.filter(path__in=paths).values_list("path", flat=True))
        for path in paths:
            if path not in named:
                of.delete(path)
                logger.info("file without a row deleted", extra={"path": path})
