"""A model that MLflow's client registered has no task yet: pages show it, traffic waits until the task is said."""

import json

import pytest
from django.urls import reverse

from mlops_portal.kit import clock
from mlops_portal.kit.errors import Conflict
from monitoring.traffic.reference import requesting
from registry import inventory
from tests.factories import NOON, api, make_endpoint, make_key


@pytest.fixture
def model(team, alice):
    made = inventory.register_model(team, name="from a client", by=alice, now=NOON)
    inventory.register_version(made, source="s3://b/1", by=alice, now=NOON)
    make_endpoint(made)
    return made


def send(key, model):
    body = {
        "items": [
            {
                "request_id": "r1",
                "version": "1",
                "prediction": "yes",
                "features": {},
                "predicted_at": clock.now().isoformat(),
            }
        ]
    }
    url = f"/api/v1/models/{model.slug}/predictions"
    headers = {"Idempotency-Key": f"k{key[-6:]}{model.lock_version}"}
    return api(key).post(url, json.dumps(body), content_type="application/json", headers=headers)


def test_traffic_waits_until_the_task_is_said(model, team, alice):
    key = make_key(team=team, scopes=["ingest"])

    answer = send(key, model)
    assert (answer.status_code, answer.json()["code"]) == (409, "task_not_said")

    inventory.edit_model(model, {"task": "multiclass"}, base=None, by=alice, now=NOON)
    assert send(key, model).json()["accepted"] == 1


def test_a_reference_waits_as_well(model, alice, tmp_path):
    (tmp_path / "x.csv").write_text("income\n1\n")

    with pytest.raises(Conflict) as raised:
        requesting.request(
            model.versions.get(), tmp_path / "x.csv", name="training", primary=True, source="upload",
            file_format="csv", by=alice, now=NOON,
        )  # fmt: skip
    assert raised.value.code == "task_not_said"


@pytest.mark.parametrize(
    "name", ["registry:model-detail", "registry:model-edit", "monitoring:model-health", "registry:version-list"]
)
def test_pages_show_the_model(model, client, alice, name):
    client.force_login(alice)

    assert client.get(reverse(name, args=[model.slug])).status_code == 200


def test_the_fleet_and_the_list_show_the_model(model, client, alice):
    client.force_login(alice)

    assert client.get(reverse("home")).status_code == 200
    assert model.name in client.get(reverse("registry:model-list")).content.decode()
    assert "Task not said yet" in client.get(reverse("registry:model-detail", args=[model.slug])).content.decode()


def test_a_person_says_the_task_on_the_page(model, client, alice):
    client.force_login(alice)
    url = reverse("registry:model-edit", args=[model.slug])
    assert 'name="task"' in client.get(url).content.decode()

    answer = client.post(url, {"name": model.name, "task": "binary", "classes": "no\nyes", "base": 1})

    model.refresh_from_db()
    assert (answer.status_code, model.task, model.positive) == (302, "binary", "yes")
    assert 'name="task"' not in client.get(url).content.decode()


def test_a_program_says_the_task_by_the_api(model, team):
    caller = api(make_key(team=team, scopes=["registry"]))
    url = f"/api/v1/models/{model.slug}"

    answer = caller.patch(
        url, json.dumps({"task": "regression"}), content_type="application/json", headers={"If-Match": '"1"'}
    )

    assert (answer.status_code, answer.json()["task"], answer.json()["output"]["score"]) == (
        200,
        "regression",
        "number",
    )
