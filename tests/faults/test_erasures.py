"""A worker that forgets a subject, killed at every point: nothing of the subject is left, all of the others is."""

import pytest

from tests.faults.harness import KILLED
from tests.faults.ledger import outcomes, predictions
from tests.faults.points import points
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]
OF_ERASURE = [point for point in points() if point.startswith("erase.")]
SHORT_LEASE_S = 1.0


@pytest.mark.parametrize(("action", "nth"), [("exit", 1), ("exit", 2), ("raise", 1)])
@pytest.mark.parametrize("point", OF_ERASURE)
def test_a_forgotten_subject_leaves_nothing_and_takes_nobody_along(own_portal, point, action, nth):
    portal = own_portal
    slugs = portal.models(2)
    bodies = [predictions(slug, days_ago=day, subject="leaver") for slug in slugs for day in (2, 1)]
    portal.serve().until_it_answers()
    portal.send(*bodies)
    portal.send(*(outcomes(body, every=1) for body in bodies))
    portal.do("work", drain=True)
    portal.do("forget", subject="leaver")
    failing = portal.start("work", Trouble(f"{point}:{action}:{nth}", lease_s=SHORT_LEASE_S), drain=True)
    code = failing.wait()
    springs_once = point == "erase.tombstoned" and nth > 1  # a run of the job passes it once
    assert code == (0 if action == "raise" or springs_once else KILLED), failing.said()

    portal.do("work", drain=True)

    held = portal.do("held")
    staying = {
        f"{body.model} {kind} {item['request_id']}": 1
        for body in bodies
        for kind in ("prediction", "outcome")
        for item in body.items
        if "subject_id" not in item
    }
    assert held["records"] == staying
    assert held["rows"] == held["by_version"] == held["by_day"] == held["by_hour"] == len(staying) / 2
    assert (held["erasures"], held["open_jobs"]) == (["done"], 0)
    assert held["files"] == held["named"]
