"""How often a thing may be done in a minute."""

from datetime import timedelta

from registry import rates
from registry.models import UseCount
from tests.factories import NOON

MOMENT = NOON + timedelta(seconds=20)


def test_the_limit_holds_for_a_minute_and_for_one_subject(db):
    assert [rates.take("a", limit=2, now=MOMENT) for _ in range(4)] == [0, 0, 40, 40]
    assert rates.take("b", limit=2, now=MOMENT) == 0
    assert rates.take("a", limit=2, now=NOON + timedelta(seconds=60)) == 0


def test_counts_of_past_hours_are_forgotten(db):
    rates.take("a", limit=1, now=NOON)
    rates.take("b", limit=1, now=NOON + timedelta(hours=2))

    rates.sweep(NOON + timedelta(hours=2))

    assert [count.subject for count in UseCount.objects.all()] == ["b"]
