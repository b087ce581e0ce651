"""`import_mlflow` against another registry: our own, over a live server."""

import time

import pytest
from django.core.management import CommandError, call_command

from registry.mlflow import importing
from registry.models import Alias, AuditEntry, ModelVersion, RegisteredModel, Tag
from tests.factories import NOON, make_key, make_team
from tests.registry.mlflow.calls import Calls

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def origin(transactional_db, live_server, monkeypatch):
    """A team whose registry is read: two models, one of them with a gap in its numbers."""
    key = make_key(team=make_team("origin"), scopes=["registry"])
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", key)
    call = Calls(key)
    call.post("registered-models/create", name="it's a model", description="d", tags=[{"key": "k", "value": "v"}])
    for number in (1, 2, 3):
        given = {"source": f"s3://b/{number}", "run_id": f"r{number}", "tags": [{"key": "n", "value": str(number)}]}
        call.post("model-versions/create", name="it's a model", **given)
    call.delete("model-versions/delete", name="it's a model", version="2")
    call.post("model-versions/transition-stage", name="it's a model", version="1", stage="Production")
    call.post("registered-models/alias", name="it's a model", alias="champion", version="3")
    call.post("registered-models/create", name="empty")
    return call


def foreign_models(monkeypatch, names):
    """Let what is read have other names than here, as those of another installation may."""
    read = importing.Server.models

    def renamed(self, since=None):
        for one in read(self, since):
            yield importing.ForeignModel(
                **{field: getattr(one, field) for field in one.__dataclass_fields__ if field != "name"},
                name=names.get(one.name, one.name),
            )

    monkeypatch.setattr(importing.Server, "models", renamed)


def test_models_come_in_with_numbers_times_stages_tags_and_aliases(origin, live_server, monkeypatch, capsys):
    make_team("ours")
    foreign_models(monkeypatch, {"it's a model": "copy", "empty": "empty copy"})

    for _ in range(2):  # the second time changes nothing
        call_command("import_mlflow", uri=live_server.url, team="ours")

    model = RegisteredModel.objects.get(name="copy")
    source = RegisteredModel.objects.get(name="it's a model")
    assert (model.next_version, model.description, model.created_at) == (4, "d", source.created_at)
    assert model.updated_at == source.updated_at
    kept = ("number", "source", "run_id", "stage", "created_at", "updated_at")
    rows = lambda of: list(of.versions.filter(deleted_at=None).order_by("number").values_list(*kept))  # noqa: E731
    assert rows(model) == rows(source)
    assert set(model.versions.values_list("created_by", flat=True)) == {"import:localhost"}
    assert Alias.objects.open().get(model=model).version.number == 3
    assert Tag.objects.filter(model=model).count() == 3
    assert AuditEntry.objects.filter(verb="model.imported").count() == 1
    out = capsys.readouterr().out
    assert "copy: 2 of 2 versions are new" in out
    assert "copy: 0 of 2 versions are new" in out


def test_a_dry_run_says_what_would_come_and_writes_nothing(origin, live_server, monkeypatch, capsys):
    make_team("ours")
    foreign_models(monkeypatch, {"it's a model": "copy", "empty": "empty copy"})

    call_command("import_mlflow", uri=live_server.url, team="ours", dry_run=True)

    assert "2 models read; 2 versions would come in." in capsys.readouterr().out
    assert not RegisteredModel.objects.filter(team__slug="ours").exists()


def test_since_passes_over_what_has_not_changed(origin, live_server, capsys):
    make_team("ours")

    call_command("import_mlflow", uri=live_server.url, team="ours", since=NOON.replace(year=2099))

    assert "0 models read" in capsys.readouterr().out


def test_a_name_of_another_team_is_told_and_the_rest_comes_in(origin, live_server, monkeypatch, capsys):
    make_team("ours")
    foreign_models(monkeypatch, {"empty": "empty copy"})

    with pytest.raises(CommandError, match="1 models did not come in"):
        call_command("import_mlflow", uri=live_server.url, team="ours")

    assert "it's a model: The name it's a model is taken" in capsys.readouterr().err
    assert RegisteredModel.objects.get(team__slug="ours").name == "empty copy"


def test_a_place_that_is_no_registry_is_told(transactional_db, live_server):
    make_team("ours")

    with pytest.raises(CommandError, match="answered 401"):
        call_command("import_mlflow", uri=live_server.url, team="ours")
    with pytest.raises(CommandError, match="There is no team"):
        call_command("import_mlflow", uri=live_server.url, team="nobody")
    with pytest.raises(CommandError, match="no answer"):
        call_command("import_mlflow", uri="http://127.0.0.1:9", team="ours")


def test_two_thousand_versions_come_in_within_seconds(origin, live_server, monkeypatch):
    model = RegisteredModel.objects.get(name="empty")
    moment = {"created_at": NOON, "updated_at": NOON, "created_by": "setup"}
    ModelVersion.objects.bulk_create(ModelVersion(model=model, number=i + 1, **moment) for i in range(2000))
    make_team("ours")
    foreign_models(monkeypatch, {"it's a model": "copy", "empty": "empty copy"})
    before = time.monotonic()

    call_command("import_mlflow", uri=live_server.url, team="ours")

    assert time.monotonic() - before < 24  # 10,000 in two minutes
    assert RegisteredModel.objects.get(name="empty copy").versions.count() == 2000
