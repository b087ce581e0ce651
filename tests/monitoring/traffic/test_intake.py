"""From a body to its receipt: bodies that arrive together go together, and none suffers for another."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mlops_portal.kit.errors import DomainError, Invalid, Malformed, NotThere, Unauthenticated
from monitoring.models import InboxRow
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import intake, schema
from monitoring.traffic.intake import Order, Taken, Terms
from registry.models import Scope, Team
from tests.factories import make_key
from tests.monitoring.sending import json_body, make_credit, prediction
from tests.monitoring.traffic.test_inbox import now

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(team: Team) -> str:
    make_credit(team)
    return make_key(team=team, scopes=[Scope.INGEST])


def order(key: str, body: bytes, *, slug: str = "credit", is_strict: bool = False) -> Order:
    return Order(key, slug, Kind.PREDICTION, body, schema.JSON, lambda: Terms(is_strict, None), now())


def sent(request_id: str) -> bytes:
    return json_body(prediction(request_id))


def test_a_round_asks_for_its_key_once_and_commits_once(key: str) -> None:
    intake.take(order(key, sent("first")))  # freezes the version's features

    with CaptureQueriesContext(connection) as seen:
        taken = intake._take_all([order(key, sent(f"r-{i}")) for i in range(20)])

    assert all(isinstance(one, Taken) for one in taken)
    assert InboxRow.objects.count() == 21
    assert len(seen) <= 6  # the key, the model, two inserts within one savepoint


def test_each_body_of_a_round_has_its_own_fate(key: str) -> None:
    bad = json_body(prediction("x", features={"income": "much"}))
    orders = [
        order(key, sent("a")),
        order("mlp_unknown", sent("b")),
        order(key, sent("c"), slug="nothing"),
        order(key, b"{"),
        order(key, bad),
        order(key, sent("d")),
    ]

    taken = intake._take_all(orders)

    assert [type(one) for one in taken] == [Taken, Unauthenticated, NotThere, Malformed, Taken, Taken]
    assert [one.receipt.accepted for one in taken if isinstance(one, Taken) and one.receipt] == [1, 0, 1]
    assert InboxRow.objects.count() == 2


def test_a_strict_body_with_a_bad_item_stores_nothing(key: str) -> None:
    body = json_body(prediction("a"), prediction("b", features={"income": "much"}))

    taken = intake.take(order(key, body, is_strict=True))

    assert taken.receipt is None
    assert len(taken.decoded.rejects) == 1
    assert not InboxRow.objects.exists()


def test_terms_are_not_read_for_a_stranger() -> None:
    def terms() -> Terms:
        raise Invalid("never told")

    stranger = Order("mlp_unknown", "credit", Kind.PREDICTION, b"{}", schema.JSON, terms, now())

    with pytest.raises(Unauthenticated):
        intake.take(stranger)


def test_a_large_body_goes_alone(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_SMALL_BYTES", 10)
    monkeypatch.setattr(intake, "_small", None)

    taken = intake.take(order(key, sent("a")))

    assert taken.receipt
    assert taken.receipt.accepted == 1
    with pytest.raises(DomainError):
        intake.take(order(key, b"{ not json, and over the limit"))
