"""Revisions by API: activate, roll back, read the history; every refusal with what a program needs to go on."""

import json

import pytest

from registry.models import Deployment
from tests.factories import NOON, api, make_deployment, make_endpoint, make_key, make_model, make_version

URL = "/api/v1/endpoints/credit-decision/revisions"
ONE = [{"label": "main", "role": "primary", "version": 1, "weight_bps": 10_000}]


@pytest.fixture
def model(team):
    made = make_model(team=team, slug="credit", features=[("income", "number")])
    for _ in range(2):
        make_version(made)
    return made


@pytest.fixture
def endpoint(model):
    return make_endpoint(model, slug="credit-decision", environment="staging")


@pytest.fixture
def writer(team):
    return api(make_key(team=team, scopes=["registry"], role="contributor"))


def post(client, body, url=URL):
    return client.post(url, json.dumps(body), content_type="application/json")


def test_a_key_activates_and_reads_the_revision(endpoint, writer):
    answer = post(writer, {"base": 0, "arms": ONE, "reason": "first"})

    assert answer.status_code == 201, answer.json()
    shown = answer.json()
    assert (shown["revision"], shown["strategy"], shown["base"], shown["reason"]) == (1, "single", 0, "first")
    assert shown["arms"] == [{**ONE[0], "mirror_bps": 0}]
    assert writer.get(f"{URL}/1").json() == shown
    assert writer.get(f"{URL}/2").status_code == writer.get(f"{URL}/{2**40}").status_code == 404


def test_the_history_comes_in_pages_newest_first(endpoint, writer):
    for _ in range(3):
        make_deployment(endpoint, 1)

    first = writer.get(URL + "?limit=2").json()
    rest = writer.get(URL, {"limit": 2, "cursor": first["next"]}).json()

    assert [one["revision"] for one in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next"] is None


def test_a_moved_base_is_told_with_the_winner(endpoint, writer):
    winner = make_deployment(endpoint, 2)

    answer = post(writer, {"base": 0, "arms": ONE})

    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["revision"], problem["sha256"]) == ("base_moved", 1, winner.sha256)


def test_production_needs_a_second_person_and_says_where(model, writer):
    make_endpoint(model, slug="credit-decision")

    first, again = (post(writer, {"base": 0, "arms": ONE}) for _ in range(2))

    assert first.status_code == 403
    problem = first.json()
    assert problem["code"] == "approval_required"
    assert problem["url"].endswith(f"/decisions/intent/{problem['intent_id']}/")
    assert again.json()["intent_id"] == problem["intent_id"]
    assert not Deployment.objects.exists()


def test_rolling_back_and_switching_off_are_revisions_too(endpoint, writer):
    for version in (1, 2):
        make_deployment(endpoint, version)

    back = post(writer, {"base": 2, "roll_back_to": 1, "reason": "worse"}).json()
    off = post(writer, {"base": 3, "arms": []}).json()

    assert (back["revision"], back["copied_from"], back["arms"][0]["version"]) == (3, 1, 1)
    assert (off["revision"], off["strategy"]) == (4, "off")
    assert post(writer, {"base": 4, "roll_back_to": 9}).json()["code"] == "plan_invalid"
    assert post(writer, {"base": 4, "roll_back_to": 1, "arms": ONE}).status_code == 422
    assert post(writer, {"base": 4}).status_code == 422


@pytest.mark.parametrize("text", ["NaN", "-1", "2", "1e308", "1e999", "Infinity", '"0.5"', "true"])
def test_a_threshold_that_is_none_is_refused(endpoint, writer, text):
    body = '{"base": 0, "arms": %s, "decision_rule": {"kind": "bands", "score": "probability", "bands": [{"from": 0, "action": "a"}, {"from": %s, "action": "b"}]}}'  # noqa: E501

    answer = writer.post(URL, body % (json.dumps(ONE), text), content_type="application/json")

    assert answer.status_code == (400 if text in {"NaN", "Infinity"} else 422), answer.json()
    assert answer.json()["code"] in {"plan_invalid", "invalid_json"}


def test_every_fault_of_a_plan_is_told_with_its_place(endpoint, writer):
    body = {
        "base": 0,
        "arms": [
            {"label": "main", "role": "primary", "version": 9, "weight_bps": 5_000},
            {"label": "Main!", "role": "shadow", "version": 1},
        ],
        "fallback": {"kind": "arm", "arm": "gone"},
    }

    problem = post(writer, body).json()

    assert problem["code"] == "plan_invalid"
    assert {fault["pointer"] for fault in problem["errors"]} == {
        "/arms",
        "/arms/0/version",
        "/arms/1/label",
        "/arms/1/mirror_bps",
        "/fallback/arm",
    }


def test_beyond_the_wall_there_is_no_endpoint_and_a_viewer_activates_nothing(endpoint, other_team, team, victor):
    stranger = api(make_key(team=other_team, scopes=["registry"]))
    viewer = api(make_key(team=team, scopes=["registry"], user=victor))
    reader = api(make_key(team=team, scopes=["read"]))

    assert post(stranger, {"base": 0, "arms": ONE}).status_code == stranger.get(URL).status_code == 404
    assert post(viewer, {"base": 0, "arms": ONE}).status_code == 403
    assert post(reader, {"base": 0, "arms": ONE}).json()["code"] == "insufficient_scope"
    assert reader.get(URL).status_code == 200


def test_an_endpoint_shows_what_it_served_at_a_moment(endpoint, writer):
    for version in (1, 2):
        make_deployment(endpoint, version, at=NOON.replace(minute=version))
    url = "/api/v1/endpoints/credit-decision"

    assert writer.get(url).json()["serving"]["revision"] == 2
    assert writer.get(url, {"as_of": "2026-11-20T12:01:30Z"}).json()["serving"]["revision"] == 1
    assert writer.get(url, {"as_of": "2026-11-20T13:01:30+01:00"}).json()["serving"]["revision"] == 1
    assert writer.get(url, {"as_of": "2026-11-20T12:00:00Z"}).json()["serving"] is None
    for text in ("yesterday", "2026-13-20T12:00:00Z", "2026-11-20T12:00:00"):
        assert writer.get(url, {"as_of": text}).json()["code"] == "malformed_parameter"


def test_an_endpoint_is_described_and_retired(endpoint, writer, team):
    url = "/api/v1/endpoints/credit-decision"
    maintainer = api(make_key(team=team, scopes=["registry"]))

    def patch(body, tag):
        return writer.patch(url, json.dumps(body), content_type="application/json", headers={"If-Match": tag})

    answer = patch({"alias": "champion", "rate_limit_rps": 50, "routing_unit": "income"}, '"1"')
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["alias"], answer.json()["routing_unit"]) == ("champion", "income")
    bad = {"alias": "v7", "rate_limit_rps": 0, "routing_unit": "unknown"}
    assert {fault["pointer"] for fault in patch(bad, '"2"').json()["errors"]} == {
        "/alias",
        "/rate_limit_rps",
        "/routing_unit",
    }
    assert writer.delete(url).status_code == 403
    make_deployment(endpoint, 1)
    assert maintainer.delete(url).json()["code"] == "version_in_use"
    post(writer, {"base": 1, "arms": []})
    assert maintainer.delete(url, headers={"If-Match": '"1"'}).status_code == 412
    assert maintainer.delete(url).status_code == 204
