"""API keys: their text, their life, and what recognising one costs."""

import base64
import string
from datetime import timedelta

import pytest
from django.test import RequestFactory

from mlops_portal.kit.errors import Conflict, Invalid, Refused, Unauthenticated
from registry import permissions
from registry.models import ApiKey, AuditEntry, Scope
from registry.permissions import keys
from tests.factories import NOON, make_key, make_model, make_user

SECOND = timedelta(seconds=1)


@pytest.fixture
def text(team):
    return make_key(team=team, scopes=["ingest"], label="loader")


def issue(team, alice, **options):
    return permissions.issue_key(team, **({"label": "x", "scopes": ["read"], "by": alice, "now": NOON} | options))


def test_a_key_has_the_documented_form(text):
    prefix, key_id, secret, check = text[:4], text[4:16], text[17:60], text[61:]

    assert (len(text), prefix, text[16], text[60]) == (67, "mlp_", "_", "_")
    assert set(key_id) <= set(string.ascii_lowercase + "234567")
    assert set(secret) <= set(string.ascii_letters + string.digits + "-_")
    assert len(check) == 6


def test_the_secret_is_stored_only_as_a_hash(text):
    row = ApiKey.objects.get()

    stored = " ".join(str(value) for value in ApiKey.objects.filter(pk=row.pk).values_list()[0])
    assert text[17:60] not in stored
    assert len(row.secret_sha256) == 64
    assert text[17:60] not in " ".join(str(entry.changes) for entry in AuditEntry.objects.all())


def test_a_key_is_recognised_in_one_query(text, django_assert_num_queries):
    permissions.authenticate_key(text, NOON)

    with django_assert_num_queries(1):
        principal = permissions.authenticate_key(text, NOON + SECOND)

    assert (principal.label, principal.scopes, principal.team_slug) == ("key:loader", {"ingest"}, "risk")
    assert principal.is_authenticated
    assert not principal.sees_all_teams


@pytest.mark.parametrize("position", [0, 5, 20, 59, 62, 66])
def test_a_typo_costs_no_query(text, position, django_assert_num_queries):
    wrong = text[:position] + ("a" if text[position] != "a" else "b") + text[position + 1 :]

    with django_assert_num_queries(0), pytest.raises(Unauthenticated):
        permissions.authenticate_key(wrong, NOON)


@pytest.mark.parametrize(
    "wrong", ["", "mlp_", "x" * 67, "mlp_" + "ä" * 63, "mlp_" + "a" * 12 + "_" + "b" * 43 + "_000000"]
)
def test_what_is_no_key_is_refused(db, wrong):
    with pytest.raises(Unauthenticated):
        permissions.authenticate_key(wrong, NOON)


def test_a_well_formed_key_with_another_secret_is_refused(text):
    forged = keys._Written(text[4:16], "A" * 43).text()

    with pytest.raises(Unauthenticated, match="not valid"):
        permissions.authenticate_key(forged, NOON)


def test_an_unknown_well_formed_key_is_refused(db):
    with pytest.raises(Unauthenticated, match="not valid"):
        permissions.authenticate_key(keys._Written("a" * 12, "A" * 43).text(), NOON)


def test_an_expired_key_says_that_it_expired(team):
    text = make_key(team=team, expires_at=NOON)

    permissions.authenticate_key(text, NOON - SECOND)
    with pytest.raises(Unauthenticated, match="expired on 20 Nov"):
        permissions.authenticate_key(text, NOON)


def test_use_is_noted_at_most_every_five_minutes(text):
    def used_at():
        return ApiKey.objects.get().last_used_at

    permissions.authenticate_key(text, NOON)
    permissions.authenticate_key(text, NOON + timedelta(minutes=4, seconds=59))
    assert used_at() == NOON
    permissions.authenticate_key(text, NOON + timedelta(minutes=5))
    assert used_at() == NOON + timedelta(minutes=5)


def test_a_revoked_key_stops_at_once(team, text, alice):
    row = ApiKey.objects.get()

    permissions.revoke_key(row, by=alice, now=NOON)

    with pytest.raises(Unauthenticated, match="revoked"):
        permissions.authenticate_key(text, NOON)
    with pytest.raises(Conflict):
        permissions.revoke_key(row, by=alice, now=NOON)
    assert AuditEntry.objects.get(verb="key.revoked").actor == "alice"


def test_a_rotated_key_lives_one_more_day_beside_its_successor(team, text, alice):
    old = ApiKey.objects.get()

    new, new_text = permissions.rotate_key(old, by=alice, now=NOON)

    day = timedelta(hours=24)
    assert (new.replaces, new.scopes, new.role, new.label) == (old, old.scopes, old.role, old.label)
    assert permissions.authenticate_key(text, NOON + day - SECOND)
    assert permissions.authenticate_key(new_text, NOON + day)
    with pytest.raises(Unauthenticated):
        permissions.authenticate_key(text, NOON + day)


def test_a_dead_key_is_not_rotated(team, alice):
    make_key(team=team, expires_at=NOON)

    with pytest.raises(Conflict, match="issue a new one"):
        permissions.rotate_key(ApiKey.objects.get(), by=alice, now=NOON)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "x" * 101}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"role": "admin"}, "role"),
    ],
)
def test_a_key_that_will_not_do_is_refused_with_the_field(team, alice, options, field):
    with pytest.raises(Invalid) as raised:
        issue(team, alice, **options)

    assert raised.value.field == field


def test_a_key_of_a_stranger_or_a_strange_model_is_refused(team, alice, charlie, other_team):
    for options in ({"user": charlie}, {"model": make_model(team=other_team)}, {"user": alice, "role": "viewer"}):
        with pytest.raises(Invalid):
            issue(team, alice, **options)


def test_a_key_lives_90_days_unless_said(team, alice):
    row, _ = issue(team, alice)

    assert (row.expires_at - NOON, row.role, row.created_by) == (timedelta(days=90), "contributor", "alice")


def test_issuing_takes_the_right(team, victor):
    with pytest.raises(Refused):
        issue(team, victor)


def test_a_team_has_a_limited_number_of_keys(team, alice, monkeypatch):
    monkeypatch.setattr(keys, "KEYS_LIMIT", 2)
    issue(team, alice)
    issue(team, alice, days=1)

    with pytest.raises(Conflict, match="2 keys in use"):
        issue(team, alice)
    assert issue(team, alice, now=NOON + timedelta(days=2))


def test_a_scope_is_required_by_name(text):
    principal = permissions.authenticate_key(text, NOON)

    permissions.require_scope(principal, Scope.INGEST)
    with pytest.raises(Refused, match="scope read; this one has ingest") as raised:
        permissions.require_scope(principal, "read")
    assert raised.value.code == "insufficient_scope"


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        (basic("anyone", "abc"), "abc"),
        (basic("", "a:b"), "a:b"),
        ("Basic ???", ""),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), ""),
        ("Digest abc", None),
        ("", None),
    ],
)
def test_a_key_comes_as_bearer_or_as_basic_password(header, found):
    assert permissions.key_from_request(RequestFactory().get("/", headers={"Authorization": header})) == found


def test_a_key_in_the_address_is_no_credential(client, text):
    assert client.get(f"/api/v1/models?key={text}").status_code == 401
    assert client.get(f"/api/v1/models?access_token={text}").status_code == 401


def test_basic_authentication_works_like_bearer(client, team):
    text = make_key(team=team, scopes=["read"])

    assert client.get("/api/v1/models", headers={"Authorization": basic("x", text)}).status_code == 200


def test_an_owner_in_several_teams_acts_only_in_that_of_the_key(team, other_team):
    owner = make_user(team=team, role="viewer")
    other_team.memberships.create(user=owner, role="maintainer", created_at=NOON)

    principal = permissions.authenticate_key(make_key(team=team, user=owner), NOON)

    assert principal.standings == {"viewer"}
