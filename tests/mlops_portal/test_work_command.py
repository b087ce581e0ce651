"""`manage.py work`."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from mlops_portal.jobs import alarm, database, queue
from mlops_portal.jobs.models import Job


@pytest.fixture(autouse=True)
def _signals():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    kept = [signal.getsignal(number) for number in numbers]
    yield
    alarm.stopping.clear()
    for number, handler in zip(numbers, kept, strict=True):
        signal.signal(number, handler)


@pytest.mark.django_db
def test_a_drain_says_what_it_did(wired, capsys):
    wired.handlers["t.work"] = lambda lease: None
    queue.enqueue("t.work", "a")
    queue.enqueue("t.work", "b", queue="ingest")

    call_command("work", "--drain")

    assert capsys.readouterr().out == "2 jobs done, 0 quarantined, 0 left.\n"


@pytest.mark.django_db
def test_a_drain_in_which_a_job_is_quarantined_fails(wired, capsys):
    @wired.handles("t.work")
    def handler(lease):
        raise ValueError

    queue.enqueue("t.work", "a", max_attempts=2)

    with pytest.raises(CommandError, match="quarantined") as failure:
        call_command("work", "--drain")

    assert failure.value.returncode == 1
    assert "2 jobs done, 1 quarantined" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_drain_that_runs_out_of_time_fails(wired):
    queue.enqueue("t.work", "a")
    queue.claim("compute", worker="elsewhere")

    with pytest.raises(CommandError, match="time was up"):
        call_command("work", "--drain", "--timeout=0.3")


@pytest.mark.django_db
def test_a_drain_serves_the_queues_it_is_told(wired):
    wired.handlers["t.work"] = lambda lease: None
    queue.enqueue("t.work", "a", queue="ingest")
    queue.enqueue("t.work", "b", queue="compute")

    call_command("work", "--drain", "--queue=ingest")

    assert dict(Job.objects.values_list("key", "state")) == {"a": "done", "b": "queued"}


@pytest.mark.django_db
def test_on_a_terminal_a_drain_shows_how_far_it_is(wired, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    wired.handlers["t.work"] = lambda lease: None
    queue.enqueue("t.work", "a")

    call_command("work", "--drain")

    assert "\r1 job done" in capsys.readouterr().err


@pytest.mark.django_db
def test_a_drain_may_run_long_statements(wired, monkeypatch):
    asked = []
    monkeypatch.setattr(database, "allow_long_statements", lambda: asked.append(True))

    call_command("work", "--drain")

    assert asked


def test_an_unknown_queue_is_refused():
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("work", "--queue=nothing")


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_worker_stops_when_it_is_told_and_leaves_nothing_running(processes, number):
    queue.enqueue("t.sleep_first", "k", payload={"file": str(processes), "seconds": 1})
    worker = subprocess.Popen([sys.executable, "manage.py", "work"], cwd=settings.BASE_DIR, env=dict(os.environ))
    while not processes.exists():
        assert worker.poll() is None
        time.sleep(0.05)

    worker.send_signal(number)

    assert worker.wait(20) == 0
    assert Job.objects.get().state == "done"
