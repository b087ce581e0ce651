"""Every fault point of the worker's source, failed at in every way: what was acknowledged is counted, once."""

import pytest

from tests.faults.harness import KILLED, Portal
from tests.faults.ledger import outcomes, predictions
from tests.faults.points import points
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]

OF_WORK = [point for point in points() if not point.startswith(("ingest.", "apply."))]
OF_ONE_JOB = [point for point in OF_WORK if point.startswith("compact.")]
OF_OTHERS = [point for point in OF_WORK if not point.startswith("compact.")]
# A compaction has five attempts, so its points fail three at a time; the other points belong to many jobs.
TOGETHER = [*(OF_ONE_JOB[start : start + 3] for start in range(0, len(OF_ONE_JOB), 3)), OF_OTHERS]
FULL_DAY = 2  # chunks; so a second body of a day already asks for consolidation
SHORT_LEASE_S = 1.0


def traffic(portal: Portal) -> None:
    """Work for every point: two models, each with two bodies for a day, early outcomes, a reference, and letters."""
    slugs = portal.models(2)
    firsts = [predictions(slug, days_ago=2, name="first") for slug in slugs]
    seconds = [predictions(slug, days_ago=2, name="second") for slug in slugs]
    portal.send(*firsts, *map(outcomes, seconds))
    portal.do("work", drain=True)
    portal.send(*seconds, *(predictions(slug, days_ago=1) for slug in slugs), *map(outcomes, firsts))
    portal.send(*(predictions(slug, days_ago=1, count=13) for slug in slugs))  # most of them once more
    portal.do("refer", slugs=slugs)
    portal.do("publish", count=3)


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", OF_WORK)
def test_a_worker_killed_at_a_point_loses_and_doubles_nothing(portal, point, nth):
    traffic(portal)
    killed = portal.start("work", Trouble(f"{point}:exit:{nth}", lease_s=SHORT_LEASE_S, full_day=FULL_DAY), drain=True)

    code = killed.wait()

    assert code == KILLED if nth < 3 else code in {0, KILLED}, killed.said()
    portal.require_promises()


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("action", ["raise", "enospc"])
@pytest.mark.parametrize("together", TOGETHER, ids=lambda names: names[0])
def test_a_failure_at_each_point_loses_and_doubles_nothing(portal, together, action, nth):
    traffic(portal)
    before = len(portal.sprung())
    faults = ",".join(f"{point}:{action}:{nth}" for point in together)

    failing = portal.start("work", Trouble(faults, full_day=FULL_DAY), drain=True)

    assert failing.wait() == 0, failing.said()
    assert set(portal.sprung()[before:]) == {f"{point}:{action}" for point in together}
    portal.require_promises()


def test_every_page_and_route_answers_after_all_that(portal):
    traffic(portal)
    portal.require_promises()

    answers = portal.do("pages", key=portal.house.key)

    assert {path: status for path, status in answers.items() if status != 200} == {}
