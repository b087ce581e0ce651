"""Keeps child processes alive: the embedded workers, and for `manage.py portal` also the web server."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection

from mlops_portal.jobs import alarm, limits, loop, queue
from mlops_portal.jobs.models import Job, WorkerBeat

logger = logging.getLogger(__name__)

STOP_S = alarm.GRACE_S + 3
SHORT_LIFE_S = 5.0
LONGEST_PAUSE_S = 30.0
LOOK_EVERY_S = 5.0
SILENT_S = 120.0
MEMORY_SHARE = 0.5  # of the machine; over it a child is killed, lest the kernel pick the web server instead


class Child:
    """A process that is started again whenever it ends; sooner or later, depending on how long it lived."""

    def __init__(self, command: Callable[[str], Sequence[str]]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_s = 0.0
        self.token = ""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._started_at

    def start(self) -> None:
        """Start the process in a group of its own: Ctrl-C reaches the supervisor only, which then stops all."""
        self.token = str(time.time_ns() // 1_000_000)
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(self._command(self.token), cwd=settings.BASE_DIR, process_group=0)  # noqa: S603

    def start_if_due(self) -> None:
        """Start the process unless it runs, or died too soon to be started again already."""
        if self._process is None and self.age_s >= self._pause_s:
            self.start()

    def ended(self) -> int | None:
        """The exit code, told once; None while the process runs or waits to be started."""
        code = self._process.poll() if self._process else None
        if code is None:
            return None
        self._process = None
        self._pause_s = 0.0 if self.age_s > SHORT_LIFE_S else min(max(self._pause_s * 2, 1.0), LONGEST_PAUSE_S)
        return code

    def terminate(self) -> None:
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """End the process for certain, and wait until it is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def wait(self, until: float) -> bool:
        """Whether the process has ended by that moment of the monotonic clock."""
        try:
            return self._process is None or self._process.wait(max(until - time.monotonic(), 0)) is not None
        except subprocess.TimeoutExpired:
            return False


@dataclass(slots=True)
class _Seen:
    """What a worker was last seen doing, and since when, by a clock that nobody sets."""

    what: object = None
    since: float = field(default_factory=time.monotonic)

    def lasts_s(self, what: object) -> float:
        if what != self.what:
            self.what, self.since = what, time.monotonic()
        return time.monotonic() - self.since


class Worker:
    """One embedded worker process, watched."""

    def __init__(self, queues: Sequence[str]) -> None:
        self.queues = tuple(queues)
        self.child = Child(self._command)
        self._job, self._beat = _Seen(), _Seen()

    @property
    def name(self) -> str:
        """What the process signs its leases with; see `worker.name`."""
        return f"{socket.gethostname()}:{self.child.pid}:{self.child.token}"

    def trouble(self, jobs: Mapping[str, tuple[UUID, int, str]], beats: Mapping[str, object]) -> tuple[str, str]:
        """Why the process has to be killed, as a code and a sentence; two empty texts while all is well."""
        job = jobs.get(self.name)
        job_s = self._job.lasts_s(job)
        beat_s = self._beat.lasts_s((self.child.pid, beats.get(self.name), job))
        if job and job_s > (limit_s := limits.HARD_S[job[2]]):
            return "hard_limit", f"The job took more than the {limit_s} s its queue allows."
        if not job and beat_s > SILENT_S:
            return "worker_silent", f"The worker's main loop was silent for {SILENT_S:.0f} s."
        return "", ""

    def _command(self, token: str) -> Sequence[str]:
        served = [f"--queue={queue}" for queue in self.queues]
        manage = str(settings.BASE_DIR / "manage.py")
        return [sys.executable, manage, "work", f"--child-of={os.getpid()}", f"--started={token}", *served]


class Supervisor:
    """Embedded worker processes: replaced when they die, are worn out, hang or take too much.

    Not thread-safe: made for the one main loop that calls `tend` about twice a second. Where the database is away,
    what a dead worker held is released once it is back.
    """

    def __init__(self, count: int) -> None:
        self._workers = [Worker(_queues(slot, count)) for slot in range(count)]
        self._dead: list[tuple[str, str, str]] = []
        self._looked_at = 0.0
        self._memory_limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MEMORY_SHARE

    def tend(self) -> None:
        """Look once after every worker; returns without waiting."""
        for worker in self._workers:
            self._look_after(worker)
        if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            self._watch_progress()
        self._release_the_dead()

    def stop(self) -> None:
        """Have every worker finish or give back its job, kill those that do not, and return when all are gone."""
        for worker in self._workers:
            worker.child.terminate()
        until = time.monotonic() + STOP_S
        for worker in self._workers:
            if not worker.child.wait(until):
                name = worker.name
                worker.child.kill()
                self._dead.append((name, "worker_stopped", "The worker was stopped in the middle of the job."))
        self._release_the_dead()

    def _look_after(self, worker: Worker) -> None:
        name, pid = worker.name, worker.child.pid
        if pid and loop.memory_bytes(pid) > self._memory_limit:
            self._kill(worker, "memory", "The worker took more than half of the machine's memory.")
        code = worker.child.ended()
        if code is not None:
            self._dead.append((name, "worker_died", f"The worker process ended with {code} during the job."))
            logger.log(logging.WARNING if code else logging.INFO, "worker ended", extra={"worker": name, "code": code})
        worker.child.start_if_due()

    def _watch_progress(self) -> None:
        try:
            running = Job.objects.filter(state=Job.State.RUNNING, worker__in=[w.name for w in self._workers])
            jobs = {job.worker: (job.pk, job.fence, job.queue) for job in running.only("worker", "fence", "queue")}
            beats = dict(WorkerBeat.objects.values_list("worker", "loop_at"))
        except DatabaseError:
            connection.close()
            return
        for worker in self._workers:
            code, text = worker.trouble(jobs, beats)
            if code:
                self._kill(worker, code, text)

    def _kill(self, worker: Worker, code: str, text: str) -> None:
        logger.error("worker killed", extra={"worker": worker.name, "code": code})
        self._dead.append((worker.name, code, text))
        worker.child.kill()

    def _release_the_dead(self) -> None:
        try:
            while self._dead:
                queue.abandon(*self._dead[0])
                self._dead.pop(0)
        except DatabaseError as error:
            logger.warning("leases not released yet", extra={"error": type(error).__name__})
            connection.close()


def _queues(slot: int, count: int) -> Sequence[str]:
    """Where there are several workers the first leaves maintenance alone: hours of it must not hold up traffic."""
    if slot == 0 and count > 1:
        return [queue for queue in limits.SERVED_IN_ORDER if queue != "maintain"]
    return limits.SERVED_IN_ORDER
