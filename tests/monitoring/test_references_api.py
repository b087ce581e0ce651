"""References by REST: the file is the body."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from mlops_portal.jobs import limits, worker
from monitoring.models import Reference
from registry.models import RegisteredModel, Scope
from tests.factories import make_key, make_model, make_version

PARQUET, CSV = "application/vnd.apache.parquet", "text/csv"


@pytest.fixture
def model(team) -> RegisteredModel:
    made = make_model(team=team, slug="eta", task="regression", features=[("km", "number"), ("city", "category")])
    make_version(made)
    return made


@pytest.fixture
def key(team) -> str:
    return make_key(team=team, scopes=[Scope.REGISTRY], role="maintainer")


def parquet(rows: int = 600, **columns) -> bytes:
    data = {"km": [float(i % 97) for i in range(rows)], "city": ["a", "b", "c"] * (rows // 3)} | columns
    buffer = io.BytesIO()
    pq.write_table(pa.table(data), buffer)
    return buffer.getvalue()


def upload(body: bytes, key: str, *, query: str = "?version=1", kind: str = PARQUET, **headers):
    return Client().post(
        f"/api/v1/models/eta/references{query}",
        body,
        content_type=kind,
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "once"} | headers,
    )


def test_a_file_becomes_a_loaded_primary_reference(model, key) -> None:
    response = upload(parquet(), key)

    assert response.status_code == 202, response.content
    made = response.json()
    assert (made["state"], made["version"], made["name"]) == ("loading", "1", "training")
    worker.drain(limits.SERVED_IN_ORDER)
    read = Client().get(response["Location"], headers={"Authorization": f"Bearer {key}"}).json()
    assert (read["state"], read["is_primary"], read["rows"]) == ("ready", True, 600)


def test_csv_is_taken_too(model, key) -> None:
    lines = "km,city\n" + "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(500))

    assert upload(lines.encode(), key, kind=CSV).status_code == 202
    worker.drain(limits.SERVED_IN_ORDER)
    assert Reference.objects.get().state == Reference.State.READY


def test_the_same_file_again_is_answered_from_the_first(model, key) -> None:
    first, second = upload(parquet(), key), upload(parquet(), key)

    assert second.json()["id"] == first.json()["id"]
    assert second["Idempotency-Replayed"] == "true"
    assert Reference.objects.count() == 1


def test_another_file_under_a_taken_name_is_a_conflict(model, key) -> None:
    upload(parquet(), key)

    response = upload(parquet(rows=900), key)

    assert (response.status_code, response.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("query", "kind", "status", "code"),
    [
        ("", PARQUET, 400, "malformed_parameter"),
        ("?version=x", PARQUET, 400, "malformed_parameter"),
        ("?version=9", PARQUET, 422, "invalid"),
        ("?version=1&primary=yes", PARQUET, 400, "malformed_parameter"),
        ("?version=1&colour=red", PARQUET, 400, "unknown_parameter"),
        ("?version=1", "application/zip", 415, "unsupported_media_type"),
        ("?version=1", "application/json", 415, "unsupported_media_type"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(model, key, query, kind, status, code) -> None:
    response = upload(parquet(), key, query=query, kind=kind)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Reference.objects.exists()


def test_a_file_that_is_no_parquet_is_refused(model, key) -> None:
    assert upload(b"PK\x03\x04 not parquet", key).status_code in {415, 422}
    assert not Reference.objects.exists()


def test_without_an_idempotency_key_nothing_happens(model, key) -> None:
    response = Client().post(
        "/api/v1/models/eta/references?version=1",
        parquet(),
        content_type=PARQUET,
        headers={"Authorization": f"Bearer {key}"},
    )

    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")


def test_strangers_see_nothing_and_readers_change_nothing(model, team, other_team) -> None:
    stranger = make_key(team=other_team, scopes=[Scope.REGISTRY], role="maintainer")
    reader = make_key(team=team, scopes=[Scope.READ], role="viewer")

    assert upload(parquet(), stranger).status_code == 404
    assert upload(parquet(), reader).status_code == 403
    assert Client().post("/api/v1/models/eta/references?version=1", parquet(), content_type=PARQUET).status_code == 401


def test_the_primary_one_cannot_be_deleted_another_can(model, key) -> None:
    upload(parquet(), key)
    upload(parquet(rows=900), key, query="?version=1&name=second&primary=false")
    worker.drain(limits.SERVED_IN_ORDER)
    first, second = Reference.objects.get(name="training"), Reference.objects.get(name="second")
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "two"}

    refused = Client().delete(f"/api/v1/references/{first.pk}", headers=headers)
    gone = Client().delete(f"/api/v1/references/{second.pk}", headers=headers)

    assert (refused.status_code, json.loads(refused.content)["code"]) == (409, "reference_in_use")
    assert gone.status_code == 204
    assert list(Reference.objects.all()) == [first]


def test_another_reference_can_become_primary(model, key) -> None:
    upload(parquet(), key)
    upload(parquet(rows=900), key, query="?version=1&name=second&primary=false")
    worker.drain(limits.SERVED_IN_ORDER)
    second = Reference.objects.get(name="second")

    response = Client().post(
        f"/api/v1/references/{second.pk}/make-primary",
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "three"},
    )
    worker.drain(limits.SERVED_IN_ORDER)

    assert response.status_code == 202, response.content
    second.refresh_from_db()
    assert second.is_primary


def test_the_list_is_newest_first(model, key) -> None:
    upload(parquet(), key)
    upload(parquet(rows=900), key, query="?version=1&name=second")

    page = Client().get("/api/v1/models/eta/references?limit=1", headers={"Authorization": f"Bearer {key}"}).json()

    assert [item["name"] for item in page["items"]] == ["second"]
    assert page["next"]
