"""The fleet: every model in a row, what needs a person first, and the same cost for one model and for twenty."""

import pytest

from tests.factories import make_model
from tests.monitoring.shown import HOSTILE, at_home, get, gzipped, make_shown, part, text

MOST_QUERIES, MOST_BYTES = 14, 14 * 1024


def test_an_empty_portal_says_what_to_do(alice):
    shown = text(get(alice, "/"))

    assert "Nothing needs you." in shown
    assert "No model yet" in shown


def test_a_row_says_what_was_measured(team, alice):
    make_shown(team)

    shown = text(get(alice, "/"))

    assert "1 of 3" in shown
    assert "MAE 4.4" in shown
    assert "61 ms" in shown
    assert "642 a day" in shown


@pytest.mark.parametrize("models", [1, 24])
def test_the_cost_does_not_grow_with_the_models(team, alice, models, django_assert_max_num_queries):
    for number in range(models):
        make_shown(team, slug=f"model-{number}", name=f"Model {number}", days=2)

    client = at_home(alice)

    with django_assert_max_num_queries(MOST_QUERIES):
        html = get(client, "/")

    assert gzipped(html) <= MOST_BYTES


def test_another_team_sees_no_row(team, charlie):
    make_shown(team)

    assert "Arrival times" not in get(charlie, "/")


def test_a_team_can_be_chosen_and_stays_chosen_when_the_rows_are_asked_for_again(team, other_team, alice):
    make_shown(team)
    other_team.memberships.create(user=alice, role="viewer", created_at=team.created_at)
    make_model(team=other_team, slug="elsewhere", name="Elsewhere")

    html = get(alice, "/?team=risk")

    assert "Elsewhere" not in html
    assert 'hx-get="?team=risk"' in html


@pytest.mark.parametrize("name", ["fleet-rows", "todo"])
def test_a_part_can_be_asked_for_alone(team, alice, name):
    make_shown(team)

    html = part(alice, "/", name).content.decode()

    assert html.lstrip().startswith("<section")
    assert f'id="{name}"' in html


def test_a_hostile_name_is_only_text(team, alice):
    make_shown(team, name=HOSTILE)

    assert "<svg onload" not in get(alice, "/")


def test_nobody_sees_the_fleet_without_signing_in(client, db):
    assert client.get("/").headers["Location"].startswith("/sign-in/")


def test_a_week_without_verdict_does_not_hide_one_with(team, alice):
    model = make_shown(team)
    model.runs.exclude(monitor__slug="operations").update(summary={"worst": "insufficient"})

    assert "week 1 ok" in get(alice, "/")
