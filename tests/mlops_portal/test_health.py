"""What machines ask: /healthz, /readyz, /metrics."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from mlops_portal import figures, readiness_checks
from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock
from registry import permissions
from registry.models import Scope

FAR = {"REMOTE_ADDR": "203.0.113.9"}


def key_of(team, scope: str) -> str:
    return permissions.issue_key(team, label=scope, scopes=[scope], by="setup", now=clock.now())[1]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


# --- who may ask ---


def test_anybody_may_ask_whether_the_process_is_up(client):
    response = client.get("/healthz", **FAR)

    assert (response.status_code, response.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_strangers_get_no_details(client, team, path):
    assert client.get(path, **FAR).status_code == 401
    assert client.get(path, headers=bearer("mlp_wrong"), **FAR).status_code == 401
    assert client.get(path, headers=bearer(key_of(team, Scope.INGEST)), **FAR).status_code == 403
    assert client.get(path, headers=bearer(key_of(team, Scope.READ)), **FAR).status_code == 200


@pytest.mark.django_db
def test_programs_on_this_machine_need_no_key(client):
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200


@pytest.mark.django_db
def test_what_a_proxy_on_this_machine_passes_on_is_not_local(client, settings):
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert client.get("/metrics", headers=forwarded).status_code == 401

    settings.TRUSTED_PROXIES = 1
    assert client.get("/metrics", headers=forwarded).status_code == 401


@pytest.mark.django_db
def test_a_wrong_key_is_refused_on_this_machine_too(client):
    assert client.get("/metrics", headers=bearer("mlp_wrong")).status_code == 401


@pytest.mark.django_db
def test_an_unknown_kind_of_peer_is_not_local(client):
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 401


# --- ready ---


@pytest.mark.django_db
def test_a_fresh_portal_is_ready(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "checks": dict.fromkeys(["database", "durability", "migrations", "work", "disk"], "ok"),
    }


@pytest.mark.django_db
def test_not_ready_while_due_jobs_lie_about(client):
    queue.enqueue("t.work", "deaf")
    queue.enqueue("t.work", "fresh")
    queue.enqueue("t.work", "later", not_before=clock.now() + timedelta(hours=1))
    Job.objects.filter(key="deaf").update(not_before=clock.now() - timedelta(seconds=130))

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["work"] == ["1 due jobs wait longer than 120 s"]


@pytest.mark.django_db
def test_not_ready_on_a_nearly_full_disk(client, monkeypatch):
    monkeypatch.setattr(readiness_checks, "disk_free", lambda: (100 << 20, 0.2))

    assert client.get("/readyz").json()["checks"]["disk"] == ["100 MB (20%) are free"]


@pytest.mark.django_db
def test_not_ready_with_a_migration_to_apply(client):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs'")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["migrations"][0].startswith("jobs.0001")


@pytest.mark.django_db(transaction=True)
def test_not_ready_while_the_database_may_lose_commits():
    off, on, said = {
        "sqlite": ("PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL", "synchronous is 1, not FULL"),
        "postgresql": ("SET synchronous_commit = off", "SET synchronous_commit = on", "synchronous_commit is off"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(off)
        try:
            assert readiness_checks.durability() == [said]
        finally:
            cursor.execute(on)

    assert readiness_checks.durability() == []


def test_a_database_that_is_away_makes_every_check_of_it_fail(client, monkeypatch):
    def away() -> list[str]:
        raise DatabaseError

    for name in ("_database", "durability", "_migrations", "_work"):
        monkeypatch.setattr(readiness_checks, name, away)

    response = client.get("/readyz")

    assert response.status_code == 503
    checks = response.json()["checks"]
    assert checks["database"] == ["the database does not answer (DatabaseError)"]
    assert checks["disk"] == "ok"


# --- metrics ---


@pytest.mark.django_db
def test_metrics_say_what_the_database_says(client):
    queue.enqueue("t.work", "a")
    queue.enqueue("t.work", "b", queue="ingest")
    queue.enqueue("t.work", "c", queue="ingest")
    queue.enqueue("t.work", "later", queue="ingest", not_before=clock.now() + timedelta(hours=1))
    queue.quarantine(queue.claim("compute"), "Boom", "")

    text = client.get("/metrics").content.decode()

    for line in (
        'portal_jobs_due{queue="ingest"} 2.0',
        'portal_jobs_due{queue="compute"} 0.0',
        "portal_jobs_quarantined 1.0",
        "portal_windows_missed 0.0",
        "portal_inbox_oldest_seconds 0.0",
        'portal_items_total{code="",result="accepted"} 0.0',
        "portal_chunks_damaged 0.0",
        "portal_outbox_dead 0.0",
    ):
        assert line in text.splitlines()
    assert "portal_disk_free_bytes" in text


@pytest.mark.django_db
def test_metrics_cost_the_same_number_of_queries_whatever_is_stored(client, django_assert_max_num_queries):
    for number in range(20):
        queue.enqueue("t.work", str(number))

    with django_assert_max_num_queries(12):
        client.get("/metrics")


@pytest.mark.django_db
def test_no_window_is_missed_where_there_is_no_monitor():
    assert figures.windows_missed() == 0
