"""Change events by API: report, list, read."""

import json

import pytest

from mlops_portal.kit import clock
from registry import upstream
from registry.models import ChangeEvent
from registry.upstream import Change
from tests.factories import NOON, api, make_endpoint, make_key, make_model, make_user

EVENTS = "/api/v1/change-events"
BODY = {"kind": "schema", "title": "Column renamed", "origin": "airflow", "event_id": "7"}


def post(client, body, media="application/json", **headers):
    return client.post(EVENTS, json.dumps(body), content_type=media, headers=headers)


@pytest.fixture
def sender(team):
    return api(make_key(team=team, scopes=["events"]))


@pytest.fixture
def reader(team):
    return api(make_key(team=team, scopes=["read"]))


def report(team, **fields):
    given = {"kind": "schema", "title": "A change", "started_at": NOON} | fields
    return upstream.report_change(team, Change(**given), by="setup", now=NOON)[0]


def test_the_first_report_answers_201_and_its_repeat_200(sender):
    first, again = post(sender, BODY), post(sender, BODY | {"title": "Other words"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert ChangeEvent.objects.count() == 1


def test_a_change_about_an_endpoint_is_one_about_its_model(sender, team):
    make_endpoint(make_model(team=team, slug="credit"), slug="credit-live")

    shown = post(sender, BODY | {"endpoint": "credit-live", "started_at": clock.now().isoformat()}).json()

    assert (shown["model"], shown["endpoint"], shown["severity"]) == ("credit", "credit-live", "info")


@pytest.mark.parametrize("media", ["application/cloudevents+json", "application/json"])
def test_a_structured_cloudevent_is_taken(sender, media):
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/tekton",
        "type": "dev.cdevents.service.deployed.0.2.0",
        "time": clock.now().isoformat(),
        "data": {"subject": {"id": "pos-api", "content": {"artifactId": "pkg:oci/pos-api@sha256:1"}}},
    }

    first, again = post(sender, event, media), post(sender, event, media)

    assert (first.status_code, again.status_code) == (201, 200), first.json()
    shown = first.json()
    assert (shown["kind"], shown["title"]) == ("deploy", "service deployed: pos-api")
    assert (shown["origin"], shown["event_id"]) == ("/tekton", "e-1")


def test_a_binary_cloudevent_is_taken(sender):
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/x", "ce-type": "com.example.policy"}

    answer = post(sender, {"kind": "policy", "title": "New price list", "url": "https://example.org/7"}, **headers)

    assert (answer.status_code, answer.json()["kind"], answer.json()["origin"]) == (201, "policy", "/x")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"kind": "weather"}, 422, "invalid"),
        ({"started_at": "yesterday"}, 422, "invalid"),
        ({"started_at": "2026-11-20T11:00:00"}, 422, "invalid"),
        ({"started_at": "1999-01-01T00:00:00Z"}, 422, "invalid"),
        ({"started_at": "0001-01-01T00:00:00+23:59"}, 422, "invalid"),
        ({"model": "nothing"}, 422, "invalid"),
        ({"endpoint": "nothing"}, 422, "invalid"),
        ({"source": "nothing"}, 422, "invalid"),
        ({"team": "other"}, 422, "invalid"),
        ({"colour": "red"}, 400, "unknown_field"),
        ({"payload": {"a": "x" * 17_000}}, 422, "invalid"),
    ],
)
def test_what_will_not_do_is_said(sender, other_team, change, status, code):
    answer = post(sender, BODY | change)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_other_media_are_not_taken(sender):
    assert post(sender, BODY, "application/cloudevents-batch+json").status_code == 415


def test_who_may_report_and_who_may_read(sender, reader, team, other_team):
    event = report(team)
    foreign = api(make_key(team=other_team, scopes=["read"]))

    assert post(reader, BODY).json()["code"] == "insufficient_scope"
    assert sender.get(EVENTS).json()["code"] == "insufficient_scope"
    assert post(api(make_key(team=team, scopes=["events"], role="viewer")), BODY).status_code == 403
    assert reader.get(f"{EVENTS}/{event.pk}").status_code == 200
    assert foreign.get(f"{EVENTS}/{event.pk}").status_code == 404
    assert foreign.get(EVENTS).json()["items"] == []


def test_a_person_names_the_team(client, alice):
    client.force_login(alice)

    assert post(client, BODY).json()["errors"][0]["pointer"] == "/team"
    assert post(client, BODY | {"team": "risk"}).status_code == 201


def test_the_list_is_newest_first_and_filtered(reader, team):
    model = make_model(team=team, slug="credit")
    for day, kind, about in ((1, "schema", None), (2, "deploy", model), (3, "deploy", None)):
        report(team, kind=kind, model=about, title=f"day {day}", started_at=NOON.replace(day=day))

    def titles(query=""):
        return [item["title"] for item in reader.get(f"{EVENTS}{query}").json()["items"]]

    assert titles() == ["day 3", "day 2", "day 1"]
    assert titles("?kind=deploy&model=credit") == ["day 2"]
    assert titles("?since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z") == ["day 2"]
    assert titles("?origin=nobody") == []


@pytest.mark.parametrize("query", ["?color=red", "?since=soon", "?kind=a&kind=b", "?cursor=x"])
def test_a_question_that_cannot_be_read_is_400(reader, query):
    assert reader.get(f"{EVENTS}{query}").status_code == 400


def test_pages_follow_each_other(reader, team, django_assert_num_queries):
    for day in range(1, 20):
        report(team, title=f"day {day}", started_at=NOON.replace(day=day), model=make_model(team=team))

    with django_assert_num_queries(3):
        first = reader.get(f"{EVENTS}?limit=10").json()
    second = reader.get(f"{EVENTS}?limit=10&cursor={first['next']}").json()

    assert [item["title"] for item in first["items"] + second["items"]] == [f"day {day}" for day in range(19, 0, -1)]
    assert second["next"] is None


def test_one_change_tells_whom_it_may_affect_as_far_as_the_reader_sees(reader, team, other_team):
    make_model(team=team, slug="credit")
    make_model(team=other_team, slug="theirs")

    shown = reader.get(f"{EVENTS}/{report(team).pk}").json()

    assert shown["affects"] == [{"model": "credit", "distance": 2, "reason": "it is of the same team"}]


def test_an_auditor_reads_every_team_and_reports_nothing(client, team):
    report(team)
    client.force_login(make_user(is_auditor=True))

    assert len(client.get(EVENTS).json()["items"]) == 1
    assert post(client, BODY | {"team": "risk"}).status_code == 403
