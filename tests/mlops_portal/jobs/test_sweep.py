"""The sweep: what falls due without anybody asking."""

from datetime import timedelta

import pytest

from mlops_portal.jobs import queue, sweep
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.kit import clock


@pytest.mark.django_db
def test_every_sweep_is_called_with_the_time_and_whether_it_drains(wired):
    calls = []
    wired.sweeps.append(lambda now, *, drain: calls.append((now, drain)))
    now = clock.now()

    sweep.sweep(now)
    sweep.sweep(now, drain=True)

    assert calls == [(now, False), (now, True)]


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_fails_stops_no_other(wired, caplog):
    def broken(now, *, drain):
        Job.objects.filter(no_such_field=1)

    wired.sweeps += [broken, lambda now, *, drain: queue.enqueue("t.work", "k")]

    sweep.sweep(clock.now())

    assert Job.objects.get().key == "k"
    assert "sweep failed" in caplog.text
    assert any(getattr(record, "sweep", "").endswith("broken") for record in caplog.records)


@pytest.mark.django_db
def test_jobs_of_dead_workers_without_attempts_left_are_quarantined(wired):
    queue.enqueue("t.work", "spent", max_attempts=1)
    queue.enqueue("t.work", "not spent", priority=60)
    queue.claim("compute")
    queue.claim("compute")
    Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))

    sweep.sweep(clock.now())

    assert dict(Job.objects.values_list("key", "state")) == {"spent": "quarantined", "not spent": "running"}
    assert "died" in Job.objects.get(key="spent").error_text


@pytest.mark.django_db
def test_what_is_known_of_an_earlier_failure_is_kept(wired):
    queue.enqueue("t.work", "k", max_attempts=2)
    queue.fail(queue.claim("compute"), "ValueError", "traceback of the first attempt")
    Job.objects.update(not_before=clock.now())
    queue.claim("compute")
    Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))

    sweep.sweep(clock.now())

    job = Job.objects.get()
    assert (job.error_code, job.error_text) == ("worker_died", "traceback of the first attempt")


@pytest.mark.django_db
def test_done_jobs_are_kept_for_seven_days_and_quarantined_ones_until_somebody_looks(wired):
    for key in ("old", "new", "failed"):
        queue.enqueue("t.work", key)
        lease = queue.claim("compute")
        if key == "failed":
            queue.quarantine(lease, "Boom", "")
        else:
            queue.finish(lease)
    Job.objects.exclude(key="new").update(finished_at=clock.now() - timedelta(days=8))

    sweep.sweep(clock.now())

    assert set(Job.objects.values_list("key", flat=True)) == {"new", "failed"}


@pytest.mark.django_db
def test_beats_of_workers_long_gone_are_forgotten(wired):
    for worker, age in (("gone", timedelta(hours=2)), ("here", timedelta(0)), (WorkerBeat.SWEEP, timedelta(hours=2))):
        WorkerBeat.objects.create(worker=worker, loop_at=clock.now() - age)

    sweep.sweep(clock.now())

    assert set(WorkerBeat.objects.values_list("worker", flat=True)) == {"here", WorkerBeat.SWEEP}


@pytest.mark.django_db
def test_of_many_processes_one_sweeps(wired):
    assert [sweep.sweep_if_due(clock.now()) for _ in range(4)] == [True, False, False, False]


@pytest.mark.django_db
def test_after_five_seconds_it_is_time_again(wired):
    sweep.sweep_if_due(clock.now())
    WorkerBeat.objects.update(loop_at=clock.now() - timedelta(seconds=5))

    assert sweep.sweep_if_due(clock.now())
    assert not sweep.sweep_if_due(clock.now())


@pytest.mark.django_db
def test_a_clock_set_back_does_not_stop_the_sweeps(wired):
    WorkerBeat.objects.create(worker=WorkerBeat.SWEEP, loop_at=clock.now() + timedelta(hours=1))

    assert sweep.sweep_if_due(clock.now())
