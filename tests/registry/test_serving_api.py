"""The poll of the serving layer: conditional, cheap, behind the wall; and what instances say they apply."""

from datetime import timedelta

import pytest
from django.db import DatabaseError

from mlops_portal.kit import clock
from registry import deployments
from registry.deployments import Plan
from registry.models import Acknowledgement, ApiKey
from tests.factories import api, make_deployment, make_endpoint, make_key, make_model, make_version

URL = "/api/v1/serving/credit-decision"


@pytest.fixture
def endpoint(team):
    model = make_model(team=team, slug="credit")
    for _ in range(2):
        make_version(model)
    return make_endpoint(model, slug="credit-decision")


@pytest.fixture
def poller(team):
    return api(make_key(team=team, scopes=["serving"]))


def poll(client, url=URL, **headers):
    return client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_poll_gets_the_document_byte_for_byte(endpoint, poller):
    deployment = make_deployment(endpoint, 1)

    answer = poll(poller)

    assert answer.status_code == 200
    assert answer.content.decode() == deployment.document
    assert answer["ETag"] == f'"1-{deployment.sha256[:8]}"'
    assert answer["Cache-Control"] == "max-age=10"
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", W/"{}", "more"', "*"])
def test_what_the_client_holds_is_not_sent_again(endpoint, poller, form):
    etag = make_deployment(endpoint, 1).etag

    answer = poll(poller, If_None_Match=form.format(etag))

    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer["ETag"], answer["Cache-Control"]) == (f'"{etag}"', "max-age=10")


def test_another_revision_is_sent(endpoint, poller):
    etag = make_deployment(endpoint, 1).etag
    make_deployment(endpoint, 2)

    answer = poll(poller, If_None_Match=f'"{etag}"')

    assert answer.status_code == 200
    assert answer.json()["arms"][0]["version"] == "2"


def test_an_endpoint_that_was_never_activated_has_nothing_to_serve(endpoint, poller):
    answer = poll(poller, X_Instance="pod-1", X_Applied_Revision="0")

    assert answer.status_code == 404
    assert answer.json()["code"] == "never_activated"
    assert answer["Cache-Control"] == "no-store"
    assert Acknowledgement.objects.get().revision == 0


def test_off_is_a_document_without_arms(endpoint, poller):
    make_deployment(endpoint, Plan())

    assert poll(poller).json()["arms"] == []


@pytest.mark.parametrize(("scopes", "status"), [
    (["serving"], 200), (["read"], 200), (["registry"], 200), (["ingest"], 403), (["events"], 403),
])  # fmt: skip
def test_polling_takes_its_scope(endpoint, team, scopes, status):
    make_deployment(endpoint, 1)

    answer = poll(api(make_key(team=team, scopes=scopes)))

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "insufficient_scope"


def test_beyond_the_wall_no_endpoint_exists(endpoint, client, other_team, team, poller):
    make_deployment(endpoint, 1)
    bound_elsewhere = make_key(team=team, model=make_model(team=team), scopes=["serving"])

    assert poll(client).status_code == 401
    assert poll(api(make_key(team=other_team, scopes=["serving"]))).status_code == 404
    assert poll(api(bound_elsewhere)).status_code == 404
    assert poll(poller, "/api/v1/serving/unknown").status_code == 404
    assert poll(poller, URL + "?x=1").status_code == 400
    assert poller.post(URL).status_code == 405


def test_what_is_retired_or_deleted_is_gone(endpoint, poller):
    make_deployment(endpoint, Plan())
    type(endpoint).objects.update(retired_at=clock.now())

    assert poll(poller).status_code == 404


def test_polls_stay_within_their_queries(endpoint, poller, django_assert_num_queries):
    etag = make_deployment(endpoint, 1).etag
    poll(poller, X_Instance="pod-1", X_Applied_Revision="1")  # notes the use of the key

    with django_assert_num_queries(2):
        assert poll(poller, If_None_Match=f'"{etag}"', X_Instance="pod-1", X_Applied_Revision="1").status_code == 304
    with django_assert_num_queries(3):
        assert poll(poller, X_Instance="pod-1", X_Applied_Revision="1").status_code == 200


def test_an_instance_is_noted_when_it_changes_or_after_a_minute(endpoint, poller):
    make_deployment(endpoint, 1)
    poll(poller, X_Instance="pod-1", X_Applied_Revision="0")
    first = Acknowledgement.objects.get()
    poll(poller, X_Instance="pod-1", X_Applied_Revision="0")
    assert Acknowledgement.objects.get().last_seen_at == first.last_seen_at

    poll(poller, X_Instance="pod-1", X_Applied_Revision="1")
    assert Acknowledgement.objects.get().revision == 1
    poll(poller, X_Instance="pod-1", X_Applied_Revision="1", X_Mode="fallback")
    assert Acknowledgement.objects.get().mode == "fallback"
    poll(poller, X_Instance="pod-2", X_Applied_Revision="1")
    assert Acknowledgement.objects.count() == 2

    long_ago = clock.now() - timedelta(seconds=61)
    Acknowledgement.objects.filter(instance="pod-2").update(last_seen_at=long_ago)
    poll(poller, X_Instance="pod-2", X_Applied_Revision="1")
    assert Acknowledgement.objects.get(instance="pod-2").last_seen_at > long_ago


def test_instances_unheard_of_for_a_week_are_forgotten(endpoint, poller):
    make_deployment(endpoint, 1)
    poll(poller, X_Instance="old", X_Applied_Revision="1")
    Acknowledgement.objects.update(last_seen_at=clock.now() - timedelta(days=8))

    poll(poller, X_Instance="new", X_Applied_Revision="1")

    assert list(Acknowledgement.objects.values_list("instance", flat=True)) == ["new"]


def test_a_sender_with_ever_new_names_does_not_fill_the_table(endpoint, poller, monkeypatch):
    make_deployment(endpoint, 1)
    monkeypatch.setattr(deployments.acknowledging, "INSTANCES_LIMIT", 2)

    answers = [poll(poller, X_Instance=f"pod-{i}", X_Applied_Revision="1").status_code for i in range(4)]

    assert answers == [200] * 4
    assert Acknowledgement.objects.count() == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Instance": "two words", "X_Applied_Revision": "1"},
        {"X_Instance": "x" * 129, "X_Applied_Revision": "1"},
        {"X_Applied_Revision": "1"},
        {"X_Instance": "pod", "X_Applied_Revision": "-1"},
        {"X_Instance": "pod", "X_Applied_Revision": "1" * 10},
        {"X_Instance": "pod"},
        {"X_Instance": "pod", "X_Applied_Revision": "1", "X_Mode": "odd"},
    ],
)
def test_headers_that_cannot_be_read_are_named(endpoint, poller, headers):
    make_deployment(endpoint, 1)

    answer = poll(poller, **headers)

    assert answer.status_code == 400
    assert not Acknowledgement.objects.exists()


def test_a_poll_is_answered_although_it_cannot_be_noted(endpoint, poller, monkeypatch):
    def fails(*args, **kwargs):
        raise DatabaseError

    make_deployment(endpoint, 1)
    monkeypatch.setattr(deployments, "acknowledge", fails)

    assert poll(poller, X_Instance="pod", X_Applied_Revision="1").status_code == 200


def test_a_revoked_key_polls_no_more(endpoint, poller):
    make_deployment(endpoint, 1)
    ApiKey.objects.update(revoked_at=clock.now())

    assert poll(poller).status_code == 401
