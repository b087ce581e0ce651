"""Webhooks and the delivery log by API."""

import json
from uuid import uuid4

import pytest

from registry import outbox
from registry.models import OutboxMessage, Webhook
from tests.factories import NOON, api, make_key

HOOKS, MESSAGES = "/api/v1/webhooks", "/api/v1/messages"


def post(client, url, body=None, key="intent-1", tag=None):
    headers = {"Idempotency-Key": key} | ({"If-Match": tag} if tag else {})
    return client.post(url, json.dumps(body or {}), content_type="application/json", headers=headers)


def patch(client, url, body, tag='"1"'):
    return client.patch(url, json.dumps(body), content_type="application/json", headers={"If-Match": tag})


@pytest.fixture
def manager(team):
    return api(make_key(team=team, scopes=["registry"]))


def made(manager, receiver, **fields):
    answer = post(manager, HOOKS, {"name": "ops", "url": receiver.url(), "events": ["*"]} | fields, key=str(uuid4()))
    assert answer.status_code == 201, answer.json()
    return answer.json()


def publish(team, n=1):
    return [outbox.publish("version.registered", f"v{i}", {}, team=team, now=NOON)[0] for i in range(n)]


def test_the_secret_stands_in_the_first_answer_and_nowhere_else(manager, receiver):
    body = {"name": "ops", "url": receiver.url(), "events": ["version.*"]}

    first, again = post(manager, HOOKS, body), post(manager, HOOKS, body)
    read = manager.get(f"{HOOKS}/{first.json()['id']}")
    listed = manager.get(HOOKS)

    assert (first.status_code, first["ETag"], first.json()["secret"][:6]) == (201, '"1"', "whsec_")
    assert (again.json()["secret"], again["Idempotency-Replayed"]) == ("", "true")
    for answer in (again, read, listed):
        assert first.json()["secret"] not in answer.content.decode()
    assert "secret_ciphertext" not in read.content.decode()
    assert [item["name"] for item in listed.json()["items"]] == ["ops"]
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://localhost/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://127.0.0.1:22/",
        "file:///etc/passwd",
        "https://a@example.org/",
    ],
)
def test_an_address_that_is_not_allowed_is_422(manager, url):
    answer = post(manager, HOOKS, {"name": "ops", "url": url, "events": ["*"]})

    assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "ops", "url": "https://example.org"}, 422),
        ({"name": "ops", "url": "https://example.org", "events": "all"}, 422),
        ({"name": "ops", "url": "https://example.org", "events": []}, 422),
        ({"name": "ops", "url": "https://example.org", "events": ["*"], "status": "broken"}, 422),
        ({"name": "ops", "url": "https://example.org", "events": ["*"], "secret": "mine"}, 400),
        ({"name": "ops", "url": "https://example.org", "events": ["*"], "team": "other"}, 422),
    ],
)
def test_what_will_not_do_is_said(manager, other_team, body, status):
    assert post(manager, HOOKS, body).status_code == status


def test_a_change_needs_the_state_that_was_read(manager, receiver):
    url = f"{HOOKS}/{made(manager, receiver)['id']}"

    assert manager.patch(url, "{}", content_type="application/json").status_code == 428
    changed = patch(manager, url, {"events": ["alert.*"], "status": "disabled"})
    assert (changed.json()["events"], changed.json()["status"], changed["ETag"]) == (["alert.*"], "disabled", '"2"')
    assert patch(manager, url, {"name": "x"}).status_code == 412
    assert patch(manager, url, {"team": "other"}, '"2"').status_code == 400
    assert manager.delete(url, headers={"If-Match": '"2"'}).status_code == 204
    assert manager.get(url).status_code == 404


def test_a_rotated_secret_is_shown_once(manager, receiver):
    webhook = made(manager, receiver)

    rotated = post(manager, f"{HOOKS}/{webhook['id']}/rotate", tag='"1"')

    assert rotated.status_code == 200
    assert rotated.json()["secret"] not in ("", webhook["secret"])
    assert rotated.json()["old_secret_until"]
    assert post(manager, f"{HOOKS}/{webhook['id']}/rotate", tag='"1"').status_code == 412


def test_a_test_tells_what_came_back_ten_times_a_minute(manager, receiver):
    url = f"{HOOKS}/{made(manager, receiver)['id']}/test"
    receiver.replies = [(500, {}, b"broken")]

    answers = [post(manager, url) for _ in range(11)]

    first = answers[0].json()
    assert (first["success"], first["status"], first["answer"]) == (False, 500, "broken")
    assert "only 2xx" in first["error"]
    assert answers[1].json()["success"] is True
    over = [answer for answer in answers if answer.status_code == 429]
    assert all(answer["Retry-After"] for answer in over)
    assert len(receiver.taken) == 11 - len(over)


def test_the_log_shows_attempts_and_a_dead_message_is_sent_again(manager, receiver, team):
    webhook = made(manager, receiver)
    message, other = publish(team, 2)
    receiver.replies = [(410, {}, b"gone")]
    outbox.deliver(message.pk)

    [dead] = manager.get(f"{MESSAGES}?state=dead&webhook={webhook['id']}").json()["items"]

    assert (dead["id"], dead["attempt_log"][0]["status"]) == (str(message.pk), 410)
    assert "body" not in dead
    again = post(manager, f"{MESSAGES}/{message.pk}/replay")
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    assert post(manager, f"{MESSAGES}/{other.pk}/replay").status_code == 409
    assert manager.get(f"{MESSAGES}?colour=red").status_code == 400


@pytest.mark.parametrize("scope", ["read", "ingest", "serving", "events"])
def test_other_scopes_manage_nothing(team, scope):
    client = api(make_key(team=team, scopes=[scope]))

    assert client.get(HOOKS).json()["code"] == "insufficient_scope"
    assert client.get(MESSAGES).json()["code"] == "insufficient_scope"


def test_strangers_find_nothing_and_members_without_the_right_are_refused(manager, receiver, team, other_team):
    webhook = made(manager, receiver)
    [message] = publish(team)
    OutboxMessage.objects.filter(pk=message.pk).update(state="dead")
    stranger = api(make_key(team=other_team, scopes=["registry"]))
    contributor = api(make_key(team=team, scopes=["registry"], role="contributor"))
    one = f"{HOOKS}/{webhook['id']}"

    for client, status in ((stranger, 404), (contributor, 403)):
        assert client.get(one).status_code == status
        assert patch(client, one, {"name": "x"}).status_code == status
        assert client.delete(one, headers={"If-Match": '"1"'}).status_code == status
        assert post(client, f"{one}/test").status_code == status
        assert post(client, f"{one}/rotate", tag='"1"').status_code == status
        assert post(client, f"{MESSAGES}/{message.pk}/replay").status_code == status
    assert stranger.get(HOOKS).json()["items"] == stranger.get(MESSAGES).json()["items"] == []


def test_the_lists_take_few_queries(manager, receiver, team, django_assert_max_num_queries):
    for i in range(20):
        made(manager, receiver, name=f"hook {i}")
    publish(team)

    with django_assert_max_num_queries(6):
        assert len(manager.get(HOOKS).json()["items"]) == 20
    with django_assert_max_num_queries(6):
        assert len(manager.get(MESSAGES).json()["items"]) == 20
