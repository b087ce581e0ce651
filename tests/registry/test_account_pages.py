"""Signing in and out, claim links, and one's own page."""

import re
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from mlops_portal.kit import clock
from mlops_portal.kit.errors import NotThere
from registry import permissions
from registry.models import AuditEntry, SignInFailure, User
from registry.permissions import claims
from tests.factories import NOON, PASSWORD, make_user

SIGN_IN = "/sign-in/"
WRONG = "wrong password here"


@pytest.fixture
def ann(db):
    return make_user("ann", password=PASSWORD)


@pytest.fixture
def at(monkeypatch):
    """Sets the wall clock."""

    def set_to(moment):
        monkeypatch.setattr(clock, "now", lambda: moment)

    set_to(NOON)
    return set_to


def attempt(client, username="ann", password=WRONG, **headers):
    return client.post(SIGN_IN, {"username": username, "password": password}, **headers)


def signed_in(client):
    return "_auth_user_id" in client.session


def test_name_and_password_open_a_session_with_a_new_key(client, ann):
    client.get(SIGN_IN)
    before = client.session.session_key

    response = attempt(client, " ANN ", PASSWORD)

    assert response["Location"] == "/"
    assert signed_in(client)
    assert client.session.session_key != before
    assert AuditEntry.objects.get(verb="user.signed_in").actor == "ann"


@pytest.mark.parametrize(
    ("username", "password"),
    [("ann", "wrong password here"), ("nobody", PASSWORD), ("ann\x00", PASSWORD), ("x" * 500, PASSWORD)],
)
def test_a_wrong_pair_gives_one_and_the_same_answer(client, ann, username, password):
    response = attempt(client, username, password)

    assert not signed_in(client)
    assert response.status_code in {400, 422}
    assert "Location" not in response


def test_an_unknown_name_costs_a_hash_too(client, ann, monkeypatch):
    hashed = []
    monkeypatch.setattr(User, "set_password", lambda self, raw: hashed.append(raw))

    attempt(client, "nobody")

    assert hashed == [WRONG]


def test_a_disabled_person_does_not_get_in(client, ann):
    permissions.disable_user(ann, by="cli", now=NOON)

    assert attempt(client, password=PASSWORD).status_code == 422


def test_a_huge_password_is_refused_before_hashing(client, ann, monkeypatch):
    monkeypatch.setattr(User, "check_password", lambda self, raw: pytest.fail("hashed"))

    assert attempt(client, password="x" * 100_000).status_code == 422


def test_guessing_gets_slower_but_never_locks(client, ann, at):
    moments = []
    for _ in range(8):
        assert attempt(client).status_code == 422
        pause = SignInFailure.objects.order_by("-free_at").first().free_at
        moments.append((pause - clock.now()).total_seconds())
        at(pause)

    assert moments == [0, 0, 0, 0, 0, 2, 4, 8]
    assert attempt(client, password=PASSWORD).status_code == 302


def test_while_slowed_the_password_is_not_looked_at(client, ann, at):
    for _ in range(6):
        attempt(client)

    refused = attempt(client, password=PASSWORD)

    assert (refused.status_code, refused["Retry-After"]) == (429, "3")
    assert "Wait 3 s" in refused.content.decode()
    assert not signed_in(client)


def test_thirty_guesses_from_one_peer_do_not_keep_the_owner_out(client, ann, at):
    for number in range(30):
        answer = attempt(client, "ANN" if number % 2 else "ann", headers={"X-Forwarded-For": f"10.0.0.{number}"})

    assert answer.status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert attempt(elsewhere, password=PASSWORD).status_code == 302


def test_a_peer_that_tries_many_names_is_slowed(client, db, at):
    answers = [attempt(client, f"user{number}").status_code for number in range(22)]

    assert answers[:21] == [422] * 21
    assert answers[21] == 429


def test_a_success_forgets_the_accounts_failures(client, ann, at):
    for _ in range(5):
        attempt(client)
    attempt(client, password=PASSWORD)
    client.logout()

    assert attempt(client).status_code == 422
    assert SignInFailure.objects.filter(failures=1).count() == 2


def test_failures_are_forgotten_after_a_day(client, ann, at):
    for _ in range(6):
        attempt(client)
    at(NOON + timedelta(hours=25))
    attempt(client)

    assert set(SignInFailure.objects.values_list("failures", flat=True)) == {1}


@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/models/", "/models/"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_on_the_portal(client, ann, target, lands):
    response = client.post(SIGN_IN, {"username": "ann", "password": PASSWORD, "next": target})

    assert response["Location"] == lands


def test_signing_in_takes_the_csrf_token(ann):
    client = Client(enforce_csrf_checks=True)

    assert attempt(client, password=PASSWORD).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', client.get(SIGN_IN).content.decode())[1]
    posted = {"username": "ann", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post(SIGN_IN, posted).status_code == 302


def test_signing_out_ends_the_session_and_takes_a_post(client, ann):
    client.force_login(ann)
    cookie = client.cookies["session"].value

    assert client.get("/sign-out/").status_code == 405
    client.post("/sign-out/")

    client.cookies["session"] = cookie
    assert client.get("/me/").status_code == 302


def test_disabling_ends_open_sessions(client, ann):
    client.force_login(ann)
    permissions.disable_user(ann, by="cli", now=NOON)

    assert client.get("/me/").status_code == 302


class TestClaims:
    """Links that set a password once."""

    def path(self, link):
        return "/claim/" + link.split("/claim/")[1]

    def test_the_first_visitor_becomes_the_administrator_and_only_the_first(self, client, db):
        path = self.path(permissions.claim_link())
        data = {"username": "Root", "email": "root@example.org", "password": PASSWORD, "again": PASSWORD}

        assert client.get(path).status_code == 200
        assert client.post(path, data)["Location"] == "/"

        user = User.objects.get()
        assert (user.username, user.is_admin, user.check_password(PASSWORD)) == ("root", True, True)
        assert signed_in(client)
        assert permissions.claim_link() is None
        assert Client().get(path).status_code == 404

    def test_two_first_visitors_at_once_make_one_administrator(self, db, monkeypatch):
        token = permissions.claim_link().rstrip("/").rsplit("/", 1)[1]
        monkeypatch.setattr(claims, "claimant", lambda token: claims.Claimant())
        person = {"password": PASSWORD, "now": NOON}
        permissions.claim_account(token, username="one", email="one@example.org", **person)

        with pytest.raises(Exception, match="taken"):
            permissions.claim_account(token, username="two", email="two@example.org", **person)
        assert User.objects.count() == 1

    def test_a_personal_link_sets_a_password_once(self, client, db):
        user = permissions.create_user("ann", email="ann@example.org", by="cli", now=NOON)
        path = self.path(permissions.claim_link(user))

        assert client.post(path, {"password": PASSWORD, "again": PASSWORD}).status_code == 302

        assert Client().post(path, {"password": PASSWORD, "again": PASSWORD}).status_code == 404
        assert attempt(Client(), password=PASSWORD).status_code == 302

    def test_a_link_is_over_after_a_week_a_sign_in_or_a_disabling(self, db, monkeypatch):
        user = make_user("ann")
        token = permissions.claim_link(user).rstrip("/").rsplit("/", 1)[1]

        User.objects.filter(pk=user.pk).update(is_active=False)
        with pytest.raises(NotThere):
            permissions.claimant(token)
        User.objects.filter(pk=user.pk).update(is_active=True, last_login=NOON)
        with pytest.raises(NotThere):
            permissions.claimant(token)
        User.objects.filter(pk=user.pk).update(last_login=None)
        assert permissions.claimant(token).user == user
        monkeypatch.setattr(claims, "LINK_LIVES", timedelta(seconds=-1))
        with pytest.raises(NotThere):
            permissions.claimant(token)

    @pytest.mark.parametrize(
        "token",
        ["x", "a:b:c", signing.dumps(["first", ""], salt="other"), "%00"],
        ids=["word", "three parts", "other salt", "nul"],
    )
    def test_a_forged_link_is_not_there(self, client, db, token):
        assert client.get(f"/claim/{token}/").status_code == 404

    @pytest.mark.parametrize(
        ("password", "again", "says"),
        [
            ("short", "short", "at least 12"),
            ("password1234", "password1234", "too common"),
            ("annabella-smithers", "annabella-smithers", "too similar"),
            (PASSWORD, PASSWORD + "x", "differs"),
            ("x" * 129, "x" * 129, "at most 128"),
        ],
    )
    def test_a_weak_password_is_refused_with_the_reason(self, client, db, password, again, says):
        user = permissions.create_user("annabella-smithers", email="ann@example.org", by="cli", now=NOON)

        response = client.post(self.path(permissions.claim_link(user)), {"password": password, "again": again})

        assert response.status_code == 422
        assert says in response.content.decode()


class TestOwnPage:
    """Theme, keys and password."""

    def test_a_look_is_kept_in_a_cookie_and_rendered_by_the_server(self, client, ann):
        client.force_login(ann)

        client.post(reverse("look-change"), {"theme": "dark", "keys": "off"})

        assert client.cookies["theme"].value == "dark"
        assert client.cookies["theme"]["httponly"]
        page = client.get("/me/").content.decode()
        assert '<html lang="en" data-theme="dark">' in page
        assert 'data-keys="off"' in page
        client.post(reverse("look-change"), {"theme": "system", "keys": "on"})
        assert client.cookies["theme"].value == ""
        client.post(reverse("look-change"), {"theme": "neon", "keys": "on"})
        assert client.cookies["theme"].value == ""

    def test_a_changed_password_ends_every_other_session(self, client, ann):
        other = Client()
        client.force_login(ann)
        other.force_login(ann)
        new = "nine quiet herons wade"

        response = client.post(
            reverse("password-change"), {"old": PASSWORD, "password": new, "again": new}, follow=True
        )

        assert "Your password is changed" in response.content.decode()
        assert client.get("/me/").status_code == 200
        assert other.get("/me/").status_code == 302

    def test_the_present_password_is_asked_for(self, client, ann):
        client.force_login(ann)
        new = "nine quiet herons wade"

        response = client.post(reverse("password-change"), {"old": "wrong", "password": new, "again": new})

        assert response.status_code == 422
        assert "not your present password" in response.content.decode()
        assert User.objects.get().check_password(PASSWORD)

    def test_a_person_without_a_team_learns_how_to_get_into_one(self, client, ann):
        client.force_login(ann)

        assert "You are in no team" in client.get("/me/").content.decode()
        assert "You are in no team" in client.get(reverse("registry:team-list")).content.decode()
