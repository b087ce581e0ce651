"""Doing jobs: one, or until none is left."""

import signal
import threading
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from mlops_portal.jobs import alarm, limits, queue, sql, worker
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.kit import clock
from mlops_portal.kit.errors import Invalid

ALL = limits.SERVED_IN_ORDER


@pytest.mark.django_db
def test_a_job_is_done_by_its_handler(wired):
    seen = []
    wired.handlers["t.work"] = lambda lease: seen.append((lease.key, lease.payload, lease.attempts))
    queue.enqueue("t.work", "k", payload={"id": 1})

    assert worker.do_one("compute")
    assert not worker.do_one("compute")

    assert seen == [("k", {"id": 1}, 1)]
    assert Job.objects.get().state == "done"


@pytest.mark.django_db
def test_a_queue_is_served_alone(wired):
    wired.handlers["t.work"] = lambda lease: None
    queue.enqueue("t.work", "k", queue="ingest")

    assert not worker.do_one("compute")
    assert worker.do_one("ingest")


@pytest.mark.django_db
def test_the_queues_are_served_in_their_order(wired):
    seen = []
    wired.handlers["t.work"] = lambda lease: seen.append(lease.queue)
    for name in ("maintain", "compute", "ingest", "deliver"):
        queue.enqueue("t.work", name, queue=name)

    while worker.do_any(ALL):
        pass

    assert seen == ["ingest", "deliver", "compute", "maintain"]


@pytest.mark.django_db
def test_the_result_a_handler_has_saved_stays(wired):
    @wired.handles("t.work")
    def handler(lease):
        with queue.finishing(lease, {"rows": 3}):
            pass

    queue.enqueue("t.work", "k")
    worker.do_one("compute")

    job = Job.objects.get()
    assert (job.state, job.result) == ("done", {"rows": 3})


@pytest.mark.django_db
def test_a_delivery_that_comes_twice_is_done_once(wired):
    seen = []
    wired.handlers["t.work"] = lambda lease: seen.append(lease.key)
    queue.enqueue("t.work", "k")

    assert [worker.do_one("compute") for _ in range(3)] == [True, False, False]
    assert seen == ["k"]


@pytest.mark.django_db
def test_a_failure_costs_an_attempt_and_leaves_a_traceback(wired):
    @wired.handles("t.work")
    def handler(lease):
        raise ValueError("no grid for 'alice@example.org'")

    queue.enqueue("t.work", "k")
    assert worker.do_one("compute")

    job = Job.objects.get()
    assert (job.state, job.attempts, job.error_code) == ("queued", 1, "ValueError")
    assert 'raise ValueError("no grid' in job.error_text
    assert job.error_text.endswith("ValueError: no grid for '…'")
    assert job.not_before > clock.now() + timedelta(seconds=3)


@pytest.mark.django_db
def test_a_refusal_of_the_domain_is_kept_by_its_code(wired):
    @wired.handles("t.work")
    def handler(lease):
        raise Invalid("The file has no rows.", code="reference_invalid")

    queue.enqueue("t.work", "k")
    worker.do_one("compute")

    assert Job.objects.get().error_code == "reference_invalid"


@pytest.mark.django_db
def test_after_a_failure_the_next_attempt_succeeds_and_the_error_is_gone(wired):
    @wired.handles("t.work")
    def handler(lease):
        if lease.attempts == 1:
            raise ValueError

    queue.enqueue("t.work", "k")
    worker.do_one("compute")
    Job.objects.update(not_before=clock.now())
    worker.do_one("compute")

    job = Job.objects.get()
    assert (job.state, job.error_code, job.error_text) == ("done", "", "")


@pytest.mark.django_db
def test_a_poison_job_is_quarantined_after_five_attempts_and_stops_no_other(wired):
    @wired.handles("t.poison")
    def poison(lease):
        raise ValueError

    wired.handlers["t.work"] = lambda lease: None
    queue.enqueue("t.poison", "k", priority=0)
    queue.enqueue("t.work", "k")
    for _ in range(6):
        worker.do_one("compute")
        Job.objects.filter(state="queued").update(not_before=clock.now() - timedelta(hours=1))

    assert dict(Job.objects.values_list("kind", "state")) == {"t.poison": "quarantined", "t.work": "done"}
    assert Job.objects.get(kind="t.poison").attempts == 5


@pytest.mark.django_db
def test_a_handler_that_was_overtaken_saves_nothing_and_harms_nothing(wired):
    @wired.handles("t.work")
    def slow(lease):
        Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))
        assert queue.claim("compute", worker="second")
        with queue.finishing(lease):
            queue.enqueue("t.next", "k")

    queue.enqueue("t.work", "k")
    assert worker.do_one("compute")

    job = Job.objects.get()
    assert (job.state, job.worker, job.fence, job.error_code) == ("running", "second", 2, "")


@pytest.mark.django_db
def test_a_failure_of_an_overtaken_handler_is_not_written(wired):
    @wired.handles("t.work")
    def slow(lease):
        Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))
        queue.claim("compute", worker="second")
        raise ValueError

    queue.enqueue("t.work", "k")
    worker.do_one("compute")

    assert Job.objects.get().state == "running"


@pytest.mark.django_db
def test_a_kind_of_a_newer_release_is_left_to_others(wired):
    queue.enqueue("t.future", "k")
    wired.handlers["t.work"] = lambda lease: pytest.fail("its payload has a version we do not know")
    queue.enqueue("t.work", "newer")
    Job.objects.filter(kind="t.work").update(payload_v=2)

    assert worker.do_one("compute")
    assert worker.do_one("compute")

    for job in Job.objects.all():
        assert (job.state, job.attempts) == ("queued", 0)
        assert job.not_before > clock.now() + timedelta(seconds=20)


@pytest.mark.django_db
def test_a_job_that_is_stopped_goes_back_and_the_attempt_does_not_count(wired):
    @wired.handles("t.work")
    def handler(lease):
        raise alarm.Stopping

    queue.enqueue("t.work", "k")
    with pytest.raises(alarm.Stopping):
        worker.do_one("compute")

    job = Job.objects.get()
    assert (job.state, job.attempts) == ("queued", 0)
    assert Job.objects.due().exists()


@pytest.fixture
def listening():
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    alarm.listen(to_terminal=False)
    yield
    alarm.stopping.clear()
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in kept:
        signal.signal(number, handler)


@pytest.mark.django_db
def test_a_handler_that_takes_too_long_is_stopped_by_the_soft_limit(wired, listening, monkeypatch):
    monkeypatch.setattr(limits, "soft_s", lambda queue: 0.05)
    monkeypatch.setattr(connection, "close", lambda: None)  # it would end the transaction of this test

    @wired.handles("t.work")
    def endless(lease):
        while True:
            time.sleep(0.01)

    queue.enqueue("t.work", "k")
    worker.do_one("compute")

    job = Job.objects.get()
    assert (job.state, job.error_code) == ("queued", "SoftLimit")
    assert "time.sleep(0.01)" in job.error_text
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.django_db
def test_a_stop_lets_a_short_job_finish_and_interrupts_a_long_one(wired, listening, monkeypatch):
    monkeypatch.setattr(alarm, "GRACE_S", 0.1)
    finished = []

    @wired.handles("t.work")
    def handler(lease):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(lease.payload["seconds"])
        finished.append(lease.key)

    queue.enqueue("t.work", "short", payload={"seconds": 0})
    queue.enqueue("t.work", "long", payload={"seconds": 5})
    worker.do_one("compute")
    alarm.stopping.clear()
    with pytest.raises(alarm.Stopping):
        worker.do_one("compute")

    assert finished == ["short"]
    assert dict(Job.objects.values_list("key", "state")) == {"short": "done", "long": "queued"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_long_job_keeps_its_lease(wired, shared_database, monkeypatch):
    monkeypatch.setattr(limits, "RENEW_S", 0.05)

    @wired.handles("t.work")
    def handler(lease):
        Job.objects.update(lease_until=sql.database_now() + timedelta(seconds=1))
        time.sleep(0.5)
        held_until = Job.objects.get().lease_until
        assert held_until - sql.database_now() > timedelta(seconds=50)

    queue.enqueue("t.work", "k")
    worker.do_one("compute")

    assert Job.objects.get().error_text == ""
    assert Job.objects.get().state == "done"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_renewal_survives_a_database_that_is_away_for_a_moment(wired, shared_database, monkeypatch):
    monkeypatch.setattr(limits, "RENEW_S", 0.02)
    tries = []

    def renew(lease):
        tries.append(lease.job_id)
        if len(tries) == 1:
            raise DatabaseError
        return True

    monkeypatch.setattr(queue, "renew", renew)
    wired.handlers["t.work"] = lambda lease: time.sleep(0.2)
    queue.enqueue("t.work", "k")
    worker.do_one("compute")

    assert len(tries) > 1
    while any(thread.name == "job-renewal" for thread in threading.enumerate()):
        time.sleep(0.01)


# --- drain ---


@pytest.mark.django_db
def test_a_drain_does_everything_and_what_it_leads_to_without_waiting(wired):
    @wired.handles("t.first")
    def first(lease):
        with queue.finishing(lease):
            queue.enqueue("t.second", lease.key, queue="maintain", not_before=clock.now() + timedelta(days=1))

    wired.handlers["t.second"] = lambda lease: None
    queue.enqueue("t.first", "a")
    queue.enqueue("t.first", "b", not_before=clock.now() + timedelta(hours=1))
    reports = []

    drained = worker.drain(ALL, report=reports.append)

    assert drained == worker.Drained(jobs=4, quarantined=0, left=0)
    assert [report.jobs for report in reports] == [1, 2, 3, 4]
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.django_db
def test_a_drain_does_what_the_sweeps_create_until_they_create_nothing(wired):
    days = iter(["mon", "tue", "wed"])

    def plan(now, *, drain=False):
        assert drain
        if day := next(days, ""):
            queue.enqueue("t.work", day)

    wired.sweeps.append(plan)
    wired.handlers["t.work"] = lambda lease: None

    assert worker.drain(ALL).jobs == 3


@pytest.mark.django_db
def test_a_drain_ends_although_a_sweep_orders_poison_again_and_again(wired):
    wired.sweeps.append(lambda now, *, drain=False: queue.enqueue("t.poison", "k"))

    @wired.handles("t.poison")
    def poison(lease):
        raise ValueError

    drained = worker.drain(ALL, timeout_s=20)

    assert (drained.jobs, drained.quarantined, drained.left) == (5, 1, 0)


@pytest.mark.django_db
def test_a_drain_tries_what_was_quarantined_before_it(wired):
    queue.enqueue("t.work", "k")
    queue.quarantine(queue.claim("compute"), "Boom", "")
    Job.objects.update(finished_at=clock.now() - timedelta(minutes=1))
    queue.enqueue("t.work", "k")
    wired.handlers["t.work"] = lambda lease: None

    assert worker.drain(ALL, timeout_s=20) == worker.Drained(jobs=1)


@pytest.mark.django_db
def test_a_drain_of_one_queue_leaves_the_others(wired):
    wired.handlers["t.work"] = lambda lease: None
    queue.enqueue("t.work", "a", queue="ingest")
    queue.enqueue("t.work", "b", queue="compute")

    assert worker.drain(["ingest"]).jobs == 1
    assert Job.objects.get(queue="compute").state == "queued"


@pytest.mark.django_db
def test_a_drain_waits_for_other_workers_and_says_what_is_left_when_its_time_is_up(wired):
    queue.enqueue("t.work", "k")
    queue.claim("compute", worker="elsewhere")

    assert worker.drain(ALL, timeout_s=0.3).left == 1


# --- signs of life ---


@pytest.mark.django_db
def test_a_beat_is_one_row_per_worker():
    worker.beat("w", ["ingest"], 1)
    worker.beat("w", ["ingest", "compute"], 2)

    beat = WorkerBeat.objects.get()
    assert (beat.worker, beat.queue, beat.jobs_done) == ("w", "ingest,compute", 2)


def test_a_worker_signs_with_host_process_and_start():
    host, pid, started = worker.name("123").rsplit(":", 2)

    assert host
    assert pid.isdecimal()
    assert started == "123"
