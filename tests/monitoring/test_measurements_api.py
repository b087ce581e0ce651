"""Measurements as programs read them, page by page or as a file."""

import csv
import json
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.test import Client

from mlops_portal.kit import sheets
from monitoring import exports
from monitoring.models import Measurement, Monitor
from monitoring.stats.results import Verdict
from registry.models import Team, User
from tests.factories import MIDNIGHT, api, make_key, make_measurement, make_model, make_monitor, make_run, make_version

URL = "/api/v1/models/eta/measurements"


@pytest.fixture
def monitor(alice: User, team: Team) -> Monitor:
    return make_monitor(make_model(team=team, slug="eta", owner=alice))


@pytest.fixture
def reader(team: Team) -> Client:
    return api(make_key(team=team))


@pytest.fixture
def measured(monitor: Monitor) -> Monitor:
    """Two days of one monitor, with features, segments, a version and an endpoint."""
    version = make_version(monitor.model)
    for day in (1, 0):
        run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        make_measurement(run, feature="trip_km", value=0.41, verdict=Verdict.drift, version=version, rank=1)
        make_measurement(run, feature="trip_km", segment="region=EU", value=0.2, verdict=Verdict.warn, version=version)
        make_measurement(run, feature="hour", value=None, verdict=Verdict.insufficient, version=version)
        make_measurement(run, check_key="latency", metric="latency_p95.1", value=212.0, endpoint="eta-live")
        make_measurement(run, check_key="performance", metric="mae.1", value=3.2, signal="truth", version=version)
    return monitor


def found(client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["items"]
    return rows


def test_an_item_says_everything_about_its_number(measured: Monitor, reader: Client) -> None:
    [item] = found(reader, feature="trip_km", segment="", window_start="2026-11-13T00:00:00Z")

    run = measured.runs.get(window_end=MIDNIGHT)
    assert item | {"id": ""} == {
        "id": "",
        "run": str(run.pk),
        "model": "eta",
        "monitor": "inputs-training",
        "revision": 1,
        "latest": True,
        "window_start": "2026-11-13T00:00:00Z",
        "window_end": "2026-11-20T00:00:00Z",
        "check": "input_drift",
        "metric": "psi.1",
        "version": 1,
        "endpoint": "",
        "signal": "",
        "feature": "trip_km",
        "segment": "",
        "value": 0.41,
        "low": None,
        "high": None,
        "n": 10_000,
        "base_value": None,
        "base_n": 0,
        "threshold": 0.1,
        "gap": 0.41,
        "verdict": "drift",
        "reason": "",
        "hard": False,
        "provisional": False,
        "rank": 1,
        "details": {},
    }


def test_ids_are_constant_and_differ_between_rows(measured: Monitor, reader: Client) -> None:
    first, second = found(reader), found(reader)

    assert [row["id"] for row in first] == [row["id"] for row in second]
    assert len({row["id"] for row in first}) == len(first) == 10


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"metric": "psi"}, 6),
        ({"metric": "psi.1"}, 6),
        ({"metric": "psi.2"}, 0),
        ({"metric": "psi,latency_p95"}, 8),
        ({"check": "latency,performance"}, 4),
        ({"feature": "trip_km"}, 4),
        ({"feature": "trip_km,hour", "segment": ""}, 4),
        ({"feature": ""}, 4),
        ({"segment": "region=EU"}, 2),
        ({"version": "1"}, 8),
        ({"version": "2"}, 0),
        ({"endpoint": "eta-live"}, 2),
        ({"signal": "truth"}, 2),
        ({"verdict": "drift,warn"}, 4),
        ({"verdict": "insufficient"}, 2),
        ({"monitor": "inputs-training"}, 10),
        ({"monitor": "operations"}, 0),
        ({"window_end_lte": "2026-11-19T00:00:00Z"}, 5),
        ({"window_start_gte": "2026-11-13T00:00:00Z"}, 5),
    ],
    ids=str,
)
def test_filters(measured: Monitor, reader: Client, query: dict[str, str], count: int) -> None:
    assert len(found(reader, **query)) == count


def test_the_measurements_of_one_run(measured: Monitor, reader: Client) -> None:
    run = measured.runs.get(window_end=MIDNIGHT)

    assert {row["run"] for row in found(reader, run=str(run.pk))} == {str(run.pk)}


def test_superseded_values_are_shown_on_demand(measured: Monitor, reader: Client) -> None:
    Measurement.objects.filter(window_end=MIDNIGHT).update(is_latest=False)

    assert len(found(reader)) == 5
    assert len(found(reader, revision="all")) == 10


@pytest.mark.parametrize(
    "query",
    [
        "created_by__password__startswith=a",
        "_connector=OR",
        "feature=a&feature=b",
        "version=one",
        "version=-1",
        "version=99999999999999999999",
        "run=42",
        "verdict=bad",
        "feature=%00",
        "limit=ten",
    ],
)
def test_what_is_not_a_filter_is_refused(measured: Monitor, reader: Client, query: str) -> None:
    assert reader.get(f"{URL}?{query}").status_code == 400


def test_pages_join_without_a_gap(measured: Monitor, reader: Client) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = reader.get(URL, {"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        seen += [row["id"] for row in page["items"]]
        if not page["next"]:
            break
        cursor = page["next"]

    assert len(seen) == len(set(seen)) == 10


def test_a_cursor_serves_only_its_own_question(measured: Monitor, reader: Client) -> None:
    cursor = reader.get(URL, {"limit": 3}).json()["next"]

    assert reader.get(URL, {"limit": 3, "cursor": cursor, "feature": "hour"}).status_code == 400


def test_the_limit_is_clamped(measured: Monitor, reader: Client) -> None:
    assert len(found(reader, limit=1_000_000)) == 10


def test_a_page_costs_few_queries(measured: Monitor, reader: Client, django_assert_max_num_queries: Any) -> None:
    found(reader)

    with django_assert_max_num_queries(4):
        found(reader)


class TestExport:
    def test_csv_holds_the_rows_of_the_api(self, measured: Monitor, reader: Client) -> None:
        answer = reader.get(f"{URL}/export", {"format": "csv", "feature": "trip_km"})
        rows = list(csv.DictReader(StringIO(b"".join(answer).decode())))

        assert answer["Content-Disposition"] == 'attachment; filename="measurements-eta.csv"'
        assert answer["Content-Type"].startswith("text/csv")
        assert [row["window_end"] for row in rows] == ["2026-11-19T00:00:00Z"] * 2 + ["2026-11-20T00:00:00Z"] * 2
        assert (rows[0]["value"], rows[0]["metric"], rows[0]["rank"]) == ("0.41", "psi.1", "1")
        assert (rows[0]["low"], rows[0]["provisional"]) == ("", "false")

    def test_a_formula_is_only_text(self, monitor: Monitor, reader: Client) -> None:
        make_measurement(make_run(monitor), feature='=HYPERLINK("http://x")', value=-0.5)

        body = b"".join(reader.get(f"{URL}/export")).decode()

        [row] = csv.DictReader(StringIO(body))
        assert row["feature"] == '\'=HYPERLINK("http://x")'
        assert row["value"] == "-0.5"

    @pytest.mark.parametrize("text", ["=1", "+1+1", " @x", "-x", "\t=x", "＝1", '"=1', "\r=1"])
    def test_every_way_to_begin_a_formula_is_defused(self, text: str) -> None:
        assert sheets.cell(text) == f"'{text}"

    @pytest.mark.parametrize("text", ["a=b", "-1.5", "1e-9", "region=EU", ""])
    def test_plain_texts_and_numbers_stay(self, text: str) -> None:
        assert sheets.cell(text) == text

    def test_parquet_keeps_types(self, measured: Monitor, reader: Client) -> None:
        answer = reader.get(f"{URL}/export", {"format": "parquet"})
        table = pq.read_table(BytesIO(answer.content))

        assert table.num_rows == 10
        assert table.column_names == list(exports.names())
        first = table.slice(0, 1).to_pylist()[0]
        assert (first["value"], first["n"], first["version"]) == (0.41, 10_000, 1)
        assert first["window_end"] == MIDNIGHT - timedelta(days=1)
        assert json.loads(first["details"]) == {}

    def test_too_many_rows_are_refused_before_the_first_byte(
        self, measured: Monitor, reader: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exports, "ROW_LIMIT", 9)

        answer = reader.get(f"{URL}/export")

        assert (answer.status_code, answer.json()["code"]) == (422, "query_too_large")

    @pytest.mark.parametrize("query", ["format=xlsx", "limit=5", "cursor=x"])
    def test_what_is_not_an_export_is_refused(self, measured: Monitor, reader: Client, query: str) -> None:
        assert reader.get(f"{URL}/export?{query}").status_code == 400
