"""The filter language: what it finds, what it refuses, and that no text breaks it."""

import time

import pytest
from django.db.models import CharField, F, Q, Value
from django.db.models.functions import Cast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_portal.kit.errors import Invalid
from registry.mlflow import filters, pages
from registry.mlflow.lookups import ILike, Like, like_pattern
from registry.models import ModelVersion, RegisteredModel
from tests.factories import make_key, make_model
from tests.registry.mlflow.calls import Calls

NAMES = ("CreateRM", "Rm two", "50%_off", "star*[x]?", "it's", "été")


@pytest.fixture
def call(team):
    caller = Calls(make_key(team=team, scopes=["registry"]))
    for i, name in enumerate(NAMES):
        tags = [{"key": "n", "value": str(i)}, {"key": "odd key/x.y", "value": name}]
        caller.post("registered-models/create", name=name, tags=tags)
        for number in range(1, i + 1):
            tags = [{"key": "n", "value": str(number)}]
            run = {"run_id": f"run{number}"} if number > 1 else {}
            caller.post("model-versions/create", name=name, source=f"s3://B/{i}/{number}", tags=tags, **run)
    return caller


def found(call, text):
    status, answer = call.get("registered-models/search", filter=text)
    assert status == 200, answer
    return sorted(one["name"] for one in answer.get("registered_models", ()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NAMES),
        ("   ", NAMES),
        ("name = 'CreateRM'", ["CreateRM"]),
        ("name='createrm'", []),
        ('attribute.name = "CreateRM"', ["CreateRM"]),
        ("name != 'CreateRM'", [name for name in NAMES if name != "CreateRM"]),
        ("name LIKE '%rm%'", []),
        ("name like '%RM%'", ["CreateRM"]),
        ("name ILIKE '%rm%'", ["CreateRM", "Rm two"]),
        ("name LIKE '50%'", ["50%_off"]),
        ("name LIKE '%*[x]?'", ["star*[x]?"]),
        ("name LIKE '%[a-z]%'", []),
        ("name LIKE '__ two'", ["Rm two"]),
        ("name LIKE '\\%'", []),
        ("name = 'it''s'", ["it's"]),
        ('name = "it\'s"', ["it's"]),
        ("name IN ('CreateRM', 'été', 'nobody')", ["CreateRM", "été"]),
        ("name not in ('CreateRM','Rm two',\"été\")", ["50%_off", "it's", "star*[x]?"]),
        ("tags.n = '1'", ["Rm two"]),
        ("tag.n = '1' AND name = 'Rm two'", ["Rm two"]),
        ("tags.n = '1' AND tags.n = '2'", []),
        ("tags.n != '1' and tags.n != '2' AND name ILIKE 'R%'", []),
        ("tags.missing != 'x'", []),
        ("tags.`odd key/x.y` LIKE '%RM'", ["CreateRM"]),
        ("tags.\"odd key/x.y\" = 'été'", ["été"]),
        ("tags.n ILIKE '%' AND tags.n LIKE '_' AND tags.n != '0'", list(NAMES[1:])),
        ("tags.n = 1", None),
        ("name = CreateRM", None),
        ("name", None),
        ("name =", None),
        ("= 'x'", None),
        ("name = 'x' name = 'y'", None),
        ("name = 'x' AND", None),
        ("AND name = 'x'", None),
        ("NOT name = 'x'", None),
        ("(name = 'x')", None),
        ("name = 'x' OR name = 'y'", None),
        ("name > 'x'", None),
        ("name IN ()", None),
        ("name IN 'x'", None),
        ("name IN ('x'", None),
        ("name IN (1)", None),
        ("tags.n IN ('1')", None),
        ("tags. = 'x'", None),
        ("name = 'unclosed", None),
        ("name LIKE", None),
        ("name = 'x'; DROP TABLE x", None),
        ("name = ('x')", None),
        ("version_number = 1", None),
        ("creation_timestamp > 5", None),
        ("alias = 'x'", None),
    ],
)
def test_what_a_filter_of_models_finds(call, text, expected):
    if expected is None:
        status, answer = call.get("registered-models/search", filter=text)
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    else:
        assert found(call, text) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 'it''s'", 4),
        ("run_id = 'run2'", 4),
        ("run_id IN ('run2', 'run3')", 7),
        ("run_id = ''", 5),
        ("source_path = 's3://B/2/1'", 1),
        ("source_path ILIKE 's3://b/2/%'", 2),
        ("source_path LIKE 's3://b/2/%'", 0),
        ("version_number = 5", 1),
        ("version_number >= 4 AND version_number < 5", 2),
        ("version_number != 1", 10),
        ("version_number <= +1", 5),
        ("version_number > -1 AND attribute.version_number > 4", 1),
        ("tags.n = '5'", 1),
        ("name ILIKE 'R%' AND tags.n != '2'", 1),
        ("version_number = '5'", None),
        ("version_number IN (1, 2)", None),
        ("version_number = 1.5", None),
        ("version_number = 99999999999", None),
        ("source_path IN ('x')", None),
        ("stage = 'Production'", None),
    ],
)
def test_what_a_filter_of_versions_finds(call, text, expected):
    status, answer = call.get("model-versions/search", filter=text)

    if expected is None:
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    else:
        assert status == 200, answer
        assert len(answer.get("model_versions", ())) == expected


def test_clauses_and_characters_are_limited(call):
    clause = "name != 'x'"
    assert found(call, " AND ".join([clause] * 64)) == sorted(NAMES)
    for text in (" AND ".join([clause] * 65), f"name = '{'x' * 8000}'"):
        assert call.get("registered-models/search", filter=text)[0] == 400


PIECES = st.sampled_from(
    [
        *("name", "run_id", "version_number", "source_path", "tags.k", "tag.`a b`", 'tags."k', "attribute.name", "x.y"),
        *("=", "!=", "LIKE", "ilike", "IN", "NOT", "NOT IN", "<", ">=", "AND", "and", "OR", "(", ")", ",", "''", "'a'"),
        *("'%'", "'_'", '"q"', "`b`", "1", "-2", "9" * 30, "'it''s'", "'*[?'", ";", "\\", "--", "é", "\u00a0", "' "),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=80), st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=9).map("".join)
)


@pytest.mark.django_db
@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=TEXTS)
def test_no_text_breaks_it(text):
    for model, language in ((RegisteredModel, filters.MODELS), (ModelVersion, filters.VERSIONS)):
        try:
            condition = filters.condition(text, language)
        except Invalid:
            continue
        if "\x00" not in text and not any("\ud800" <= mark <= "\udfff" for mark in text):
            list(model.objects.filter(condition)[:1])


@pytest.mark.django_db
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(value=st.text(alphabet="aAb%_*?[]\\-é", max_size=6), pattern=st.text(alphabet="aAb%_*?[]\\-", max_size=6))
def test_both_databases_mean_the_same_by_a_pattern(value, pattern):
    _ = RegisteredModel.objects.exists() or make_model()
    rows = RegisteredModel.objects.annotate(text=Cast(Value(value), CharField()))
    for lookup, any_case in ((Like, False), (ILike, True)):
        expected = bool(like_pattern(pattern, any_case=any_case).match(value))
        assert rows.filter(Q(lookup(F("text"), pattern))).exists() == expected, (value, pattern, lookup)


@pytest.mark.parametrize(
    "text", ["tags.`" * 1300, "'" * 8000, "name = '" + "''" * 3990, "name IN (" + "'a'," * 1900, "(" * 8000]
)
def test_reading_takes_linear_time(text):
    before = time.perf_counter()

    with pytest.raises(Invalid):
        filters.condition(text[:8000], filters.MODELS)

    assert time.perf_counter() - before < 0.5


@pytest.mark.parametrize("order", [["name ASC"], ["name DESC"], ["timestamp DESC"], ["timestamp"]])
def test_pages_meet_each_row_once_while_others_are_inserted(team, order):
    caller = Calls(make_key(team=team, scopes=["registry"]))
    for i in range(30):
        make_model(team=team, name=f"n{i:02d}", slug=f"n{i:02d}")
    seen, token, rounds = [], "", 0
    while True:
        more = {"page_token": token} if token else {}
        _, answer = caller.get("registered-models/search", max_results=7, order_by=order, **more)
        seen += [one["name"] for one in answer["registered_models"]]
        make_model(team=team, name=f"late{rounds}", slug=f"late{rounds}")
        token, rounds = answer.get("next_page_token", ""), rounds + 1
        if not token:
            break

    assert len(seen) == len(set(seen))
    assert {name for name in seen if name.startswith("n")} == {f"n{i:02d}" for i in range(30)}


@pytest.mark.parametrize("cut", [1, 10, -1])
def test_a_damaged_token_is_told(call, cut):
    token = call.get("model-versions/search", max_results=1)[1]["next_page_token"]
    damaged = token[:cut] + ("A" if token[cut] != "A" else "B") + token[cut:][1:]

    status, answer = call.get("model-versions/search", max_results=1, page_token=damaged)

    assert status == 400
    assert answer["message"].startswith("Invalid page token, ")


def test_an_order_names_its_columns_once():
    with pytest.raises(Invalid, match="duplicate"):
        pages.VERSIONS.read(["last_updated_timestamp", "last_updated_timestamp DESC"])
    assert [key.term for key in pages.VERSIONS.read([])] == ["-updated_at", "model__name", "-number"]
    assert [key.term for key in pages.VERSIONS.read(["name desc"])] == ["-model__name", "-number"]
