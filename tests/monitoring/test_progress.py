"""Progress of a history: what is being loaded, and how many windows wait."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from mlops_portal.jobs import queue
from monitoring.models import Monitor, Run
from monitoring.reports import Progress, progress
from monitoring.reports.progress import MANY
from registry.models import RegisteredModel, Team, User
from tests.factories import make_model, make_monitor, make_run

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def model(team: Team) -> RegisteredModel:
    return make_model(team=team)


@pytest.fixture
def monitor(model: RegisteredModel) -> Monitor:
    return make_monitor(model)


def plan(monitor: Monitor, waiting: int, done: int) -> None:
    for i in range(waiting + done):
        state = Run.State.PLANNED if i < waiting else Run.State.DONE
        make_run(monitor, end=MIDNIGHT - timedelta(days=i), state=state)


def take_backfill(model: RegisteredModel) -> queue.Lease:
    lease = queue.take("monitoring.backfill", f"{model.pk}:abc", worker="w", payload={}, team=model.team_id)
    assert lease
    return lease


def test_a_usual_day_shows_nothing(alice: User, monitor: Monitor) -> None:
    plan(monitor, waiting=MANY - 1, done=5)

    assert progress(alice) is None


def test_windows_that_wait_are_counted_against_all_of_their_monitors(alice: User, monitor: Monitor) -> None:
    plan(monitor, waiting=MANY, done=5)
    make_run(make_monitor(monitor.model, slug="other"), end=MIDNIGHT)

    found = progress(alice)

    assert found == Progress((), MANY, MANY + 5)
    assert found.done == 5


def test_a_history_that_is_loaded_is_named_until_it_is_there(alice: User, model: RegisteredModel) -> None:
    lease = take_backfill(model)

    assert progress(alice) == Progress((model.name,), 0, 0)
    queue.finish(lease)
    assert progress(alice) is None


def test_another_team_sees_no_progress(charlie: User, monitor: Monitor) -> None:
    plan(monitor, waiting=MANY, done=0)
    take_backfill(monitor.model)

    assert progress(charlie) is None


def test_the_fleet_page_asks_for_it_until_all_is_measured(alice: User, monitor: Monitor, client: Client) -> None:
    plan(monitor, waiting=MANY, done=4)
    client.force_login(alice)

    assert 'hx-get="/progress/"' in client.get("/").content.decode()
    shown = client.get("/progress/")

    assert f"4 of {MANY + 4} windows measured" in shown.content.decode()
    assert 'hx-trigger="every 2s"' in shown.content.decode()
    assert shown["HX-Trigger"] == "measured"
    Run.objects.update(state=Run.State.DONE)
    over = client.get("/progress/")
    assert "hx-" not in over.content.decode()
    assert "HX-Trigger" not in over
