"""Keys, teams and people from the command line."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mlops_portal.kit import clock
from registry import permissions
from registry.models import ApiKey, AuditEntry, Membership, User
from tests.factories import make_key, make_model, make_team, make_user


def run(*words):
    out, err = StringIO(), StringIO()
    call_command(*words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_new_key_stands_alone_on_standard_output_and_works(team):
    out, err = run("api_key", "create", "--team", "risk", "--name", "loader", "--scope", "ingest", "--scope", "read")

    principal = permissions.authenticate_key(out.strip(), clock.now())
    assert out == f"{out.strip()}\n"
    assert principal.scopes == {"ingest", "read"}
    assert principal.key_id in err
    assert out.strip() not in err


def test_a_key_may_be_bound_to_a_model(team):
    model = make_model(team=team, slug="bike")

    out, _ = run("api_key", "create", "--team", "risk", "--name", "x", "--scope", "ingest", "--model", "bike")

    assert permissions.authenticate_key(out.strip(), clock.now()).model_id == model.pk


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--team", "nope", "--name", "x"), "manage.py team create nope --name NAME"),
        (("--team", "risk", "--name", "x", "--model", "nope"), "Risk has no model nope"),
        (("--team", "risk", "--name", "x", "--days", "366"), "1 to 365 days"),
        (("--team", "risk", "--name", ""), "1 to 100 printable"),
        (("--team", "risk", "--name", "x", "--user", "nope"), "manage.py user create nope"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(team, words, says):
    with pytest.raises(CommandError, match=says):
        run("api_key", "create", *words, "--scope", "ingest")

    assert not ApiKey.objects.exists()


def test_keys_are_listed_without_secrets_and_revoked(team):
    text = make_key(team=team, label="loader")
    key_id = text[4:16]

    listed, _ = run("api_key", "list", "--team", "risk")
    said, _ = run("api_key", "revoke", key_id)

    assert key_id in listed
    assert "usable" in listed
    assert text not in listed
    assert "revoked" in said
    assert "revoked" in run("api_key", "list")[0]
    with pytest.raises(CommandError, match="revoked already"):
        run("api_key", "revoke", key_id)
    with pytest.raises(CommandError, match="api_key list"):
        run("api_key", "revoke", "nope")


@pytest.mark.django_db
def test_a_team_is_made_and_joined():
    run("team", "create", "risk", "--name", "Risk")
    make_user("ann")

    said, _ = run("team", "add-member", "risk", "ann", "--role", "maintainer")

    assert Membership.objects.get(user__username="ann").role == "maintainer"
    assert said == "ann is maintainer of Risk now.\n"
    assert run("team", "list")[0] == "risk  Risk  1 members\n"
    assert AuditEntry.objects.get(verb="member.added").actor_kind == "system"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "Bad Slug"), "Small letters"),
        (("create", "taken"), "is taken"),
        (("add-member", "nope", "ann"), "no team nope"),
        (("add-member", "taken", "nope"), "no user nope"),
    ],
)
def test_a_team_command_that_cannot_be_done_says_why(words, says):
    make_team("taken")
    make_user("ann")

    with pytest.raises(CommandError, match=says):
        run("team", *words)


@pytest.mark.django_db
def test_a_new_person_gets_a_claim_link_and_cannot_sign_in_before():
    out, _ = run("user", "create", "ann", "--email", "ann@example.org", "--admin")

    user = User.objects.get()
    assert "/claim/" in out
    assert user.is_admin
    assert not user.has_usable_password()
    assert permissions.claimant(out.strip().rstrip("/").rsplit("/", 1)[1]).user == user


@pytest.mark.django_db
def test_people_are_shut_out_and_let_in_again():
    user = make_user("ann")

    run("user", "disable", "ann")
    assert not User.objects.get(pk=user.pk).is_active
    with pytest.raises(CommandError, match="disabled already"):
        run("user", "disable", "ann")
    run("user", "enable", "ann")
    assert User.objects.get(pk=user.pk).is_active


@pytest.mark.django_db
def test_an_untouched_trail_verifies():
    make_model()

    assert "rows, each follows the one before" in run("verify_audit")[0]
