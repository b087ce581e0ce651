"""Every fault point of ingestion: a body that got its 202 is counted once, however often it had to be sent."""

import threading

import pytest

from tests.faults.harness import Portal
from tests.faults.ledger import Body, outcomes, predictions, send_all
from tests.faults.points import points
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]

OF_INGEST = [point for point in points() if point.startswith("ingest.")]


def bodies(portal: Portal) -> list[Body]:
    """Six bodies for two models; the last of each is sent twice."""
    some = []
    for slug in portal.models(2):
        first, second = predictions(slug, days_ago=2), predictions(slug, days_ago=1)
        some += [first, second, outcomes(first)]
    return some


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", OF_INGEST)
def test_a_web_server_killed_at_a_point_loses_and_doubles_nothing(unserved_portal, point, nth):
    portal = unserved_portal
    some = bodies(portal)
    killed = portal.serve(Trouble(f"{point}:exit:{nth}")).until_it_answers()
    clients = threading.Thread(target=send_all, args=(portal.sender, some), kwargs={"senders": 2})
    clients.start()

    killed.until_it_ends()
    next_one = portal.serve().until_it_answers()
    clients.join()
    next_one.kill()

    assert portal.sprung()[-1] == f"{point}:exit"
    assert any(0 in body.answers for body in some), "no client noticed"
    assert all(body.acked for body in some)
    portal.require_promises()


@pytest.mark.parametrize("action", ["raise", "enospc"])
def test_a_failure_at_each_point_of_ingestion_is_answered_and_repeated(unserved_portal, action):
    portal = unserved_portal
    some = bodies(portal)
    before = len(portal.sprung())
    faults = ",".join(f"{point}:{action}:{nth}" for nth, point in enumerate(OF_INGEST, 1))
    failing = portal.serve(Trouble(faults)).until_it_answers()

    portal.send(*some)
    failing.kill()

    assert set(portal.sprung()[before:]) == {f"{point}:{action}" for point in OF_INGEST}
    assert {status for body in some for status in body.answers} <= {202, 500, 503, 507}
    portal.require_promises()
