"""A worker that dies without a word, with the leases of production. First in the order of files: it mostly waits."""

import signal
import time

import pytest

from tests.faults.harness import KILLED, until
from tests.faults.ledger import predictions
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]

AGAIN_WITHIN_S = 65.0


def test_an_orphaned_job_runs_again_within_65_seconds(portal):
    [slug] = portal.models()
    portal.send(predictions(slug, days_ago=1))
    dead = portal.start("work", Trouble("compact.renamed:exit:1"))
    assert dead.wait() == KILLED
    died_at = time.monotonic()
    alive = portal.start("work")

    until(lambda: not portal.do("inbox_rows"), "the orphan is done", every_s=1.0)

    took_s = time.monotonic() - died_at
    alive.send(signal.SIGTERM)
    assert alive.wait() == 0, alive.said()
    assert took_s < AGAIN_WITHIN_S
    portal.require_promises()
