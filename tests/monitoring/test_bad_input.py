"""The bad-input catalogue: every row answered as the API contract says, and every page readable afterwards."""

import gzip
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from django.test import Client

from monitoring.models import InboxRow, IngestBatch, QuarantinedItem, RejectCount
from monitoring.traffic import payload, schema
from registry.models import User
from tests.factories import api, make_key, make_member, make_team
from tests.monitoring import sending
from tests.monitoring.sending import json_body, lines, outcome, parquet, parquet_of, post, prediction, written

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Case:
    """One row: the body that is sent, and what has to come back."""

    name: str
    body: Callable[[], bytes]
    status: int
    codes: tuple[str, ...] = ()
    surprises: dict[str, dict[str, int]] = field(default_factory=dict)
    kind: str = "predictions"
    media: str = schema.JSON
    headers: dict[str, str] = field(default_factory=dict)


def ago(**span: float) -> str:
    return written(datetime.now(UTC) - timedelta(**span))


def replaced(old: str, new: str, **fields: Any) -> bytes:
    """A good body in which one piece of text is something json.dumps would not write."""
    body = json_body(prediction(**fields))
    assert old.encode() in body
    return body.replace(old.encode(), new.encode())


def one(**fields: Any) -> Callable[[], bytes]:
    return lambda: json_body(prediction(**fields))


def one_feature(**features: Any) -> Callable[[], bytes]:
    return lambda: json_body(prediction(features=features))


def table(**columns: Any) -> dict[str, Any]:
    good = {"request_id": ["p-1"], "version": ["1"], "predicted_at": [sending.just_now()], "income": [1.0]}
    return good | {"region": ["EU"], "channel": ["web"]} | columns


def bomb() -> bytes:
    """Two megabytes that would be twenty gigabytes of text."""
    rows = 10_000
    words = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 2_000_000]))
    named = {"request_id": [str(i) for i in range(rows)], "version": ["1"] * rows}
    return parquet_of(pa.table(named | {"predicted_at": [sending.just_now()] * rows, "channel": words}))


def truncated() -> bytes:
    return parquet(**table())[:-30]


def lying_footer() -> bytes:
    good = parquet(**table(channel=["x" * 500]))
    return good[:40] + good[120:]


JSON_CASES = [
    Case("bare NaN", lambda: replaced("41200", "NaN"), 400, ("invalid_json",)),
    Case("Infinity", lambda: replaced("41200", "-Infinity"), 400, ("invalid_json",)),
    Case("NaN as text", one_feature(income="NaN"), 422, ("wrong_type",)),
    Case("number as text", one_feature(income="0.5"), 422, ("wrong_type",)),
    Case("true for a number", one_feature(income=True), 422, ("wrong_type",)),
    Case("2^70", one_feature(income=2**70), 202, surprises={"inexact": {"income": 1}}),
    Case("5,000 digits", lambda: replaced("41200", "9" * 5000), 422, ("not_finite",)),
    Case("1e400", lambda: replaced("41200", "1e400"), 422, ("not_finite",)),
    Case("nested 500", lambda: b'{"items":' + b"[" * 500 + b"]" * 500 + b"}", 400, ("too_deep",)),
    Case("nested 5,000", lambda: b"[" * 5_000 + b"]" * 5_000, 400, ("too_deep",)),
    Case("nested 100,000", lambda: b'{"items":' * 100_000, 400, ("too_deep",)),
    Case("nested in a feature", lambda: replaced("41200", "[" * 100_000 + "]" * 100_000), 400, ("too_deep",)),
    Case("brackets in a text", one_feature(channel="[{" * 100), 202),
    Case("duplicate keys", lambda: replaced('"income": 41200', '"income": "x", "income": 41200'), 202),
    Case("unknown field of the body", lambda: b'{"items": [], "batch": 1}', 400, ("unknown_field",)),
    Case("unknown field of an item", one(colour="red"), 422, ("unknown_field",)),
    Case("unknown feature", one_feature(shoe_size=43), 202, surprises={"unexpected_feature": {"shoe_size": 1}}),
    Case("NUL in an id", one(request_id="a\x00b"), 422, ("invalid_character",)),
    Case("NUL in a value", one_feature(channel="a\x00b"), 422, ("invalid_character",)),
    Case("NUL in a hidden value", one_feature(employer="a\x00b"), 422, ("invalid_character",)),
    Case("NUL in a wrong value", one_feature(income="a\x00b"), 422, ("wrong_type",)),
    Case("NUL in a key", one_feature(**{"a\x00b": 1}), 422, ("invalid_character",)),
    Case("NUL in a field", one(**{"a\x00b": 1}), 422, ("invalid_character",)),
    Case("NUL in a label", one(prediction="repaid\x00"), 422, ("invalid_character",)),
    Case("newline in an action", one(action="a\nb"), 422, ("invalid_character",)),
    Case("newline in an error", one(error="a\nb"), 202),
    Case("lone surrogate", lambda: replaced("web", "\\ud800"), 400, ("invalid_json",)),
    Case("lone surrogate in an id", lambda: replaced("r-1", "\\ud800"), 400, ("invalid_json",)),
    Case("not UTF-8", lambda: json_body(prediction()).replace(b"web", b"\xff\xfe"), 400, ("invalid_json",)),
    Case("byte-order mark", lambda: b"\xef\xbb\xbf" + json_body(prediction()), 400, ("invalid_json",)),
    Case("cut body", lambda: json_body(prediction())[:-3], 400, ("invalid_json",)),
    Case("empty body", lambda: b"", 400, ("invalid_json",)),
    Case("null", lambda: b"null", 400, ("invalid_json",)),
    Case("a text", lambda: b'"x"', 400, ("invalid_json",)),
    Case("an empty object", lambda: b"{}", 400, ("invalid_json",)),
    Case("a list", lambda: b"[]", 400, ("invalid_json",)),
    Case("items null", lambda: b'{"items": null}', 400, ("invalid_json",)),
    Case("no items", lambda: b'{"items": []}', 422, ("empty_batch",)),
    Case("an item that is a number", lambda: b'{"items": [5]}', 422, ("wrong_type",)),
    Case("an item that is null", lambda: b'{"items": [null]}', 422, ("wrong_type",)),
    Case("an empty item", lambda: b'{"items": [{}]}', 422, ("missing_field",)),
    Case("time without zone", one(predicted_at="2026-11-20T09:31:07"), 422, ("timezone_required",)),
    Case("date only", one(predicted_at="2026-11-20"), 422, ("bad_time",)),
    Case("time with a space", lambda: json_body(prediction(predicted_at=ago().replace("T", " "))), 422, ("bad_time",)),
    Case("time as a number", one(predicted_at=1_763_631_067), 422, ("wrong_type",)),
    Case("thirteenth month", one(predicted_at="2026-13-20T09:31:07Z"), 422, ("bad_time",)),
    Case("small t and z", lambda: json_body(prediction(predicted_at=ago().lower())), 202),
    Case("four minutes ahead", lambda: json_body(prediction(predicted_at=ago(minutes=-4))), 202),
    Case("a day ahead", lambda: json_body(prediction(predicted_at=ago(days=-1))), 422, ("in_future",)),
    Case("29 days back", lambda: json_body(prediction(predicted_at=ago(days=29))), 202, surprises={"late": {"": 1}}),
    Case("31 days back", lambda: json_body(prediction(predicted_at=ago(days=31))), 422, ("too_old",)),
    Case("year 1", one(predicted_at="0001-01-01T00:00:00Z"), 422, ("too_old",)),
    Case("year 9999", one(predicted_at="9999-12-31T23:59:59-23:59"), 422, ("in_future",)),
    Case("unknown version", one(version="99"), 422, ("unknown_version",)),
    Case("version beyond all integers", one(version="9" * 10), 422, ("unknown_version",)),
    Case("version as a number", one(version=1), 422, ("wrong_type",)),
    Case("version missing", one(version=None), 422, ("missing_field",)),
    Case(
        "feature missing",
        lambda: json_body(prediction() | {"features": {"income": 1}}),
        202,
        surprises={"missing_feature": {"region": 1, "channel": 1}},
    ),
    Case("feature null", one_feature(income=None), 202, surprises={"null": {"income": 1}}),
    Case("optional feature null", one_feature(employer=None), 202),
    Case("features null", lambda: json_body(prediction() | {"features": None}), 422, ("missing_field",)),
    Case("features a list", lambda: json_body(prediction() | {"features": [1]}), 422, ("wrong_type",)),
    Case("unseen category", one_feature(region="XX"), 202, surprises={"unseen_category": {"region": 1}}),
    Case("out of range", one_feature(income=-1), 202, surprises={"feature_out_of_range": {"income": 1}}),
    Case("half a child", one_feature(children=1.5), 202, surprises={"not_integer": {"children": 1}}),
    Case("10 KB text", one_feature(channel="x" * 10_240), 202, surprises={"long_value": {"channel": 1}}),
    Case("item of 65 KiB", one_feature(channel="x" * 66_560), 422, ("too_large",)),
    Case("boolean as text", one_feature(owner="true"), 422, ("wrong_type",)),
    Case("timestamp as a number", one_feature(opened=1.5), 422, ("wrong_type",)),
    Case("timestamp without zone", one_feature(opened="2026-11-20T09:31:07"), 422, ("timezone_required",)),
    Case("score under 0", one(score=-0.1), 422, ("score_out_of_range",)),
    Case("score a hair over 1", one(score=1 + 1e-10), 202, surprises={"clamped": {"": 1}}),
    Case("score 7", one(score=7), 422, ("score_out_of_range",)),
    Case("score as text", one(score="0.5"), 422, ("wrong_type",)),
    Case("unknown label", one(prediction="maybe"), 422, ("unknown_label",)),
    Case("probabilities over 1", one(scores={"repaid": 0.6, "default": 0.6}), 422, ("bad_probabilities",)),
    Case("a class is missing", one(scores={"repaid": 1.0}), 422, ("bad_probabilities",)),
    Case("another class", one(scores={"repaid": 0.5, "other": 0.5}), 422, ("bad_probabilities",)),
    Case("probability of -1", one(scores={"repaid": 2.0, "default": -1.0}), 422, ("bad_probabilities",)),
    Case("negative latency", one(latency_ms=-1), 422, ("negative_value",)),
    Case("negative cost of a stage", one(stages=[{"name": "a", "cost": -1}]), 422, ("negative_value",)),
    Case("eleven stages", one(stages=[{"name": str(i)} for i in range(11)]), 422, ("too_large",)),
    Case("unknown field of a stage", one(stages=[{"name": "a", "price": 1}]), 422, ("unknown_field",)),
    Case("revision beyond all integers", one(revision=2**40), 422, ("too_large",)),
    Case("revision as a fraction", one(revision=1.5), 422, ("wrong_type",)),
    Case("empty id", one(request_id=""), 422, ("bad_request_id",)),
    Case("long id", one(request_id="a" * 300), 422, ("bad_request_id",)),
    Case("id with a space", one(request_id="a b"), 422, ("bad_request_id",)),
    Case("id beyond ASCII", one(request_id="ä"), 422, ("bad_request_id",)),
    Case("ids differ by case", lambda: json_body(prediction("A"), prediction("a")), 202),
    Case("id twice, same content", lambda: json_body(*[prediction("A")] * 2), 202),
    Case(
        "id twice, other content",
        lambda: json_body(prediction("A"), prediction("A", score=0.9)),
        202,
        ("request_id_conflict",),
    ),
]
LINE_CASES = [
    Case(
        "NaN in a line",
        lambda: lines(prediction(), b'{"request_id": NaN}'),
        202,
        ("invalid_json",),
        media=schema.NDJSON,
    ),
    Case(
        "surrogate in a line",
        lambda: lines(prediction(), b'{"a": "\\ud800"}'),
        202,
        ("invalid_json",),
        media=schema.NDJSON,
    ),
    Case("bytes in a line", lambda: lines(prediction(), b'{"a": "\xff"}'), 202, ("invalid_json",), media=schema.NDJSON),
    Case("two records in a line", lambda: lines(b"{} {}"), 422, ("invalid_json",), media=schema.NDJSON),
    Case(
        "record over two lines", lambda: lines(b"{", b"}"), 422, ("invalid_json", "invalid_json"), media=schema.NDJSON
    ),
    Case("blank lines", lambda: lines(b"", prediction(), b"  \r", b""), 202, media=schema.NDJSON),
    Case("deep line", lambda: lines(b"[" * 100_000), 400, ("too_deep",), media=schema.NDJSON),
    Case("nothing but blanks", lambda: b"\n \n", 422, ("empty_batch",), media=schema.NDJSON),
]
OUTCOME_CASES = [
    Case("unknown kind", lambda: json_body(outcome(kind="Truth!")), 422, ("bad_kind",), kind="outcomes"),
    Case("reserved kind", lambda: json_body(outcome(kind="review")), 422, ("bad_kind",), kind="outcomes"),
    Case(
        "kind of two types",
        lambda: json_body(outcome(kind="click", value=True), outcome("r-2", kind="click", value=3)),
        202,
        ("bad_kind",),
        kind="outcomes",
    ),
    Case(
        "21 kinds",
        lambda: json_body(*(outcome(kind=f"k{i}", value=1) for i in range(21))),
        202,
        ("bad_kind",),
        kind="outcomes",
    ),
    Case("unknown truth", lambda: json_body(outcome(value="maybe")), 422, ("unknown_label",), kind="outcomes"),
    Case("truth null", lambda: json_body(outcome(value=None)), 422, ("missing_field",), kind="outcomes"),
    Case("truth as an object", lambda: json_body(outcome(value={"a": 1})), 422, ("wrong_type",), kind="outcomes"),
    Case(
        "NUL in a signal",
        lambda: json_body(outcome(kind="note", value="\x00")),
        422,
        ("invalid_character",),
        kind="outcomes",
    ),
    Case(
        "unknown field of an outcome", lambda: json_body(outcome(version="1")), 422, ("unknown_field",), kind="outcomes"
    ),
    Case("outcome ahead", lambda: json_body(outcome(observed_at=ago(days=-1))), 422, ("in_future",), kind="outcomes"),
    Case(
        "outcome before its prediction",
        lambda: json_body(outcome(observed_at=ago(hours=2), predicted_at=ago(hours=1))),
        202,
        surprises={"time_order": {"": 1}},
        kind="outcomes",
    ),
    Case("outcome of an unknown id", lambda: json_body(outcome("never-seen")), 202, kind="outcomes"),
]
FILE_CASES = [
    Case("Parquet", lambda: parquet(**table()), 202, media=schema.PARQUET),
    Case("truncated Parquet", truncated, 422, ("damaged_file",), media=schema.PARQUET),
    Case("lying footer", lying_footer, 422, ("damaged_file",), media=schema.PARQUET),
    Case("not Parquet", lambda: b"PAR1 is only a word", 422, ("damaged_file",), media=schema.PARQUET),
    Case("empty Parquet body", lambda: b"", 422, ("damaged_file",), media=schema.PARQUET),
    Case(
        "Parquet without rows",
        lambda: parquet(request_id=pa.array([], pa.string())),
        422,
        ("empty_batch",),
        media=schema.PARQUET,
    ),
    Case("20 GB in 2 MB", bomb, 413, ("too_large",), media=schema.PARQUET),
    Case("list column", lambda: parquet(**table(tags=[["a"]])), 422, ("unsupported_column",), media=schema.PARQUET),
    Case(
        "map column",
        lambda: parquet(**table(m=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())))),
        422,
        ("unsupported_column",),
        media=schema.PARQUET,
    ),
    Case(
        "decimal column",
        lambda: parquet(**table(income=[Decimal("1.5")])),
        422,
        ("unsupported_column",),
        media=schema.PARQUET,
    ),
    Case(
        "extension column",
        lambda: parquet(**table(u=pa.array([b"0" * 16], pa.uuid()))),
        422,
        ("unsupported_column",),
        media=schema.PARQUET,
    ),
    Case(
        "NaN in a column", lambda: parquet(**table(income=[float("nan")])), 422, ("not_finite",), media=schema.PARQUET
    ),
    Case("texts for numbers", lambda: parquet(**table(income=["41k"])), 422, ("wrong_type",), media=schema.PARQUET),
    Case(
        "naive timestamp",
        lambda: parquet(**table(predicted_at=[datetime(2026, 11, 20)])),
        422,
        ("timezone_required",),
        media=schema.PARQUET,
    ),
    Case(
        "10,001 rows",
        lambda: parquet(request_id=[str(i) for i in range(10_001)]),
        413,
        ("too_large",),
        media=schema.PARQUET,
    ),
]
BODY_CASES = [
    Case("10,001 items", lambda: b'{"items":[' + b"1," * 10_000 + b"1]}", 413, ("too_large",)),
    Case("17 MiB", lambda: b" " * (17 * 1024 * 1024), 413, ("too_large",)),
    Case("gzip", lambda: gzip.compress(json_body(prediction())), 202, headers={"Content-Encoding": "gzip"}),
    Case(
        "gzip bomb", lambda: gzip.compress(b" " * 30_000_000), 413, ("too_large",), headers={"Content-Encoding": "gzip"}
    ),
    Case("not gzip", lambda: json_body(prediction()), 400, ("malformed",), headers={"Content-Encoding": "gzip"}),
    Case(
        "cut gzip",
        lambda: gzip.compress(json_body(prediction()))[:-9],
        400,
        ("malformed",),
        headers={"Content-Encoding": "gzip"},
    ),
    Case("two encodings", lambda: b"", 415, ("unsupported_media_type",), headers={"Content-Encoding": "gzip, gzip"}),
    Case("brotli", lambda: b"", 415, ("unsupported_media_type",), headers={"Content-Encoding": "br"}),
    Case(
        "latin-1",
        lambda: json_body(prediction()),
        415,
        ("unsupported_media_type",),
        media="application/json; charset=latin-1",
    ),
    Case("utf-8 named", lambda: json_body(prediction()), 202, media='application/json; charset="UTF-8"'),
    Case("CSV", lambda: b"request_id\n1\n", 415, ("unsupported_media_type",), media="text/csv"),
    Case("text/plain", lambda: json_body(prediction()), 415, ("unsupported_media_type",), media="text/plain"),
]
CASES = JSON_CASES + LINE_CASES + OUTCOME_CASES + FILE_CASES + BODY_CASES


def check(case: Case, status: int, document: dict[str, Any]) -> None:
    """The answer is the one the row asks for."""
    told = [error["code"] for error in document.get("errors", [])]
    assert status == case.status, document
    if status == 202:
        assert tuple(told) == case.codes
        assert document["received"] == document["accepted"] + document["rejected"]
    elif told and case.codes != ("unsupported_column",):
        assert tuple(told) == case.codes
    else:
        assert (document["code"],) == case.codes


@pytest.fixture
def sender(team: Any) -> Client:
    sending.make_credit(team)
    return api(make_key(team=team, scopes=["ingest"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_answered_as_the_catalogue_says(case: Case, sender: Client) -> None:
    started = time.process_time()

    response = post(sender, case.body(), kind=case.kind, media=case.media, **case.headers)

    assert time.process_time() - started < 5  # no body may keep a process busy
    document = response.json()
    check(case, response.status_code, document)
    if response.status_code == 202:
        assert IngestBatch.objects.get(pk=document["batch"]).surprises == case.surprises
        assert InboxRow.objects.get().items == document["accepted"]
    else:
        assert not InboxRow.objects.exists()


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
def test_nesting_is_refused_in_half_a_second(depth: int, sender: Client) -> None:
    body = b'{"items":' + b"[" * depth + b"]" * depth + b"}"
    started = time.process_time()

    response = post(sender, body)

    assert response.json()["code"] == "too_deep"
    assert time.process_time() - started < 0.5


def test_the_value_of_an_unexpected_feature_is_never_stored(sender: Client) -> None:
    post(sender, json_body(prediction(features={"card": "4111 1111 1111 1111"})))
    post(sender, json_body(prediction(score="no", features={"card": "4111 1111 1111 1111"})))

    assert "4111" not in str(payload.decode(InboxRow.objects.get().payload))
    assert "4111" not in QuarantinedItem.objects.get().item


def test_a_feature_whose_rule_is_not_keep_is_scrubbed_from_quarantine(sender: Client) -> None:
    post(sender, json_body(prediction(score="no", subject_id="c-991", features={"employer": "Acme Corp"})))

    row = QuarantinedItem.objects.get()
    kept = json.loads(row.item)
    assert len(kept["features"]["employer"]) == 26  # the hash under which it would be stored
    assert kept["features"]["income"] == 41200
    assert "subject_id" not in kept
    assert "Acme" not in row.item


def test_a_refused_value_is_shown_only_where_its_rule_is_keep(sender: Client) -> None:
    bad = post(
        sender, json_body(prediction(features={"employer": 5}), prediction("r-2", features={"income": "x" * 99}))
    )

    hidden, shown = bad.json()["errors"]
    assert "received" not in hidden
    assert shown["received"] == "x" * 64


def test_rejects_are_counted_by_version_feature_and_code(sender: Client) -> None:
    items = [prediction(f"r-{i}", features={"income": "41k"}) for i in range(3)]
    post(sender, json_body(prediction("good"), *items))
    post(sender, json_body(prediction("good2"), *items[:1]))

    counted = RejectCount.objects.get()
    assert (counted.version_label, counted.feature, counted.code, counted.n) == ("1", "income", "wrong_type", 4)


def test_many_unknown_versions_share_one_count(sender: Client) -> None:
    post(sender, json_body(*(prediction(f"r-{i}", version=str(i + 50)) for i in range(40))))

    assert RejectCount.objects.count() == 21
    assert RejectCount.objects.get(version_label="").n == 20


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_page_is_readable_after_the_whole_catalogue_over_a_socket(live_server: Any) -> None:
    team = make_team("risk")
    sending.make_credit(team)
    address = urlsplit(live_server.url)
    key = make_key(team=team, scopes=["ingest"])
    for case in CASES:
        status, document = over_the_wire(address.hostname, address.port, case, key)
        check(case, status, document)

    viewer = User.objects.create_user("viewer", "viewer@example.org")
    make_member(viewer, team=team, role="maintainer")
    browser, reader = Client(), api(make_key(team=team, scopes=["read"]))
    browser.force_login(viewer)
    for page in readable_pages():
        client = reader if page.startswith("/api/") else browser
        assert client.get(page).status_code == 200, page


def over_the_wire(host: str | None, port: int | None, case: Case, key: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(str(host), port, timeout=30)
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": case.media,
        "Idempotency-Key": case.name.replace(" ", "-"),
    }
    connection.request("POST", f"/api/v1/models/credit/{case.kind}", case.body(), headers | case.headers)
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    return response.status, document


def readable_pages() -> Iterator[str]:
    yield from ("/", "/models/", "/models/credit/", "/jobs/", "/alerts/")
    yield from ("/api/v1/models", "/api/v1/models/credit", "/api/v1/models/credit/versions")
    yield from ("/api/v1/models/credit/runs", "/api/v1/models/credit/measurements", "/api/v1/models/credit/alerts")
    for batch_id in IngestBatch.objects.values_list("pk", flat=True):
        yield f"/api/v1/batches/{batch_id}"
