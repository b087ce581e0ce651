"""Every fault point of an activation: either all of the revision is there or nothing, and a repeat finds out which."""

import pytest

from tests.faults.harness import KILLED, Portal
from tests.faults.points import points
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]

OF_APPLY = [point for point in points() if point.startswith("apply.")]
FACTS = ("pointer", "revisions", "arms", "aliases", "events", "audited")


@pytest.mark.parametrize("action", ["exit", "raise", "enospc"])
@pytest.mark.parametrize("point", OF_APPLY)
def test_an_activation_that_dies_leaves_all_or_nothing(unserved_portal: Portal, point, action):
    portal = unserved_portal
    [slug] = portal.models()
    dying = portal.start("activate", Trouble(f"{point}:{action}:1"), slug=slug, base=0)

    code = dying.wait()

    assert code == KILLED if action == "exit" else code not in {0, KILLED}, dying.said()
    assert portal.sprung()[-1] == f"{point}:{action}"
    is_stored = point == "apply.committed"
    assert portal.do("served", slug=slug) == dict.fromkeys(FACTS, int(is_stored))
    assert portal.do("activate", slug=slug, base=0) == ("base_moved" if is_stored else f"{slug} rev 1")
    assert portal.do("served", slug=slug) == dict.fromkeys(FACTS, 1)
    portal.require_promises()
