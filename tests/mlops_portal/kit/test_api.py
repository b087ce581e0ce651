import json
from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions
from rest_framework.request import Request

from mlops_portal.kit import api
from mlops_portal.kit.errors import Conflict, DiskLow, Fault, Invalid, Malformed, Unauthenticated
from registry.models import Team
from tests.factories import make_team

GET = RequestFactory().get


def read(response) -> dict:
    return json.loads(response.content)


def test_a_problem_carries_every_member_of_the_contract() -> None:
    fault = Fault("wrong_type", "income must be a number", "/items/1/features/income", 1, "41k")
    response = api.problem(Invalid("One item is wrong.", faults=[fault], faults_total=7), GET("/api/v1/models"))

    body = read(response)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert body["type"] == "/problems/invalid"
    assert (body["status"], body["code"], body["instance"]) == (422, "invalid", "/api/v1/models")
    assert body["errors"] == [
        {
            "index": 1,
            "pointer": "/items/1/features/income",
            "code": "wrong_type",
            "detail": "income must be a number",
            "received": "41k",
        }
    ]
    assert body["errors_total"] == 7


def test_at_most_a_hundred_errors_are_listed() -> None:
    faults = [Fault("wrong_type", "no", index=i) for i in range(250)]

    body = read(api.problem(Invalid("Many.", faults=faults), GET("/")))

    assert len(body["errors"]) == 100
    assert body["errors_total"] == 250


def test_401_says_how_to_authenticate_and_507_when_to_come_back() -> None:
    assert "Bearer" in api.problem(Unauthenticated("Who?"), GET("/"))["WWW-Authenticate"]
    assert api.problem(DiskLow("Full.", retry_after_s=30), GET("/"))["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (exceptions.NotAuthenticated(), 401, "unauthenticated"),
        (exceptions.PermissionDenied("no"), 403, "refused"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.ParseError("x"), 400, "malformed"),
        (OperationalError("database is locked"), 503, "overloaded"),
        (Conflict("moved", code="base_moved"), 409, "base_moved"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_known_failure_has_its_status_and_code(raised, status, code) -> None:
    error = api.as_domain_error(raised)
    assert (error.status, error.code) == (status, code)


def test_a_bug_is_not_explained_away() -> None:
    assert api.as_domain_error(ZeroDivisionError()) is None


def test_nested_validation_errors_point_at_their_value() -> None:
    raised = exceptions.ValidationError({"features": [{}, {"name": ["Too long."]}], "slug": ["Taken."]})

    error = api.as_domain_error(raised)

    assert {fault.pointer for fault in error.faults} == {"/features/1/name", "/slug"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"a": "\\u0000"}', "invalid_character"),
        (b'{"a": "\\ud800"}', "invalid_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b"", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b'{"a": ' + b"9" * 5000 + b"}", "invalid_json"),
    ],
)
def test_unclean_json_is_refused_with_its_reason(body, code) -> None:
    with pytest.raises((Malformed, Invalid)) as raised:
        api.parse_json(body)
    assert raised.value.code == code


def test_brackets_in_text_do_not_nest() -> None:
    assert api.parse_json(json.dumps({"a": "[" * 500, "b": '\\"['}).encode()) == {"a": "[" * 500, "b": '\\"['}


def test_unknown_and_repeated_parameters_are_named() -> None:
    with pytest.raises(Malformed, match=r"'colour' is not a parameter of this route; it takes limit, state"):
        api.only_parameters(GET("/?colour=red"), ("state", "limit"))
    with pytest.raises(Malformed, match="more than once"):
        api.only_parameters(GET("/?state=a&state=b"), ("state",))
    assert api.only_parameters(GET("/?state=a"), ("state",)) == {"state": "a"}


class TestCursor:
    """Keyset pages over teams."""

    def page(self, query: str):
        cursor = api.Cursor()
        rows = cursor.paginate_queryset(Team.objects.order_by("-created_at", "slug"), Request(GET(f"/x{query}")))
        return [row.slug for row in rows], cursor._next

    @pytest.fixture(autouse=True)
    def _teams(self, db) -> None:
        for i in range(7):
            make_team(f"t{i}")
        Team.objects.filter(slug="t6").update(created_at=datetime(2030, 1, 1, tzinfo=UTC))

    def test_pages_hold_every_row_once_in_order(self) -> None:
        seen, query = [], "?limit=3"
        while query:
            rows, following = self.page(query)
            seen += rows
            query = f"?limit=3&cursor={following}" if following else ""
        assert seen == ["t6", "t0", "t1", "t2", "t3", "t4", "t5"]

    def test_a_row_that_arrives_meanwhile_does_not_repeat_others(self) -> None:
        first, following = self.page("?limit=3")
        Team.objects.create(slug="new", name="New", created_at=datetime(2031, 1, 1, tzinfo=UTC))

        second, _ = self.page(f"?limit=3&cursor={following}")

        assert not set(first) & set(second)

    @pytest.mark.parametrize("query", ["?limit=0", "?limit=x", "?limit=-1", "?cursor=abc", "?limit=²"])
    def test_bad_limits_and_cursors_are_refused(self, query) -> None:
        with pytest.raises(Malformed):
            self.page(query)

    def test_the_limit_is_clamped(self) -> None:
        assert len(self.page("?limit=1000000")[0]) == 7

    def test_an_edited_cursor_is_refused(self) -> None:
        _, following = self.page("?limit=3")
        with pytest.raises(Malformed):
            self.page(f"?limit=3&cursor={following[:-2]}xx")

    def test_a_cursor_belongs_to_its_filter(self) -> None:
        _, following = self.page("?limit=3&state=open")
        with pytest.raises(Malformed, match="another list or filter"):
            self.page(f"?limit=3&state=closed&cursor={following}")
