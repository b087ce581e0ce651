"""Tags of models and versions."""

import pytest

from mlops_portal.kit.errors import Invalid, Refused
from registry import inventory
from registry.models import AuditEntry, Tag
from tests.factories import NOON, make_model, make_version


@pytest.fixture
def model(team):
    return make_model(team=team, slug="credit")


def test_a_tag_is_set_and_set_anew(model, alice):
    inventory.set_tag(model, "domain", "lending", by=alice, now=NOON)
    inventory.set_tag(model, "domain", "", by=alice, now=NOON)

    assert Tag.objects.get().value == ""
    changes = AuditEntry.objects.filter(verb="tag.set").order_by("seq").values_list("changes", flat=True)
    assert list(changes) == [{"domain": [None, "lending"]}, {"domain": ["lending", ""]}]


def test_the_same_value_again_changes_and_records_nothing(model, alice):
    first = inventory.set_tag(model, "domain", "lending", by=alice, now=NOON)

    assert inventory.set_tag(model, "domain", "lending", by=alice, now=NOON) == first
    assert AuditEntry.objects.filter(verb="tag.set").count() == 1


def test_a_version_has_tags_of_its_own(model, alice):
    version = make_version(model)
    inventory.set_tag(model, "k", "of the model", by=alice, now=NOON)
    inventory.set_tag(version, "k", "of the version", by=alice, now=NOON)

    assert version.tags.get().value == "of the version"
    assert Tag.objects.of_models().get().value == "of the model"


def test_deleting_says_whether_there_was_one(model, alice):
    inventory.set_tag(model, "k", "v", by=alice, now=NOON)

    assert inventory.delete_tag(model, "k", by=alice, now=NOON) is True
    assert inventory.delete_tag(model, "k", by=alice, now=NOON) is False


def test_a_value_is_kept_exactly_as_it_came(model, alice):
    text = "  caf\u0065\u0301\r\n "

    assert inventory.set_tag(model, "k", text, by=alice, now=NOON).value == text


def test_tags_do_not_move_the_model(model, alice):
    inventory.set_tag(model, "k", "v", by=alice, now=NOON.replace(hour=13))
    model.refresh_from_db()

    assert model.updated_at == NOON


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("a b/c.d-e_f:g", "x" * 100_000, None),
        ("", "v", "invalid"),
        ("k?", "v", "invalid"),
        ("../up", "v", "invalid"),
        ("/root", "v", "invalid"),
        ("a//b", "v", "invalid"),
        ("k" * 251, "v", "too_large"),
        ("k", "x" * 100_001, "too_large"),
        ("k", "nul\x00", "invalid_character"),
        ("portal.owner", "me", "reserved_key"),
        ("mlflow.prompt.is_prompt", "true", "prompts_unsupported"),
        ("mlflow.prompt.is_prompt", "false", None),
    ],
)
def test_limits_are_checks(model, alice, key, value, code):
    if code is None:
        assert inventory.set_tag(model, key, value, by=alice, now=NOON).value == value
        return

    with pytest.raises(Invalid) as raised:
        inventory.set_tag(model, key, value, by=alice, now=NOON)

    assert raised.value.faults[0].code == code


def test_a_viewer_sets_and_deletes_none(model, victor, alice):
    inventory.set_tag(model, "k", "v", by=alice, now=NOON)

    with pytest.raises(Refused):
        inventory.set_tag(model, "k", "w", by=victor, now=NOON)
    with pytest.raises(Refused):
        inventory.delete_tag(model, "k", by=victor, now=NOON)
    assert Tag.objects.get().value == "v"
