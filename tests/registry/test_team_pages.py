"""Pages of teams: members and keys."""

import re

import pytest
from django.urls import reverse

from mlops_portal.kit import clock
from registry import permissions
from registry.models import ApiKey, Membership, Team
from tests.factories import make_key, make_user

TEAM = "/teams/risk/"


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def html(response):
    return response.content.decode()


def url(name, *args):
    return reverse(f"registry:{name}", args=args)


def test_a_member_is_added_given_duties_and_removed(as_alice, team):
    make_user("newcomer")

    as_alice.post(url("member-add", "risk"), {"username": " Newcomer ", "role": "viewer"})
    as_alice.post(url("member-change", "risk", "newcomer"), {"role": "contributor", "is_approver": "on"})
    his = Membership.objects.get(user__username="newcomer")

    assert (his.role, his.is_approver, his.duties_granted_by) == ("contributor", True, "alice")
    as_alice.post(url("member-remove", "risk", "newcomer"))
    assert not Membership.objects.filter(pk=his.pk).exists()


def test_somebody_unknown_is_told_at_the_field_how_people_are_invited(as_alice, team):
    response = as_alice.post(url("member-add", "risk"), {"username": "ghost", "role": "viewer"})

    assert response.status_code == 422
    assert "manage.py user create" in html(response)


def test_the_last_maintainer_is_told_why_not(as_alice, team):
    page = html(as_alice.get(TEAM))
    refused = as_alice.post(url("member-remove", "risk", "alice"))

    assert "A team needs a maintainer" in page
    assert refused.status_code == 409
    assert "A team needs a maintainer" in html(refused)


def test_leaving_the_team_leads_to_the_list(as_alice, team, bob):
    response = as_alice.post(url("member-remove", "risk", "alice"))

    assert response["Location"] == url("team-list")


def test_an_issued_key_is_shown_once_and_works(as_alice, team):
    data = {"label": "loader", "scopes": ["ingest"], "role": "contributor", "days": "30"}

    page = html(as_alice.post(url("key-issue", "risk"), data))

    text = re.search(r"mlp_[a-z2-7]{12}_[\w-]{43}_[0-9a-f]{6}", page)[0]
    assert permissions.authenticate_key(text, clock.now()).scopes == {"ingest"}
    assert text not in html(as_alice.get(TEAM))
    assert "loader" in html(as_alice.get(TEAM))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"days": "366"}, "1 to 365 days"),
        ({"scopes": []}, "required"),
        ({"label": ""}, "required"),
        ({"model": "nope"}, "valid choice"),
    ],
)
def test_a_key_that_will_not_do_is_refused_at_the_field(as_alice, team, change, says):
    data = {"label": "x", "scopes": ["ingest"], "role": "viewer", "days": "30"} | change

    response = as_alice.post(url("key-issue", "risk"), data)

    assert response.status_code == 422
    assert says in html(response)
    assert not ApiKey.objects.exists()


def test_a_key_is_rotated_and_revoked(as_alice, team):
    text = make_key(team=team, label="loader")
    key_id = text[4:16]

    rotated = html(as_alice.post(url("key-rotate", "risk", key_id)))
    as_alice.post(url("key-revoke", "risk", key_id))

    assert "shown only now" in rotated
    assert ApiKey.objects.get(key_id=key_id).revoked_at
    assert as_alice.post(url("key-revoke", "risk", key_id)).status_code == 409


def test_a_viewer_sees_members_but_no_keys(client, victor, alice, team):
    make_key(team=team, label="loader")
    client.force_login(victor)

    page = html(client.get(TEAM))

    assert "alice" in page
    assert "loader" not in page
    assert "To manage members takes" in page


def test_keys_of_another_team_are_not_there(as_alice, team, other_team):
    key_id = make_key(team=other_team)[4:16]

    assert as_alice.post(url("key-revoke", "risk", key_id)).status_code == 404
    assert as_alice.post(url("key-revoke", "other", key_id)).status_code == 404


def test_an_administrator_makes_a_team_and_its_first_maintainer(client, db):
    client.force_login(make_user("root", is_admin=True))

    client.post(url("team-create"), {"slug": "risk", "name": "Risk"})
    client.post(url("member-add", "risk"), {"username": "root", "role": "maintainer"})

    assert Team.objects.get().memberships.get().role == "maintainer"
    taken = client.post(url("team-create"), {"slug": "risk", "name": "Again"})
    assert taken.status_code == 409
    assert "is taken" in html(taken)


def test_a_team_is_renamed_by_its_maintainer(as_alice, team):
    as_alice.post(url("team-edit", "risk"), {"name": "Risk & fraud", "contact": "risk@example.org"})

    assert "Risk &amp; fraud" in html(as_alice.get(TEAM))


def test_the_page_takes_as_many_queries_for_many_members(as_alice, team, django_assert_max_num_queries):
    for number in range(20):
        make_user(team=team)
        make_key(team=team, label=f"key {number}")
    as_alice.get(TEAM)

    with django_assert_max_num_queries(12):
        as_alice.get(TEAM)
