"""Items that were set aside, on their page and over the API: why, and their replay."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from mlops_portal.jobs.models import Job
from monitoring.models import IngestBatch, QuarantinedItem
from registry.models import RegisteredModel, Scope, Team, User
from tests.factories import NOON, api, make_key, make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(team: Team) -> RegisteredModel:
    return make_model(team=team, slug="credit")


def set_aside(model: RegisteredModel, code: str = "unknown_version", *, n: int = 1, **fields: object) -> None:
    batch = IngestBatch.objects.create(
        team=model.team,
        model=model,
        kind="prediction",
        key=f"{code} {IngestBatch.objects.count()}",
        body_sha256="0" * 64,
        via="api",
        answer={},
        received=n,
        accepted=0,
        rejected=n,
        received_at=NOON,
    )
    QuarantinedItem.objects.bulk_create(
        QuarantinedItem(
            **{"batch": batch, "model": model, "index": i, "code": code, "pointer": f"/items/{i}/version"}
            | {"detail": "No such version is registered.", "item": '{"request_id":"secret-id"}', "is_whole": True}
            | {"created_at": NOON + timedelta(minutes=i)}
            | fields
        )
        for i in range(n)
    )


def page(user: User, query: str = "") -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(f"/models/credit/set-aside/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


class TestPage:
    def test_without_items_it_says_so(self, model: RegisteredModel, alice: User) -> None:
        assert "Nothing was set aside" in page(alice)

    def test_it_says_why_and_how_many(self, model: RegisteredModel, alice: User) -> None:
        set_aside(model, n=3)
        set_aside(model, "wrong_type", n=2, is_whole=False)
        set_aside(model, n=1, replayed_at=NOON)

        html = page(alice)

        assert "/problems/unknown_version/" in html
        assert "No such version is registered." in html
        assert "send them again" in html
        assert html.count(">Replay<") == 1
        assert "secret-id" not in html

    def test_one_model_shows_its_own_only(self, model: RegisteredModel, alice: User, other_team: Team) -> None:
        set_aside(make_model(team=other_team))

        assert "Nothing was set aside" in page(alice)

    def test_another_team_sees_nothing(self, model: RegisteredModel, charlie: User) -> None:
        client = Client()
        client.force_login(charlie)

        assert client.get("/models/credit/set-aside/").status_code == 404
        assert client.post("/models/credit/set-aside/replay/").status_code == 404

    def test_it_is_paged(self, model: RegisteredModel, alice: User) -> None:
        set_aside(model, n=51)

        assert "page 1 of 2" in page(alice)
        assert "/items/0/version" in page(alice, "?page=2")

    def test_it_costs_the_same_however_much_there_is(
        self, model: RegisteredModel, alice: User, django_assert_max_num_queries: object
    ) -> None:
        for code in ("unknown_version", "wrong_type", "too_old"):
            set_aside(model, code, n=20)
        client = Client()
        client.force_login(alice)
        client.get("/models/credit/set-aside/")

        with django_assert_max_num_queries(14):
            client.get("/models/credit/set-aside/")

    def test_a_replay_is_ordered_and_shown_until_it_is_over(self, model: RegisteredModel, alice: User) -> None:
        set_aside(model)
        client = Client()
        client.force_login(alice)

        answer = client.post("/models/credit/set-aside/replay/", {"code": "unknown_version"})

        assert answer["Location"] == "/models/credit/set-aside/"
        assert Job.objects.get(kind="monitoring.replay_items").payload == {
            "model": str(model.pk),
            "code": "unknown_version",
        }
        assert "A replay is under way." in page(alice)
        Job.objects.update(state="done")
        assert "A replay is under way." not in page(alice)

    def test_htmx_is_told_what_has_changed(self, model: RegisteredModel, alice: User) -> None:
        set_aside(model)
        client = Client()
        client.force_login(alice)

        answer = client.post("/models/credit/set-aside/replay/", headers={"HX-Request": "true"})

        assert (answer.status_code, answer["HX-Trigger"]) == (204, '{"items-changed": {}}')
        piece = client.get("/models/credit/set-aside/", headers={"HX-Request": "true", "HX-Target": "set-aside"})
        assert piece.content.decode().strip().startswith('<div class="stack" id="set-aside"')

    def test_a_viewer_reads_and_is_told_who_may(self, model: RegisteredModel, victor: User) -> None:
        set_aside(model)
        client = Client()
        client.force_login(victor)

        assert 'aria-disabled="true"' in page(victor)
        answer = client.post("/models/credit/set-aside/replay/")

        assert answer.status_code == 403
        assert not Job.objects.filter(kind="monitoring.replay_items").exists()

    def test_nothing_to_replay_is_a_conflict(self, model: RegisteredModel, alice: User) -> None:
        client = Client()
        client.force_login(alice)

        assert client.post("/models/credit/set-aside/replay/", {"code": "x"}).status_code == 409


class TestApi:
    LIST = "/api/v1/models/credit/set-aside"

    @pytest.fixture
    def reader(self, team: Team) -> Client:
        return api(make_key(team=team, scopes=[Scope.READ]))

    @pytest.fixture
    def writer(self, team: Team) -> Client:
        return api(make_key(team=team, scopes=[Scope.REGISTRY]))

    def test_items_are_listed_newest_first_without_what_they_hold(self, model: RegisteredModel, reader: Client) -> None:
        set_aside(model, n=2)

        answer = reader.get(self.LIST).json()

        assert [one["index"] for one in answer["items"]] == [1, 0]
        assert answer["items"][0].keys() == {
            "id", "batch", "index", "code", "pointer", "detail", "is_whole", "created_at", "replayed_at",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("query", "n"),
        [
            ("state=waiting", 3),
            ("state=lost", 2),
            ("state=replayed", 1),
            ("state=lost,replayed", 3),
            ("code=too_old", 2),
            ("code=too_old&state=waiting", 0),
            ("limit=4", 4),
        ],
    )
    def test_filters_are_a_closed_list(self, model: RegisteredModel, reader: Client, query: str, n: int) -> None:
        set_aside(model, n=3)
        set_aside(model, "too_old", n=2, is_whole=False)
        set_aside(model, n=1, replayed_at=NOON)

        assert len(reader.get(f"{self.LIST}?{query}").json()["items"]) == n

    @pytest.mark.parametrize("query", ["state=gone", "batch__team=1", "state=waiting&state=lost"])
    def test_other_filters_are_refused(self, model: RegisteredModel, reader: Client, query: str) -> None:
        assert reader.get(f"{self.LIST}?{query}").status_code == 400

    def test_a_replay_is_ordered(self, model: RegisteredModel, writer: Client) -> None:
        set_aside(model, n=3)
        set_aside(model, "wrong_type", n=2)

        answers = [
            writer.post(
                f"{self.LIST}/replay",
                {"code": "wrong_type"},
                content_type="application/json",
                headers={"Idempotency-Key": "one"},
            )
            for _ in range(2)
        ]

        assert [(one.status_code, one.json()) for one in answers] == [(202, {"items": 2})] * 2
        assert Job.objects.filter(kind="monitoring.replay_items").count() == 1

    @pytest.mark.parametrize(
        ("body", "headers", "status", "code"),
        [
            ({}, {}, 400, "idempotency_key_required"),
            ({"codes": []}, {"Idempotency-Key": "one"}, 400, "unknown_field"),
            ({"code": 5}, {"Idempotency-Key": "one"}, 422, "invalid"),
            ({"code": "none"}, {"Idempotency-Key": "one"}, 409, "nothing_set_aside"),
        ],
    )
    def test_a_replay_is_refused(
        self, model: RegisteredModel, writer: Client, body: object, headers: dict[str, str], status: int, code: str
    ) -> None:
        set_aside(model)

        answer = writer.post(f"{self.LIST}/replay", body, content_type="application/json", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    @pytest.mark.parametrize("scope", [Scope.READ, Scope.INGEST])
    def test_a_key_needs_the_scope(self, model: RegisteredModel, team: Team, scope: str) -> None:
        set_aside(model)

        answer = api(make_key(team=team, scopes=[scope])).post(
            f"{self.LIST}/replay", {}, content_type="application/json", headers={"Idempotency-Key": "one"}
        )

        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    def test_another_teams_model_is_not_there(self, model: RegisteredModel, other_team: Team) -> None:
        stranger = api(make_key(team=other_team, scopes=[Scope.REGISTRY]))

        assert stranger.get(self.LIST).status_code == 404
        assert stranger.post(f"{self.LIST}/replay", {}, content_type="application/json").status_code == 404


def test_times_are_those_of_the_rows(model: RegisteredModel, team: Team) -> None:
    set_aside(model)

    [one] = api(make_key(team=team)).get("/api/v1/models/credit/set-aside").json()["items"]

    assert datetime.fromisoformat(one["created_at"]) == NOON
