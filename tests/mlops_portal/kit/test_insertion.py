"""Plain inserts store what the ORM would have stored."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from mlops_portal.jobs.models import Job
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


@pytest.mark.parametrize("count", [2, 50])
def test_any_number_of_rows_is_one_statement(count: int, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(1):
        teams.rows([(uuid4(), f"team-{i}", "Name", "", "", NOON) for i in range(count)])

    assert Team.objects.count() == count


@pytest.mark.parametrize("before", [1, 50])
def test_a_broken_constraint_stores_nothing(before: int) -> None:
    rows = [(uuid4(), slug, "Name", "", "", NOON) for slug in (*(f"a-{i}" for i in range(before)), "b", "b")]

    with pytest.raises(IntegrityError), transaction.atomic():
        teams.rows(rows)
    assert not Team.objects.exists()


@pytest.mark.parametrize("count", [1, 50])
def test_any_text_number_and_json_survives(count: int) -> None:
    team = Team.objects.create(slug="t", name="T", created_at=NOON)
    given = {"text": "tab\t line\n back\\slash \\N Ærø", "none": None, "share": 0.1, "many": [1, 2]}
    names = ("id", "kind", "key", "queue", "priority", "team", "payload", "payload_v", "state", "again", "not_before")
    rest = ("attempts", "max_attempts", "fence", "worker", "progress_done", "progress_unit", "created_at")
    jobs = Insertion(Job, (*names, *rest, "error_code", "error_text"))

    jobs.rows(
        (
            *(uuid4(), "t.work", f"{i}", "compute", 50, team.pk, given, 1, "done", False, NOON),
            *(0, 5, 0, given["text"], 2**40, "", NOON, "", ""),
        )
        for i in range(count)
    )

    stored = list(Job.objects.values_list("payload", "worker", "again", "progress_done", "not_before", "result"))
    assert stored == [(given, given["text"], False, 2**40, NOON, None)] * count
