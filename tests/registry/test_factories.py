"""The factories make what the domain itself would make."""

import pytest
from django.db import transaction

from registry import audit
from registry.models import ApiKey, Environment, Feature
from tests.factories import make_endpoint, make_key, make_model, make_version


def test_a_version_has_a_frozen_copy_of_the_features(team):
    model = make_model(team=team, features=[("age", "integer"), ("note", "text")])

    version = make_version(model)

    assert [(f.name, f.privacy) for f in version.features.all()] == [("age", "keep"), ("note", "hash")]
    assert Feature.objects.current().filter(model=model).count() == 2


def test_a_key_is_a_text_that_only_its_hash_remembers(team):
    text = make_key(team=team, scopes=["ingest"])

    row = ApiKey.objects.get()
    assert text.startswith(f"mlp_{row.key_id}_")
    assert text[17:60] not in row.secret_sha256


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_real_transactions_leave_environments_and_an_empty_trail(turn):
    make_endpoint()

    with transaction.atomic():
        assert Environment.objects.count() == 3
    assert audit.verify() is None
    assert audit.AuditEntry.objects.order_by("seq").first().seq == 1
