"""The unmodified client of MLflow against a live server: `mlflow-skinny`, and what only the full `mlflow` has.

`make mlflow-matrix` runs this file once per version of the client, each in an environment of its own.
"""

import base64
import os
import time
from importlib import metadata
from uuid import uuid4

import pytest

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    DO_NOT_TRACK="true",
    MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",  # a fault fails at once
    MLFLOW_HTTP_REQUEST_TIMEOUT="10",
    GIT_PYTHON_REFRESH="quiet",
)
mlflow = pytest.importorskip("mlflow", reason="the client of MLflow is not installed")
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException, RestException  # noqa: E402

from registry.models import Alias, AuditEntry, RegisteredModel  # noqa: E402
from tests.factories import make_key, make_team  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore")]
VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])


def is_full() -> bool:
    """Whether the whole of MLflow is here, with its models and its own store of runs."""
    try:
        metadata.version("mlflow")
    except metadata.PackageNotFoundError:
        return False
    return True


full = pytest.mark.skipif(not is_full(), reason="only in the full client: make mlflow-matrix")


@pytest.fixture
def key(transactional_db):
    return make_key(team=make_team("risk"), scopes=["registry"], label="pipeline")


@pytest.fixture
def credentials(monkeypatch, key):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", key)


@pytest.fixture
def client(live_server, credentials):
    return MlflowClient(live_server.url)


@pytest.fixture
def m1(client):
    client.create_registered_model("m1", tags={"team": "risk"}, description="desc")
    for number in (1, 2, 3):
        version(client, "m1", f"s3://bucket/m1/{number}", run_id=f"run{number}", tags={"n": str(number)})
    return "m1"


def version(client, name="m1", source="s3://bucket/x", **more):
    return client.create_model_version(name, source, await_creation_for=0, **more)


def refused(code, call, *arguments, **more):
    """The message of the refusal with this code."""
    with pytest.raises(MlflowException) as raised:
        call(*arguments, **more)
    assert raised.value.error_code == code, raised.value
    return str(raised.value)


def test_a_model_is_created_read_changed_renamed_and_deleted(client):
    before = int(time.time() * 1000) - 1000
    made = client.create_registered_model("m1", tags={"a": "b", "e": ""}, description="d")

    assert (made.name, made.description, made.tags, made.aliases, made.latest_versions) == (
        "m1",
        "d",
        {"a": "b", "e": ""},
        {},
        [],
    )
    assert made.creation_timestamp == made.last_updated_timestamp >= before
    read = client.get_registered_model("m1")
    assert dict(read) == dict(made)
    assert client.update_registered_model("m1", "new").description == "new"
    client.rename_registered_model("m1", "m2")
    assert client.get_registered_model("m2").description == "new"
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "m1")
    client.delete_registered_model("m2")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "m2")


def test_versions_are_numbered_read_changed_and_deleted(client, m1):
    one = client.get_model_version("m1", "1")
    assert (one.version, one.source, one.run_id, one.status, one.current_stage, one.tags) in [
        (number, "s3://bucket/m1/1", "run1", "READY", "None", {"n": "1"}) for number in ("1", 1)
    ]
    assert client.update_model_version("m1", "1", description="text").description == "text"
    assert client.get_model_version_download_uri("m1", "1") == "s3://bucket/m1/1"
    client.delete_model_version("m1", "3")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "m1", "3")
    assert int(version(client).version) == 4


def test_waiting_for_a_version_ends_at_once(client, m1):
    before = time.monotonic()

    client.create_model_version("m1", "s3://bucket/x")

    assert time.monotonic() - before < 3


def test_tags_of_models_and_versions(client, m1):
    client.set_registered_model_tag("m1", "k", "v")
    client.set_registered_model_tag("m1", "k", "w")
    client.set_model_version_tag("m1", "1", "empty", "")
    client.set_model_version_tag("m1", "1", "number", 5)
    client.delete_model_version_tag("m1", "1", "n")
    client.delete_registered_model_tag("m1", "team")
    client.delete_registered_model_tag("m1", "team")

    assert client.get_registered_model("m1").tags == {"k": "w"}
    assert client.get_model_version("m1", "1").tags == {"empty": "", "number": "5"}


def test_aliases_point_move_and_end(client, m1):
    client.set_registered_model_alias("m1", "champion", "1")
    client.set_registered_model_alias("m1", "champion", "2")
    client.set_registered_model_alias("m1", "next", 3)

    assert int(client.get_model_version_by_alias("m1", "champion").version) == 2
    assert client.get_model_version("m1", "2").aliases == ["champion"]
    aliases = client.get_registered_model("m1").aliases
    assert {name: int(number) for name, number in aliases.items()} == {"champion": 2, "next": 3}
    client.delete_registered_model_alias("m1", "champion")
    client.delete_registered_model_alias("m1", "champion")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "m1", "champion")
    assert Alias.objects.filter(name="champion").count() == 2


def test_stages_and_latest_versions(client, m1):
    client.transition_model_version_stage("m1", "1", "Production")
    client.transition_model_version_stage("m1", "2", "production", archive_existing_versions=True)

    assert client.get_model_version("m1", "1").current_stage == "Archived"
    latest = client.get_latest_versions("m1")
    assert {one.current_stage: int(one.version) for one in latest} == {"Archived": 1, "Production": 2, "None": 3}
    assert [int(one.version) for one in client.get_latest_versions("m1", stages=["Production"])] == [2]
    assert client.get_latest_versions("m1", stages=["Staging"]) == []


def test_a_version_is_copied(client, m1):
    client.set_registered_model_alias("m1", "champion", "2")
    first = client.copy_model_version("models:/m1@champion", "copy")
    second = client.copy_model_version("models:/copy/1", "copy")

    assert (first.name, int(first.version), first.tags) == ("copy", 1, {"n": "2"})
    assert int(second.version) == 2
    assert client.get_model_version_download_uri("copy", "2") == "s3://bucket/m1/2"


@pytest.mark.parametrize("name", ["Credit score", "模型 été", "a.b-c_d", "100% sure?", "a&b=c+d", 'quote\'s "x"'])
def test_names_of_every_kind(client, name):
    client.create_registered_model(name)
    version(client, name)
    client.set_registered_model_alias(name, "a", "1")

    assert client.get_registered_model(name).name == name
    assert client.get_model_version_by_alias(name, "a").name == name
    escaped = name.replace("'", "''")
    assert [one.name for one in client.search_registered_models(f"name = '{escaped}'")] == [name]
    client.rename_registered_model(name, f"{name} 2")
    assert client.get_registered_model(f"{name} 2").name == f"{name} 2"


def test_250_models_come_in_three_pages(client):
    for i in range(250):
        client.create_registered_model(f"n{i:03d}")
    seen, token, rounds = [], None, 0
    while rounds == 0 or token:
        page = client.search_registered_models(max_results=100, page_token=token)
        seen, token, rounds = seen + [one.name for one in page], page.token, rounds + 1

    assert rounds == 3
    assert seen == [f"n{i:03d}" for i in range(250)]
    assert len(client.search_registered_models("name LIKE 'n00%'", max_results=1000)) == 10


def test_searches_filter_and_sort(client, m1):
    client.create_registered_model("other", tags={"team": "fraud"})

    def found(text, **more):
        return [one.name for one in client.search_registered_models(text, **more)]

    assert found("tags.team = 'risk'") == ["m1"]
    assert found("name ILIKE '%M%'") == ["m1"]
    assert found(None, order_by=["name DESC"]) == ["other", "m1"]
    assert found("", order_by=["timestamp ASC", "name DESC"])[-1] == "other"

    def numbers(text=None, **more):
        return [int(one.version) for one in client.search_model_versions(text, **more)]

    assert numbers("name='m1'", order_by=["version_number ASC"]) == [1, 2, 3]
    assert numbers("name = 'm1' AND tags.n != '2'", order_by=["version_number DESC"]) == [3, 1]
    assert numbers("run_id = 'run2'") == [2]
    assert numbers("source_path LIKE '%/3'") == [3]
    assert numbers("run_id IN ('run1', 'run3')", order_by=["creation_timestamp ASC"]) == [1, 3]
    assert len(numbers()) == 3
    page = client.search_model_versions("name='m1'", max_results=2, order_by=["version_number ASC"])
    rest = client.search_model_versions(
        "name='m1'", max_results=2, order_by=["version_number ASC"], page_token=page.token
    )
    assert [int(one.version) for one in (*page, *rest)] == [1, 2, 3]
    assert not rest.token


def test_errors_arrive_as_exceptions_of_the_client(client, m1):
    assert "Registered Model (name=m1) already exists." in refused(
        "RESOURCE_ALREADY_EXISTS", client.create_registered_model, "m1"
    )
    client.create_registered_model("m2")
    refused("RESOURCE_ALREADY_EXISTS", client.rename_registered_model, "m2", "m1")
    for call, arguments in (
        (client.get_model_version, ("m1", "99")),
        (client.update_registered_model, ("nope", "x")),
        (client.set_model_version_tag, ("m1", "99", "k", "v")),
        (client.get_model_version_download_uri, ("m1", "99")),
        (client.create_model_version, ("nope", "s3://x")),
        (client.delete_registered_model, ("nope",)),
    ):
        refused("RESOURCE_DOES_NOT_EXIST", call, *arguments)
    for call, arguments in (
        (client.create_registered_model, ("a/b",)),
        (client.create_registered_model, ("",)),
        (client.set_registered_model_alias, ("m1", "latest", "1")),
        (client.set_registered_model_alias, ("m1", "v1", "1")),
        (client.transition_model_version_stage, ("m1", "1", "UAT")),
        (client.search_registered_models, ("description = 'x'",)),
        (client.search_model_versions, ("name = 'x' OR name = 'y'",)),
        (client.set_registered_model_tag, ("m1", "k?", "v")),
    ):
        refused("INVALID_PARAMETER_VALUE", call, *arguments)
    with pytest.raises(RestException, match="cannot archive"):
        client.transition_model_version_stage("m1", "1", "Archived", archive_existing_versions=True)


def test_basic_is_taken_alone_and_before_bearer(client, live_server, monkeypatch, key):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anybody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", key)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mlp_wrong")
    assert MlflowClient(live_server.url).create_registered_model("m1").name == "m1"

    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    assert MlflowClient(live_server.url).get_registered_model("m1").name == "m1"


def test_a_wrong_key_and_a_reader_are_told(live_server, monkeypatch, client, m1):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", base64.b64encode(b"nonsense").decode())
    refused("UNAUTHENTICATED", MlflowClient(live_server.url).get_registered_model, "m1")

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", make_key(team=RegisteredModel.objects.get().team, scopes=["read"]))
    reader = MlflowClient(live_server.url)
    assert reader.get_registered_model("m1").name == "m1"
    refused("PERMISSION_DENIED", reader.set_registered_model_tag, "m1", "k", "v")


def test_what_the_client_did_stands_in_the_trail(client, m1):
    client.set_registered_model_alias("m1", "champion", "1")

    assert set(AuditEntry.objects.filter(actor="key:pipeline").values_list("verb", flat=True)) == {
        "model.registered",
        "version.registered",
        "alias.set",
    }


@full
def test_the_fluent_functions_search_through_all_pages(live_server, credentials, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.sqlite3")
    mlflow.set_registry_uri(live_server.url)
    client = MlflowClient()
    for i in range(120):
        client.create_registered_model(f"n{i:03d}")
        version(client, f"n{i:03d}")

    assert len(mlflow.search_registered_models()) == 120
    assert len(mlflow.search_model_versions(filter_string="name LIKE 'n01%'")) == 10


@full
def test_a_logged_model_is_registered_and_loaded_by_number_alias_and_latest(
    live_server, credentials, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.sqlite3")
    mlflow.set_registry_uri(live_server.url)
    mlflow.create_experiment(name := f"e{uuid4().hex}", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment(name)

    class Doubling(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input * 2

    for _ in range(2):
        with mlflow.start_run() as run:
            mlflow.pyfunc.log_model(
                **({"name": "model"} if VERSION >= (3, 0) else {"artifact_path": "model"}),
                python_model=Doubling(),
                registered_model_name="credit",
                await_registration_for=0,
                pip_requirements=[],
            )
    mlflow.register_model(f"runs:/{run.info.run_id}/model", "credit", await_registration_for=0)
    MlflowClient().set_registered_model_alias("credit", "champion", "1")

    assert len(MlflowClient().search_model_versions("name='credit'")) == 3
    for uri in ("models:/credit/1", "models:/credit@champion", "models:/credit/latest"):
        assert mlflow.pyfunc.load_model(uri).predict(21) == 42
