"""The main loop of a worker process that needs no broker: it looks at the job table twice a second."""

import logging
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from django.db import DatabaseError, connection

from mlops_portal.jobs import alarm, database, sweep, worker
from mlops_portal.kit import clock

logger = logging.getLogger(__name__)

IDLE_S = 0.5
BEAT_EVERY_S = 10.0
LONGEST_PAUSE_S = 5.0
REPLACE_AFTER_JOBS = 200
REPLACE_OVER_BYTES = 1 << 30


def serve(queues: Sequence[str], *, started: str = "", replaceable: bool = False) -> None:
    """Do jobs of the queues, in their order of urgency, and sweep every five seconds, until told to stop.

    replaceable: end after 200 jobs or over 1 GB of memory, because a supervisor starts a fresh process.
    A database that is away is waited for.
    """
    me = worker.name(started)
    database.allow_long_statements()
    jobs_done, beat_at, pause_s = 0, float("-inf"), IDLE_S
    while not alarm.stopping.is_set():
        try:
            if time.monotonic() - beat_at >= BEAT_EVERY_S:
                worker.beat(me, queues, jobs_done)
                beat_at = time.monotonic()
            sweep.sweep_if_due(clock.now())
            if worker.do_any(queues, worker=me):
                jobs_done += 1
                if replaceable and is_worn_out(jobs_done):
                    return
                continue
            pause_s = IDLE_S
        except DatabaseError as error:
            logger.warning("database away", extra={"error": type(error).__name__})
            connection.close()
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        alarm.stopping.wait(pause_s)


def is_worn_out(jobs_done: int) -> bool:
    """Whether a fresh process should take over: what long-lived ones collect is given back that way."""
    return jobs_done >= REPLACE_AFTER_JOBS or memory_bytes("self") > REPLACE_OVER_BYTES


def memory_bytes(pid: int | str) -> int:
    """Resident memory of a process now; 0 where the system does not tell."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()
