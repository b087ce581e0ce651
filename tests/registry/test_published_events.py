"""What the inventory tells the outside, in the transaction of the fact, and what that costs."""

import json

from django.db import transaction

from registry import inventory, webhooks
from registry.models import AuditEntry, ModelVersion, OutboxMessage
from tests.factories import NOON, make_endpoint, make_model, make_version

ACT = {"by": "setup", "now": NOON}


def listen(team):
    return webhooks.register(
        team, name="all", url="https://hooks.example.org/", events=["*"], resolver=lambda *_: ["93.184.216.34"], **ACT
    )[0]


def told():
    """Types and data of all messages, oldest first; then they are forgotten."""
    rows = [json.loads(bytes(row.body)) for row in OutboxMessage.objects.order_by("created_at", "pk")]
    OutboxMessage.objects.all().delete()
    return {row["type"]: row["data"] for row in rows}


def test_every_fact_of_a_model_and_its_versions_is_told(team):
    model = make_model(team=team, slug="credit", name="credit")
    listen(team)
    version = make_version(model)
    assert told()["version.registered"].items() >= {"model": "credit", "version": "1", "id": str(version.pk)}.items()

    inventory.set_tag(version, "stage", "gold", **ACT)
    assert told()["tag.set"].items() >= {"version": "1", "key": "stage", "value": "gold"}.items()
    inventory.delete_tag(version, "stage", **ACT)
    assert told()["tag.deleted"]["key"] == "stage"
    inventory.set_alias(model, "champion", version, **ACT)
    assert told()["alias.set"].items() >= {"alias": "champion", "version": "1"}.items()
    inventory.end_alias(model, "champion", **ACT)
    assert told()["alias.ended"]["alias"] == "champion"
    inventory.block_version(version, reason="It leaks.", **ACT)
    assert told()["version.blocked"]["reason"] == "It leaks."
    inventory.delete_version(ModelVersion.objects.get(pk=version.pk), **ACT)
    assert told()["version.deleted"]["version"] == "1"
    model.refresh_from_db()
    inventory.rename_model(model, "credit two", **ACT)
    assert told()["model.renamed"].items() >= {"model_name": "credit two", "before": "credit"}.items()
    inventory.retire_model(model, base=model.lock_version, **ACT)
    assert set(told()) == {"model.retired"}


def test_a_new_model_and_its_endpoints_are_told(team):
    listen(team)
    model = make_model(team=team, slug="credit")
    assert set(told()) == {"model.registered"}

    endpoint = make_endpoint(model, slug="credit-live")
    assert told()["endpoint.changed"].items() >= {"endpoint": "credit-live", "retired": False}.items()
    inventory.edit_endpoint(endpoint, {"timeout_ms": 300}, base=endpoint.lock_version, **ACT)
    assert told()["endpoint.changed"]["fields"] == ["timeout_ms"]
    inventory.edit_endpoint(endpoint, {"timeout_ms": 300}, base=endpoint.lock_version, **ACT)
    assert told() == {}
    inventory.retire_endpoint(endpoint, base=endpoint.lock_version, **ACT)
    assert told()["endpoint.changed"]["retired"] is True


def test_what_is_undone_is_not_told(team):
    model = make_model(team=team)
    listen(team)

    with transaction.atomic():
        inventory.set_tag(model, "a", "b", **ACT)
        assert OutboxMessage.objects.exists()
        transaction.set_rollback(True)

    assert not OutboxMessage.objects.exists()
    assert not AuditEntry.objects.filter(verb="tag.set").exists()


def test_nobody_listens_nothing_is_written(team):
    model = make_model(team=team)
    version = make_version(model)
    inventory.set_alias(model, "champion", version, **ACT)

    assert not OutboxMessage.objects.exists()
