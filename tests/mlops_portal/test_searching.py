"""Search finds what its viewer may see, by words and by the first digits of an id."""

import pytest

from mlops_portal import searching
from monitoring.models import Alert, Run
from registry import inventory
from tests.factories import MIDNIGHT, NOON, make_endpoint, make_model
from tests.monitoring.shown import HOSTILE, make_shown, signed_in


@pytest.fixture
def model(team):
    return make_shown(team)


def test_models_are_found_by_name_slug_and_team(model, alice):
    for words in ("ARRIVAL", "eta", "risk"):
        assert ("model", "Arrival times") in {(hit.kind, hit.name) for hit in searching.search(alice, words)}


def test_features_are_found_by_name(model, alice):
    (hit,) = searching.search(alice, "feature_1")

    assert (hit.kind, hit.about) == ("feature", "Arrival times")


def test_a_run_is_found_by_six_digits_and_not_by_five(model, alice):
    run = Run.objects.first()

    assert [hit.kind for hit in searching.search(alice, run.pk.hex[:8])] == ["run"]
    assert searching.search(alice, run.pk.hex[:5]) == []


def test_an_alert_is_found_by_its_id(model, alice):
    alert = Alert.objects.create(
        model=model,
        family="drift",
        severity="critical",
        summary="it drifted",
        opened_at=MIDNIGHT,
        since_at=MIDNIGHT,
        last_breach_at=MIDNIGHT,
        detected_at=NOON,
    )

    (hit,) = searching.search(alice, str(alert.pk))

    assert (hit.kind, hit.name) == ("alert", "it drifted")


def test_another_team_finds_nothing(model, charlie):
    run = Run.objects.first()

    assert [searching.search(charlie, words) for words in ("arrival", "feature_1", run.pk.hex)] == [[], [], []]


def test_one_hit_is_opened_at_once(model, alice):
    answer = signed_in(alice).get("/search/?q=arrival")

    assert answer.headers["Location"] == "/models/eta/"


@pytest.mark.parametrize("words", [HOSTILE, "\x00", "x" * 5000, "%_", ""])
def test_any_words_are_taken(model, alice, words):
    answer = signed_in(alice).get("/search/", {"q": words})

    assert answer.status_code == 200
    assert "<svg onload" not in answer.content.decode()


def test_wildcards_of_the_database_are_plain_characters(model, alice):
    assert searching.search(alice, "%") == []
    assert searching.search(alice, "e_a") == []


def test_sources_endpoints_and_consumers_are_found_by_name_within_the_wall(team, alice, charlie):
    model = make_model(team=team, slug="credit", name="Credit")
    endpoint = make_endpoint(model, slug="loans-live")
    made_by = {"by": "setup", "now": NOON}
    inventory.create_source(team, slug="loans-feed", name="Feed of loans", kind="table", **made_by)
    inventory.create_consumer(endpoint, name="loans desk", kind="service", use="assisted", **made_by)

    found = [(hit.kind, hit.name, hit.about) for hit in searching.search(alice, "LOANS")]

    assert found == [
        ("endpoint", "loans-live", "Credit"),
        ("source", "Feed of loans", "loans-feed, Risk"),
        ("consumer", "loans desk", "uses loans-live"),
    ]
    assert searching.search(charlie, "loans") == []
