"""Sessions live as long as they are used, and end when they have to."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mlops_portal.kit import clock
from registry import permissions, sessions
from registry.models import Membership, Role, Team, User
from tests.factories import NOON, PASSWORD, make_member, make_team, make_user

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def at(monkeypatch):
    """Sets the wall clock, Django's too."""

    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)
        monkeypatch.setattr(clock, "now", lambda: moment)

    set_to(NOON)
    return set_to


@pytest.fixture
def ann(team: Team) -> User:
    return make_user("ann", team=team, role=Role.CONTRIBUTOR, password=PASSWORD)


def sign_in(user: User) -> Client:
    client = Client()
    assert client.post("/sign-in/", {"username": user.username, "password": PASSWORD}).status_code == 302
    return client


def look(client: Client) -> HttpResponse:
    return client.get("/me/")


def is_in(client: Client) -> bool:
    return look(client).status_code == 200


def expiry() -> datetime:
    return Session.objects.get().expire_date


class TestLife:
    def test_it_ends_after_eight_hours_without_use(self, ann, at):
        client = sign_in(ann)

        at(NOON + 8 * HOUR + timedelta(seconds=1))

        assert not is_in(client)

    def test_used_every_seven_hours_it_lasts_for_days_and_ends_after_seven(self, ann, at):
        client = sign_in(ann)
        moment = NOON
        while (moment := moment + 7 * HOUR) < NOON + 7 * DAY:
            at(moment)
            assert is_in(client), moment

        at(NOON + 7 * DAY + timedelta(seconds=1))

        assert not is_in(client)

    def test_the_cookie_lives_as_long_as_the_session(self, ann, at):
        client = sign_in(ann)

        at(NOON + 3 * HOUR)
        assert look(client).cookies["session"]["max-age"] == 8 * 3600

        for hours in range(10, 7 * 24 - 2, 7):
            at(NOON + hours * HOUR)
            is_in(client)
        at(NOON + 7 * DAY - 2 * HOUR)
        assert expiry() <= NOON + 7 * DAY
        assert look(client).status_code == 200

    @pytest.mark.parametrize(("minutes", "renewed"), [(9, False), (10, True)])
    def test_a_session_is_written_every_ten_minutes_at_most(self, ann, at, minutes, renewed):
        client = sign_in(ann)
        before = expiry()

        at(NOON + timedelta(minutes=minutes))
        look(client)

        assert (expiry() > before) is renewed

    def test_in_its_last_hours_it_is_not_written_at_all(self, ann, at):
        client = sign_in(ann)
        for hours in range(7, 7 * 24, 7):
            at(NOON + hours * HOUR)
            look(client)
        assert expiry() == NOON + 7 * DAY

        response = look(client)

        assert "session" not in response.cookies

    def test_signing_in_again_begins_anew(self, ann, at):
        client = sign_in(ann)
        at(NOON + 7 * HOUR)
        client.post("/sign-out/")
        client.post("/sign-in/", {"username": "ann", "password": PASSWORD})

        assert client.session[sessions.BEGAN] == (NOON + 7 * HOUR).timestamp()

    def test_nobodys_session_is_not_renewed(self, client, at):
        client.get("/sign-in/")
        before = expiry()

        at(NOON + 3 * HOUR)
        client.get("/sign-in/")

        assert expiry() == before
        assert sessions.BEGAN not in client.session

    def test_what_has_ended_is_deleted(self, ann, at):
        sign_in(ann)
        at(NOON + 4 * HOUR)
        client = sign_in(ann)

        sessions.sweep(NOON + 9 * HOUR)

        assert Session.objects.get().session_key == client.session.session_key


class TestEnd:
    def change(self, user: User, *, by: User, **fields: object) -> None:
        member = Membership.objects.get(user=user)
        values = {"role": member.role, "is_reviewer": member.is_reviewer, "is_approver": member.is_approver}
        permissions.change_member(member, **values | fields, by=by, now=NOON)

    @pytest.mark.parametrize(
        "fields", [{"role": Role.VIEWER}, {"role": Role.MAINTAINER}, {"is_reviewer": True}, {"is_approver": True}]
    )
    def test_another_role_or_duty_ends_every_session(self, ann, alice, fields):
        clients = [sign_in(ann), sign_in(ann)]

        self.change(ann, by=alice, **fields)

        assert [is_in(client) for client in clients] == [False, False]

    def test_nothing_new_ends_nothing(self, ann, alice):
        client = sign_in(ann)

        self.change(ann, by=alice)

        assert is_in(client)

    def test_leaving_a_team_ends_them(self, ann, alice):
        client = sign_in(ann)

        permissions.remove_member(Membership.objects.get(user=ann), by=alice, now=NOON)

        assert not is_in(client)

    def test_one_more_team_does_not(self, ann, alice):
        client = sign_in(ann)

        make_member(ann, team=make_team())

        assert is_in(client)

    def test_those_of_others_go_on(self, ann, alice, bob):
        client = Client()
        client.force_login(bob)

        self.change(ann, by=alice, role=Role.VIEWER)

        assert is_in(client)

    def test_a_disabled_account_that_is_enabled_again_begins_with_none(self, ann):
        client = sign_in(ann)

        permissions.disable_user(ann, by="setup", now=NOON)
        permissions.enable_user(ann, by="setup", now=NOON)

        assert not is_in(client)

    def test_the_api_of_a_page_is_closed_too(self, ann, alice):
        client = sign_in(ann)
        assert client.get("/api/v1/models").status_code == 200

        self.change(ann, by=alice, role=Role.VIEWER)

        assert client.get("/api/v1/models").status_code == 401

    def test_whoever_steps_down_keeps_the_session_at_hand_only(self, team, alice, bob):
        here, there = Client(), Client()
        for client in (here, there):
            client.force_login(alice)

        answer = here.post(f"/teams/{team.slug}/members/alice/", {"role": "viewer"})

        assert answer.status_code == 302
        assert (is_in(here), is_in(there)) == (True, False)
        assert Membership.objects.get(user=alice).role == "viewer"

    def test_whoever_leaves_keeps_the_session_at_hand_only(self, team, alice, bob):
        here, there = Client(), Client()
        for client in (here, there):
            client.force_login(alice)

        here.post(f"/teams/{team.slug}/members/alice/remove/")

        assert (is_in(here), is_in(there)) == (True, False)


def test_the_hash_of_a_session_depends_on_password_number_and_secret(ann, settings):
    first = ann.get_session_auth_hash()
    ann.session_number += 1
    second = ann.get_session_auth_hash()
    ann.password = "x"
    third = ann.get_session_auth_hash()

    assert len({first, second, third}) == 3
    settings.SECRET_KEY_FALLBACKS = ["a" * 50]
    assert list(ann.get_session_auth_fallback_hash()) != [third]


def test_times_are_utc(ann, at):
    sign_in(ann)

    assert expiry().tzinfo == UTC
