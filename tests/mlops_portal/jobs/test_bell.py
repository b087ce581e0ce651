"""The doorbell: best effort, never in the way."""

import threading
import time

import pytest
from django.db import transaction

from mlops_portal.jobs import bell, queue
from mlops_portal.jobs.models import Job

DEAD = "redis://127.0.0.1:9/0"


@pytest.fixture
def sent(monkeypatch):
    """What the bell has published, through a broker of the test's own."""
    rings: list[str] = []
    monkeypatch.setattr(bell, "import_string", lambda path: rings.append)
    monkeypatch.setattr(bell, "_bell", bell.Bell())
    return rings


def eventually(holds) -> bool:
    deadline = time.monotonic() + 30  # of a busy machine
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.django_db(transaction=True)
def test_an_order_rings_once_it_is_committed(sent, settings):
    settings.REDIS_URL = DEAD

    with transaction.atomic():
        queue.enqueue("t.work", "k", queue="ingest")
        time.sleep(0.05)
        assert sent == []

    assert eventually(lambda: sent == ["ingest"])


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_nothing_rings(sent, settings):
    settings.REDIS_URL = ""

    queue.enqueue("t.work", "k")

    time.sleep(0.05)
    assert sent == []


def test_many_rings_for_one_queue_are_one(sent, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(bell, "import_string", lambda path: lambda queue: (gate.wait(30), sent.append(queue)))
    one = bell.Bell()
    one.ring("ingest")  # keeps the thread busy
    time.sleep(0.05)
    for _ in range(100):
        one.ring("compute")
    gate.set()

    assert eventually(lambda: sent == ["ingest", "compute"])
    time.sleep(0.05)
    assert sent == ["ingest", "compute"]


def test_a_failed_ring_is_logged_and_the_next_one_is_sent(sent, monkeypatch, caplog):
    def publish(queue: str) -> None:
        if queue == "ingest":
            raise OSError("broker gone")
        sent.append(queue)

    monkeypatch.setattr(bell, "import_string", lambda path: publish)
    one = bell.Bell()
    one.ring("ingest")
    assert eventually(lambda: "ring not sent" in caplog.text)
    one.ring("compute")

    assert eventually(lambda: sent == ["compute"])


@pytest.mark.django_db(transaction=True)
def test_an_order_does_not_wait_for_a_broker_that_hangs(sent, settings, monkeypatch):
    settings.REDIS_URL = DEAD
    gate = threading.Event()
    monkeypatch.setattr(bell, "import_string", lambda path: lambda queue: gate.wait())

    for number in range(5):
        queue.enqueue("t.work", str(number))  # would hang here

    assert Job.objects.count() == 5
    gate.set()


@pytest.mark.django_db(transaction=True)
def test_a_bell_that_fails_outright_does_not_fail_the_order(monkeypatch):
    def broken(queue: str) -> None:
        raise RuntimeError("no thread can be started")

    monkeypatch.setattr(bell, "ring", broken)

    queue.enqueue("t.work", "k")

    assert Job.objects.exists()
