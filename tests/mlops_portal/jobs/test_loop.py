"""The main loop of an embedded worker, without a process of its own."""

import pytest
from django.db import DatabaseError, connection, connections

from mlops_portal.jobs import alarm, database, loop, queue, sweep, worker
from mlops_portal.jobs.models import Job, WorkerBeat

ALL = ("ingest", "compute")


@pytest.fixture
def rounds(monkeypatch):
    """Let the loop go round so many times where it would wait."""
    left = [3]

    def wait(_seconds: float) -> None:
        left[0] -= 1
        if left[0] <= 0:
            alarm.stopping.set()

    monkeypatch.setattr(alarm.stopping, "wait", wait)
    monkeypatch.setattr(database, "allow_long_statements", lambda: None)
    yield left
    alarm.stopping.clear()


@pytest.mark.django_db
def test_the_loop_sweeps_does_what_is_due_and_shows_that_it_lives(wired, rounds):
    wired.handlers["t.work"] = lambda lease: None
    wired.sweeps.append(lambda now, *, drain: queue.enqueue("t.work", "from the sweep"))
    queue.enqueue("t.work", "waiting", queue="ingest")

    loop.serve(ALL, started="7")

    assert Job.objects.filter(state="done").count() == 2
    assert WorkerBeat.objects.get(worker=worker.name("7")).queue == "ingest,compute"


@pytest.mark.django_db
def test_a_supervised_worker_ends_after_its_share_of_jobs(wired, rounds, monkeypatch):
    monkeypatch.setattr(loop, "REPLACE_AFTER_JOBS", 2)
    wired.handlers["t.work"] = lambda lease: None
    for number in range(4):
        queue.enqueue("t.work", str(number))

    loop.serve(ALL, replaceable=True)

    assert Job.objects.filter(state="done").count() == 2


@pytest.mark.django_db
def test_a_worker_without_supervisor_goes_on(wired, rounds, monkeypatch):
    monkeypatch.setattr(loop, "REPLACE_AFTER_JOBS", 2)
    wired.handlers["t.work"] = lambda lease: None
    for number in range(4):
        queue.enqueue("t.work", str(number))

    loop.serve(ALL)

    assert Job.objects.filter(state="done").count() == 4


@pytest.mark.django_db
def test_a_database_that_is_away_is_waited_for(wired, rounds, monkeypatch, caplog):
    monkeypatch.setattr(connection, "close", lambda: None)
    tries = []

    def away(_now) -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise DatabaseError
        return False

    monkeypatch.setattr(sweep, "sweep_if_due", away)
    queue.enqueue("t.work", "k")
    wired.handlers["t.work"] = lambda lease: None

    loop.serve(ALL)

    assert "database away" in caplog.text
    assert Job.objects.get().state == "done"


def test_memory_is_that_of_the_process():
    assert 10 << 20 < loop.memory_bytes("self") < 8 << 30
    assert loop.memory_bytes("no such process") == 0


def test_a_fat_process_is_worn_out(monkeypatch):
    assert not loop.is_worn_out(1)

    monkeypatch.setattr(loop, "memory_bytes", lambda pid: (1 << 30) + 1)
    assert loop.is_worn_out(1)


def test_a_working_process_may_run_long_statements_and_keeps_no_pool(monkeypatch):
    options = {"options": "-c statement_timeout=5s -c lock_timeout=2s", "pool": {"min_size": 1}}
    monkeypatch.setitem(connections.settings["default"], "OPTIONS", options)
    monkeypatch.setattr(connection, "close", lambda: None)

    database.allow_long_statements()
    database.allow_long_statements()

    assert options == {"options": "-c statement_timeout=300s -c lock_timeout=2s"}
