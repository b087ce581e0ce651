"""What every request passes, seen from outside."""

import json
import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from mlops_portal.kit.errors import Conflict, Refused
from mlops_portal.urls import urlpatterns as portal_urls


def refuse(request: HttpRequest) -> HttpResponse:
    raise Refused("A second person has to do this.")


def moved(request: HttpRequest) -> HttpResponse:
    raise Conflict("Revision 4 is served by now.", code="base_moved")


def bug(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("secret detail")


urlpatterns = [
    path("api/v1/test/refuse", refuse),
    path("api/v1/test/moved", moved),
    path("api/v1/test/bug", bug),
    path("test/refuse/", refuse),
    *portal_urls,
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        ("/api/v1/test/refuse", 403, "refused"),
        ("/api/v1/test/moved", 409, "base_moved"),
        ("/api/v1/nothing/here", 404, "not_found"),
        ("/api/nothing", 404, "not_found"),
        ("/api/v1/%00", 400, "malformed"),
    ],
)
def test_every_error_below_api_is_a_problem_document(client: Client, route, status, code) -> None:
    response = client.get(route, headers={"accept": "text/html"})

    body = json.loads(response.content)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert body["code"] == code
    assert body["request_id"] == response["X-Request-ID"]


def test_a_bug_below_api_gives_a_bare_500_without_a_trace(client: Client) -> None:
    client.raise_request_exception = False

    response = client.get("/api/v1/test/bug")

    assert response.status_code == 500
    assert json.loads(response.content)["code"] == "internal_error"
    assert b"secret detail" not in response.content


def test_a_refusal_of_a_page_keeps_status_and_sentence(client: Client) -> None:
    whole = client.get("/test/refuse/")
    fragment = client.get("/test/refuse/", headers={"HX-Request": "true"})

    assert whole.status_code == fragment.status_code == 403
    assert b"A second person has to do this." in whole.content
    assert b"<html" in whole.content
    assert b"<html" not in fragment.content


def test_a_request_id_is_taken_only_if_well_formed(client: Client) -> None:
    assert client.get("/api/nothing", headers={"X-Request-ID": "abcd-1234"})["X-Request-ID"] == "abcd-1234"
    assert client.get("/api/nothing", headers={"X-Request-ID": "a b\n"})["X-Request-ID"] != "a b\n"


def test_security_headers_are_on_every_answer(client: Client) -> None:
    response = client.get("/problems/invalid/")

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_log_line_holds_route_and_status_but_no_query(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="portal.request"):
        client.get("/api/v1/test/refuse?key=secret")

    record = caplog.records[-1]
    assert (record.status, record.route) == (403, "api/v1/test/refuse")  # type: ignore[attr-defined]
    assert "secret" not in str(vars(record))


@pytest.mark.parametrize("code", ["invalid", "too_deep", "request_id_conflict"])
def test_every_code_has_a_help_page(client: Client, code) -> None:
    response = client.get(f"/problems/{code}/")

    assert response.status_code == 200
    assert code in response.content.decode()


def test_an_unknown_code_has_none(client: Client) -> None:
    assert client.get("/problems/nonsense/").status_code == 404


TRAFFIC = "/api/v1/models/nothing/predictions"


def test_traffic_is_answered_without_what_pages_need(client: Client, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(0):  # no session is looked for
        response = client.post(TRAFFIC, b"{}", "application/json", headers={"cookie": "session=forged"})

    assert response.status_code == 401
    assert json.loads(response.content)["code"] == "unauthenticated"
    assert response["Content-Security-Policy"].startswith("default-src 'none'")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "no-store"
    assert int(response["Content-Length"]) == len(response.content)
    assert "Set-Cookie" not in response


def test_traffic_for_an_unknown_host_is_refused(client: Client) -> None:
    response = client.post(TRAFFIC, b"{}", "application/json", headers={"host": "elsewhere.test"})

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_bug_on_the_way_of_traffic_gives_a_bare_500(client: Client, monkeypatch: pytest.MonkeyPatch, caplog) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("monitoring.api.ingest.clock", None)
    client.raise_request_exception = False

    with caplog.at_level(logging.ERROR, logger="django.request"):
        response = client.post(TRAFFIC, b"{}", "application/json")

    assert response.status_code == 500
    assert json.loads(response.content)["code"] == "internal_error"
    assert b"NoneType" not in response.content
    assert "AttributeError" in caplog.text
