"""The job table as a queue, on whichever database the suite runs."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from mlops_portal.jobs import queue, sql
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock
from mlops_portal.kit.errors import Conflict

HOUR = timedelta(hours=1)


def claimed(kind: str = "t.work", key: str = "k", **order) -> queue.Lease:
    queue.enqueue(kind, key, **order)
    lease = queue.claim(order.get("queue", "compute"))
    assert lease is not None
    return lease


def expire(lease: queue.Lease) -> None:
    Job.objects.filter(pk=lease.job_id).update(lease_until=clock.now() - timedelta(seconds=1))


# --- ordering work ---


@pytest.mark.django_db
def test_an_order_is_kept_as_given():
    team, later = uuid4(), clock.now() + HOUR

    queue.enqueue(
        "t.work",
        "a",
        payload={"id": 7},
        queue="maintain",
        priority=10,
        team=team,
        not_before=later,
        max_attempts=2,
    )

    job = Job.objects.get()
    assert (job.kind, job.key, job.queue, job.priority, job.team) == ("t.work", "a", "maintain", 10, team)
    assert (job.payload, job.not_before, job.max_attempts) == ({"id": 7}, later, 2)
    assert (job.state, job.attempts, job.fence, job.again) == ("queued", 0, 0, False)
    assert abs(job.created_at - clock.now()) < timedelta(minutes=1)


@pytest.mark.django_db
def test_the_same_work_is_ordered_once_while_it_waits():
    for _ in range(3):
        queue.enqueue("t.work", "a")
    queue.enqueue("t.work", "b")
    queue.enqueue("t.other", "a")

    assert Job.objects.count() == 3
    assert not Job.objects.filter(again=True).exists()


@pytest.mark.django_db
def test_the_earlier_time_and_the_higher_urgency_win():
    queue.enqueue("t.work", "a", not_before=clock.now() + HOUR, priority=50)
    queue.enqueue("t.work", "a", not_before=clock.now() + 2 * HOUR, priority=20)
    queue.enqueue("t.work", "b", not_before=clock.now() + HOUR)
    queue.enqueue("t.work", "b")

    waits = Job.objects.get(key="a").not_before - clock.now()
    assert timedelta(minutes=59) < waits <= HOUR
    assert Job.objects.get(key="a").priority == 20
    assert Job.objects.due().get().key == "b"


@pytest.mark.django_db
def test_an_order_does_not_shorten_the_wait_of_a_failing_job():
    lease = claimed()
    queue.fail(lease, "Boom", "")

    queue.enqueue("t.work", "k")

    assert not Job.objects.due().exists()


@pytest.mark.django_db
def test_work_that_arrives_while_it_runs_makes_it_run_again():
    lease = claimed()
    queue.enqueue("t.work", "k")

    assert Job.objects.get().again
    assert queue.finish(lease)

    job = Job.objects.get()
    assert (job.state, job.again, job.attempts) == ("queued", False, 0)
    second = queue.claim("compute")
    assert second is not None
    assert second.fence == lease.fence + 1
    assert queue.finish(second)
    assert Job.objects.get().state == "done"


@pytest.mark.django_db
def test_finished_work_can_be_ordered_anew():
    queue.finish(claimed())
    queue.enqueue("t.work", "k")

    assert sorted(Job.objects.values_list("state", flat=True)) == ["done", "queued"]


@pytest.mark.django_db
def test_a_payload_of_data_is_refused():
    with pytest.raises(ValueError, match="over 8192 bytes"):
        queue.enqueue("t.work", "a", payload={"values": "x" * 9000})


@pytest.mark.django_db(transaction=True)
def test_an_order_disappears_with_the_transaction_that_made_it():
    def order_and_fail() -> None:
        with transaction.atomic():
            queue.enqueue("t.work", "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        order_and_fail()

    assert not Job.objects.exists()


@pytest.mark.django_db
def test_a_key_in_quarantine_is_tried_again_only_after_a_rest():
    queue.quarantine(claimed(), "Boom", "")

    queue.enqueue("t.work", "k")
    queue.enqueue("t.work", "other")

    assert Job.objects.due().get().key == "other"
    wait = Job.objects.get(key="k", state="queued").not_before - clock.now()
    assert timedelta(minutes=59) < wait <= timedelta(minutes=61)


@pytest.mark.django_db
def test_a_key_quarantined_long_ago_is_due_at_once():
    queue.quarantine(claimed(), "Boom", "")
    Job.objects.update(finished_at=clock.now() - 2 * HOUR)

    queue.enqueue("t.work", "k")

    assert Job.objects.due().count() == 1


# --- claiming ---


@pytest.mark.django_db
def test_a_claim_takes_the_most_urgent_due_job_of_its_queue():
    queue.enqueue("t.work", "later", not_before=clock.now() + HOUR, priority=0)
    queue.enqueue("t.work", "elsewhere", queue="ingest", priority=0)
    queue.enqueue("t.work", "normal", payload={"id": 1})
    queue.enqueue("t.work", "urgent", priority=10)

    first, second, third = (queue.claim("compute", worker="w") for _ in range(3))

    assert first is not None
    assert second is not None
    assert (first.key, second.key, third) == ("urgent", "normal", None)
    assert (second.payload, second.attempts, second.fence) == ({"id": 1}, 1, 1)
    job = Job.objects.get(key="urgent")
    assert (job.state, job.worker) == ("running", "w")
    assert job.lease_until is not None
    assert timedelta(seconds=50) < job.lease_until - clock.now() < timedelta(seconds=61)


@pytest.mark.django_db
def test_a_held_job_is_claimed_by_nobody_else():
    claimed()

    assert queue.claim("compute") is None


@pytest.mark.django_db
def test_an_orphan_is_claimed_when_its_lease_ends():
    lease = claimed()
    expire(lease)

    second = queue.claim("compute")

    assert second is not None
    assert (second.job_id, second.fence, second.attempts) == (lease.job_id, 2, 2)


@pytest.mark.django_db
def test_an_orphan_without_attempts_left_is_quarantined_not_claimed():
    lease = claimed(max_attempts=1)
    expire(lease)

    assert queue.claim("compute") is None
    assert queue.quarantine_expired() == 1

    job = Job.objects.get()
    assert (job.state, job.error_code, job.lease_until) == ("quarantined", "worker_died", None)


def in_threads(count: int, work) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_four_claimers_take_each_job_once(shared_database):
    for number in range(60):
        queue.enqueue("t.work", str(number))
    taken: list[str] = []

    def claim_all() -> None:
        while lease := queue.claim("compute"):
            taken.append(lease.key)

    in_threads(4, claim_all)

    assert sorted(taken) == sorted(str(number) for number in range(60))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_four_senders_of_the_same_orders_make_one_job_each(shared_database):
    def order_all() -> None:
        for number in range(15):
            queue.enqueue("t.work", str(number))

    in_threads(4, order_all)

    assert Job.objects.count() == 15


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_orders_that_race_with_the_finish_are_never_lost(shared_database):
    """Each order is followed by a run that began after it: so the last run has seen the last order."""
    ordered, seen, all_ordered = [0], [0], threading.Event()

    def order() -> None:
        for number in range(1, 31):
            ordered[0] = number
            queue.enqueue("t.work", "k")
        all_ordered.set()

    def work() -> None:
        while not all_ordered.is_set() or Job.objects.open().exists():
            if lease := queue.claim("compute"):
                seen.append(ordered[0])
                queue.finish(lease)

    pending = [order, work]
    in_threads(2, lambda: pending.pop()())

    assert seen[-1] == 30


@pytest.mark.django_db
def test_a_command_takes_its_own_job_and_nobody_else_gets_it():
    first = queue.take("t.fill", "m", worker="me", payload={"file": 1})
    second = queue.take("t.fill", "m", worker="you")

    assert first is not None
    assert first.payload == {"file": 1}
    assert second is None
    assert queue.claim("maintain") is None
    assert not Job.objects.get().again
    assert queue.finish(first)
    assert queue.take("t.fill", "m", worker="you") is not None


@pytest.mark.django_db
def test_a_command_that_died_can_be_started_again():
    dead = queue.take("t.fill", "m", worker="me")
    assert dead is not None
    expire(dead)
    assert queue.claim("maintain") is None
    queue.quarantine_expired()

    again = queue.take("t.fill", "m", worker="me")

    assert again is not None
    assert queue.finish(again)
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled", "done"}


# --- the fence ---


@pytest.mark.django_db
@pytest.mark.parametrize(
    "late_write",
    [
        lambda lease: queue.finish(lease),
        lambda lease: queue.renew(lease),
        lambda lease: queue.release(lease),
        lambda lease: queue.fail(lease, "Boom", ""),
        lambda lease: queue.quarantine(lease, "Boom", ""),
    ],
    ids=["finish", "renew", "release", "fail", "quarantine"],
)
def test_an_overtaken_worker_changes_nothing(late_write):
    stale = claimed()
    expire(stale)
    queue.claim("compute", worker="second")
    before = Job.objects.values().get()

    assert not late_write(stale)
    assert Job.objects.values().get() == before


@pytest.mark.django_db
def test_an_overtaken_worker_learns_it_when_it_shows_progress():
    stale = claimed()
    expire(stale)
    queue.claim("compute")

    with pytest.raises(queue.LostLease):
        queue.progress(stale, 1, 10, "rows")

    assert Job.objects.get().progress_done == 0


@pytest.mark.django_db(transaction=True)
def test_results_of_an_overtaken_worker_are_not_saved():
    stale = claimed()
    expire(stale)
    queue.claim("compute")

    with pytest.raises(queue.LostLease, match="fence 1 is over"), queue.finishing(stale):
        queue.enqueue("t.next", "a")

    assert not Job.objects.filter(kind="t.next").exists()


@pytest.mark.django_db(transaction=True)
def test_results_and_the_end_of_the_job_are_saved_together():
    lease = claimed()

    def save_and_fail() -> None:
        with queue.finishing(lease):
            queue.enqueue("t.next", "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_and_fail()
    assert list(Job.objects.values_list("kind", "state")) == [("t.work", "running")]

    with queue.finishing(lease, {"rows": 3}):
        queue.enqueue("t.next", "a")
    job = Job.objects.get(kind="t.work")
    assert (job.state, job.result, job.error_text) == ("done", {"rows": 3}, "")
    assert job.finished_at is not None
    assert Job.objects.filter(kind="t.next").exists()


@pytest.mark.django_db
def test_a_finished_job_is_finished_once():
    lease = claimed()

    assert queue.finish(lease)
    assert not queue.finish(lease)


@pytest.mark.django_db
def test_a_huge_result_is_refused():
    with pytest.raises(ValueError, match=r"result of t\.work is over"):
        queue.finish(claimed(), {"rows": "x" * 9000})


@pytest.mark.django_db
def test_a_renewal_holds_the_job_for_another_minute():
    lease = claimed()
    Job.objects.update(lease_until=clock.now() + timedelta(seconds=1))

    assert queue.renew(lease)

    held_until = Job.objects.get().lease_until
    assert held_until is not None
    assert held_until - clock.now() > timedelta(seconds=50)


@pytest.mark.django_db
def test_progress_is_shown_and_forgotten_at_the_next_attempt():
    lease = claimed()
    queue.progress(lease, 3, 4, "chunks")

    job = Job.objects.get()
    assert (job.progress_share, job.progress_unit) == (0.75, "chunks")
    assert job.progress_at is not None

    queue.release(lease)
    queue.claim("compute")
    assert Job.objects.get().progress_share is None


# --- failing ---


@pytest.mark.django_db
def test_each_retry_waits_three_times_longer_and_the_fifth_failure_is_the_last():
    queue.enqueue("t.work", "k")
    waits = []
    for _ in range(4):
        lease = queue.claim("compute")
        assert lease is not None
        assert queue.fail(lease, "Boom", "why") == "queued"
        waits.append((Job.objects.get().not_before - clock.now()).total_seconds())
        assert queue.claim("compute") is None
        Job.objects.update(not_before=clock.now() - HOUR)
    last = queue.claim("compute")
    assert last is not None

    assert queue.fail(last, "Boom", "why") == "quarantined"

    for wait_s, planned_s in zip(waits, (5, 15, 45, 135), strict=True):
        assert planned_s * 0.8 - 1 < wait_s < planned_s * 1.2 + 1
    job = Job.objects.get()
    assert (job.state, job.attempts, job.error_code, job.error_text) == ("quarantined", 5, "Boom", "why")


@pytest.mark.django_db
def test_a_released_job_is_due_at_once_and_the_attempt_does_not_count():
    lease = claimed()

    assert queue.release(lease)

    again = queue.claim("compute")
    assert again is not None
    assert (again.attempts, again.fence) == (1, 2)


@pytest.mark.django_db
def test_what_a_dead_worker_held_is_due_at_once_and_the_attempt_counts():
    queue.enqueue("t.work", "a")
    queue.enqueue("t.work", "b", max_attempts=1)
    queue.enqueue("t.work", "c")
    for worker in ("dead", "dead", "alive"):
        queue.claim("compute", worker=worker)

    assert queue.abandon("dead", "worker_died", "killed") == 2

    states = dict(Job.objects.values_list("key", "state"))
    assert states == {"a": "queued", "b": "quarantined", "c": "running"}
    again = queue.claim("compute")
    assert again is not None
    assert (again.key, again.attempts) == ("a", 2)


@pytest.mark.django_db
def test_a_success_answers_earlier_failures_of_the_same_work():
    queue.quarantine(claimed(), "Boom", "why")
    queue.quarantine(claimed(key="other"), "Boom", "why")
    queue.enqueue("t.work", "k")
    Job.objects.filter(state="queued").update(not_before=clock.now() - HOUR)

    lease = queue.claim("compute")
    assert lease is not None
    queue.finish(lease)

    assert set(Job.objects.filter(key="k").values_list("state", flat=True)) == {"cancelled", "done"}
    assert Job.objects.get(key="other").state == "quarantined"


@pytest.mark.django_db
def test_a_success_without_earlier_failures_is_one_statement(django_assert_num_queries):
    queue.quarantine(claimed(key="other"), "Boom", "why")
    lease = claimed()

    with django_assert_num_queries(1):
        assert queue.finish(lease)


# --- what people do ---


@pytest.mark.django_db
def test_a_quarantined_job_runs_again_with_all_its_attempts():
    queue.quarantine(claimed(max_attempts=1), "Boom", "why")

    queue.retry_now(Job.objects.get(), by="alice")

    lease = queue.claim("compute")
    assert lease is not None
    assert (lease.attempts, lease.fence) == (1, 2)


@pytest.mark.django_db
def test_only_a_quarantined_job_can_be_run_again():
    claimed()

    with pytest.raises(Conflict, match="Only a quarantined job"):
        queue.retry_now(Job.objects.get(), by="alice")


@pytest.mark.django_db
def test_a_quarantined_job_is_not_run_beside_newer_work_of_its_key():
    queue.quarantine(claimed(), "Boom", "why")
    failed = Job.objects.get()
    queue.enqueue("t.work", "k")

    with pytest.raises(Conflict, match="already waits"):
        queue.retry_now(failed, by="alice")

    failed.refresh_from_db()
    assert failed.state == "quarantined"


@pytest.mark.django_db
def test_a_waiting_job_can_be_cancelled_and_its_key_ordered_again():
    queue.enqueue("t.work", "k")

    queue.cancel(Job.objects.get(), by="alice")
    queue.enqueue("t.work", "k")

    assert sorted(Job.objects.values_list("state", flat=True)) == ["cancelled", "queued"]


@pytest.mark.django_db
def test_a_running_job_cannot_be_cancelled():
    lease = claimed()

    with pytest.raises(Conflict, match="waits or is quarantined"):
        queue.cancel(Job.objects.get(), by="alice")

    assert queue.finish(lease)


# --- clocks ---


@pytest.mark.django_db
def test_a_clock_set_back_does_not_hold_up_orders_retries_or_orphans():
    ahead = clock.now() + 3 * HOUR
    queue.enqueue("t.work", "order")
    queue.enqueue("t.work", "retry")
    queue.enqueue("t.work", "orphan", queue="ingest")
    orphan = queue.claim("ingest")
    Job.objects.filter(key="order").update(created_at=ahead, not_before=ahead)
    Job.objects.filter(key="retry").update(attempts=2, not_before=ahead)
    Job.objects.filter(key="orphan").update(lease_until=ahead)
    assert not Job.objects.due().exists()

    assert queue.mend_times() == 3

    assert set(Job.objects.due().values_list("key", flat=True)) == {"order", "retry"}
    lease_until = Job.objects.get(key="orphan").lease_until
    assert lease_until is not None
    assert lease_until - clock.now() < timedelta(seconds=61)
    assert orphan is not None
    assert queue.renew(orphan)


@pytest.mark.django_db
def test_a_time_that_was_asked_for_is_left_alone():
    queue.enqueue("t.work", "k", not_before=clock.now() + 24 * HOUR)

    assert queue.mend_times() == 0


@pytest.mark.django_db
def test_leases_are_judged_by_the_clock_of_the_database(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: pytest.fail("the queue reads no clock of ours"))

    queue.finish(claimed())
    queue.mend_times()

    assert abs(sql.database_now() - Job.objects.get().finished_at) < timedelta(minutes=1)


# --- invariants in the table ---


@pytest.mark.django_db(transaction=True)
def test_the_table_itself_refuses_two_open_jobs_of_a_key_and_a_run_without_lease():
    queue.enqueue("t.work", "a")
    job = Job.objects.get()

    with pytest.raises(IntegrityError):
        Job.objects.filter(pk=job.pk).update(state="running")
    job.pk = uuid4()
    job._state.adding = True
    with pytest.raises(IntegrityError):
        job.save()
