"""Consumers of endpoints."""

import pytest

from mlops_portal.kit.errors import Conflict, Invalid, Refused, Stale
from registry import inventory
from registry.models import AuditEntry, Consumer
from tests.factories import NOON, make_consumer, make_endpoint, make_model

SETUP = {"by": "setup", "now": NOON}


@pytest.fixture
def endpoint(team):
    return make_endpoint(make_model(team=team, slug="credit"), slug="credit-decision")


def test_a_consumer_says_what_was_said_about_it(endpoint, alice, team):
    inventory.create_consumer(
        endpoint,
        name=" loan-desk ",
        kind="human_process",
        use="assisted",
        output="probability",
        criticality="high",
        contact="loans@example.org",
        managed_by="credit",
        by=alice,
        now=NOON,
    )

    row = Consumer.objects.get()
    assert (row.name, row.kind, row.use, row.criticality) == ("loan-desk", "human_process", "assisted", "high")
    assert (row.output, row.contact, row.managed_by, row.created_by) == (
        "probability",
        "loans@example.org",
        "credit",
        "alice",
    )
    entry = AuditEntry.objects.first()
    assert (entry.verb, entry.team, entry.changes["endpoint"]) == ("consumer.created", team, [None, "credit-decision"])


def test_criticality_is_medium_unless_said(endpoint):
    assert make_consumer(endpoint).criticality == "medium"


def test_every_fault_is_told_at_once(endpoint):
    with pytest.raises(Invalid) as raised:
        inventory.create_consumer(
            endpoint, name=" ", kind="robot", use="often", criticality="huge", contact="x" * 255, **SETUP
        )

    pointers = {fault.pointer for fault in raised.value.faults}
    assert pointers == {"/name", "/kind", "/use", "/criticality", "/contact"}


def test_a_name_is_taken_once_per_endpoint_and_free_again_after_it_retired(endpoint):
    first = make_consumer(endpoint, name="loan-desk")
    make_consumer(make_endpoint(endpoint.model), name="loan-desk")

    with pytest.raises(Conflict, match="has a consumer loan-desk already") as raised:
        make_consumer(endpoint, name="loan-desk")

    assert (raised.value.code, raised.value.field) == ("name_taken", "name")
    inventory.retire_consumer(first, base=1, **SETUP)
    assert make_consumer(endpoint, name="loan-desk").pk != first.pk


def test_a_renamed_consumer_takes_no_taken_name(endpoint):
    make_consumer(endpoint, name="a")
    other = make_consumer(endpoint, name="b")

    with pytest.raises(Conflict, match="has a consumer a already"):
        inventory.edit_consumer(other, {"name": "a"}, base=1, **SETUP)


def test_a_retired_endpoint_takes_no_consumer(endpoint):
    inventory.retire_endpoint(endpoint, base=1, **SETUP)

    with pytest.raises(Conflict, match="is retired"):
        make_consumer(endpoint)


def test_a_key_is_used_once(endpoint):
    make_consumer(endpoint, client_key="k")

    with pytest.raises(Conflict) as raised:
        make_consumer(endpoint, client_key="k")

    assert raised.value.code == "idempotency_in_progress"


def test_a_change_is_recorded_and_a_stale_base_changes_nothing(endpoint):
    consumer = make_consumer(endpoint)

    inventory.edit_consumer(consumer, {"criticality": "low", "use": consumer.use}, base=1, **SETUP)

    assert AuditEntry.objects.first().changes == {"criticality": ["medium", "low"]}
    with pytest.raises(Stale):
        inventory.edit_consumer(consumer, {"criticality": "high"}, base=1, **SETUP)
    before = AuditEntry.objects.count()
    inventory.edit_consumer(consumer, {"criticality": "low"}, base=2, **SETUP)
    assert AuditEntry.objects.count() == before


def test_a_retired_consumer_is_written_no_more(endpoint):
    consumer = inventory.retire_consumer(make_consumer(endpoint), base=1, **SETUP)

    assert AuditEntry.objects.first().verb == "consumer.retired"
    with pytest.raises(Stale):
        inventory.edit_consumer(consumer, {"criticality": "high"}, base=2, **SETUP)


def test_only_what_describes_it_may_change(endpoint):
    with pytest.raises(ValueError, match="endpoint"):
        inventory.edit_consumer(make_consumer(endpoint), {"endpoint": endpoint}, base=1, **SETUP)


def test_rights_are_asked(endpoint, victor, charlie):
    consumer = make_consumer(endpoint)
    for person in (victor, charlie):
        with pytest.raises(Refused):
            inventory.create_consumer(endpoint, name="x", kind="service", use="automated", by=person, now=NOON)
        with pytest.raises(Refused):
            inventory.edit_consumer(consumer, {"name": "y"}, base=1, by=person, now=NOON)
        with pytest.raises(Refused):
            inventory.retire_consumer(consumer, base=1, by=person, now=NOON)


def test_what_other_teams_have_is_not_visible(endpoint, alice, charlie):
    consumer = make_consumer(endpoint)

    assert list(Consumer.objects.visible_to(alice)) == [consumer]
    assert list(Consumer.objects.visible_to(charlie)) == []
