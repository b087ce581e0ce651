"""`verify_registry` names every row that breaks a rule over several rows."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from registry import integrity, inventory
from registry.inventory import FeatureDraft
from registry.models import Alias, Deployment, DeploymentArm, Feature, RegisteredModel, ServingPointer, Source, Tag
from tests.factories import NOON, make_deployment, make_endpoint, make_model, make_source, make_version

SETUP = {"by": "setup", "now": NOON}


@pytest.fixture
def served(team):
    """An endpoint with two sound revisions, and something of everything beside it."""
    source = make_source(team, slug="ledger", fed_by=make_source(team, slug="bureau"))
    model = make_model(team=team, slug="credit", features=[FeatureDraft(name="a", dtype="text", source=source)])
    first, second = make_version(model), make_version(model)
    endpoint = make_endpoint(model, slug="live", environment="staging")
    make_deployment(endpoint, first.number)
    make_deployment(endpoint, second.number)
    inventory.set_tag(first, "k", "v", **SETUP)
    inventory.set_alias(model, "champion", first, **SETUP)
    return endpoint


def found():
    return [(one.rule, one.where, one.detail) for one in integrity.verify()]


def revision(endpoint, number, document, *arms, sha256=None):
    """A row that no verb would write."""
    row = Deployment.objects.create(
        endpoint=endpoint,
        revision=number,
        base_revision=number - 1,
        strategy="single",
        document=document if isinstance(document, str) else json.dumps(document),
        sha256=sha256 or "0" * 64,
        created_at=NOON,
        created_by="setup",
    )
    for label, version, weight in arms:
        DeploymentArm.objects.create(
            deployment=row, version=version, label=label, role="primary", weight_bps=weight, mirror_bps=0
        )
    ServingPointer.objects.filter(endpoint=endpoint).update(revision=number, deployment=row)
    return row


def test_a_sound_registry_is_quiet(served):
    out = StringIO()

    call_command("verify_registry", stdout=out)

    assert out.getvalue() == "Every rule over several rows holds.\n"


def test_an_unreadable_document_is_named(served):
    revision(served, 3, "{")

    with pytest.raises(CommandError, match="revisions: live rev 3: the document cannot be read") as raised:
        call_command("verify_registry")

    assert raised.value.returncode == 1


def test_a_changed_document_is_named(served):
    rule = {"kind": "bands", "bands": [{"from": 0.5, "action": "a"}, {"from": 0.2, "action": "b"}]}
    document = {"arms": [], "decision_rule": rule, "fallback": {"kind": "none"}, "sha256": "1" * 64}
    revision(served, 3, document)

    assert found() == [
        ("revisions", "live rev 3", "the document is not the one that was hashed"),
        ("revisions", "live rev 3", "bands do not rise"),
    ]


def test_arms_that_do_not_fit_are_named(served, team):
    stranger = make_version(make_model(team=team, slug="other"))
    arm = {"label": "main", "role": "primary", "version": "7", "weight_bps": 5000, "mirror_bps": 0}
    document = {"arms": [arm], "decision_rule": {"kind": "none"}, "fallback": {"kind": "none"}}
    revision(served, 3, document, ("main", stranger, 10_000))

    details = [detail for _, _, detail in found()]

    assert "the document names other arms than the table" in details
    assert "an arm serves a version of another model" in details
    assert "The weights add up to 5,000 basis points; they have to make 10,000." in details


def test_a_pointer_that_lies_is_named(served):
    ServingPointer.objects.update(deployment=served.deployments.get(revision=1))
    assert found() == [("pointers", "live", "the pointer names live rev 1, not revision 2")]

    ServingPointer.objects.update(revision=1)
    assert found() == [("pointers", "live", "the pointer says 1, the newest revision is 2")]

    ServingPointer.objects.all().delete()
    assert found() == [("pointers", "live", "it has no pointer")]


def test_a_gap_between_revisions_is_named(served):
    revision(served, 5, {"arms": [], "decision_rule": {}, "fallback": {}})

    assert ("pointers", "live", "3 revisions are there, the newest is 5") in found()


def test_labels_of_another_model_are_named(served, team):
    stranger = make_version(make_model(team=team, slug="other"))
    Tag.objects.update(version=stranger)
    Alias.objects.filter(name="champion").update(version=stranger)

    assert found() == [
        ("tags and aliases", "tag k of credit", "its version belongs to another model"),
        ("tags and aliases", "alias champion of credit", "its version belongs to another model"),
    ]


def test_features_that_strayed_are_named(served, team, other_team):
    stranger = make_version(make_model(team=team, slug="other"))
    first, second = Feature.objects.exclude(version=None).order_by("version__number")
    Feature.objects.filter(pk=first.pk).update(version=stranger)
    Feature.objects.filter(pk=second.pk).update(source=make_source(other_team))

    assert sorted(found()) == [
        ("features", "feature a of credit", "its source belongs to another team"),
        ("features", "feature a of credit", "its version belongs to another model"),
    ]


def test_feeds_that_go_round_are_named(served, other_team):
    Source.objects.filter(slug="bureau").update(fed_by=Source.objects.get(slug="ledger"))
    assert sorted(found()) == [
        ("feeds", "source bureau", "it feeds itself"),
        ("feeds", "source ledger", "it feeds itself"),
    ]

    Source.objects.filter(slug="bureau").update(fed_by=make_source(other_team))
    assert found() == [("feeds", "source bureau", "what feeds it belongs to another team")]


def test_a_number_that_would_be_used_twice_is_named(served):
    RegisteredModel.objects.update(next_version=2)

    assert found() == [("version numbers", "credit", "the next version would be 2, but 2 exists")]
