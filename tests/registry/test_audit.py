"""The audit trail: gapless, chained, and closed to changes on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from mlops_portal.kit import correlation
from registry import audit
from registry.models import AuditEntry, Scope
from tests.factories import NOON, api, make_key, make_team


def record(team, verb="team.noted", **options):
    return audit.record(verb, team, by="setup", now=NOON, team=team, **options)


def tamper(statement):
    """Change a row behind the trigger's back, as somebody with the database file could."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending checks cannot be altered
            cursor.execute("ALTER TABLE registry_auditentry DISABLE TRIGGER USER")
            cursor.execute(statement)
            cursor.execute("ALTER TABLE registry_auditentry ENABLE TRIGGER USER")
            return
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'registry_auditentry'"
        )
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(statement)
        for _, sql in triggers:
            cursor.execute(sql)


def test_rows_are_numbered_and_chained(team):
    first, second = record(team), record(team)

    assert (first.seq, second.seq) == (1, 2)
    assert first.prev_hash == audit.FIRST_HASH
    assert second.prev_hash == first.hash
    assert audit.verify() is None


def test_a_rolled_back_fact_leaves_no_gap(team):
    with transaction.atomic():
        record(team)
        transaction.set_rollback(True)

    assert record(team).seq == 1


def test_an_actor_is_told_apart_by_kind(team, alice):
    audit.record("team.noted", team, by=alice, now=NOON)
    record(team)

    assert list(AuditEntry.objects.order_by("seq").values_list("actor", "actor_kind")) == [
        ("alice", "user"),
        ("setup", "system"),
    ]


def test_secrets_are_never_written(team):
    entry = record(team, changes={"password": ["old", "new"], "nested": {"secret": "x"}})

    assert entry.changes == {"password": "changed", "nested": {"secret": "changed"}}


@pytest.mark.parametrize(
    "value", [1e22, 100.0, 1e-7, -0.0, 0.1, "ü\u2028", None, True, [1, [2.5]], NOON, 2**53 + 1], ids=repr
)
def test_every_value_verifies_after_a_round_trip_through_the_database(team, value):
    record(team, changes={"field": [None, value]})

    assert audit.verify() is None


@pytest.mark.parametrize(
    "statement", ["UPDATE registry_auditentry SET reason = 'x'", "DELETE FROM registry_auditentry"]
)
def test_the_database_refuses_to_change_or_remove_a_row(team, statement):
    record(team)

    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("UPDATE registry_auditentry SET reason = 'forged' WHERE seq = 2", 2, "content"),
        ("UPDATE registry_auditentry SET actor = 'eve' WHERE seq = 3", 3, "content"),
        ("DELETE FROM registry_auditentry WHERE seq = 2", 2, "missing"),
        ("DELETE FROM registry_auditentry WHERE seq = 1", 1, "missing"),
        ("UPDATE registry_auditentry SET seq = 9 WHERE seq = 2", 2, "missing"),
        ("UPDATE registry_auditentry SET prev_hash = hash WHERE seq = 3", 3, "follow"),
    ],
)
def test_a_tampered_row_is_named(team, statement, seq, reason):
    for _ in range(4):
        record(team)

    tamper(statement)

    broken = audit.verify()
    assert broken is not None
    assert broken.seq == seq
    assert reason in broken.reason


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_chain():
    team = make_team()

    def write(_):
        while True:
            try:
                with transaction.atomic():
                    record(team)
                return
            except OperationalError as error:  # an SQLite database in memory does not wait for its lock
                if "locked" not in str(error):
                    raise
            finally:
                connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))

    assert sorted(AuditEntry.objects.values_list("seq", flat=True)) == list(range(1, 25))
    assert audit.verify() is None


class TestRequests:
    def test_a_row_names_the_request_in_which_a_person_did_it(self, client, alice):
        client.force_login(alice)
        fields = {"name": "Risk", "contact": "", "cost_centre": "4711"}

        client.post("/teams/risk/edit/", fields, headers={"X-Request-ID": "from-a-proxy-1"})

        assert AuditEntry.objects.get(verb="team.changed").request_id == "from-a-proxy-1"
        assert audit.verify() is None

    def test_and_that_of_a_key(self, team):
        body = {"name": "Arrivals", "task": "regression"}
        sender = api(make_key(team=team, scopes=[Scope.REGISTRY]))

        answer = sender.post(
            "/api/v1/models", body, content_type="application/json", headers={"Idempotency-Key": "one"}
        )

        assert AuditEntry.objects.get(verb="model.registered").request_id == answer["X-Request-ID"]

    def test_what_the_portal_does_by_itself_names_none(self, team, alice):
        with correlation.answering("r-12345678"):
            own, hers = record(team), audit.record("team.noted", team, by=alice, now=NOON)

        assert (own.request_id, hers.request_id) == ("", "r-12345678")
