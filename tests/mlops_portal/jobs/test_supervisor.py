"""Worker processes that are killed, hang, take too much or are told to stop: real ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_portal.jobs import alarm, limits, queue, supervisor
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.jobs.supervisor import Child, Supervisor

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PATIENCE_S = 40


@pytest.fixture
def watch(processes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.3)
    one = Supervisor(1)
    yield one
    one.stop()


def tend_until(watch: Supervisor, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, list(Job.objects.values("key", "state", "attempts", "error_text"))
        watch.tend()
        time.sleep(0.1)


def notes(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text(encoding="ascii").splitlines()] if file.exists() else []


def state() -> str:
    return str(Job.objects.get().state)


def test_a_worker_does_jobs_and_shows_a_sign_of_life(watch, processes):
    queue.enqueue("t.note", "k", payload={"file": str(processes)})

    tend_until(watch, lambda: state() == "done")

    [[key, attempt, pid]] = notes(processes)
    assert (key, attempt) == ("k", "1")
    assert WorkerBeat.objects.filter(worker__contains=f":{pid}:", queue="ingest,deliver,compute,maintain").exists()


def test_the_job_of_a_killed_worker_runs_again_long_before_its_lease_ends(watch, processes):
    queue.enqueue("t.sleep_first", "k", payload={"file": str(processes), "seconds": 600})
    tend_until(watch, lambda: len(notes(processes)) == 1)

    os.kill(int(notes(processes)[0][2]), signal.SIGKILL)
    killed_at = time.monotonic()
    tend_until(watch, lambda: state() == "done")

    assert time.monotonic() - killed_at < 20
    first, second = notes(processes)
    assert (first[1], second[1]) == ("1", "2")
    assert first[2] != second[2]


def test_a_task_that_kills_its_worker_ends_in_quarantine(watch, processes):
    queue.enqueue("t.die", "k", payload={"file": str(processes)}, max_attempts=2)

    tend_until(watch, lambda: state() == "quarantined")

    assert len(notes(processes)) == 2
    assert Job.objects.get().error_code == "worker_died"
    queue.enqueue("t.note", "next", payload={"file": str(processes)})
    tend_until(watch, lambda: Job.objects.get(key="next").state == "done")


def test_a_job_over_its_hard_limit_is_killed(watch, processes, monkeypatch):
    monkeypatch.setattr(limits, "HARD_S", dict.fromkeys(limits.HARD_S, 1))
    payload = {"file": str(processes), "seconds": 600}
    queue.enqueue("t.sleep_first", "k", payload=payload, max_attempts=1)

    tend_until(watch, lambda: state() == "quarantined")

    assert Job.objects.get().error_code == "hard_limit"


def test_a_worker_whose_loop_is_silent_is_replaced(watch, processes, monkeypatch):
    tend_until(watch, lambda: WorkerBeat.objects.exclude(pk=WorkerBeat.SWEEP).exists())
    deaf = int(WorkerBeat.objects.exclude(pk=WorkerBeat.SWEEP).get().worker.split(":")[1])
    os.kill(deaf, signal.SIGSTOP)
    monkeypatch.setattr(supervisor, "SILENT_S", 1.0)

    tend_until(watch, lambda: watch._workers[0].child.pid not in (0, deaf))
    monkeypatch.undo()

    assert not Path(f"/proc/{deaf}").exists()


def test_a_task_that_takes_all_memory_is_killed_and_named(watch, processes):
    watch._memory_limit = 400 << 20
    queue.enqueue("t.grow", "k", payload={"file": str(processes)}, max_attempts=1)

    tend_until(watch, lambda: state() == "quarantined")

    assert Job.objects.get().error_code == "memory"


def test_a_stop_lets_the_present_job_finish(watch, processes):
    queue.enqueue("t.sleep_first", "k", payload={"file": str(processes), "seconds": 2})
    tend_until(watch, lambda: len(notes(processes)) == 1)

    watch.stop()

    assert state() == "done"


def test_a_worker_that_cannot_stop_is_killed_and_its_job_given_back(watch, processes, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_S", 0.5)
    queue.enqueue("t.sleep_first", "k", payload={"file": str(processes), "seconds": 600})
    tend_until(watch, lambda: len(notes(processes)) == 1)

    watch.stop()

    assert state() == "queued"


def test_workers_end_when_their_supervisor_is_killed(processes):
    program = (
        "import django, time; django.setup(); from mlops_portal.jobs.supervisor import Supervisor\n"
        "one = Supervisor(2)\n"
        "while True:\n    one.tend(); print(*[w.child.pid for w in one._workers], flush=True); time.sleep(0.5)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    deadline = time.monotonic() + PATIENCE_S
    while WorkerBeat.objects.exclude(pk=WorkerBeat.SWEEP).count() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + alarm.GRACE_S + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_a_child_that_dies_at_once_is_started_again_more_and_more_slowly():
    child = Child(lambda token: [sys.executable, "-c", "raise SystemExit(3)"])
    child.start_if_due()
    child.wait(time.monotonic() + PATIENCE_S)

    assert child.ended() == 3
    assert child.ended() is None
    child.start_if_due()
    assert child.pid == 0


def test_of_two_workers_one_is_kept_free_of_maintenance(processes):
    first, second = Supervisor(2)._workers

    assert first.queues == ("ingest", "deliver", "compute")
    assert second.queues == limits.SERVED_IN_ORDER
