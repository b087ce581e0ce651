"""Queries compiled once."""

import pytest

from mlops_portal.kit.prepared import Prepared
from registry.models import Endpoint, Team
from tests.factories import make_endpoint, make_model, make_team

BY_SLUG = Prepared(
    lambda slug: Endpoint.objects.filter(slug=slug).values_list("pk", "created_at", "model__output", "retired_at"),
    parameters=["slug"],
)


@pytest.mark.django_db
def test_rows_are_those_of_the_orm_for_every_value(django_assert_num_queries):
    for slug in ("a", "b"):
        make_endpoint(make_model(), slug=slug)

    for slug in ("a", "b", "%s", "'; --"):
        wanted = list(Endpoint.objects.filter(slug=slug).values_list("pk", "created_at", "model__output", "retired_at"))
        with django_assert_num_queries(1):
            found = BY_SLUG.rows(slug)
        assert found == wanted


@pytest.mark.django_db
def test_a_query_with_other_values_than_its_parameters_is_refused():
    make_team()
    mixed = Prepared(lambda slug: Team.objects.filter(slug=slug, name="fixed").values_list("pk"), parameters=["slug"])

    with pytest.raises(ValueError, match="a prepared query takes"):
        mixed.rows("a")
