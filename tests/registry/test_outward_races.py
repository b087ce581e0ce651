"""Many at once: one change event, one new secret, and no use more than the limit."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection, connections

from mlops_portal.kit.errors import Stale
from registry import rates, upstream, webhooks
from registry.models import AuditEntry, ChangeEvent, Webhook
from registry.upstream import Change
from tests.factories import NOON, make_team

ROOT = Path(__file__).resolve().parents[2]
IN_MEMORY = connection.vendor == "sqlite" and not os.environ.get("TEST_DATABASE")
AT_ONCE = 8
needs_a_file = pytest.mark.skipif(IN_MEMORY, reason="threads cannot wait for each other there: see the first test")


@pytest.mark.slow
@pytest.mark.skipif(connection.vendor != "sqlite", reason="on PostgreSQL the races below are run as they are")
def test_the_races_end_alike_on_a_sqlite_file(tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", __file__, "-k", "at_once", "-p", "no:cacheprovider"]
    environment = os.environ | {"TEST_DATABASE": str(tmp_path / "race.sqlite3")}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    assert "3 passed" in done.stdout, done.stdout[-2000:]


def together(act):
    """What `act` gives, or raises of the expected kind, in as many threads that start at the same moment."""
    start, came_to = threading.Barrier(AT_ONCE), []

    def run():
        try:
            start.wait()
            came_to.append(act())
        except Stale as error:
            came_to.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(came_to) == AT_ONCE
    return came_to


@needs_a_file
@pytest.mark.django_db(transaction=True)
def test_a_change_reported_at_once_by_many_is_one():
    team = make_team("risk")
    change = Change(kind="schema", title="Column renamed", started_at=NOON, origin="airflow", event_id="7")

    came_to = together(lambda: upstream.report_change(team, change, by="setup", now=NOON))

    assert sum(is_new for _, is_new in came_to) == 1
    assert {event.pk for event, _ in came_to} == {ChangeEvent.objects.get().pk}
    assert AuditEntry.objects.filter(verb="change_event.reported").count() == 1


@needs_a_file
@pytest.mark.django_db(transaction=True)
def test_of_many_who_rotate_a_secret_at_once_one_gets_it(settings):
    team = make_team("risk")
    address = {"url": "https://hooks.example.org/", "resolver": lambda *_: ["93.184.216.34"]}
    webhook, _ = webhooks.register(team, name="ops", events=["*"], **address, by="setup", now=NOON)

    def rotate():
        return webhooks.rotate_secret(Webhook.objects.get(pk=webhook.pk), base=1, by="setup", now=NOON)

    came_to = together(rotate)

    assert sum(isinstance(one, Stale) for one in came_to) == AT_ONCE - 1
    webhook.refresh_from_db()
    assert webhook.lock_version == 2


@needs_a_file
@pytest.mark.django_db(transaction=True)
def test_what_is_used_at_once_by_many_is_used_up_to_the_limit():
    came_to = together(lambda: rates.take("host:example.org", limit=3, now=NOON))

    assert sorted(came_to) == [0, 0, 0] + [60] * (AT_ONCE - 3)
