"""Plain inserts store what the ORM would have stored."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from mlops_portal.kit.insertion import Insertion
from registry.models import Team

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
teams = Insertion(Team, ("id", "slug", "name", "contact", "cost_centre", "created_at"))

pytestmark = pytest.mark.django_db


def test_rows_come_back_as_they_went_in() -> None:
    ids = [uuid4() for _ in range(3)]

    teams.rows((one, f"team-{i}", "Name", "", "", NOON) for i, one in enumerate(ids))

    assert list(Team.objects.order_by("slug").values_list("pk", "created_at")) == [(one, NOON) for one in ids]


def test_no_rows_are_no_statement(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(0):
        teams.rows([])


def test_any_number_of_rows_is_one_statement(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(1):
        teams.rows([(uuid4(), f"team-{i}", "Name", "", "", NOON) for i in range(50)])


def test_a_broken_constraint_stores_nothing() -> None:
    rows = [(uuid4(), slug, "Name", "", "", NOON) for slug in ("a", "b", "a")]

    with pytest.raises(IntegrityError), transaction.atomic():
        teams.rows(rows)
    assert not Team.objects.exists()
