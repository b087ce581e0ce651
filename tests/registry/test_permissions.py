"""Who may do what: every cell of the table, for people and for keys."""

import pytest

from mlops_portal.kit.errors import Conflict, Invalid, Refused
from registry import permissions
from registry.models import AuditEntry, Membership, Role, Scope
from registry.permissions import Permission
from tests.factories import NOON, make_key, make_member, make_user
from tests.registry.permissions_table import CELLS, TABLE

VIEWS = {permission for permission in Permission if permission.endswith(".view") and permission != "audit.view"}
SCOPES = {
    "read": VIEWS | {"audit.view"},
    "registry": VIEWS
    | {
        "audit.view",
        "inventory.edit",
        "inventory.remove",
        "deployment.activate",
        "decision.propose",
        "monitor.edit",
        "traffic.erase",
        "webhook.manage",
    },
    "ingest": set(),
    "serving": set(),
    "events": {"change_event.report"},
}


def person(role, team):
    match role:
        case "auditor" | "admin":
            return make_user(**{f"is_{role}": True})
        case "reviewer" | "approver":
            return make_user(team=team, **{f"is_{role}": True})
    return make_user(team=team, role=role)


def principal(team, **options):
    return permissions.authenticate_key(make_key(team=team, **options), NOON)


@pytest.mark.parametrize(("permission", "role", "allowed"), CELLS, ids=lambda value: str(value))
def test_every_cell_of_the_table(team, permission, role, allowed):
    assert permissions.has(person(role, team), Permission(permission), team) is allowed


def test_the_table_of_this_test_is_complete():
    assert {line.split()[0] for line in TABLE.strip().splitlines()} == {permission.value for permission in Permission}


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("scope", list(Scope))
def test_every_scope_of_a_maintainers_key(team, scope, permission):
    key = principal(team, scopes=[scope])

    allowed = permission in SCOPES[scope]

    assert permissions.has(key, permission, team) is allowed


def test_a_key_never_exceeds_its_role(team):
    key = principal(team, scopes=["registry"], role=Role.VIEWER)

    assert not permissions.has(key, Permission.INVENTORY_EDIT, team)
    assert permissions.has(key, Permission.INVENTORY_VIEW, team)


def test_a_personal_key_follows_its_owner_in_both_directions(team):
    owner = make_user(team=team, role=Role.VIEWER)
    text = make_key(team=team, scopes=["registry"], user=owner)

    assert not permissions.has(permissions.authenticate_key(text, NOON), Permission.INVENTORY_EDIT, team)
    Membership.objects.filter(user=owner).update(role=Role.CONTRIBUTOR)
    assert permissions.has(permissions.authenticate_key(text, NOON), Permission.INVENTORY_EDIT, team)


def test_no_key_reviews_whatever_its_owner_may(team):
    owner = make_user(team=team, role=Role.MAINTAINER, is_approver=True, is_reviewer=True)
    key = principal(team, scopes=list(Scope), user=owner)

    for permission in (
        Permission.DECISION_REVIEW,
        Permission.ITEM_LABEL,
        Permission.KEY_MANAGE,
        Permission.ALERT_HANDLE,
    ):
        assert not permissions.has(key, permission, team)


@pytest.mark.parametrize("permission", list(Permission))
def test_outside_the_own_team_nobody_may_anything(team, other_team, permission):
    maintainer = make_user(team=team, role=Role.MAINTAINER, is_approver=True, is_reviewer=True)

    assert not permissions.has(maintainer, permission, other_team)
    assert not permissions.has(principal(team, scopes=list(Scope)), permission, other_team)


def test_adjudicating_takes_role_and_duty_together(team):
    maintainer = make_user(team=team, role=Role.MAINTAINER)
    both = make_user(team=team, role=Role.MAINTAINER, is_reviewer=True)

    assert not permissions.has(maintainer, Permission.ITEM_ADJUDICATE, team)
    assert permissions.has(both, Permission.ITEM_ADJUDICATE, team)


def test_a_disabled_person_may_nothing(team, alice):
    alice.is_active = False

    assert not permissions.has(alice, Permission.INVENTORY_VIEW, team)
    assert not permissions.somewhere(alice, Permission.INVENTORY_VIEW)


def test_a_refusal_says_who_may_and_what_one_is(team, victor):
    with pytest.raises(
        Refused,
        match=r"To edit the inventory takes the role contributor or the role maintainer or an administrator; "
        r"you are viewer in Risk\.",
    ):
        permissions.require(victor, Permission.INVENTORY_EDIT, team)


def test_a_key_without_the_scope_is_told_which_it_needs(team):
    key = principal(team, scopes=["ingest", "serving"])

    with pytest.raises(Refused, match="needs the scope registry; this one has ingest and serving") as raised:
        permissions.require(key, Permission.INVENTORY_EDIT, team)
    assert raised.value.code == "insufficient_scope"


def test_what_no_key_may_is_left_to_people(team):
    with pytest.raises(Refused, match="No API key may manage members"):
        permissions.require(principal(team, scopes=list(Scope)), Permission.MEMBER_MANAGE, team)


def test_the_portal_itself_is_trusted(team):
    permissions.require("system:planner", Permission.TEAM_MANAGE, team)


def test_a_right_in_any_team_counts_somewhere(team, other_team, victor):
    assert not permissions.somewhere(victor, Permission.INVENTORY_EDIT)
    make_member(victor, team=other_team, role=Role.CONTRIBUTOR)
    assert permissions.somewhere(victor, Permission.INVENTORY_EDIT)
    assert permissions.somewhere(make_user(is_admin=True), Permission.INVENTORY_EDIT)


class TestTeams:
    """Teams and their members."""

    def test_only_administrators_make_teams(self, alice):
        with pytest.raises(Refused):
            permissions.create_team("new", by=alice, now=NOON)

        made = permissions.create_team("new", name="New", by=make_user(is_admin=True), now=NOON)

        assert AuditEntry.objects.get(verb="team.created").team == made

    def test_a_taken_slug_is_a_conflict(self, team):
        with pytest.raises(Conflict, match="is taken") as raised:
            permissions.create_team("risk", by="cli", now=NOON)
        assert raised.value.code == "name_taken"

    def test_a_person_joins_once(self, team, alice):
        newcomer = make_user()
        permissions.add_member(team, newcomer, role="viewer", by=alice, now=NOON)

        with pytest.raises(Conflict, match="already"):
            permissions.add_member(team, newcomer, role="viewer", by=alice, now=NOON)

    def test_an_unknown_role_is_refused(self, team, alice):
        with pytest.raises(Invalid, match="choose from viewer"):
            permissions.add_member(team, make_user(), role="king", by=alice, now=NOON)

    def test_the_last_maintainer_stays(self, team, alice):
        mine = Membership.objects.get(user=alice)
        demote = {"role": "viewer", "is_reviewer": False, "is_approver": False}

        with pytest.raises(Conflict, match="needs a maintainer"):
            permissions.change_member(mine, **demote, by=alice, now=NOON)
        with pytest.raises(Conflict, match="needs a maintainer"):
            permissions.remove_member(mine, by=alice, now=NOON)
        make_user(team=team, role=Role.MAINTAINER)
        permissions.change_member(mine, **demote, by=alice, now=NOON)
        assert mine.role == "viewer"

    def test_nobody_grants_themselves_a_duty(self, team, alice, bob):
        mine = Membership.objects.get(user=alice)
        duty = {"role": "maintainer", "is_reviewer": False, "is_approver": True}

        with pytest.raises(Refused, match="Nobody grants themselves a duty"):
            permissions.change_member(mine, **duty, by=alice, now=NOON)
        permissions.change_member(mine, **duty, by=bob, now=NOON)

        assert (mine.duties_granted_by, mine.duties_granted_at) == ("bob", NOON)

    def test_taking_the_last_duty_away_forgets_who_gave_it(self, team, alice, bob):
        his = Membership.objects.get(user=bob)

        permissions.change_member(his, role="maintainer", is_reviewer=False, is_approver=False, by=alice, now=NOON)

        assert (his.duties_granted_by, his.duties_granted_at) == ("", None)

    def test_a_change_of_nothing_is_not_recorded(self, team, alice, bob):
        his = Membership.objects.get(user=bob)

        permissions.change_member(his, role="maintainer", is_reviewer=False, is_approver=True, by=alice, now=NOON)

        assert not AuditEntry.objects.filter(verb="member.changed").exists()

    def test_a_viewer_manages_nobody(self, team, alice, victor):
        hers = Membership.objects.get(user=alice)

        for attempt in (
            lambda: permissions.add_member(team, make_user(), role="viewer", by=victor, now=NOON),
            lambda: permissions.remove_member(hers, by=victor, now=NOON),
            lambda: permissions.edit_team(team, name="x", contact="", cost_centre="", by=victor, now=NOON),
        ):
            with pytest.raises(Refused, match="you are viewer in Risk"):
                attempt()

    def test_a_removed_member_is_a_stranger_at_once(self, team, alice, bob):
        key = make_key(team=team, user=bob)

        permissions.remove_member(Membership.objects.get(user=bob), by=alice, now=NOON)

        assert not permissions.has(bob, Permission.INVENTORY_VIEW, team)
        with pytest.raises(Exception, match="no longer in the team"):
            permissions.authenticate_key(key, NOON)

    def test_a_team_is_described_anew(self, team, alice):
        permissions.edit_team(team, name="Risk & fraud", contact="risk@example.org", cost_centre="", by=alice, now=NOON)

        assert team.name == "Risk & fraud"
        assert AuditEntry.objects.get(verb="team.changed").changes["name"] == ["Risk", "Risk & fraud"]


class TestPeople:
    """People are invited and shut out."""

    def test_only_administrators_invite(self, alice):
        with pytest.raises(Refused):
            permissions.create_user("new", email="new@example.org", by=alice, now=NOON)

    @pytest.mark.parametrize(
        ("username", "email", "error"),
        [
            ("Ann", "ann@example.org", Invalid),
            ("", "ann@example.org", Invalid),
            ("a b", "ann@example.org", Invalid),
            ("ann", "no address", Invalid),
            ("taken", "ann@example.org", Conflict),
            ("ann", "taken@example.org", Conflict),
        ],
    )
    def test_an_invitation_that_will_not_do_is_refused(self, db, username, email, error):
        make_user("taken")

        with pytest.raises(error):
            permissions.create_user(username, email=email, by="cli", now=NOON)

    def test_a_disabled_persons_key_stops_at_once(self, team, alice):
        key = make_key(team=team, user=alice)

        permissions.disable_user(alice, by="cli", now=NOON)

        with pytest.raises(Exception, match="no longer in the team"):
            permissions.authenticate_key(key, NOON)
        permissions.enable_user(alice, by="cli", now=NOON)
        assert permissions.authenticate_key(key, NOON).user_id == alice.pk


def test_make_team_is_not_open_to_keys(team):
    with pytest.raises(Refused):
        permissions.create_team("x", by=principal(team, scopes=["registry"]), now=NOON)
