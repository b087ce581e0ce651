"""Aliases point at one version each, and keep their history."""

from datetime import timedelta

import pytest

from mlops_portal.kit.errors import Conflict, Invalid, Refused
from registry import inventory
from registry.models import Alias, AuditEntry
from tests.factories import NOON, make_model, make_version

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def model(team):
    return make_model(team=team, slug="credit")


def test_moving_an_alias_closes_its_row_and_opens_another(model, alice):
    first, second = make_version(model), make_version(model)
    inventory.set_alias(model, "champion", first, by=alice, now=NOON)
    inventory.set_alias(model, "champion", second, by=alice, now=LATER)

    rows = list(Alias.objects.order_by("set_at").values_list("version__number", "set_at", "ended_at", "set_by"))
    assert rows == [(1, NOON, LATER, "alice"), (2, LATER, None, "alice")]
    last = AuditEntry.objects.filter(verb="alias.set").order_by("-seq").first()
    assert last.changes == {"champion": [1, 2]}


def test_the_same_version_again_is_no_move(model, alice):
    version = make_version(model)
    first = inventory.set_alias(model, "champion", version, by=alice, now=NOON)

    assert inventory.set_alias(model, "champion", version, by=alice, now=LATER) == first
    assert Alias.objects.count() == 1


def test_a_clock_that_runs_behind_closes_a_row_no_earlier_than_it_began(model, alice):
    first, second = make_version(model), make_version(model)
    inventory.set_alias(model, "champion", first, by=alice, now=LATER)
    inventory.set_alias(model, "champion", second, by=alice, now=NOON)

    assert Alias.objects.get(version=first).ended_at == LATER


def test_an_alias_ends_once(model, alice):
    inventory.set_alias(model, "champion", make_version(model), by=alice, now=NOON)

    assert inventory.end_alias(model, "champion", by=alice, now=LATER) is True
    assert inventory.end_alias(model, "champion", by=alice, now=LATER) is False
    assert not Alias.objects.open().exists()


def test_aliases_do_not_move_the_model(model, alice):
    version = make_version(model)
    inventory.set_alias(model, "champion", version, by=alice, now=LATER)
    model.refresh_from_db()
    version.refresh_from_db()

    assert (model.updated_at, version.updated_at) == (NOON, NOON)


def test_a_deleted_version_and_one_of_another_model_take_no_alias(model, alice, team):
    deleted, foreign = make_version(model), make_version(make_model(team=team))
    inventory.delete_version(deleted, by=alice, now=NOON)

    for version in (deleted, foreign):
        with pytest.raises(Conflict, match="has no version"):
            inventory.set_alias(model, "champion", version, by=alice, now=NOON)
    assert not Alias.objects.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("v1", "Version alias name 'v1' is reserved."),
        ("Latest", "'latest' alias name (case insensitive) is reserved."),
        ("a b", "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
        ("", "Invalid alias name: ''."),
        ("a" * 256, "256 characters; 255 is the most."),
    ],
)
def test_names_that_will_not_do(model, alice, name, says):
    with pytest.raises(Invalid) as raised:
        inventory.set_alias(model, name, make_version(model), by=alice, now=NOON)

    assert says in raised.value.faults[0].detail


def test_a_viewer_moves_none(model, victor):
    version = make_version(model)

    with pytest.raises(Refused):
        inventory.set_alias(model, "champion", version, by=victor, now=NOON)
    with pytest.raises(Refused):
        inventory.end_alias(model, "champion", by=victor, now=NOON)
