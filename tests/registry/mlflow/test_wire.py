# ruff: noqa: E501 (a table)
"""Every endpoint on the wire: status, code, words and shape of its answers, without MLflow itself."""

import base64
import json
import socket
from datetime import timedelta
from itertools import count

import pytest

from mlops_portal.kit import clock, outbound
from registry import inventory
from registry.models import Alias, AuditEntry, ModelVersion, RegisteredModel, Tag
from tests.factories import NOON, make_key, make_model, make_user
from tests.registry.mlflow.calls import BASE, Calls

PROMPT = "tag.`mlflow.prompt.is_prompt` != 'true'"


@pytest.fixture
def key(team):
    return make_key(team=team, scopes=["registry"], label="pipeline")


@pytest.fixture
def call(key):
    return Calls(key)


@pytest.fixture
def m1(call):
    """A model with two versions."""
    call.post("registered-models/create", name="m1", tags=[{"key": "team", "value": "risk"}], description="desc")
    call.post("model-versions/create", name="m1", source="s3://b/1", run_id="r1", tags=[{"key": "k", "value": "1"}])
    call.post("model-versions/create", name="m1", source="s3://b/2")
    return "m1"


def model_of(call, name="m1"):
    return call.get("registered-models/get", name=name)[1]["registered_model"]


def version_of(call, number="1", name="m1"):
    return call.get("model-versions/get", name=name, version=number)[1]["model_version"]


# --- shapes


def test_a_new_model_has_what_it_was_given_and_nothing_else(call):
    status, answer = call.post(
        "registered-models/create", name="m1", tags=[{"key": "team", "value": "risk"}], description="desc", odd=1
    )

    shown = answer["registered_model"]
    assert status == 200
    assert isinstance(shown.pop("creation_timestamp"), int)
    assert shown.pop("last_updated_timestamp") > 1_600_000_000_000
    assert shown == {
        "name": "m1",
        "description": "desc",
        "user_id": "pipeline",
        "tags": [{"key": "team", "value": "risk"}],
    }


def test_a_new_version_has_empty_texts_where_mlflow_has(call, m1):
    shown = version_of(call, 2)

    del shown["creation_timestamp"], shown["last_updated_timestamp"]
    assert shown == {
        "name": "m1",
        "version": "2",
        "current_stage": "None",
        "description": "",
        "source": "s3://b/2",
        "run_id": "",
        "run_link": "",
        "status": "READY",
        "user_id": "pipeline",
    }


def test_a_version_keeps_run_link_model_id_and_run(call, m1):
    given = {"run_id": "r", "run_link": "http://x", "model_id": "m-7", "description": "d", "model_params": [1]}

    shown = call.post("model-versions/create", name="m1", source="models:/m-7", **given)[1]["model_version"]

    assert {name: shown[name] for name in ("run_id", "run_link", "model_id", "description")} == {
        name: given[name] for name in ("run_id", "run_link", "model_id", "description")
    }
    assert shown["version"] == "3"


def test_null_counts_as_absent(call):
    status, _ = call.post("registered-models/create", name="m1", tags=None, description=None, deployment_job_id=None)

    assert status == 200


@pytest.mark.parametrize("name", ["Credit score 2", "modèle-été", "模型", "a.b_c-d", "x" * 256, "Ünïcode 🎉"])
def test_names_with_spaces_and_signs_go_round(call, name):
    assert call.post("registered-models/create", name=name)[0] == 200
    assert model_of(call, name)["name"] == name
    assert call.get("registered-models/search", filter=f"name = '{name}'")[1]["registered_models"][0]["name"] == name


# --- behaviour


def test_a_rename_frees_the_old_name_and_keeps_the_rest(call, m1):
    call.post("registered-models/alias", name="m1", alias="champion", version="1")

    status, answer = call.post("registered-models/rename", name="m1", new_name="m2")

    assert (status, answer["registered_model"]["name"]) == (200, "m2")
    assert answer["registered_model"]["aliases"] == [{"alias": "champion", "version": "1"}]
    assert call.get("registered-models/get", name="m1")[0] == 404
    assert version_of(call, 1, "m2")["tags"] == [{"key": "k", "value": "1"}]
    assert call.post("registered-models/create", name="m1")[0] == 200
    taken = call.post("registered-models/rename", name="m2", new_name="m1")
    assert taken == (
        400,
        {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "Registered Model (name=m1) already exists."},
    )


def test_a_deleted_model_is_gone_and_numbers_restart(call, m1):
    assert call.delete("registered-models/delete", name="m1") == (200, {})
    assert call.get("registered-models/get", name="m1")[0] == 404
    assert call.get("model-versions/get", name="m1", version="1")[0] == 404
    assert call.get("model-versions/search", filter="name='m1'") == (200, {})
    call.post("registered-models/create", name="m1")
    assert call.post("model-versions/create", name="m1", source="s")[1]["model_version"]["version"] == "1"
    assert RegisteredModel.objects.filter(name="m1").count() == 2


def test_a_deleted_version_is_gone_and_its_number_stays_taken(call, m1):
    call.post("registered-models/alias", name="m1", alias="champion", version="2")

    assert call.delete("model-versions/delete", name="m1", version="2") == (200, {})

    assert call.get("model-versions/get", name="m1", version="2")[0] == 404
    assert "aliases" not in model_of(call)
    assert [one["version"] for one in call.get("model-versions/search")[1]["model_versions"]] == ["1"]
    assert call.post("model-versions/create", name="m1", source="s")[1]["model_version"]["version"] == "3"


def test_what_moves_the_time_of_a_model_and_what_does_not(call, m1, monkeypatch):
    start = clock.now()
    moments = (start + timedelta(minutes=i) for i in count(1))
    monkeypatch.setattr("registry.mlflow.views.clock.now", lambda: next(moments))
    stamps = lambda: (model_of(call)["last_updated_timestamp"], version_of(call)["last_updated_timestamp"])  # noqa: E731
    own = {"name": "m1", "version": "1"}

    for still in (
        lambda: call.post("registered-models/set-tag", name="m1", key="k", value="v"),
        lambda: call.delete("registered-models/delete-tag", name="m1", key="k"),
        lambda: call.post("model-versions/set-tag", **own, key="k2", value="v"),
        lambda: call.delete("model-versions/delete-tag", **own, key="k2"),
        lambda: call.post("registered-models/alias", **own, alias="a"),
        lambda: call.delete("registered-models/alias", name="m1", alias="a"),
    ):
        before = stamps()
        assert still()[0] == 200
        assert stamps() == before
    for model_moves, version_moves, act in (
        (True, False, lambda: call.patch("registered-models/update", name="m1", description="x")),
        (True, False, lambda: call.post("model-versions/create", name="m1", source="s3://b/3")),
        (False, True, lambda: call.patch("model-versions/update", **own, description="x")),
        (True, True, lambda: call.post("model-versions/transition-stage", **own, stage="Staging")),
        (True, False, lambda: call.delete("model-versions/delete", name="m1", version="2")),
    ):
        before = stamps()
        assert act()[0] == 200
        assert [new > old for new, old in zip(stamps(), before, strict=True)] == [model_moves, version_moves]


def test_latest_versions_are_the_highest_of_each_stage(call, m1):
    for _ in range(2):
        call.post("model-versions/create", name="m1", source="s3://b/x")
    for number, stage in ((1, "Production"), (2, "production"), (3, "Staging")):
        call.post("model-versions/transition-stage", name="m1", version=str(number), stage=stage)
    call.post("registered-models/alias", name="m1", alias="champion", version="2")

    latest = model_of(call)["latest_versions"]
    assert {(one["current_stage"], one["version"]) for one in latest} == {
        ("None", "4"),
        ("Staging", "3"),
        ("Production", "2"),
    }
    assert not any("aliases" in one for one in latest)
    for read in (
        call.post("registered-models/get-latest-versions", name="m1", stages=["PRODUCTION"]),
        call.get("registered-models/get-latest-versions", name="m1", stages=["production"]),
    ):
        assert read[0] == 200
        assert [(one["version"], one["aliases"]) for one in read[1]["model_versions"]] == [("2", ["champion"])]
    assert len(call.post("registered-models/get-latest-versions", name="m1")[1]["model_versions"]) == 3
    assert call.post("registered-models/get-latest-versions", name="m1", stages=["Archived"]) == (200, {})
    assert call.post("registered-models/get-latest-versions", name="m1", stages=["UAT"])[0] == 400


def test_an_alias_moves_and_one_version_has_several(call, m1):
    for alias, number in (("champion", "1"), ("next", "2"), ("champion", "2")):
        assert call.post("registered-models/alias", name="m1", alias=alias, version=number) == (200, {})

    assert version_of(call, 2)["aliases"] == ["champion", "next"]
    assert call.get("registered-models/alias", name="m1", alias="champion")[1]["model_version"]["version"] == "2"
    assert call.get("registered-models/alias", name="m1", alias="LATEST")[1]["model_version"]["version"] == "2"
    assert Alias.objects.count() == 3
    assert [
        one["aliases"] for one in call.get("model-versions/search", filter="version_number = 2")[1]["model_versions"]
    ] == [["champion", "next"]]


def test_setting_and_deleting_twice_is_the_same_as_once(call, m1):
    for _ in range(2):
        assert call.post("registered-models/set-tag", name="m1", key="k", value="") == (200, {})
        assert call.post("registered-models/alias", name="m1", alias="a", version="1") == (200, {})
    for _ in range(2):
        assert call.delete("registered-models/delete-tag", name="m1", key="k") == (200, {})
        assert call.delete("registered-models/alias", name="m1", alias="a") == (200, {})
        assert call.delete("model-versions/delete-tag", name="m1", version="1", key="zzz") == (200, {})


def test_a_tag_is_an_upsert_and_a_missing_value_is_empty(call, m1):
    call.post("model-versions/set-tag", name="m1", version=1, key="k", value="2")
    call.post("model-versions/set-tag", name="m1", version="1", key="e")

    assert version_of(call)["tags"] == [{"key": "e", "value": ""}, {"key": "k", "value": "2"}]


def test_a_transition_archives_the_others_when_asked(call, m1):
    call.post("model-versions/transition-stage", name="m1", version="1", stage="Production")

    status, answer = call.post(
        "model-versions/transition-stage", name="m1", version="2", stage="production", archive_existing_versions=True
    )

    assert (status, answer["model_version"]["current_stage"]) == (200, "Production")
    assert version_of(call, 1)["current_stage"] == "Archived"


def test_a_copy_keeps_its_source_and_lies_where_its_origin_lies(call, m1):
    call.post("registered-models/create", name="copy")
    call.post("model-versions/create", name="copy", source="models:/m1/1")

    assert version_of(call, 1, "copy")["source"] == "models:/m1/1"
    uri = call.get("model-versions/get-download-uri", name="copy", version="1")
    assert uri == (200, {"artifact_uri": "s3://b/1"})


def test_a_blocked_version_is_ready_with_a_word(call, m1, alice):
    inventory.block_version(
        ModelVersion.objects.select_related("model__team").get(number=1), reason="leaks", by=alice, now=NOON
    )

    shown = version_of(call)
    assert (shown["status"], shown["status_message"]) == ("READY", "blocked: leaks")


def test_a_description_is_kept_as_it_came_and_may_be_emptied(call, m1):
    text = "  # Title\r\n\r\nbody \n"
    assert (
        call.patch("registered-models/update", name="m1", description=text)[1]["registered_model"]["description"]
        == text
    )
    assert (
        call.patch("model-versions/update", name="m1", version="1", description=text)[1]["model_version"]["description"]
        == text
    )
    assert "description" not in call.patch("registered-models/update", name="m1")[1]["registered_model"]


def test_what_is_done_stands_in_the_audit_trail(call, m1):
    entry = AuditEntry.objects.get(verb="model.registered")

    assert (entry.actor, entry.actor_kind, entry.via) == ("key:pipeline", "key", "mlflow")


# --- errors

MISSING = "Missing value for required parameter '{}'."
ERRORS = [
    ("post", "registered-models/create", {"name": "m1"}, 400, "RESOURCE_ALREADY_EXISTS", "Registered Model (name=m1) already exists."),
    ("post", "registered-models/create", {}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("name")),
    ("post", "registered-models/create", {"name": ""}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("name")),
    ("post", "registered-models/create", {"name": "  "}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("name")),
    ("post", "registered-models/create", {"name": "a/b"}, 400, "INVALID_PARAMETER_VALUE", "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
    ("post", "registered-models/create", {"name": "a:b"}, 400, "INVALID_PARAMETER_VALUE", "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
    ("post", "registered-models/create", {"name": ".."}, 400, "INVALID_PARAMETER_VALUE", "Invalid model name '..'."),
    ("post", "registered-models/create", {"name": "x" * 257}, 400, "INVALID_PARAMETER_VALUE", "'name'"),
    ("post", "registered-models/create", {"name": 5}, 400, "INVALID_PARAMETER_VALUE", "'name'"),
    ("post", "registered-models/create", {"name": "n", "description": "x" * 100_001}, 400, "INVALID_PARAMETER_VALUE", "'description'"),
    ("post", "registered-models/create", {"name": "n", "tags": {}}, 400, "INVALID_PARAMETER_VALUE", "'tags'"),
    ("post", "registered-models/create", {"name": "n", "tags": ["x"]}, 400, "INVALID_PARAMETER_VALUE", "'tags'"),
    ("post", "registered-models/create", {"name": "n", "tags": [{"value": "x"}]}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("key")),
    ("post", "registered-models/create", {"name": "n", "tags": [{"key": "k", "value": 1}]}, 400, "INVALID_PARAMETER_VALUE", "'value'"),
    ("post", "registered-models/create", {"name": "n", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}, 400, "INVALID_PARAMETER_VALUE", "Prompts are not supported."),
    ("get", "registered-models/get", {"name": "nope"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("post", "registered-models/rename", {"name": "m1"}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("new_name")),
    ("post", "registered-models/rename", {"name": "nope", "new_name": "x"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("patch", "registered-models/update", {"name": "nope"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("delete", "registered-models/delete", {"name": "nope"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("post", "registered-models/get-latest-versions", {"name": "nope"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("post", "registered-models/set-tag", {"name": "m1"}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("key")),
    ("post", "registered-models/set-tag", {"name": "m1", "key": "portal.team", "value": "x"}, 400, "INVALID_PARAMETER_VALUE", "portal."),
    ("post", "registered-models/set-tag", {"name": "m1", "key": "k?", "value": "x"}, 400, "INVALID_PARAMETER_VALUE", "Invalid tag name: 'k?'"),
    ("post", "registered-models/set-tag", {"name": "m1", "key": "k", "value": "x" * 100_001}, 400, "INVALID_PARAMETER_VALUE", "'value'"),
    ("post", "registered-models/alias", {"name": "m1", "alias": "v1", "version": "1"}, 400, "INVALID_PARAMETER_VALUE", "Version alias name 'v1' is reserved."),
    ("post", "registered-models/alias", {"name": "m1", "alias": "Latest", "version": "1"}, 400, "INVALID_PARAMETER_VALUE", "'latest' alias name (case insensitive) is reserved."),
    ("post", "registered-models/alias", {"name": "m1", "alias": "a b", "version": "1"}, 400, "INVALID_PARAMETER_VALUE", "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
    ("post", "registered-models/alias", {"name": "m1", "alias": "a", "version": "9"}, 404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=m1, version=9) not found"),
    ("post", "registered-models/alias", {"name": "m1", "alias": "a", "version": "x"}, 400, "INVALID_PARAMETER_VALUE", "Parameter 'version' must be an integer, got 'x'."),
    ("post", "registered-models/alias", {"name": "nope", "alias": "a", "version": "1"}, 404, "RESOURCE_DOES_NOT_EXIST", "not found"),
    ("get", "registered-models/alias", {"name": "m1", "alias": "nobody"}, 400, "INVALID_PARAMETER_VALUE", "Registered model alias nobody not found."),
    ("get", "registered-models/alias", {"name": "nope", "alias": "nobody"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("get", "registered-models/alias", {"name": "empty", "alias": "latest"}, 404, "RESOURCE_DOES_NOT_EXIST", "not found"),
    ("delete", "registered-models/alias", {"name": "nope", "alias": "a"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("post", "model-versions/create", {"name": "nope", "source": "s"}, 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found"),
    ("post", "model-versions/create", {"name": "m1"}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("source")),
    ("post", "model-versions/create", {"name": "m1", "source": "s3://b/%2e%2e/x"}, 400, "INVALID_PARAMETER_VALUE", "'source'"),
    ("post", "model-versions/create", {"name": "m1", "source": "models:/nope/1"}, 400, "INVALID_PARAMETER_VALUE", "Model Version (name=nope, version=1) not found"),
    ("post", "model-versions/create", {"name": "m1", "source": "s", "run_id": "r" * 256}, 400, "INVALID_PARAMETER_VALUE", "'run_id'"),
    ("get", "model-versions/get", {"name": "m1", "version": "99"}, 404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=m1, version=99) not found"),
    ("get", "model-versions/get", {"name": "m1", "version": "0"}, 404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=m1, version=0) not found"),
    ("get", "model-versions/get", {"name": "m1", "version": "9" * 30}, 404, "RESOURCE_DOES_NOT_EXIST", "not found"),
    ("get", "model-versions/get", {"name": "m1"}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("version")),
    ("patch", "model-versions/update", {"name": "m1", "version": True}, 400, "INVALID_PARAMETER_VALUE", "Parameter 'version' must be an integer"),
    ("delete", "model-versions/delete", {"name": "m1", "version": "7"}, 404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=m1, version=7) not found"),
    ("post", "model-versions/transition-stage", {"name": "m1", "version": "1", "stage": "UAT"}, 400, "INVALID_PARAMETER_VALUE", "Invalid Model Version stage: UAT. Value must be one of None, Staging, Production, Archived."),
    ("post", "model-versions/transition-stage", {"name": "m1", "version": "1"}, 400, "INVALID_PARAMETER_VALUE", MISSING.format("stage")),
    ("post", "model-versions/transition-stage", {"name": "m1", "version": "1", "stage": "archived", "archive_existing_versions": True}, 400, "INVALID_PARAMETER_VALUE", "Model version transition cannot archive existing model versions because 'Archived' is not an Active stage. Valid stages are ['Staging', 'Production']"),
    ("post", "model-versions/transition-stage", {"name": "m1", "version": "1", "stage": "Staging", "archive_existing_versions": "x"}, 400, "INVALID_PARAMETER_VALUE", "'archive_existing_versions'"),
    ("get", "model-versions/get-download-uri", {"name": "m1", "version": "8"}, 404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=m1, version=8) not found"),
    ("get", "registered-models/search", {"filter": "name = 'a' OR name = 'b'"}, 400, "INVALID_PARAMETER_VALUE", "Invalid clause(s) in filter string: OR"),
    ("get", "registered-models/search", {"filter": "description = 'a'"}, 400, "INVALID_PARAMETER_VALUE", "Invalid attribute key 'description' specified. Valid keys are '{'name'}'"),
    ("get", "registered-models/search", {"max_results": "1001"}, 400, "INVALID_PARAMETER_VALUE", "Invalid value \"1001\" for parameter 'max_results' supplied: "),
    ("get", "registered-models/search", {"max_results": "0"}, 400, "INVALID_PARAMETER_VALUE", "Invalid value \"0\" for parameter 'max_results' supplied: "),
    ("get", "registered-models/search", {"order_by": "size"}, 400, "INVALID_PARAMETER_VALUE", "Invalid order_by clause 'size'."),
    ("get", "registered-models/search", {"order_by": ["name", "name DESC"]}, 400, "INVALID_PARAMETER_VALUE", "duplicate"),
    ("get", "registered-models/search", {"page_token": "x"}, 400, "INVALID_PARAMETER_VALUE", "Invalid page token, "),
    ("get", "model-versions/search", {"max_results": "200001"}, 400, "INVALID_PARAMETER_VALUE", "'max_results'"),
    ("get", "experiments/list", {}, 404, "ENDPOINT_NOT_FOUND", "This portal is a model registry; set the tracking URI to a tracking server."),
    ("post", "registered-models/create/", {"name": "x"}, 404, "ENDPOINT_NOT_FOUND", "This portal is a model registry"),
    ("get", "registered-models/create", {}, 405, "ENDPOINT_NOT_FOUND", "GET is not taken here; use POST."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "code", "message"),
    ERRORS,
    ids=[f"{one[1]}-{i}" for i, one in enumerate(ERRORS)],
)
def test_errors_word_for_word(call, m1, method, path, given, status, code, message):
    call.post("registered-models/create", name="empty")

    found = call.get(path, **given) if method == "get" else call.send(method, path, given)

    assert found[0] == status, found
    assert found[1]["error_code"] == code
    assert message in found[1]["message"]


@pytest.mark.parametrize(
    ("body", "media"),
    [
        ("{", "application/json"),
        ("[]", "application/json"),
        ('"x"', "application/json"),
        (b"\xff", "application/json"),
        ('{"name": "\\u0000"}', "application/json"),
        ('{"name": "\\ud800"}', "application/json"),
        ("[" * 2000, "application/json"),
        ('{"name": "' + "x" * (1024 * 1024) + '"}', "application/json"),
        ("name=m1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_clean_object_is_400(call, body, media):
    status, answer = call.send("post", "registered-models/create", body, media=media)

    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_body_without_a_content_type_is_taken(call):
    assert call.send("post", "registered-models/create", json.dumps({"name": "m1"}), media="")[0] == 200


def test_nul_in_a_query_is_400_or_404(call):
    assert call.get("registered-models/get", name="a\x00b")[0] == 400


# --- who


def test_without_a_key_or_with_a_wrong_one_it_is_401(db, team):
    for caller in (Calls(), Calls("nonsense"), Calls("mlp_" + "a" * 60)):
        status, answer = caller.get("registered-models/search")
        assert (status, answer["error_code"]) == (401, "UNAUTHENTICATED")


def test_basic_with_any_user_name_is_taken(key, team):
    basic = base64.b64encode(f"whoever:{key}".encode()).decode()

    assert Calls(Authorization=f"Basic {basic}").post("registered-models/create", name="m1")[0] == 200


def test_a_session_is_no_credential(client, alice):
    client.force_login(alice)

    assert client.get(f"{BASE}registered-models/search").status_code == 401


def test_a_reader_reads_and_writes_nothing(team, call, m1):
    reader = Calls(make_key(team=team, scopes=["read"]))

    assert reader.get("registered-models/get", name="m1")[0] == 200
    assert reader.post("registered-models/get-latest-versions", name="m1")[0] == 200
    status, answer = reader.post("registered-models/set-tag", name="m1", key="k", value="v")
    assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")
    assert "scope registry" in answer["message"]


def test_a_key_that_only_sends_traffic_reads_nothing(team):
    assert Calls(make_key(team=team, scopes=["ingest"])).get("registered-models/search")[0] == 403


def test_a_contributor_neither_renames_nor_deletes(team, m1):
    carol = Calls(make_key(team=team, scopes=["registry"], role="contributor"))

    assert carol.post("registered-models/set-tag", name="m1", key="k", value="v")[0] == 200
    for status, answer in (
        carol.post("registered-models/rename", name="m1", new_name="x"),
        carol.delete("registered-models/delete", name="m1"),
        carol.delete("model-versions/delete", name="m1", version="1"),
    ):
        assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")


def test_another_teams_model_is_absent_but_its_name_is_taken(other_team, call, m1):
    stranger = Calls(make_key(team=other_team, scopes=["registry"]))
    own = {"name": "m1", "version": "1"}

    assert stranger.get("registered-models/search") == (200, {})
    assert stranger.get("model-versions/search") == (200, {})
    for status, answer in (
        stranger.get("registered-models/get", name="m1"),
        stranger.post("registered-models/rename", name="m1", new_name="x"),
        stranger.patch("registered-models/update", name="m1"),
        stranger.delete("registered-models/delete", name="m1"),
        stranger.post("registered-models/get-latest-versions", name="m1"),
        stranger.post("registered-models/set-tag", name="m1", key="k", value="v"),
        stranger.delete("registered-models/delete-tag", name="m1", key="k"),
        stranger.post("registered-models/alias", **own, alias="a"),
        stranger.get("registered-models/alias", name="m1", alias="a"),
        stranger.delete("registered-models/alias", name="m1", alias="a"),
        stranger.post("model-versions/create", name="m1", source="s"),
        stranger.get("model-versions/get", **own),
        stranger.patch("model-versions/update", **own),
        stranger.delete("model-versions/delete", **own),
        stranger.post("model-versions/transition-stage", **own, stage="Staging"),
        stranger.get("model-versions/get-download-uri", **own),
        stranger.post("model-versions/set-tag", **own, key="k", value="v"),
        stranger.delete("model-versions/delete-tag", **own, key="k"),
    ):
        assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert stranger.post("registered-models/create", name="m1")[1]["error_code"] == "RESOURCE_ALREADY_EXISTS"


def test_a_key_of_one_model_sees_that_model_alone(team, call, m1):
    call.post("registered-models/create", name="other")
    bound = Calls(make_key(model=RegisteredModel.objects.get(name="m1"), scopes=["registry"]))

    assert [one["name"] for one in bound.get("registered-models/search")[1]["registered_models"]] == ["m1"]
    assert bound.post("model-versions/create", name="other", source="s")[0] == 404
    assert bound.post("registered-models/create", name="third")[0] == 403


def test_a_personal_key_has_the_rights_of_its_person_now(team):
    dora = make_user("dora", team=team, role="contributor")
    caller = Calls(make_key(team=team, user=dora, scopes=["registry"]))
    assert caller.post("registered-models/create", name="m1")[0] == 200

    dora.memberships.update(role="viewer")

    assert caller.post("registered-models/create", name="m2")[0] == 403


def test_other_versions_of_the_api_are_nowhere_for_everybody(client, db):
    answer = client.get("/api/3.0/mlflow/server-info")

    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_the_short_way_sets_no_cookie_and_keeps_the_answer_out_of_caches(client, key):
    answer = client.get(f"{BASE}registered-models/search", headers={"Authorization": f"Bearer {key}"})

    assert not answer.cookies
    assert answer["Cache-Control"] == "no-store"


# --- searches


def names(answer):
    assert answer[0] == 200, answer
    return [one["name"] for one in answer[1].get("registered_models", ())]


def numbers(answer):
    assert answer[0] == 200, answer
    return [(one["name"], one["version"]) for one in answer[1].get("model_versions", ())]


def test_models_are_sorted_and_paged(call):
    for name in ("b", "a", "C", "d"):
        call.post("registered-models/create", name=name)
    call.patch("registered-models/update", name="a", description="newest")

    assert sorted(names(call.get("registered-models/search"))) == ["C", "a", "b", "d"]
    assert names(call.get("registered-models/search", order_by="timestamp DESC"))[0] == "a"
    first = call.get("registered-models/search", order_by=["name DESC"], max_results=3)
    token = first[1]["next_page_token"]
    rest = call.get("registered-models/search", order_by=["name DESC"], max_results=1000, page_token=token)
    assert len(names(first) + names(rest)) == 4
    assert "next_page_token" not in rest[1]
    for changed in ({}, {"order_by": "name ASC"}, {"order_by": "name DESC", "filter": "name = 'a'"}):
        status, answer = call.get("registered-models/search", page_token=token, **changed)
        assert (status, answer["message"][:18]) == (400, "Invalid page token")


def test_versions_come_newest_first_and_by_every_order(call, m1):
    call.post("registered-models/create", name="m0")
    call.post("model-versions/create", name="m0", source="s3://c")
    call.patch("model-versions/update", name="m1", version="1", description="x")

    assert numbers(call.get("model-versions/search"))[0] == ("m1", "1")
    for order, expected in (
        ("version_number ASC", [("m0", "1"), ("m1", "1"), ("m1", "2")]),
        ("version_number DESC", [("m1", "2"), ("m0", "1"), ("m1", "1")]),
        ("name DESC", [("m1", "2"), ("m1", "1"), ("m0", "1")]),
        ("creation_timestamp asc", [("m1", "1"), ("m1", "2"), ("m0", "1")]),
        ("last_updated_timestamp", [("m1", "2"), ("m0", "1"), ("m1", "1")]),
    ):
        whole = numbers(call.get("model-versions/search", order_by=order))
        assert whole == expected
        paged, token = [], None
        for _ in range(3):
            more = {"page_token": token} if token else {}
            answer = call.get("model-versions/search", order_by=order, max_results=1, **more)
            paged, token = paged + numbers(answer), answer[1].get("next_page_token")
        assert (paged, token) == (expected, None)


@pytest.mark.parametrize("path", ["registered-models/search", "model-versions/search"])
def test_the_prompt_filter_of_the_client_changes_nothing(call, m1, path):
    everything = call.get(path)[1]

    assert call.get(path, filter=PROMPT)[1] == everything
    assert call.get(path, filter="tags.`mlflow.prompt.is_prompt` = 'false'")[1] == everything
    assert call.get(path, filter="tags.`mlflow.prompt.is_prompt` = 'true'") == (200, {})
    assert call.get(path, filter="tags.`mlflow.prompt.is_prompt` != 'false'") == (200, {})


def test_what_the_portal_knows_of_a_model_is_searched_like_tags_and_not_shown(call, m1, team, alice):
    make_model(team=team, name="rated", slug="rated", owner=alice)

    for clause, expected in (
        ("tags.`portal.team` = 'risk'", ["m1", "rated"]),
        ("tags.`portal.team` != 'risk'", []),
        ("tags.`portal.owner` = 'alice'", ["rated"]),
        ("tags.`portal.owner` != 'bob'", ["rated"]),
        ("tags.portal.lifecycle = 'draft'", ["m1", "rated"]),
        ("tags.portal.risk ILIKE 'UNR%'", ["m1", "rated"]),
    ):
        assert names(call.get("registered-models/search", filter=clause)) == expected
    assert not Tag.objects.filter(key__startswith="portal.").exists()


def test_pages_take_a_constant_number_of_queries(call, m1, django_assert_max_num_queries):
    for i in range(20):
        call.post("registered-models/create", name=f"n{i}", tags=[{"key": "k", "value": "v"}])
        call.post("model-versions/create", name=f"n{i}", source="s3://b", tags=[{"key": "k", "value": "v"}])
        call.post("registered-models/alias", name=f"n{i}", alias="a", version="1")

    with django_assert_max_num_queries(6):
        assert len(names(call.get("registered-models/search", filter="tags.k = 'v'"))) == 20
    with django_assert_max_num_queries(5):
        assert len(numbers(call.get("model-versions/search", filter="tags.k = 'v'"))) == 20
    with django_assert_max_num_queries(5):
        model_of(call)
    with django_assert_max_num_queries(4):
        version_of(call)
    with django_assert_max_num_queries(4):
        call.get("model-versions/get-download-uri", name="m1", version="1")
    with django_assert_max_num_queries(5):
        call.get("registered-models/alias", name="n1", alias="a")


@pytest.mark.parametrize("source", ["http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "/etc/passwd"])
def test_a_source_is_a_text_that_nobody_fetches(call, m1, source, monkeypatch):
    def called(*arguments: object, **named: object) -> None:
        raise AssertionError("a source was fetched")

    monkeypatch.setattr(outbound, "request", called)
    monkeypatch.setattr(socket, "create_connection", called)

    created = call.post("model-versions/create", name="m1", source=source)[1]["model_version"]

    assert created["source"] == source
    uri = call.get("model-versions/get-download-uri", name="m1", version=created["version"])[1]["artifact_uri"]
    assert uri == source
