"""Broken servers: each function takes one safeguard away, and the harness has to say which promise that breaks."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from mlops_portal.jobs import queue
from mlops_portal.kit.faults import fault
from monitoring import planner
from monitoring.models import InboxRow
from monitoring.traffic import batches, dedupe, inbox
from monitoring.traffic.chunks import files
from monitoring.traffic.compaction import compacting
from monitoring.traffic.dedupe import Judged
from monitoring.traffic.inbox import Entry
from registry import outbox


def reply_before_commit() -> None:
    """The 202 is given while the row is still on its way: what was written is undone, and written again later."""
    receive_all = inbox.receive_all

    def hasty(entries: Sequence[Entry]) -> Any:
        def later() -> None:
            time.sleep(0.3)  # the answer is on its way by then
            try:
                receive_all(entries)
            finally:
                connection.close()

        with transaction.atomic():
            receipts = receive_all(entries)
            transaction.set_rollback(True)
        threading.Thread(target=later).start()
        return receipts

    inbox.receive_all = hasty


def no_fence() -> None:
    """A worker that lost its lease writes all the same."""
    queue._held = lambda lease: queue.Job.objects.filter(pk=lease.job_id)


def no_dedupe() -> None:
    """Every record is new."""

    def all_new(table: Any, *_: Any, **__: Any) -> Judged:
        none = np.zeros(len(table), dtype=bool)
        return Judged(~none, none, none.copy())

    dedupe._judged = all_new


def inbox_deleted_first() -> None:
    """The inbox forgets what was read before a chunk holds it."""
    take = batches.take

    def taken_for_good(model_id: UUID) -> Any:
        batch = take(model_id)
        if batch is not None:
            InboxRow.objects.filter(pk__in=[source.pk for source in batch.sources]).delete()
        return batch

    batches.take = taken_for_good
    compacting._empty_inbox = lambda batch: None


def marked_before_sending() -> None:
    """The outbox believes in its mail server."""
    send = outbox._send

    def trusting(message: Any) -> None:
        outbox._note(message, outbox.Attempt(0.0))
        fault("deliver.marked")
        send(message)

    outbox._send = trusting


def planned_by_ticks() -> None:
    """Each tick plans the window that has just ended, and nothing else."""
    stretches = planner._stretches

    def newest_only(*arguments: Any) -> Sequence[Any]:
        return stretches(*arguments)[-1:]

    planner._stretches = newest_only


def no_read_back() -> None:
    """What was written is trusted unread."""
    files._verify = lambda draft, sha256, rows: None


SABOTAGE: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        reply_before_commit,
        no_fence,
        no_dedupe,
        inbox_deleted_first,
        marked_before_sending,
        planned_by_ticks,
        no_read_back,
    )
}
