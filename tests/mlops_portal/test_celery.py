"""Celery: settings that lose nothing, doorbells that do one job, and a real worker where Redis is there."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.conf import settings

from mlops_portal import celery
from mlops_portal.jobs import bell, limits, queue, tasks
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.kit import clock

PATIENCE_S = 60
REDIS_URL = os.environ.get("REDIS_URL", "")


@pytest.fixture
def rings(monkeypatch):
    heard: list[str] = []
    monkeypatch.setattr(bell, "ring", heard.append)
    return heard


@pytest.mark.django_db
def test_a_ring_does_one_job_and_rings_again_while_more_is_due(wired, rings):
    wired.handlers["t.work"] = lambda lease: None
    for key in ("a", "b"):
        queue.enqueue("t.work", key)

    tasks.ring("compute")
    assert (Job.objects.filter(state="done").count(), rings) == (1, ["compute"])

    tasks.ring("compute")
    assert (Job.objects.filter(state="done").count(), rings) == (2, ["compute"])


@pytest.mark.django_db
def test_a_ring_that_comes_twice_or_for_nothing_does_no_harm(wired, rings):
    seen = []
    wired.handlers["t.work"] = lambda lease: seen.append(lease.key)
    queue.enqueue("t.work", "k")

    for _ in range(3):
        tasks.ring("compute")

    assert (seen, rings) == (["k"], [])


@pytest.mark.django_db
def test_the_sweep_that_beat_rings_creates_what_is_due(wired):
    wired.sweeps.append(lambda now, *, drain: queue.enqueue("t.work", "k"))

    tasks.sweep()

    assert Job.objects.exists()
    assert WorkerBeat.objects.get().worker == WorkerBeat.SWEEP


@pytest.mark.django_db
def test_any_ring_sweeps_if_nobody_else_has(wired, rings):
    wired.sweeps.append(lambda now, *, drain: queue.enqueue("t.work", "k"))

    tasks.ring("deliver")
    tasks.ring("deliver")

    assert Job.objects.count() == 1
    assert WorkerBeat.objects.get().worker == WorkerBeat.SWEEP


def test_beat_rings_the_sweep_and_every_queue_and_its_rings_do_not_pile_up():
    schedule = celery.schedule()

    assert {entry["options"]["queue"] for entry in schedule.values()} == {"sweep", *limits.SERVED_IN_ORDER}
    for entry in schedule.values():
        assert entry["schedule"] == 5
        assert entry["options"]["expires"] == 5


def test_each_queue_has_its_hard_limit_and_a_soft_one_before_it():
    sent = {name: celery.delivery(name) for name in limits.SERVED_IN_ORDER}

    assert {name: one["time_limit"] for name, one in sent.items()} == {
        "ingest": 120,
        "deliver": 60,
        "compute": 900,
        "maintain": 3600,
    }
    assert all(one["soft_time_limit"] == one["time_limit"] * 0.8 for one in sent.values())


def test_the_queues_of_the_table_are_those_that_are_served():
    assert set(Job.Queue.values) == set(limits.SERVED_IN_ORDER) == set(limits.HARD_S)


def test_messages_are_taken_early_and_in_json_only():
    conf = celery.app.conf

    assert not conf.task_acks_late
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert conf.accept_content == ["json"]
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_connection_max_retries is None
    assert {q.name for q in conf.task_queues} == {"sweep", *limits.SERVED_IN_ORDER}


def test_the_web_process_loads_celery_only_when_it_rings():
    program = (
        "import django, sys; django.setup(); from django.urls import get_resolver; get_resolver().url_patterns; "
        "import mlops_portal.jobs.queue; print([m for m in ('celery', 'kombu', 'redis') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=settings.BASE_DIR
    )

    assert done.stdout.strip() == "[]"


@pytest.fixture
def celery_worker(processes):
    """`celery -A mlops_portal worker` on the database of the test, without beat."""
    environment = {**os.environ, "LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "celery", "-A", "mlops_portal", "worker", "--concurrency=2", "--loglevel=WARNING"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stderr=subprocess.PIPE, process_group=0)
    yield processes
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.communicate()


def until(holds) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, list(Job.objects.values("key", "state", "error_text"))
        time.sleep(0.1)


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.skipif(not REDIS_URL, reason="needs REDIS_URL")
@pytest.mark.django_db(transaction=True)
def test_a_celery_worker_does_what_is_ordered_without_waiting_for_beat(celery_worker, monkeypatch):
    monkeypatch.setattr(bell, "_bell", bell.Bell())
    celery.app.control.purge()
    for number in range(3):
        queue.enqueue("t.note", str(number), payload={"file": str(celery_worker)})
    ringing = time.monotonic()
    while Job.objects.exclude(state="done").exists():  # beat would ring so; the worker may still be starting
        assert time.monotonic() - ringing < PATIENCE_S
        bell.ring("compute")
        time.sleep(1)

    queue.enqueue("t.note", "warm", payload={"file": str(celery_worker)})
    started = time.monotonic()
    until(lambda: Job.objects.get(key="warm").state == "done")

    assert time.monotonic() - started < 4  # rung on commit, not by beat


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.skipif(not REDIS_URL, reason="needs REDIS_URL")
@pytest.mark.django_db(transaction=True)
def test_a_celery_child_that_is_killed_loses_nothing(celery_worker, monkeypatch):
    monkeypatch.setattr(bell, "_bell", bell.Bell())
    queue.enqueue("t.die", "k", payload={"file": str(celery_worker)}, max_attempts=3)

    def dead_once() -> bool:
        bell.ring("compute")
        return celery_worker.exists()

    until(dead_once)
    time.sleep(1)
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("running", 1)

    Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))  # as if its 60 s were over
    until(lambda: bell.ring("compute") or Job.objects.get().attempts == 2)
