"""Handlers for real worker processes: what they do is told by the payload, and seen in a file."""

import os
import signal
import time
from pathlib import Path

from mlops_portal.jobs.queue import Lease


def note(lease: Lease) -> None:
    """Write one line: key, attempt, process."""
    with Path(lease.payload["file"]).open("a", encoding="ascii") as file:
        file.write(f"{lease.key} {lease.attempts} {os.getpid()}\n")


def sleep_first(lease: Lease) -> None:
    """Be slow in the first attempt, quick in the next."""
    note(lease)
    if lease.attempts == 1:
        time.sleep(lease.payload["seconds"])


def die(lease: Lease) -> None:
    """Take the whole process along."""
    note(lease)
    os.kill(os.getpid(), signal.SIGKILL)


def grow(lease: Lease) -> None:
    """Take memory until somebody objects."""
    note(lease)
    kept = []
    for _ in range(200):
        kept.append(bytes(b"x" * (20 << 20)))
        time.sleep(0.05)


JOBS = {"t.note": note, "t.sleep_first": sleep_first, "t.die": die, "t.grow": grow}
