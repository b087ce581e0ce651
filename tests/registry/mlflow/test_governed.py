"""Calls that would move what is served: a promotion, a refusal with the way to a proposal, or a conflict."""

import pytest

from registry import deployments
from registry.deployments import Authority
from registry.models import Alias, AuditEntry, Endpoint, Environment, ModelVersion
from tests.factories import NOON, make_deployment, make_endpoint, make_key, make_model, make_user, make_version
from tests.registry.mlflow.calls import Calls


@pytest.fixture
def model(team):
    made = make_model(team=team, slug="credit", name="credit")
    for _ in range(3):
        make_version(made)
    return made


@pytest.fixture
def call(team):
    return Calls(make_key(team=team, scopes=["registry"], label="pipeline"))


def serve(model, environment, *, alias="", slug="credit-decision"):
    endpoint = make_endpoint(model, slug=slug, environment=environment, alias=alias)
    make_deployment(endpoint, 1)
    return endpoint


def set_champion(call, number="2"):
    return call.post("registered-models/alias", name="credit", alias="champion", version=number)


def champion():
    return Alias.objects.open().get(name="champion").version.number


def test_a_bound_alias_where_nobody_has_to_approve_promotes(call, model):
    endpoint = serve(model, "staging", alias="champion")

    assert set_champion(call) == (200, {})

    assert endpoint.deployments.count() == 2
    assert champion() == 2
    assert call.get("registered-models/alias", name="credit", alias="champion")[1]["model_version"]["version"] == "2"


def test_a_bound_alias_in_production_is_refused_with_the_way_on_and_always_the_same(call, model):
    serve(model, "production", alias="champion")

    status, answer = set_champion(call)

    assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")
    assert answer["message"].startswith(
        "Alias champion of model credit is served by endpoint credit-decision (production) and needs"
    )
    assert answer["intent_id"] in answer["change_request_url"]
    assert answer["change_request_url"] in answer["message"]
    assert set_champion(call) == (status, answer)
    assert AuditEntry.objects.filter(verb="deployment.refused").count() == 1
    assert champion() == 1
    assert set_champion(call, "3")[1]["intent_id"] != answer["intent_id"]


def test_once_the_decision_is_applied_the_same_call_is_a_no_op(call, model, alice):
    endpoint = serve(model, "production", alias="champion")
    assert set_champion(call)[0] == 403

    found = Endpoint.objects.select_related("model__team", "environment", "pointer").get(pk=endpoint.pk)
    deployments.promote(
        found, ModelVersion.objects.get(number=2), base=1, authority=Authority.of_person("operator"), now=NOON
    )

    assert set_champion(call) == (200, {})
    assert endpoint.deployments.count() == 2


def test_a_viewer_gets_no_way_on(team, model):
    serve(model, "production", alias="champion")
    viewer = Calls(make_key(team=team, user=make_user("vera", team=team), scopes=["registry"]))

    status, answer = set_champion(viewer)

    assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")
    assert "change_request_url" not in answer
    assert "intent_id" not in answer
    assert not AuditEntry.objects.filter(verb="deployment.refused").exists()


def test_a_bound_alias_is_not_deleted(call, model):
    serve(model, "production", alias="champion")

    status, answer = call.delete("registered-models/alias", name="credit", alias="champion")

    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "credit-decision" in answer["message"]
    assert champion() == 1


def test_an_endpoint_that_never_served_governs_nothing(call, model):
    make_endpoint(model, slug="fresh", environment="production", alias="champion")

    assert set_champion(call) == (200, {})
    assert champion() == 2


def test_what_is_served_is_not_deleted(call, model):
    serve(model, "production")

    for status, answer in (
        call.delete("model-versions/delete", name="credit", version="1"),
        call.delete("registered-models/delete", name="credit"),
    ):
        assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
        assert "credit-decision" in answer["message"]
    assert call.delete("model-versions/delete", name="credit", version="3") == (200, {})


@pytest.fixture
def staged(db):
    """Environments that stand for stages."""
    Environment.objects.filter(slug="staging").update(legacy_stage="Staging")
    Environment.objects.filter(slug="production").update(legacy_stage="Production")


def transition(call, stage, number="2", **more):
    return call.post("model-versions/transition-stage", name="credit", version=number, stage=stage, **more)


def test_a_stage_of_a_live_environment_promotes_or_asks(call, model, staged):
    staging = serve(model, "staging", slug="credit-staging")
    serve(model, "production", slug="credit-live")

    status, answer = transition(call, "staging")
    assert (status, answer["model_version"]["current_stage"]) == (200, "Staging")
    assert staging.deployments.count() == 2

    status, answer = transition(call, "Production")
    assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")
    assert answer["intent_id"] in answer["change_request_url"]
    assert transition(call, "Production")[1] == answer


def test_of_several_live_endpoints_none_is_meant(call, model, staged):
    serve(model, "staging", slug="one")
    serve(model, "staging", slug="two")

    status, answer = transition(call, "Staging")

    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "one" in answer["message"]
    assert "two" in answer["message"]


def test_the_primary_arm_does_not_leave_its_stage(call, model, staged):
    serve(model, "production", slug="credit-live")
    assert ModelVersion.objects.get(number=1).stage == "Production"

    status, answer = transition(call, "Archived", "1")

    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "promote another version first" in answer["message"]


def test_an_unknown_stage_is_told_before_anything_else(call, model, staged):
    serve(model, "production", slug="credit-live")

    assert transition(call, "UAT", "1")[1]["error_code"] == "INVALID_PARAMETER_VALUE"
    assert transition(call, "Production", archive_existing_versions=True)[0] == 403
