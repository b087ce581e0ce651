"""Webhooks as MLflow's client makes, reads, changes, tests and deletes them."""

import json

import pytest

from mlops_portal.kit.addresses import parse_openings
from registry import inventory, outbox
from registry.models import OutboxMessage, Webhook
from tests.factories import NOON, make_key, make_model
from tests.registry.mlflow.calls import Calls

CREATED = {"entity": "MODEL_VERSION", "action": "CREATED"}


@pytest.fixture
def client(team):
    return Calls(make_key(team=team, scopes=["registry"]))


def create(client, receiver, **fields):
    body = {"name": "ci", "url": receiver.url(), "events": [CREATED]} | fields
    return client.post("webhooks", **body)


def test_a_webhook_is_created_and_read_without_its_secret(client, receiver):
    status, made = create(client, receiver, secret="s3cret", description="of the build")

    shown = made["webhook"]
    assert status == 200, made
    assert (shown["name"], shown["status"], shown["events"]) == ("ci", "ACTIVE", [CREATED])
    assert shown["creation_timestamp"] > 0
    assert "s3cret" not in json.dumps(made)
    assert client.get(f"webhooks/{shown['webhook_id']}") == (200, made)
    assert client.get("webhooks") == (200, {"webhooks": [shown]})
    assert Webhook.objects.get().format == "mlflow"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "Missing value for required parameter 'name'"),
        ({"name": "-ci"}, "Invalid webhook name"),
        ({"name": "a" * 64}, "Invalid webhook name"),
        ({"url": None}, "Missing value for required parameter 'url'"),
        ({"url": "https://user:pass@example.org/"}, "not allowed"),
        ({"url": "http://169.254.169.254/"}, "not allowed"),
        ({"events": []}, "Missing value for required parameter 'events'"),
        ({"events": ["MODEL_VERSION"]}, "list of objects"),
        ({"events": [{"entity": "PROMPT", "action": "CREATED"}]}, "Invalid event 'prompt.created'"),
        ({"events": [{"entity": "MODEL_VERSION"}]}, "Missing value for required parameter 'action'"),
        ({"status": "PAUSED"}, "ACTIVE or DISABLED"),
    ],
)
def test_what_will_not_do_is_invalid(client, receiver, change, says):
    status, told = create(client, receiver, **change)

    assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert says in told["message"]
    assert not Webhook.objects.exists()


def test_a_change_keeps_what_it_does_not_name(client, receiver):
    one = create(client, receiver, secret="first")[1]["webhook"]["webhook_id"]
    locked = bytes(Webhook.objects.get().secret_ciphertext)

    status, changed = client.patch(f"webhooks/{one}", status="DISABLED", name="build")

    assert (status, changed["webhook"]["status"], changed["webhook"]["name"]) == (200, "DISABLED", "build")
    assert changed["webhook"]["events"] == [CREATED]
    assert bytes(Webhook.objects.get().secret_ciphertext) == locked
    client.patch(f"webhooks/{one}", secret="second", status="ACTIVE", events=[CREATED, CREATED])
    webhook = Webhook.objects.get()
    assert (webhook.status, bytes(webhook.secret_ciphertext) != locked) == ("active", True)


def test_a_deleted_webhook_is_not_there_and_gets_nothing(client, receiver, team):
    one = create(client, receiver)[1]["webhook"]["webhook_id"]

    assert client.delete(f"webhooks/{one}") == (200, {})

    assert client.get(f"webhooks/{one}")[1]["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert client.delete(f"webhooks/{one}")[0] == 404
    inventory.register_version(make_model(team=team), by="setup", now=NOON)
    assert not OutboxMessage.objects.exists()


def test_a_registered_version_is_told_in_mlflows_words(client, receiver, team):
    create(client, receiver)
    model = make_model(team=team, slug="credit", name="credit")

    inventory.register_version(model, source="s3://m/1", run_id="r1", tags={"a": "b"}, by="setup", now=NOON)
    outbox.deliver(OutboxMessage.objects.get().pk)

    [taken] = receiver.taken
    assert json.loads(taken.body) == {
        "entity": "model_version",
        "action": "created",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "data": {
            "name": "credit",
            "version": "1",
            "source": "s3://m/1",
            "run_id": "r1",
            "tags": {"a": "b"},
            "description": "",
        },
    }


def test_a_test_tells_what_came_back(client, receiver, settings):
    one = create(client, receiver)[1]["webhook"]["webhook_id"]
    receiver.replies = [(200, {}, b"hello"), (500, {}, b"x" * 3000)]

    good = client.post(f"webhooks/{one}/test")
    bad = client.post(f"webhooks/{one}/test", event={"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"})

    assert good == (200, {"result": {"success": True, "response_status": 200, "response_body": "hello"}})
    assert (bad[0], bad[1]["result"]["success"], len(bad[1]["result"]["response_body"])) == (200, False, 1024)
    assert [json.loads(taken.body)["entity"] for taken in receiver.taken] == ["model_version", "model_version_alias"]
    texts = set()
    for url in (f"http://127.0.0.1:{receiver.port}/", "https://10.0.0.1/"):
        settings.PORTAL_OUTBOUND_ALLOW = parse_openings("127.0.0.0/8:1")
        Webhook.objects.update(url=url)
        texts.add(client.post(f"webhooks/{one}/test")[1]["result"]["error_message"])
    Webhook.objects.update(url="http://127.0.0.1:1/")
    texts.add(client.post(f"webhooks/{one}/test")[1]["result"]["error_message"])
    assert len(texts) == 1


def test_pages_are_newest_first(client, receiver):
    for i in range(5):
        create(client, receiver, name=f"hook-{i}")
    names, token = [], ""
    for _ in range(3):
        _, page = client.get("webhooks", max_results="2", **({"page_token": token} if token else {}))
        names += [one["name"] for one in page["webhooks"]]
        token = page.get("next_page_token", "")

    assert (names, token) == (["hook-4", "hook-3", "hook-2", "hook-1", "hook-0"], "")
    assert client.get("webhooks", max_results="1001")[0] == 400
    assert client.get("webhooks", page_token="x")[0] == 400


def test_it_takes_a_maintainers_key_of_the_team(client, receiver, team, other_team):
    one = create(client, receiver)[1]["webhook"]["webhook_id"]
    stranger = Calls(make_key(team=other_team, scopes=["registry"]))
    contributor = Calls(make_key(team=team, scopes=["registry"], role="contributor"))
    reader = Calls(make_key(team=team, scopes=["read"]))

    for caller, status in ((stranger, 404), (contributor, 403), (reader, 403), (Calls(), 401)):
        assert caller.get(f"webhooks/{one}")[0] == status
        assert caller.patch(f"webhooks/{one}", name="x")[0] == status
        assert caller.delete(f"webhooks/{one}")[0] == status
        assert caller.post(f"webhooks/{one}/test")[0] == status
    assert stranger.get("webhooks") == (200, {"webhooks": []})
    assert client.get("webhooks/no-id")[1]["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert create(contributor, receiver, name="b")[1]["error_code"] == "PERMISSION_DENIED"
