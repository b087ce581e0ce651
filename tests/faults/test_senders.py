"""Many clients, lost replies, any order: the same numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.faults.ledger import Body, Sender, outcomes, predictions, send_all
from tests.faults.proxy import Proxy

pytestmark = [pytest.mark.fault, pytest.mark.slow]


def test_eight_senders_of_the_same_records_are_counted_once(portal):
    slugs = portal.models(2)
    bodies = [
        predictions(slug, days_ago=days, count=10 + more) for slug in slugs for days in (2, 1) for more in range(8)
    ]
    np.random.default_rng(7).shuffle(bodies)

    send_all(portal.sender, [*bodies, *(replace(body, answers=[]) for body in bodies)], senders=8)

    portal.require_promises()
    assert {run["rows"] for slug in slugs for run in portal.do("runs", slug=slug)} == {17}


def test_several_workers_at_once_count_once(portal):
    slugs = portal.models(3)
    firsts = [predictions(slug, days_ago=days) for slug in slugs for days in (3, 2, 1)]
    portal.send(*firsts, *map(outcomes, firsts))
    portal.do("refer", slugs=slugs)

    workers = [portal.start("work", drain=True) for _ in range(3)]

    assert [worker.wait() for worker in workers] == [0, 0, 0]
    portal.require_promises()


def test_a_repeated_body_gets_its_first_receipt_when_the_reply_was_cut(portal):
    [slug] = portal.models()
    body = predictions(slug, days_ago=1)

    with Proxy(portal.port, drop_replies=5) as proxy:
        Sender(proxy.port, portal.house.key, portal.ledger).send(body)
    first = body.receipt["batch"]
    portal.send(body)

    assert body.answers == [0, 0, 0, 0, 0, 202, 202]
    assert body.receipt["batch"] == first
    portal.require_promises()


def test_the_order_in_which_records_come_does_not_matter(portal):
    in_order, at_random = portal.models(2)
    portal.do("refer", slugs=[in_order, at_random])
    days = [predictions(in_order, days_ago=days, count=30) for days in (4, 3, 2, 1)]
    portal.send(*days, *map(outcomes, days))
    portal.require_promises()
    shuffled = _shuffled(days, at_random)
    truths = _shuffled([outcomes(day) for day in days], at_random)

    portal.send(*truths[:2], *shuffled[:3])
    portal.require_promises()
    portal.send(*shuffled[3:], *truths[2:])
    portal.require_promises()

    assert _results(portal.do("runs", slug=at_random)) == _results(portal.do("runs", slug=in_order))


def _shuffled(bodies: list[Body], model: str) -> list[Body]:
    """The same items for another model, in a random order in other bodies."""
    items = [item for body in bodies for item in body.items]
    np.random.default_rng(3).shuffle(items)
    size = len(items) // 6 + 1
    return [Body(model, bodies[0].kind, items[start : start + size]) for start in range(0, len(items), size)]


def _results(runs: list[dict[str, Any]]) -> list[object]:
    """What the runs say; sums of other parts differ in the last digit."""
    return [
        [run["monitor"], run["end"], run["state"], run["rows"], [_rounded(one) for one in run["measurements"]]]
        for run in runs
    ]


def _rounded(measurement: list[Any]) -> list[Any]:
    return [round(value, 12) if isinstance(value, float) else value for value in measurement]
