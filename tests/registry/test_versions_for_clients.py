"""What clients of MLflow bring with versions and models: stages, deletion, renaming, places, a task said later."""

from datetime import timedelta

import pytest

from mlops_portal.kit.errors import Conflict, Invalid, Refused, Stale
from registry import inventory
from registry.models import Alias, AuditEntry, Deployment, DeploymentArm, ModelVersion, RegisteredModel, ServingPointer
from tests.factories import NOON, make_endpoint, make_model, make_user, make_version

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def model(team):
    return make_model(team=team, slug="credit", name="credit")


def serve(version):
    """A first revision of an endpoint of the model, with the version as its one arm."""
    endpoint = make_endpoint(version.model)
    deployment = Deployment.objects.create(
        endpoint=endpoint, revision=1, base_revision=0, strategy="single", document="{}", sha256="0" * 64,
        created_at=NOON, created_by="setup",
    )  # fmt: skip
    DeploymentArm.objects.create(
        deployment=deployment, version=version, label="main", role="primary", weight_bps=10_000
    )
    row = {"revision": 1, "deployment": deployment, "moved_at": NOON}
    ServingPointer.objects.update_or_create(endpoint=endpoint, defaults=row)
    return endpoint


def test_a_transition_takes_any_case_and_archives_the_others(model, alice):
    first, second, third = (make_version(model) for _ in range(3))
    inventory.set_stage(first, "production", by=alice, now=NOON)
    inventory.set_stage(second, "Staging", by=alice, now=NOON)

    moved = inventory.set_stage(third, "PRODUCTION", archive_existing=True, by=alice, now=LATER)

    assert (moved.stage, moved.updated_at) == ("Production", LATER)
    rows = dict(ModelVersion.objects.values_list("number", "stage"))
    assert rows == {1: "Archived", 2: "Staging", 3: "Production"}
    assert ModelVersion.objects.get(number=1).updated_at == LATER
    assert RegisteredModel.objects.get(pk=model.pk).updated_at == LATER
    last = AuditEntry.objects.order_by("-seq").first()
    assert last.changes == {"stage": ["None", "Production"], "archived": [None, [1]]}


@pytest.mark.parametrize(
    ("stage", "archive", "says"),
    [
        ("UAT", False, "Invalid Model Version stage: UAT. Value must be one of None, Staging, Production, Archived."),
        (
            "archived",
            True,
            "Model version transition cannot archive existing model versions because 'Archived' is not an Active "
            "stage. Valid stages are ['Staging', 'Production']",
        ),
    ],
)
def test_stages_that_will_not_do(model, alice, stage, archive, says):
    with pytest.raises(Invalid) as raised:
        inventory.set_stage(make_version(model), stage, archive_existing=archive, by=alice, now=NOON)

    assert raised.value.faults[0].detail == says


def test_a_deleted_version_loses_its_aliases_and_its_number_stays_taken(model, alice):
    version = make_version(model)
    inventory.set_alias(model, "champion", version, by=alice, now=NOON)

    inventory.delete_version(version, by=alice, now=LATER)

    assert not Alias.objects.open().exists()
    assert make_version(model).number == 2
    with pytest.raises(Conflict, match="deleted before"):
        inventory.delete_version(version, by=alice, now=LATER)
    with pytest.raises(Conflict, match="deleted meanwhile"):
        inventory.set_stage(version, "Staging", by=alice, now=LATER)


def test_what_is_served_cannot_be_deleted(model, alice):
    version = make_version(model)
    endpoint = serve(version)

    with pytest.raises(Conflict, match=endpoint.slug) as raised:
        inventory.delete_version(version, by=alice, now=LATER)
    assert raised.value.code == "version_in_use"
    with pytest.raises(Conflict, match=endpoint.slug) as raised:
        inventory.delete_model(model, by=alice, now=LATER)
    assert raised.value.code == "version_in_use"
    assert ModelVersion.objects.live().exists()
    assert RegisteredModel.objects.live().exists()


def test_a_contributor_neither_deletes_nor_renames(model, team):
    carol = make_user("carol", team=team, role="contributor")
    version = make_version(model)

    with pytest.raises(Refused):
        inventory.delete_version(version, by=carol, now=NOON)
    with pytest.raises(Refused):
        inventory.rename_model(model, "other", by=carol, now=NOON)


def test_a_rename_frees_the_old_name_and_keeps_the_slug(model, alice, team):
    inventory.rename_model(model, "credit v2", by=alice, now=LATER)

    model.refresh_from_db()
    assert (model.name, model.slug, model.updated_at) == ("credit v2", "credit", LATER)
    assert AuditEntry.objects.filter(verb="model.renamed").count() == 1
    make_model(team=team, name="credit")
    with pytest.raises(Conflict) as raised:
        inventory.rename_model(model, "credit", by=alice, now=LATER)
    assert raised.value.code == "name_taken"
    with pytest.raises(Stale):
        inventory.rename_model(model, "third", base=1, by=alice, now=LATER)


@pytest.mark.parametrize("name", [".", "..", "..a"])
def test_a_name_that_is_a_step_of_a_path_is_refused(team, alice, name):
    with pytest.raises(Invalid, match="Invalid model name"):
        inventory.register_model(team, name=name, by=alice, now=NOON)


def test_a_version_keeps_what_a_client_says_and_tags(model, alice):
    version = inventory.register_version(
        model,
        source="s3://b/caf\u0065\u0301 1/",
        run_id="r" * 255,
        run_link="https://x/run",
        mlflow_model_id="m-1",
        description=" as it came\n",
        tags={"k": "v", "e": ""},
        by=alice,
        now=NOON,
    )

    assert (version.source, version.description) == ("s3://b/caf\u0065\u0301 1/", " as it came\n")
    assert version.storage_uri == version.source
    assert dict(version.tags.values_list("key", "value")) == {"k": "v", "e": ""}


@pytest.mark.parametrize("reference", ["models:/credit/1", "models:/credit@champion", "models:/credit/latest"])
def test_a_copy_lies_where_its_origin_lies(model, alice, team, reference):
    origin = inventory.register_version(model, source="s3://b/1", by=alice, now=NOON)
    inventory.set_alias(model, "champion", origin, by=alice, now=NOON)
    first = inventory.register_version(make_model(team=team, name="copy"), source=reference, by=alice, now=NOON)
    second = inventory.register_version(
        make_model(team=team), source=f"models:/copy/{first.number}", by=alice, now=NOON
    )

    assert (first.source, first.storage_uri) == (reference, "s3://b/1")
    assert second.storage_uri == "s3://b/1"


def test_a_copy_of_another_teams_model_finds_no_origin(alice, model, other_team):
    foreign = make_model(team=other_team, name="secret")
    inventory.register_version(foreign, source="s3://theirs/1", by="setup", now=NOON)

    with pytest.raises(Invalid, match=r"Model Version \(name=secret, version=1\) not found"):
        inventory.register_version(model, source="models:/secret/1", by=alice, now=NOON)


def test_a_logged_model_is_not_looked_at(model, alice):
    version = inventory.register_version(model, source="models:/m-abc123", by=alice, now=NOON)

    assert version.storage_uri == "models:/m-abc123"


@pytest.mark.parametrize(
    "source",
    ["s3://b/k", "/srv/models/1", "models/1", "file:///srv/m", "runs:/abc/model", "abfss://box@acc.dfs/x", ""],
)
def test_places_that_are_taken(model, alice, source):
    assert inventory.register_version(model, source=source, by=alice, now=NOON).source == source


@pytest.mark.parametrize(
    "source",
    [
        *("s3://b/../x", "s3://b/%2e%2e/x", "s3://b/%252e%252e/x", "../x", "s3://b/..%2fx", "s3://b/..?x"),
        *("javascript:x", "c:\\models", "s3://b/a%5cb", "s3://b/a\nb", "s3://b/a%0ab", "s3://b/\x00"),
        *("https://user:pass@host/x", "s3://" + "x" * 2000),
    ],
)
def test_places_that_are_refused(model, alice, source):
    with pytest.raises(Invalid, match="source"):
        inventory.register_version(model, source=source, by=alice, now=NOON)


def test_the_task_is_said_once(team, alice):
    model = inventory.register_model(team, name="from a client", by=alice, now=NOON)
    assert (model.task, model.output, model.get_task_display()) == ("", {}, "Task not said yet")

    inventory.edit_model(model, {"task": "binary", "output": {"classes": ["no", "yes"]}}, base=1, by=alice, now=NOON)
    assert (model.task, model.positive) == ("binary", "yes")

    with pytest.raises(Invalid, match="register another model"):
        inventory.edit_model(model, {"task": "regression"}, base=2, by=alice, now=NOON)


def test_an_answer_is_not_described_before_the_task(team, alice):
    with pytest.raises(Invalid) as raised:
        inventory.register_model(team, name="odd", output={"score": "number"}, by=alice, now=NOON)

    assert raised.value.faults[0].code == "task_not_said"
