"""Aliases and stages: free where nothing is served by them, a promotion or a refusal where something is."""

import pytest

from mlops_portal.kit.errors import Conflict, Refused
from registry import deployments, governance, inventory
from registry.deployments import ApprovalRequired, Arm, Plan
from registry.models import Alias, Deployment, Endpoint, ModelVersion
from tests.factories import NOON, make_deployment, make_endpoint, make_model, make_version


@pytest.fixture
def model(team):
    made = make_model(team=team, slug="credit", name="Credit")
    for _ in range(3):
        make_version(made)
    return made


@pytest.fixture
def endpoint(model):
    return make_endpoint(model, slug="credit-decision", environment="staging", alias="champion")


def version(model, number):
    return model.versions.select_related("model__team").get(number=number)


def stages(model):
    return list(model.versions.order_by("number").values_list("stage", flat=True))


def served(endpoint):
    return Plan.of(deployments.current(endpoint)).primary.version


def assign(model, number, by, name="champion"):
    return governance.assign_alias(model, name, version(model, number), by=by, now=NOON)


def move(model, number, stage, by, **options):
    return governance.move_to_stage(version(model, number), stage, by=by, now=NOON, **options)


def test_an_alias_that_nothing_is_served_by_is_free(model, endpoint, alice):
    assign(model, 1, alice, "challenger")
    assign(model, 2, alice)  # bound, but the endpoint never served

    assert dict(Alias.objects.open().values_list("name", "version__number")) == {"challenger": 1, "champion": 2}
    assert not Deployment.objects.exists()
    assert governance.drop_alias(model, "champion", by=alice, now=NOON)


def test_setting_a_served_alias_is_a_promotion(model, endpoint, alice):
    make_deployment(endpoint, 1)

    row = assign(model, 2, alice)

    assert served(endpoint) == row.version.number == 2
    assert row.deployment.revision == 2
    assert row.set_by == "alice"
    assert assign(model, 2, alice) == row
    assert endpoint.deployments.count() == 2


def test_a_served_alias_needs_approval_where_the_endpoint_does(model, alice, bob, victor):
    live = make_endpoint(model, slug="credit-live", alias="champion")
    make_deployment(live, 1)

    with pytest.raises(ApprovalRequired) as first:
        assign(model, 2, alice)
    with pytest.raises(ApprovalRequired) as again:
        assign(model, 2, alice)

    assert str(first.value).startswith(
        "Alias champion of model Credit is served by endpoint credit-live (production) and needs the approval"
    )
    assert first.value.intent_id == again.value.intent_id
    assert deployments.intent(first.value.intent_id).kind == "promote"
    with pytest.raises(Refused) as refusal:
        assign(model, 2, victor)
    assert not isinstance(refusal.value, ApprovalRequired)
    assert assign(model, 1, alice).version.number == 1  # as it is: nothing to approve
    make_deployment(live, 2)
    assert assign(model, 2, alice).version.number == 2  # the pipeline repeats its call once the decision is applied
    assert live.deployments.count() == 2


def test_a_served_alias_is_not_dropped(model, endpoint, alice):
    make_deployment(endpoint, 1)

    with pytest.raises(Conflict, match="promote another version"):
        governance.drop_alias(model, "champion", by=alice, now=NOON)

    make_deployment(endpoint, Plan())
    assert governance.drop_alias(model, "champion", by=alice, now=NOON) is False  # it ended with its primary arm


def test_an_alias_bound_while_its_version_served_already_is_set(model, alice):
    plain = make_endpoint(model, environment="staging")
    make_deployment(plain, 1)
    type(plain).objects.filter(pk=plain.pk).update(alias="champion")

    assert assign(model, 1, alice).version.number == 1


def test_a_stage_that_nothing_stands_for_is_free(model, endpoint, alice):
    move(model, 1, "Staging", alice)
    move(model, 2, "staging", alice, archive_existing=True)

    assert stages(model) == ["Archived", "Staging", "None"]
    assert not Deployment.objects.exists()


def test_entering_the_stage_of_a_live_endpoint_is_a_promotion(model, endpoint, alice):
    make_deployment(endpoint, 1)

    moved = move(model, 2, "staging", alice)

    assert moved.stage == "Staging"
    assert served(endpoint) == 2
    assert stages(model) == ["Archived", "Staging", "None"]
    move(model, 2, "Staging", alice)
    assert endpoint.deployments.count() == 2


def test_others_in_the_stage_are_archived_when_asked(model, endpoint, alice):
    make_deployment(endpoint, 1)
    model.versions.filter(number=3).update(stage="Staging")

    move(model, 2, "Staging", alice, archive_existing=True)

    assert stages(model) == ["Archived", "Staging", "Archived"]


def test_production_stays_what_it_is_until_somebody_agrees(model, alice):
    live = make_endpoint(model, slug="credit-live")
    make_deployment(live, 1)

    with pytest.raises(ApprovalRequired, match="Stage Production of model Credit is served by endpoint credit-live"):
        move(model, 2, "Production", alice)

    assert stages(model) == ["Production", "None", "None"]
    assert served(live) == 1


def test_of_several_endpoints_in_a_stage_none_is_meant(model, endpoint, alice):
    other = make_endpoint(model, slug="other", environment="staging")
    for one in (endpoint, other):
        make_deployment(one, 1)

    with pytest.raises(Conflict, match="credit-decision and other serve in stage Staging"):
        move(model, 2, "Staging", alice)


def test_the_primary_arm_does_not_leave_its_stage(model, endpoint, alice):
    make_deployment(endpoint, Plan(arms=(Arm("main", "primary", 1, 9_000), Arm("new", "canary", 2, 1_000))))
    model.versions.filter(number=2).update(stage="Staging")

    for stage in ("Archived", "None"):
        with pytest.raises(Conflict, match="is the primary arm of endpoint credit-decision"):
            move(model, 1, stage, alice)
    assert move(model, 2, "Archived", alice).stage == "Archived"
    make_deployment(endpoint, Plan())
    assert move(model, 1, "None", alice).stage == "None"


def test_what_is_promoted_further_keeps_serving_where_it_was(model, endpoint, alice):
    live = make_endpoint(model, slug="other-live", environment="development")
    type(live.environment).objects.filter(pk="development").update(legacy_stage="Production")
    make_deployment(endpoint, 2)
    make_deployment(live, 1)

    move(model, 2, "Production", alice)

    assert served(live) == served(endpoint) == 2
    assert version(model, 2).stage == ModelVersion.Stage.PRODUCTION


def test_an_endpoint_that_is_off_or_retired_governs_nothing(model, endpoint, alice):
    make_deployment(endpoint, 1)
    make_deployment(endpoint, Plan())
    inventory.retire_endpoint(Endpoint.objects.get(pk=endpoint.pk), base=1, by=alice, now=NOON)

    assert assign(model, 3, alice).deployment is None
    assert endpoint.deployments.count() == 2
