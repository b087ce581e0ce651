"""What `verify_registry` finds, and that it finds nothing where only the verbs have written."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from registry.deployments import Arm, Plan
from registry.deployments.verifying import verify
from registry.models import Alias, ServingPointer
from tests.factories import NOON, make_deployment, make_endpoint, make_model, make_version


@pytest.fixture
def endpoint(team):
    model = make_model(team=team, slug="credit")
    for _ in range(2):
        make_version(model)
    made = make_endpoint(model, slug="live", environment="staging", alias="champion")
    make_deployment(made, Plan(arms=(Arm("main", "primary", 1, 9_000), Arm("new", "canary", 2, 1_000))))
    make_deployment(made, 2)
    return made


def run():
    out = StringIO()
    call_command("verify_registry", stdout=out)
    return out.getvalue()


def found():
    return [misfit.text for misfit in verify()]


def bypass(sql, *values):
    """Write past the triggers that protect revisions."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(sql, values)
            cursor.execute("SET LOCAL session_replication_role = origin")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'deployment%%'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(sql, values)
        for _, made in triggers:
            cursor.execute(made)


def test_what_the_verbs_wrote_fits(endpoint):
    make_endpoint(endpoint.model)
    make_deployment(endpoint, Plan())

    assert "2 endpoints fit." in run()


def test_every_misfit_is_named(endpoint):
    bypass("UPDATE registry_deployment SET sha256 = %s WHERE revision = 2", "0" * 64)
    bypass("UPDATE registry_deploymentarm SET weight_bps = 1 WHERE label = %s", "new")
    Alias.objects.update(ended_at=NOON)

    assert found() == [
        "rev 1: the document does not serve the arms that are stored",
        "rev 1: its weights make 9001 basis points, not 10000",
        "rev 2: the document does not have the hash it claims",
        "its alias champion does not point at the primary arm",
    ]
    with pytest.raises(CommandError, match="4 things do not fit"):
        run()


def test_a_pointer_that_fell_behind_is_named(endpoint):
    first = endpoint.deployments.get(revision=1)
    ServingPointer.objects.filter(endpoint=endpoint).update(revision=1, deployment=first)

    assert found() == ["its pointer is at revision 1, the newest one is 2"]

    ServingPointer.objects.all().delete()
    assert found() == ["it has no pointer"]


def test_an_arm_of_another_model_and_a_gap_are_named(endpoint):
    other = make_version()
    bypass("UPDATE registry_deploymentarm SET version_id = %s WHERE label = %s", _id(other.pk), "new")
    bypass("UPDATE registry_deployment SET revision = 5, base_revision = 4 WHERE revision = %s", 1)

    assert "its revisions do not follow each other without a gap" in found()
    assert "rev 5: 1 arm of another model: new" in found()


def _id(pk):
    return pk.hex if connection.vendor == "sqlite" else pk
