"""The demo: brought in by the public path, and completed if it was left half loaded."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mlops_portal.demo import account, company, loading
from monitoring.backfill import session
from monitoring.models import IngestBatch, Reference
from registry.models import RegisteredModel
from tests.factories import make_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
DAYS = 2


def load() -> list[str]:
    said: list[str] = []
    loading.load(now=datetime.now(UTC), say=said.append, days=DAYS)
    return said


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.DATA_DIR = tmp_path


def accepted() -> dict[str, int]:
    counts = {}
    for model in RegisteredModel.objects.all():
        batches = IngestBatch.objects.filter(model=model, kind="prediction", via="backfill")
        counts[model.slug] = sum(batch.accepted for batch in batches)
    return counts


def test_four_models_come_with_traffic_and_one_person_to_sign_in(settings) -> None:  # type: ignore[no-untyped-def]
    said = load()

    assert len(said) == len(company.STORIES) == 4
    assert all(count > 100 for count in accepted().values())
    assert Reference.objects.filter(is_primary=True).count() + Reference.objects.filter(state="loading").count() >= 4
    assert RegisteredModel.objects.filter(is_demo=True).count() == 4
    username, password = account.sign_in() or ("", "")
    assert username == "demo"
    assert len(password) >= 12
    assert not account.is_wanted()


def test_a_demo_that_was_stopped_is_completed_and_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    perform, calls = session.perform, []

    def stopped(*arguments: object, **named: object) -> session.Done:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return perform(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "perform", stopped)
    with pytest.raises(KeyboardInterrupt):
        load()
    assert account.is_wanted()
    before = accepted()[company.STORIES[0].slug]

    monkeypatch.setattr(session, "perform", perform)
    load()

    assert not account.is_wanted()
    assert accepted()[company.STORIES[0].slug] == before
    assert all(count > 100 for count in accepted().values())


def test_a_portal_with_models_of_its_own_is_left_alone(team) -> None:  # type: ignore[no-untyped-def]
    make_model(team=team)

    assert not account.is_wanted()
    with pytest.raises(CommandError, match="holds models already"):
        call_command("demo", "--load-only", stdout=StringIO())
