"""Jobs delivered twice, and workers that are overtaken."""

import signal
import time

import pytest

from tests.faults.harness import Portal, until
from tests.faults.ledger import outcomes, predictions
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]

LEASE_S = 1.0
# Ordered for traffic of more than 90 days ago only.
NOT_ORDERED = {"monitoring.expire"}


def everything(portal: Portal) -> str:
    """Traffic that leads to jobs of nearly every kind."""
    [slug] = portal.models()
    first, second = (predictions(slug, days_ago=2, name=name) for name in ("first", "second"))
    portal.send(first, outcomes(second))
    portal.do("work", drain=True)
    portal.send(second, predictions(slug, days_ago=1), outcomes(first))
    portal.do("refer", slugs=[slug])
    portal.do("publish", count=1)
    portal.do("set_aside", slug=slug)
    return slug


def test_every_job_delivered_twice_changes_nothing(portal):
    slug = everything(portal)
    portal.do("work", Trouble(full_day=2), drain=True)
    before = portal.do("runs", slug=slug)

    repeated = portal.do("repeat_every_job")

    assert set(repeated) == set(portal.do("kinds")) - NOT_ORDERED
    portal.require_promises()
    assert portal.do("runs", slug=slug) == before


def test_every_overtaken_job_is_refused_or_has_nothing_left_to_do(portal):
    everything(portal)
    portal.do("sweep", Trouble(full_day=2))

    came_to = portal.do("overtake_every_job", Trouble(full_day=2))

    assert came_to["monitoring.compact"] in {"refused", "nothing left to do"}
    assert set(came_to.values()) <= {"refused", "nothing left to do"}, came_to
    portal.require_promises()


@pytest.mark.parametrize("point", ["compact.deduped", "compact.dir_synced", "run.loaded", "run.computed"])
def test_a_worker_that_stood_still_for_two_leases_writes_nothing(portal, point):
    [slug] = portal.models()
    portal.send(predictions(slug, days_ago=2), predictions(slug, days_ago=1))
    slow = portal.start("work", Trouble(f"{point}:stop:1", lease_s=LEASE_S), drain=True)
    until(slow.is_stopped, f"the worker stands still at {point}")
    stood_since = time.monotonic()
    portal.require_promises()
    results = portal.do("runs", slug=slug)
    time.sleep(max(0.0, 2 * LEASE_S - (time.monotonic() - stood_since)))

    slow.send(signal.SIGCONT)

    assert slow.wait() == 0, slow.said()
    assert "lease lost" in slow.said()
    portal.require_promises()
    assert portal.do("runs", slug=slug) == results
