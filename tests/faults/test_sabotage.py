"""The harness can fail: take one safeguard away from the server, and it names the promise that this breaks."""

import signal

import pytest

from tests.faults.harness import KILLED, until
from tests.faults.ledger import predictions
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]


def test_a_reply_before_the_commit_breaks_r1(own_portal):
    portal = own_portal
    [slug] = portal.models()
    web = portal.serve(Trouble("ingest.in_txn:exit:2", sabotage="reply_before_commit")).until_it_answers()

    body = predictions(slug, days_ago=1)
    assert portal.sender.attempt(body), (body.answers, web.log.read_text())
    web.until_it_ends()

    assert "R1" in portal.broken()


def test_a_worker_without_a_fence_breaks_r5(own_portal):
    portal = own_portal
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=1))
    slow = portal.start("work", Trouble("run.computed:stop:1", lease_s=1, sabotage="no_fence"), drain=True)
    until(slow.is_stopped, "the worker stands still")
    portal.require_promises()

    slow.send(signal.SIGCONT)
    slow.wait()

    assert "R5" in portal.broken()


def test_no_recognition_of_known_ids_breaks_r2(own_portal):
    portal = own_portal
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=1, count=8), predictions(slug, days_ago=1, count=9))

    assert "R2" in portal.broken(Trouble(sabotage="no_dedupe"))


def test_an_inbox_deleted_before_the_chunk_breaks_r1(own_portal):
    portal = own_portal
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=1))
    trouble = Trouble("compact.read:exit:1", lease_s=1, sabotage="inbox_deleted_first")

    assert portal.start("work", trouble, drain=True).wait() == KILLED

    assert "R1" in portal.broken()


def test_an_outbox_marked_before_sending_breaks_r9(own_portal):
    portal = own_portal
    portal.do("publish", count=1)
    trouble = Trouble("deliver.marked:exit:1", lease_s=1, sabotage="marked_before_sending")

    assert portal.start("work", trouble, drain=True).wait() == KILLED

    assert portal.broken() == {"R9"}


def test_a_planner_driven_by_ticks_breaks_r4(own_portal):
    portal = own_portal
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(*(predictions(slug, days_ago=days) for days in (3, 2, 1)))

    assert "R4" in portal.broken(Trouble(sabotage="planned_by_ticks"))


def test_no_read_back_breaks_r12(own_portal):
    portal = own_portal
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=1))

    assert "R12" in portal.broken(Trouble(lying_writes=1, sabotage="no_read_back"))
