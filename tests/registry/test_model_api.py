"""Models by API: register, read, change, delete, and who sees what."""

import json

import pytest

from registry.models import AuditEntry, Feature, RegisteredModel, Role
from tests.factories import api, make_endpoint, make_key, make_model, make_team, make_version

MODELS = "/api/v1/models"


def post(client, url, body, key="intent-1"):
    return client.post(url, json.dumps(body), content_type="application/json", headers={"Idempotency-Key": key})


def patch(client, url, body, tag=None):
    headers = {"If-Match": tag} if tag else {}
    return client.patch(url, json.dumps(body), content_type="application/json", headers=headers)


@pytest.fixture
def writer(team):
    return api(make_key(team=team, scopes=["registry"]))


@pytest.fixture
def reader(team):
    return api(make_key(team=team, scopes=["read"]))


def test_a_key_registers_a_model_of_its_team(writer, team):
    answer = post(
        writer,
        MODELS,
        {
            "name": "Credit default",
            "task": "binary",
            "output": {"classes": ["repaid", "default"]},
            "features": [{"name": "income", "dtype": "number"}, {"name": "employer", "dtype": "text"}],
        },
    )

    assert answer.status_code == 201, answer.json()
    assert answer["ETag"] == '"1"'
    shown = answer.json()
    assert (shown["slug"], shown["team"], shown["lifecycle"]) == ("credit-default", "risk", "draft")
    assert shown["output"]["positive"] == "default"
    assert shown["created_by"].startswith("key:")
    model = RegisteredModel.objects.get()
    assert dict(model.features.current().values_list("name", "privacy")) == {"income": "keep", "employer": "hash"}
    assert AuditEntry.objects.get(verb="model.registered").actor_kind == "key"


def test_a_repeat_with_the_same_key_answers_with_the_same_row(writer):
    first = post(writer, MODELS, {"name": "A", "task": "ranking"})
    again = post(writer, MODELS, {"task": "ranking", "name": "A"})

    assert again.status_code == 201
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert RegisteredModel.objects.count() == 1


def test_a_key_used_for_another_body_is_refused(writer):
    post(writer, MODELS, {"name": "A", "task": "ranking"})

    answer = post(writer, MODELS, {"name": "B", "task": "ranking"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_the_same_idempotency_key_of_another_team_is_another_intent(writer, other_team):
    post(writer, MODELS, {"name": "A", "task": "ranking"})

    answer = post(api(make_key(team=other_team, scopes=["registry"])), MODELS, {"name": "B", "task": "ranking"})

    assert answer.status_code == 201


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ä"])
def test_a_post_without_a_well_formed_idempotency_key_is_refused(writer, key):
    answer = post(writer, MODELS, {"name": "A", "task": "ranking"}, key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"task": "binary"}, 422, "required", "/name"),
        ({"name": "A", "task": "clustering"}, 422, "invalid_choice", "/task"),
        ({"name": 7, "task": "binary"}, 422, "wrong_type", "/name"),
        ({"name": "A", "task": "binary", "id": "x"}, 400, "unknown_field", "/id"),
        ({"name": "A", "task": "binary", "created_by": "eve"}, 400, "unknown_field", "/created_by"),
        ({"name": "A", "task": "binary", "lock_version": 3}, 400, "unknown_field", "/lock_version"),
        ({"name": "a/b", "task": "binary"}, 422, "invalid", "/name"),
        ({"name": " ", "task": "binary"}, 422, "missing_field", "/name"),
        ({"name": "a\nb", "task": "binary"}, 422, "invalid_character", "/name"),
        ({"name": "x" * 257, "task": "binary"}, 422, "too_large", "/name"),
        ({"name": "A", "slug": "Bad Slug", "task": "binary"}, 422, "invalid", "/slug"),
        ({"name": "A", "slug": "new", "task": "binary"}, 422, "invalid", "/slug"),
        ({"name": "A", "task": "binary", "team": "other"}, 422, "invalid", "/team"),
        ({"name": "A", "task": "binary", "owner": "nobody"}, 422, "invalid", "/owner"),
        ({"name": "A", "task": "binary", "owner": "charlie"}, 422, "invalid", "/owner"),
        ({"name": "A", "task": "binary", "output": {"classes": ["a"]}}, 422, "invalid", "/output/classes"),
        ({"name": "A", "task": "binary", "output": {"positive": "x"}}, 422, "invalid", "/output/positive"),
        ({"name": "A", "task": "regression", "output": {"range": [1, 0]}}, 422, "invalid", "/output/range"),
        ({"name": "A", "task": "regression", "output": {"classes": ["a", "b"]}}, 422, "invalid", "/output/classes"),
        ({"name": "A", "task": "ranking", "features": [{"name": "x"}]}, 422, "required", "/features/0/dtype"),
        (
            {"name": "A", "task": "ranking", "features": [{"name": "x", "dtype": "number", "segment": 1}]},
            422,
            "wrong_type",
            "/features/0/segment",
        ),
        (
            {"name": "A", "task": "ranking", "features": [{"name": "x", "dtype": "number", "typ": 1}]},
            400,
            "unknown_field",
            "/features/0/typ",
        ),
    ],
)
def test_a_body_that_will_not_do_is_refused_with_the_field(writer, charlie, body, status, code, pointer):
    answer = post(writer, MODELS, body)

    problem = answer.json()
    assert answer.status_code == status, problem
    assert (problem["errors"][0]["code"], problem["errors"][0]["pointer"]) == (code, pointer)
    assert not RegisteredModel.objects.exists()


def test_a_taken_name_is_said_to_be_taken_but_not_by_whom(writer, other_team):
    make_model(team=other_team, slug="theirs", name="Their secret")

    by_name = post(writer, MODELS, {"name": "Their secret", "slug": "mine", "task": "binary"})
    by_slug = post(writer, MODELS, {"name": "Mine", "slug": "theirs", "task": "binary"}, key="intent-2")

    assert [answer.status_code for answer in (by_name, by_slug)] == [409, 409]
    assert [answer.json()["code"] for answer in (by_name, by_slug)] == ["name_taken", "name_taken"]
    assert "other" not in by_name.content.decode().lower().replace("another", "")


def test_derived_slugs_step_aside(writer):
    first = post(writer, MODELS, {"name": "Fraud 1", "task": "binary"}, key="a").json()
    second = post(writer, MODELS, {"name": "Fraud:1".replace(":", " - "), "task": "binary"}, key="b").json()
    umlaut = post(writer, MODELS, {"name": "日本", "task": "binary"}, key="c").json()

    assert [row["slug"] for row in (first, second, umlaut)] == ["fraud-1", "fraud-1-2", "model"]


def test_reading_takes_a_reading_scope(team):
    make_model(team=team, slug="credit")

    answer = api(make_key(team=team, scopes=["ingest"])).get(f"{MODELS}/credit")

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_writing_takes_a_writing_scope(reader, team):
    answer = post(reader, MODELS, {"name": "A", "task": "binary"})

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_viewers_key_may_not_write_whatever_its_scope(team):
    client = api(make_key(team=team, scopes=["registry"], role=Role.VIEWER))

    answer = post(client, MODELS, {"name": "A", "task": "binary"})

    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
    assert "the role contributor or the role maintainer" in answer.json()["detail"]


def test_another_teams_model_answers_like_one_that_does_not_exist(reader, other_team):
    make_model(team=other_team, slug="theirs")

    theirs = reader.get(f"{MODELS}/theirs").json() | {"instance": "", "request_id": ""}
    absent = reader.get(f"{MODELS}/absent").json() | {"instance": "", "request_id": ""}

    assert theirs == absent
    assert theirs["status"] == 404


def test_a_key_bound_to_a_model_sees_only_that_model(team):
    mine, _ = make_model(team=team, slug="mine"), make_model(team=team, slug="sibling")
    client = api(make_key(model=mine, scopes=["registry"]))

    assert client.get(f"{MODELS}/mine").status_code == 200
    assert client.get(f"{MODELS}/sibling").status_code == 404
    assert [row["slug"] for row in client.get(MODELS).json()["items"]] == ["mine"]
    assert post(client, MODELS, {"name": "A", "task": "binary"}).status_code == 403


def test_a_change_needs_the_tag_that_was_read(writer, team):
    make_model(team=team, slug="credit")
    url = f"{MODELS}/credit"

    assert patch(writer, url, {"purpose": "x"}).status_code == 428
    assert patch(writer, url, {"purpose": "x"}, tag='"7"').status_code == 412
    assert patch(writer, url, {"purpose": "x"}, tag="garbage").status_code == 412
    done = patch(writer, url, {"purpose": "Say yes or no."}, tag=writer.get(url)["ETag"])

    assert (done.status_code, done["ETag"], done.json()["purpose"]) == (200, '"2"', "Say yes or no.")


def test_a_rename_keeps_the_slug(writer, team):
    make_model(team=team, slug="credit", name="Credit")

    answer = patch(writer, f"{MODELS}/credit", {"name": "Credit risk"}, tag='"1"')

    assert (answer.json()["name"], answer.json()["slug"]) == ("Credit risk", "credit")
    entry = AuditEntry.objects.get(verb="model.renamed")
    assert entry.changes == {"name": ["Credit", "Credit risk"]}


def test_a_contributor_may_describe_but_not_rename_or_delete(team):
    make_model(team=team, slug="credit")
    client = api(make_key(team=team, scopes=["registry"], role=Role.CONTRIBUTOR))

    assert patch(client, f"{MODELS}/credit", {"purpose": "x"}, tag='"1"').status_code == 200
    assert patch(client, f"{MODELS}/credit", {"name": "x"}, tag='"2"').status_code == 403
    assert client.delete(f"{MODELS}/credit").status_code == 403


def test_a_deleted_model_frees_its_name(writer, team):
    make_model(team=team, slug="credit", name="Credit")

    assert writer.delete(f"{MODELS}/credit").status_code == 204
    assert writer.get(f"{MODELS}/credit").status_code == 404
    assert post(writer, MODELS, {"name": "Credit", "slug": "credit", "task": "binary"}).status_code == 201


def test_the_list_pages_through_everything_once(reader, team):
    for number in range(7):
        make_model(team=team, slug=f"m{number}", name="Same name" if False else f"Name {number}")

    seen, url = [], f"{MODELS}?limit=3&sort=-name"
    while url:
        page = reader.get(url).json()
        seen += [row["slug"] for row in page["items"]]
        url = page["next"] and f"{MODELS}?limit=3&sort=-name&cursor={page['next']}"

    assert seen == [f"m{number}" for number in reversed(range(7))]


def test_the_list_is_filtered_by_text_and_facets(reader, team, alice):
    make_endpoint(make_model(team=team, slug="credit", name="Credit 100%", owner=alice), environment="staging")
    make_model(team=team, slug="fraud", task="ranking")

    def slugs(query):
        return [row["slug"] for row in reader.get(f"{MODELS}?{query}").json()["items"]]

    assert slugs("q=100%25") == ["credit"]
    assert slugs("q=_") == []
    assert slugs("q=ALICE") == ["credit"]
    assert slugs("owner=none") == ["fraud"]
    assert slugs("task=ranking&lifecycle=draft") == ["fraud"]
    assert slugs("environment=staging") == ["credit"]
    assert slugs("environment=production") == []
    assert slugs("team=risk&sort=slug") == ["credit", "fraud"]
    assert slugs("team=other") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("colour=red", "unknown_parameter"),
        ("created_by__password__startswith=a", "unknown_parameter"),
        ("_connector=OR", "unknown_parameter"),
        ("q=a&q=b", "repeated_parameter"),
        ("sort=password", "malformed_parameter"),
        ("risk=huge", "malformed_parameter"),
        ("limit=0", "malformed_parameter"),
        ("limit=-1", "malformed_parameter"),
        ("cursor=abc", "malformed_parameter"),
        ("q=%00", "malformed_parameter"),
        (f"q={'x' * 201}", "malformed_parameter"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(reader, query, code):
    answer = reader.get(f"{MODELS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_page_of_the_list_takes_few_queries(reader, team, django_assert_max_num_queries):
    for number in range(20):
        make_model(team=team, slug=f"m{number}")
    reader.get(MODELS)

    with django_assert_max_num_queries(4):
        assert len(reader.get(MODELS).json()["items"]) == 20


def test_features_are_replaced_as_a_whole(writer, team):
    model = make_model(team=team, slug="credit", features=[("age", "integer"), ("city", "category")])
    url = f"{MODELS}/credit/features"
    read = writer.get(url)

    body = {"features": [{"name": "age", "dtype": "integer", "allowed_min": 0}, {"name": "note", "dtype": "text"}]}
    answer = writer.put(url, json.dumps(body), content_type="application/json", headers={"If-Match": read["ETag"]})

    assert answer.status_code == 200, answer.json()
    assert [row["name"] for row in answer.json()["items"]] == ["age", "note"]
    assert list(Feature.objects.current().filter(model=model).values_list("name", flat=True)) == ["age", "note"]
    stale = writer.put(url, json.dumps(body), content_type="application/json", headers={"If-Match": read["ETag"]})
    assert stale.status_code == 412


def test_a_version_is_registered_once_and_read_with_its_features(writer, team):
    make_model(team=team, slug="credit", features=[("age", "integer")])
    url = f"{MODELS}/credit/versions"

    first = post(writer, url, {"source": "s3://m/credit/1"})
    again = post(writer, url, {"source": "s3://m/credit/1"})
    second = post(writer, url, {"features": [{"name": "x", "dtype": "number"}]}, key="intent-2")

    assert [answer.status_code for answer in (first, again, second)] == [201, 201, 201]
    assert first.json() == again.json()
    assert [row["number"] for row in writer.get(url).json()["items"]] == [2, 1]
    assert [row["name"] for row in writer.get(f"{url}/2").json()["features"]] == ["x"]
    assert [row["name"] for row in writer.get(f"{url}/1/features").json()["items"]] == ["age"]


@pytest.mark.parametrize("number", ["3", "99999999999", "9999999999999999999999"])
def test_a_version_that_does_not_exist_is_not_there(reader, team, number):
    make_version(make_model(team=team, slug="credit"))

    assert reader.get(f"{MODELS}/credit/versions/{number}").status_code == 404


def test_versions_of_my_model_are_not_reached_through_anothers(reader, team, other_team):
    theirs = make_version(make_model(team=other_team, slug="theirs"), number=5)
    make_model(team=team, slug="mine")

    assert reader.get(f"{MODELS}/mine/versions/{theirs.number}").status_code == 404
    assert reader.get(f"{MODELS}/theirs/versions/{theirs.number}").status_code == 404


def test_a_frozen_version_only_becomes_stricter(writer, team):
    model = make_model(team=team, slug="credit", features=[("age", "integer"), ("note", "text")])
    version = make_version(model)
    type(version).objects.filter(pk=version.pk).update(schema_frozen_at=version.created_at)
    url = f"{MODELS}/credit/versions/1/features"
    note = {"name": "note", "dtype": "text", "privacy": "drop"}

    stricter = writer.put(
        url, json.dumps({"features": [{"name": "age", "dtype": "integer"}, note]}), content_type="application/json"
    )
    looser = writer.put(
        url,
        json.dumps({"features": [{"name": "age", "dtype": "number"}, note | {"privacy": "keep"}]}),
        content_type="application/json",
    )

    assert stricter.status_code == 200
    assert (looser.status_code, looser.json()["code"]) == (409, "schema_frozen")
    assert [fault["pointer"] for fault in looser.json()["errors"]] == ["/features/0/dtype", "/features/1/privacy"]


def test_endpoints_are_noted_read_and_changed(writer, team):
    make_model(team=team, slug="credit")
    body = {"slug": "credit-decision", "model": "credit", "environment": "production", "slo_p95_ms": 120}

    made = post(writer, "/api/v1/endpoints", body)
    again = post(writer, "/api/v1/endpoints", body)
    url = "/api/v1/endpoints/credit-decision"
    changed = patch(writer, url, {"slo_p95_ms": None, "kind": "batch"}, tag=made["ETag"])

    assert (made.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert (changed.json()["slo_p95_ms"], changed.json()["kind"]) == (None, "batch")
    assert patch(writer, url, {"kind": "online"}, tag=made["ETag"]).status_code == 412
    assert [row["slug"] for row in writer.get("/api/v1/endpoints?model=credit").json()["items"]] == ["credit-decision"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"environment": "moon"}, "/environment"),
        ({"slo_p95_ms": 0}, "/slo_p95_ms"),
        ({"slo_p95_ms": 10**12}, "/slo_p95_ms"),
        ({"slo_p95_ms": 200, "slo_p99_ms": 100}, "/slo_p99_ms"),
        ({"slo_p95_ms": "120"}, "/slo_p95_ms"),
        ({"slo_p95_ms": True}, "/slo_p95_ms"),
        ({"location": "a\nb"}, "/location"),
        ({"model": "theirs"}, "/model"),
    ],
)
def test_an_endpoint_that_will_not_do_is_refused(writer, team, other_team, change, pointer):
    make_model(team=team, slug="credit")
    make_model(team=other_team, slug="theirs")

    answer = post(writer, "/api/v1/endpoints", {"slug": "e", "model": "credit", "environment": "production"} | change)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_teams_are_those_of_the_caller(reader):
    make_team("elsewhere")

    assert [row["slug"] for row in reader.get("/api/v1/teams").json()["items"]] == ["risk"]


@pytest.mark.parametrize("path", ["teams", "models", "endpoints", "models/x", "models/x/versions", "endpoints/x"])
def test_without_a_credential_everything_asks_for_one(client, db, path):
    answer = client.get(f"/api/v1/{path}")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_page_session_reads_and_needs_the_csrf_token_to_write(client, alice, team):
    make_model(team=team, slug="credit")
    client.handler.enforce_csrf_checks = True
    client.force_login(alice)

    assert client.get(f"{MODELS}/credit").status_code == 200
    assert post(client, MODELS, {"name": "A", "task": "binary", "team": "risk"}).status_code == 403


def test_a_person_names_the_team(client, alice):
    client.force_login(alice)

    assert post(client, MODELS, {"name": "A", "task": "binary"}).status_code == 422
    assert post(client, MODELS, {"name": "A", "task": "binary", "team": "risk"}, key="b").status_code == 201
