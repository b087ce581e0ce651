"""Refused changes stand in the audit trail; reads, strangers and repetitions do not."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from registry import audit, refusals
from registry.models import AuditEntry, Role
from tests.factories import NOON, api, make_key, make_model


@pytest.fixture
def model(team):
    return make_model(team=team, slug="credit", name="Credit")


def refused():
    return AuditEntry.objects.filter(verb="request.refused")


def test_a_person_who_is_refused_on_a_page(client, victor, model, team):
    client.force_login(victor)

    answer = client.post(reverse("registry:feature-list", args=["credit"]), {"lines": "income number"})

    entry = refused().get()
    assert answer.status_code == 403
    assert (entry.actor, entry.via, entry.team, entry.label) == ("victor", "ui", team, "victor")
    assert entry.changes == {"request": [None, "POST /models/credit/features/"]}
    assert "takes the role contributor" in entry.reason
    assert audit.verify() is None


def test_a_key_that_is_refused_by_api(model, team):
    key = api(make_key(team=team, role=Role.VIEWER, scopes=["registry"], label="reader"))

    answer = key.put("/api/v1/models/credit/features", json.dumps({"features": []}), content_type="application/json")

    entry = refused().get()
    assert answer.status_code == 403
    assert (entry.actor, entry.actor_kind, entry.via, entry.object_type) == ("key:reader", "key", "api", "apikey")


def test_a_refused_look_is_not_recorded(client, victor, model):
    client.force_login(victor)

    assert client.get(reverse("registry:model-edit", args=["credit"])).status_code == 403
    assert not refused().exists()


def test_the_same_again_is_recorded_once_in_ten_minutes(victor):
    for minutes in (0, 9, 11):
        refusals.record_refusal(victor, "POST /x", "No.", now=NOON + timedelta(minutes=minutes))
    refusals.record_refusal(victor, "POST /y", "No.", now=NOON + timedelta(minutes=11))

    assert refused().count() == 3


def test_what_is_not_there_is_no_refusal(client, charlie, model):
    client.force_login(charlie)

    assert client.post(reverse("registry:feature-list", args=["credit"])).status_code == 404
    assert not refused().exists()
