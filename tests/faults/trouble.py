"""What a process of the harness is made to suffer: fault points, short leases, a wrong clock, a lying disk, sabotage.

All of it is planted from outside, before the process begins its work; production code has no hook but the fault points.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

from mlops_portal.jobs import limits
from mlops_portal.kit import clock, faults
from monitoring.traffic import storage
from monitoring.traffic.compaction import consolidation
from tests.faults import sabotage


@dataclass(frozen=True, slots=True)
class Trouble:
    """faults: as in PORTAL_FAULTS. clock_s: how far the clocks of the process (on SQLite also that of the database)
    are off. lying_writes: so many drafts are altered by the disk after fsync. full_day: chunks that fill a day.
    free_bytes: what the disk says is free; 0: the truth."""

    faults: str = ""
    lease_s: float = limits.LEASE_S
    clock_s: float = 0.0
    lying_writes: int = 0
    full_day: int = consolidation.FULL
    free_bytes: int = 0
    sabotage: str = ""

    def dump(self) -> str:
        """As text for an environment variable."""
        return json.dumps(asdict(self))


NONE = Trouble()


def plant(trouble: Trouble, sprung: Path) -> None:
    """Make this process suffer; each fault that springs leaves a line `point:action` in the file `sprung`."""
    faults._traps = faults.parse(trouble.faults)
    faults._spring = partial(_noted, faults._spring, sprung)
    limits.LEASE_S, limits.RENEW_S = trouble.lease_s, trouble.lease_s / 3
    consolidation.FULL = trouble.full_day
    if trouble.clock_s:
        _shift_clocks(timedelta(seconds=trouble.clock_s))
    if trouble.lying_writes:
        storage.fsync = partial(_Liar(trouble.lying_writes), storage.fsync)
    if trouble.free_bytes:
        shutil.disk_usage = partial(_nearly_full, shutil.disk_usage, trouble.free_bytes)
    if trouble.sabotage:
        sabotage.SABOTAGE[trouble.sabotage]()


def _noted(spring: Callable[[str, Any], None], sprung: Path, point: str, trap: Any) -> None:
    descriptor = os.open(sprung, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{point}:{trap.action}\n".encode())
    os.close(descriptor)
    spring(point, trap)


class _Liar:
    """A disk that says yes to fsync and stores something else."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, fsync: Callable[[Path], None], path: Path) -> None:
        fsync(path)
        if self.left and path.is_file():
            self.left -= 1
            flip(path)


def flip(path: Path) -> None:
    """Alter three bytes in the first third of a file, where the pages of a Parquet file lie."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3)
        three = file.read(3)
        file.seek(-3, os.SEEK_CUR)
        file.write(bytes(255 - byte for byte in three))


def _nearly_full(usage: Callable[[Any], Any], free_bytes: int, path: Any) -> Any:
    return usage(path)._replace(free=free_bytes)


def _shift_clocks(by: timedelta) -> None:
    now = clock.now

    def shifted() -> datetime:
        return now() + by

    clock.now = shifted
    connection_created.connect(partial(_shift_database, f"{by.total_seconds()} seconds"), weak=False)


def _shift_database(by: str, connection: Any, **_: Any) -> None:
    """SQLite's clock is that of the process; PostgreSQL's is its own, and stays."""
    if connection.vendor == "sqlite":
        untouched = sqlite3.connect(":memory:", check_same_thread=False)

        def strftime(form: str, start: Any, *more: str) -> str | None:
            arguments = (form, start, by, *more) if str(start).lower() == "now" else (form, start, *more)
            marks = ", ".join("?" * len(arguments))
            found = untouched.execute(f"SELECT strftime({marks})", arguments).fetchone()[0]
            return None if found is None else str(found)

        connection.connection.create_function("strftime", -1, strftime)
