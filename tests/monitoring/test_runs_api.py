"""Runs and alerts as programs read them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from monitoring import alerts
from monitoring.models import Alert, Monitor, Run
from monitoring.stats.results import Verdict
from registry.models import Scope, Team, User
from tests.factories import MIDNIGHT, NOON, api, make_key, make_measurement, make_model, make_monitor, make_run


@pytest.fixture
def monitor(alice: User, team: Team) -> Monitor:
    return make_monitor(make_model(team=team, slug="eta", owner=alice))


@pytest.fixture
def reader(team: Team) -> Client:
    return api(make_key(team=team))


@pytest.fixture
def stranger(other_team: Team) -> Client:
    return api(make_key(team=other_team))


def items(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/{path}", query)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class TestRuns:
    def test_a_run_says_what_it_measured_and_when(self, monitor: Monitor, reader: Client) -> None:
        run = make_run(monitor, summary={"worst": "drift", "verdicts": {"drift": 2}})

        [item] = items(reader, "models/eta/runs")

        assert item["id"] == str(run.pk)
        assert (item["model"], item["monitor"], item["revision"]) == ("eta", "inputs-training", 1)
        assert (item["window_start"], item["window_end"]) == ("2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z")
        assert item["summary"]["worst"] == "drift"
        assert "inputs" not in item

    def test_the_detail_holds_what_it_takes_to_compute_it_again(self, monitor: Monitor, reader: Client) -> None:
        run = make_run(monitor)
        Run.objects.filter(pk=run.pk).update(inputs={"chunks": ["ab"]}, inputs_sha="cd")

        detail = reader.get(f"/api/v1/runs/{run.pk}").json()

        assert detail["inputs"] == {"chunks": ["ab"]}
        assert detail["config_revision"] == 1

    def test_only_the_latest_revision_is_listed_unless_asked(self, monitor: Monitor, reader: Client) -> None:
        make_run(monitor)
        make_run(monitor, revision=2)

        assert [run["revision"] for run in items(reader, "models/eta/runs")] == [2]
        assert {run["revision"] for run in items(reader, "models/eta/runs", revision="all")} == {1, 2}

    @pytest.mark.parametrize(
        ("query", "days"),
        [
            ({"window_end_lte": "2026-11-19T00:00:00Z"}, [19, 18]),
            ({"window_start_gte": "2026-11-12T00:00:00+00:00"}, [20, 19]),
            ({"window_start": "2026-11-11T00:00:00Z,2026-11-13T00:00:00Z"}, [20, 18]),
            ({"state": "no_data"}, [18]),
            ({"verdict": "warn,drift"}, [19]),
            ({"monitor": "operations"}, []),
        ],
    )
    def test_filters(self, monitor: Monitor, reader: Client, query: dict[str, str], days: list[int]) -> None:
        make_run(monitor, end=MIDNIGHT, summary={"worst": "ok"})
        make_run(monitor, end=MIDNIGHT - timedelta(days=1), summary={"worst": "drift"})
        make_run(monitor, end=MIDNIGHT - timedelta(days=2), state=Run.State.NO_DATA)

        assert [int(run["window_end"][8:10]) for run in items(reader, "models/eta/runs", **query)] == days

    def test_pages_join_without_a_gap(self, monitor: Monitor, reader: Client) -> None:
        for day in range(5):
            make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        seen, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = reader.get("/api/v1/models/eta/runs", query).json()
            seen += [run["window_end"] for run in page["items"]]
            if not (cursor := page["next"]):
                break

        assert len(seen) == 5
        assert seen == sorted(seen, reverse=True)

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("colour=red", "unknown_parameter"),
            ("state=done&state=failed", "repeated_parameter"),
            ("state=finished", "malformed_parameter"),
            ("verdict=fine", "malformed_parameter"),
            ("window_start=yesterday", "malformed_parameter"),
            ("window_start=2026-11-20T00:00:00", "malformed_parameter"),
            ("window_end_lte=2026-02-31T00:00:00Z", "malformed_parameter"),
            ("revision=newest", "malformed_parameter"),
            ("cursor=abc", "malformed_parameter"),
            ("limit=0", "malformed_parameter"),
            ("monitor=" + ",".join("a" * 300), "malformed_parameter"),
        ],
    )
    def test_what_is_not_a_filter_is_refused(self, monitor: Monitor, reader: Client, query: str, code: str) -> None:
        answer = reader.get(f"/api/v1/models/eta/runs?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, code)

    def test_another_team_sees_nothing(self, monitor: Monitor, stranger: Client) -> None:
        run = make_run(monitor)

        for path in ("models/eta/runs", f"runs/{run.pk}", "models/eta/measurements", "models/eta/alerts"):
            assert stranger.get(f"/api/v1/{path}").status_code == 404

    def test_without_a_key_nothing_is_read(self, monitor: Monitor) -> None:
        assert Client().get("/api/v1/models/eta/runs").status_code == 401

    @pytest.mark.parametrize("path", ["runs", "measurements", "alerts", "measurements/export"])
    def test_a_key_that_only_sends_traffic_cannot_read(self, monitor: Monitor, team: Team, path: str) -> None:
        sender = api(make_key(team=team, scopes=[Scope.INGEST]))

        answer = sender.get(f"/api/v1/models/eta/{path}")

        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    def test_a_list_costs_few_queries(
        self, monitor: Monitor, reader: Client, django_assert_max_num_queries: Any
    ) -> None:
        for day in range(20):
            make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        items(reader, "models/eta/runs")

        with django_assert_max_num_queries(5):
            items(reader, "models/eta/runs")


class TestAlerts:
    @pytest.fixture
    def alert(self, monitor: Monitor) -> Alert:
        for day in (1, 0):
            run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
            found = [
                make_measurement(run, feature="trip_km", value=0.41, verdict=Verdict.drift, threshold=0.25),
                make_measurement(run, feature="hour", value=0.3, verdict=Verdict.drift, threshold=0.25),
            ]
            alerts.observe_run(run, found, now=NOON)
        return Alert.objects.get()

    def test_the_list_gives_the_sentence_of_the_page(self, alert: Alert, reader: Client) -> None:
        [item] = items(reader, "models/eta/alerts")

        assert item["summary"] == "trip_km drifted: PSI 0.41 (n = 10,000), limit 0.25, with 1 more feature"
        assert (item["family"], item["severity"], item["state"]) == ("drift", "critical", "open")
        assert item["url"].endswith(f"/alerts/{alert.pk}/")

    def test_the_detail_holds_members_and_history(self, alert: Alert, reader: Client) -> None:
        detail = reader.get(f"/api/v1/alerts/{alert.pk}").json()

        assert {member["feature"] for member in detail["members"]} == {"trip_km", "hour"}
        assert [change["verb"] for change in detail["transitions"]] == ["opened"]

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"state": "open"}, 1),
            ({"state": "open,acked"}, 1),
            ({"state": "acked"}, 0),
            ({"state": "closed"}, 0),
            ({"family": "drift", "severity": "critical"}, 1),
            ({"family": "quality"}, 0),
            ({"endpoint": ""}, 1),
            ({"endpoint": "eta-live"}, 0),
        ],
    )
    def test_filters(self, alert: Alert, reader: Client, query: dict[str, str], count: int) -> None:
        assert len(items(reader, "models/eta/alerts", **query)) == count

    @pytest.mark.parametrize("query", ["state=loud", "severity=high", "family=price", "page=2"])
    def test_what_is_not_a_filter_is_refused(self, alert: Alert, reader: Client, query: str) -> None:
        assert reader.get(f"/api/v1/models/eta/alerts?{query}").status_code == 400

    def acknowledge(self, client: Client, alert: Alert, body: Any = None, key: str = "k-1") -> Any:
        return client.post(
            f"/api/v1/alerts/{alert.pk}/acknowledge",
            body if body is not None else {},
            content_type="application/json",
            headers={"Idempotency-Key": key},
        )

    def test_a_person_acknowledges(self, alert: Alert, alice: User) -> None:
        answer = self.acknowledge(signed_in(alice), alert, {"note": "looking"})

        assert answer.status_code == 200
        assert (answer.json()["acknowledged_by"], answer.json()["state"]) == ("alice", "acked")

    def test_a_retry_with_the_same_key_gets_the_same_answer(self, alert: Alert, alice: User) -> None:
        client = signed_in(alice)
        first = self.acknowledge(client, alert, {"note": "looking"})
        again = self.acknowledge(client, alert, {"note": "looking"})

        assert again.json() == first.json()
        assert again["Idempotency-Replayed"] == "true"
        assert alert.transitions.filter(verb="acknowledged").count() == 1

    def test_a_key_for_another_body_is_refused(self, alert: Alert, alice: User) -> None:
        client = signed_in(alice)
        self.acknowledge(client, alert, {"note": "looking"})

        answer = self.acknowledge(client, alert, {"note": "other"})

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def test_the_second_person_is_told_who_was_first(self, alert: Alert, alice: User, bob: User) -> None:
        self.acknowledge(signed_in(alice), alert)

        answer = self.acknowledge(signed_in(bob), alert, key="k-2")

        assert (answer.status_code, answer.json()["code"]) == (409, "already_acknowledged")
        assert "alice" in answer.json()["detail"]

    def test_a_key_is_refused(self, alert: Alert, team: Team) -> None:
        answer = self.acknowledge(api(make_key(team=team, scopes=[Scope.REGISTRY])), alert)

        assert answer.status_code == 403
        alert.refresh_from_db()
        assert alert.state == "open"

    def test_a_viewer_is_refused_and_a_stranger_finds_nothing(self, alert: Alert, victor: User, charlie: User) -> None:
        assert self.acknowledge(signed_in(victor), alert).status_code == 403
        assert self.acknowledge(signed_in(charlie), alert).status_code == 404

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"colour": "red"}, 400, "unknown_field"),
            ({"note": 5}, 422, "invalid"),
            ({"note": "x" * 513}, 422, "invalid"),
            ({"until": "tomorrow"}, 422, "invalid"),
            ({"until": "2026-02-31T00:00:00Z"}, 422, "invalid"),
            ({"until": "2126-11-20T00:00:00"}, 422, "invalid"),
            ({"until": 5}, 422, "invalid"),
            ({"until": "2126-11-20T00:00:00Z"}, 422, "until_too_far"),
            ({"until": "2001-11-20T00:00:00Z"}, 422, "until_in_the_past"),
        ],
    )
    def test_a_bad_body_changes_nothing(self, alert: Alert, alice: User, body: Any, status: int, code: str) -> None:
        answer = self.acknowledge(signed_in(alice), alert, body)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        alert.refresh_from_db()
        assert alert.state == "open"

    def test_the_key_of_the_request_is_required(self, alert: Alert, alice: User) -> None:
        answer = signed_in(alice).post(f"/api/v1/alerts/{alert.pk}/acknowledge", {}, content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
