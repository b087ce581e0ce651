"""`verify_registry` names every row that breaks a rule over several rows."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from registry import integrity, inventory
from registry.inventory import FeatureDraft
from registry.models import Alias, Feature, RegisteredModel, Source, Tag
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
    return [(one.where, one.text) for one in integrity.verify()]


def test_a_sound_registry_is_quiet(served):
    out = StringIO()

    call_command("verify_registry", stdout=out)

    assert out.getvalue() == "1 endpoints fit. 1 models fit.\n"


def test_labels_of_another_model_are_named(served, team):
    stranger = make_version(make_model(team=team, slug="other"))
    Tag.objects.update(version=stranger)
    Alias.objects.filter(name="champion").update(version=stranger)

    assert found() == [
        ("tag k of credit", "its version belongs to another model"),
        ("alias champion of credit", "its version belongs to another model"),
    ]


def test_features_that_strayed_are_named(served, team, other_team):
    stranger = make_version(make_model(team=team, slug="other"))
    first, second = Feature.objects.exclude(version=None).order_by("version__number")
    Feature.objects.filter(pk=first.pk).update(version=stranger)
    Feature.objects.filter(pk=second.pk).update(source=make_source(other_team))

    assert sorted(found()) == [
        ("feature a of credit", "its source belongs to another team"),
        ("feature a of credit", "its version belongs to another model"),
    ]


def test_feeds_that_go_round_are_named(served, other_team):
    Source.objects.filter(slug="bureau").update(fed_by=Source.objects.get(slug="ledger"))
    assert sorted(found()) == [
        ("source bureau", "it feeds itself"),
        ("source ledger", "it feeds itself"),
    ]

    Source.objects.filter(slug="bureau").update(fed_by=make_source(other_team))
    assert found() == [("source bureau", "what feeds it belongs to another team")]


def test_a_number_that_would_be_used_twice_is_named(served):
    RegisteredModel.objects.update(next_version=2)
    out = StringIO()

    with pytest.raises(CommandError, match="1 things do not fit"):
        call_command("verify_registry", stdout=out)
    assert out.getvalue() == "credit: the next version would be 2, but 2 exists\n"
    assert found() == [("credit", "the next version would be 2, but 2 exists")]
