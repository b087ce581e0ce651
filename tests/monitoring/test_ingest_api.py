"""Traffic in over HTTP: who may send, what is answered, and what a repeat gets."""

import base64
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from mlops_portal.kit import faults
from monitoring.models import InboxRow, IngestBatch
from monitoring.traffic import admission, inbox, room, schema
from registry import inventory, permissions
from registry.inventory import FeatureDraft
from registry.models import ApiKey, ModelVersion, Team, User
from tests.factories import NOON, api, make_key, make_model, make_version
from tests.monitoring import sending
from tests.monitoring.sending import json_body, lines, outcome, post, prediction

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _look_again() -> Iterator[None]:
    room.look_again()
    yield
    room.look_again()


@pytest.fixture
def sender(team: Team) -> Client:
    sending.make_credit(team)
    return api(make_key(team=team, scopes=["ingest"]))


def test_a_batch_is_answered_202_with_its_place(sender: Client) -> None:
    response = post(sender, json_body(prediction("a"), prediction("b", score="no")))

    told = response.json()
    assert response.status_code == 202
    assert list(told) == ["batch", "received", "accepted", "rejected", "errors_total", "errors"]
    assert (told["received"], told["accepted"], told["rejected"], told["errors_total"]) == (2, 1, 1, 1)
    assert response["Location"] == f"/api/v1/batches/{told['batch']}"
    assert "Idempotency-Replayed" not in response
    assert response["Content-Type"] == "application/json"


def test_the_place_tells_what_became_of_the_batch(sender: Client) -> None:
    place = post(sender, json_body(prediction("a", features={"region": "XX"}), prediction("b", score="no")))["Location"]

    told = sender.get(place).json()

    assert told["state"] == "accepted"
    assert (told["kind"], told["received"], told["accepted"], told["stored"]) == ("prediction", 2, 1, 0)
    assert told["surprises"] == {"unseen_category": {"region": 1}}
    assert (told["stored_at"], told["errors_total"], len(told["errors"])) == (None, 1, 1)
    assert sender.head(place).status_code == 200


def test_a_stored_batch_says_so(sender: Client) -> None:
    place = post(sender, json_body(prediction("a"), prediction("b")))["Location"]
    IngestBatch.objects.update(stored=1, duplicates=1, stored_at=NOON)

    told = sender.get(place).json()

    assert (told["state"], told["stored"], told["duplicates"]) == ("stored", 1, 1)
    assert told["stored_at"].startswith("2026-11-20T12:00:00")


def test_the_same_body_gets_the_same_answer(sender: Client) -> None:
    body = json_body(prediction("a"), prediction("b", score="no"))

    first, second = post(sender, body), post(sender, body)

    assert second.content == first.content
    assert (second.status_code, second["Location"]) == (202, first["Location"])
    assert second["Idempotency-Replayed"] == "true"
    assert InboxRow.objects.count() == 1


def test_the_body_counts_not_its_packing(sender: Client) -> None:
    body = json_body(prediction())
    post(sender, body)

    packed = post(sender, gzip.compress(body), Content_Encoding="gzip")

    assert packed["Idempotency-Replayed"] == "true"


def test_a_key_stands_for_one_body(sender: Client) -> None:
    first = post(sender, json_body(prediction("a")), Idempotency_Key="mine")
    again = post(sender, json_body(prediction("b")), Idempotency_Key="mine")

    assert first.status_code == 202
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert post(sender, json_body(prediction("b")), Idempotency_Key="other").status_code == 202


def test_predictions_and_outcomes_have_keys_of_their_own(sender: Client) -> None:
    post(sender, json_body(prediction("a")), Idempotency_Key="mine")

    assert post(sender, json_body(outcome("a")), kind="outcomes", Idempotency_Key="mine").status_code == 202


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_malformed_key_is_refused(key: str, sender: Client) -> None:
    assert post(sender, json_body(prediction()), Idempotency_Key=key).status_code == 400


def test_a_batch_without_a_good_record_is_422_with_every_fault(sender: Client) -> None:
    response = post(sender, json_body(*(prediction(f"r-{i}", score=7) for i in range(120))))

    told = response.json()
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert (told["errors_total"], len(told["errors"])) == (120, 100)
    assert set(told) >= {"type", "title", "status", "detail", "instance", "code", "request_id"}


def test_a_refused_body_may_be_sent_again_once_the_cause_is_mended(sender: Client, team: Team) -> None:
    body = json_body(prediction(version="2"))
    assert post(sender, body).status_code == 422

    make_version(team.models.get())

    assert post(sender, body).status_code == 202


def test_on_error_abort_stores_nothing(sender: Client) -> None:
    body = json_body(prediction("a"), prediction("b", score="no"))

    aborted = post(sender, body, query="?on_error=abort")

    assert aborted.status_code == 422
    assert [fault["index"] for fault in aborted.json()["errors"]] == [1]
    assert not IngestBatch.objects.exists()
    assert post(sender, json_body(prediction("a")), query="?on_error=abort").status_code == 202


def test_on_error_abort_repeats_the_answer_of_a_body_that_was_taken(sender: Client) -> None:
    body = json_body(prediction("a"), prediction("b", score="no"))
    first = post(sender, body)

    assert post(sender, body, query="?on_error=abort").content == first.content


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?colour=red", "unknown_parameter"),
        ("?on_error=abort&on_error=abort", "repeated_parameter"),
        ("?on_error=skip", "malformed_parameter"),
        ("?on_error=%00", "malformed_parameter"),
        ("?format=json", "unknown_parameter"),
    ],
)
def test_query_parameters_are_known_and_given_once(query: str, code: str, sender: Client) -> None:
    response = post(sender, json_body(prediction()), query=query)

    assert (response.status_code, response.json()["code"]) == (400, code)


def test_without_a_key_nothing_is_told(sender: Client) -> None:
    for client in (Client(), api("mlp_nonsense"), api("")):
        response = post(client, json_body(prediction()))
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert post(client, b"{", media="text/csv").status_code == 401
        assert client.get("/api/v1/models/credit/predictions").status_code == 401


def test_a_key_in_the_address_is_no_key(sender: Client, team: Team) -> None:
    key = make_key(team=team, scopes=["ingest"])

    assert post(Client(), json_body(prediction()), query=f"?key={key}").status_code == 401


def test_a_session_is_no_key(sender: Client, alice: User) -> None:
    client = Client()
    client.force_login(alice)

    assert post(client, json_body(prediction())).status_code == 401


def test_a_key_may_come_as_basic_password(sender: Client, team: Team) -> None:
    basic = base64.b64encode(f"any:{make_key(team=team, scopes=['ingest'])}".encode()).decode()

    assert post(Client(headers={"Authorization": f"Basic {basic}"}), json_body(prediction())).status_code == 202


@pytest.mark.parametrize("scope", ["read", "registry", "serving", "events"])
def test_sending_takes_the_scope_ingest(scope: str, sender: Client, team: Team) -> None:
    response = post(api(make_key(team=team, scopes=[scope])), json_body(prediction()))

    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")


def test_another_teams_model_answers_as_one_that_does_not_exist(sender: Client, other_team: Team) -> None:
    stranger = api(make_key(team=other_team, scopes=["ingest"]))

    def seen(slug: str, body: bytes) -> dict[str, Any]:
        told = post(stranger, body, slug=slug).json()
        return {name: value for name, value in told.items() if name not in {"instance", "request_id"}}

    for body in (json_body(prediction()), json_body(prediction(version="99")), b"{", b""):
        assert seen("credit", body) == seen("nothing", body)
        assert seen("credit", body)["status"] == 404


def test_a_key_of_one_model_sends_to_that_model(sender: Client, team: Team) -> None:
    bound = api(make_key(team=team, scopes=["ingest"], model=make_model(team=team, slug="other")))

    assert post(bound, json_body(prediction())).status_code == 404
    assert post(bound, json_body(outcome()), kind="outcomes").status_code == 404


def test_a_receipt_is_seen_by_its_team_only(sender: Client, team: Team, other_team: Team) -> None:
    place = post(sender, json_body(prediction()))["Location"]

    assert api(make_key(team=other_team, scopes=["read", "ingest"])).get(place).status_code == 404
    assert api(make_key(team=team, scopes=["serving"])).get(place).status_code == 403
    assert api(make_key(team=team, scopes=["read"])).get(place).status_code == 200
    assert Client().get(place).status_code == 401
    assert sender.get(place + "?x=1").status_code == 400
    assert sender.post(place).status_code == 405


def test_other_methods_are_named(sender: Client) -> None:
    for method in (sender.get, sender.put, sender.patch, sender.delete):
        response = method("/api/v1/models/credit/predictions")
        assert (response.status_code, response["Allow"]) == (405, "POST")


def test_a_revoked_key_is_refused_at_once(sender: Client, team: Team, alice: User) -> None:
    assert post(sender, json_body(prediction("a"))).status_code == 202

    permissions.revoke_key(ApiKey.objects.get(), by=alice, now=NOON)

    assert post(sender, json_body(prediction("b"))).status_code == 401


def test_a_new_list_of_features_counts_at_once(sender: Client, alice: User) -> None:
    version = ModelVersion.objects.get()
    assert post(sender, json_body(prediction("a", score="no"))).status_code == 422

    inventory.set_version_features(version, [FeatureDraft("income", "text", privacy="keep")], by=alice, now=NOON)

    response = post(sender, json_body(prediction("b")))
    assert response.json()["errors"][0]["code"] == "wrong_type"
    assert response.json()["errors"][0]["detail"] == "income must be a text."


def test_stricter_privacy_counts_at_once(sender: Client, alice: User) -> None:
    version = ModelVersion.objects.get()
    post(sender, json_body(prediction("a", features={"channel": "visible"})))
    drafts = [FeatureDraft.of(feature) for feature in version.features.all()]
    strict = [
        FeatureDraft(**{name: getattr(draft, name) for name in draft.__slots__} | {"privacy": "drop"})
        if draft.name == "channel"
        else draft
        for draft in drafts
    ]

    inventory.set_version_features(ModelVersion.objects.get(), strict, by=alice, now=NOON)
    post(sender, json_body(prediction("b", features={"channel": "visible"})))

    first, second = (inbox.payload.decode(row.payload)[0] for row in InboxRow.objects.order_by("pk"))
    assert "channel" in first.features
    assert "channel" not in second.features


def test_predictions_of_a_blocked_version_are_taken_with_a_remark(sender: Client, alice: User) -> None:
    inventory.block_version(ModelVersion.objects.get(), reason="It leaks.", by=alice, now=NOON)

    place = post(sender, json_body(prediction()))["Location"]

    assert sender.get(place).json()["surprises"] == {"blocked_version": {"": 1}}


def test_a_deleted_model_takes_nothing(sender: Client, team: Team) -> None:
    team.models.update(deleted_at=NOON)

    assert post(sender, json_body(prediction())).status_code == 404


@pytest.mark.parametrize("kind", ["predictions", "outcomes"])
def test_a_post_costs_at_most_five_statements(kind: str, sender: Client, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    make = prediction if kind == "predictions" else outcome
    post(sender, json_body(make("a")), kind=kind)

    with django_assert_max_num_queries(6):  # the test's own transaction adds a savepoint and its release to four
        assert post(sender, json_body(*(make(f"r-{i}") for i in range(50))), kind=kind).status_code == 202


def test_a_disk_that_is_nearly_full_takes_no_traffic(sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "is_disk_low", lambda: True)

    response = post(sender, json_body(prediction()))

    assert (response.status_code, response.json()["code"]) == (507, "disk_low")
    assert int(response["Retry-After"]) > 0
    assert sender.get("/api/v1/models/credit/predictions").status_code == 405


def test_an_inbox_that_overflows_takes_no_traffic(sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "inbox_rows", lambda: room.INBOX_ROWS + 1)

    response = post(sender, json_body(prediction()))

    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize(("free", "total", "is_low"), [(600e6, 10e9, False), (600e6, 20e9, True), (500e6, 1e9, True)])
def test_low_is_under_512_mb_or_five_percent(
    free: float, total: float, *, is_low: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        pass

    usage = Usage()
    usage.free, usage.total = free, total  # type: ignore[attr-defined]
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: usage)

    assert room.is_disk_low() is is_low


def test_the_inbox_is_counted_by_its_ends(sender: Client) -> None:
    assert room.inbox_rows() == 0
    for name in "abc":
        post(sender, json_body(prediction(name)))

    assert room.inbox_rows() == 3


@pytest.mark.parametrize("module", [(admission, "authenticate_key"), (inbox, "_insert")], ids=["asking", "storing"])
def test_a_database_that_is_away_is_503(module: Any, sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*given: Any, **named: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(*module, away)

    response = post(sender, json_body(prediction()))

    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert int(response["Retry-After"]) > 0
    assert "closed" not in response.json()["detail"]


@pytest.mark.parametrize("point", ["ingest.decoded", "ingest.in_txn"])
def test_what_fails_before_the_commit_leaves_nothing_and_can_be_sent_again(
    point: str, sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json_body(prediction("a"), prediction("b", score="no"))
    monkeypatch.setattr(faults, "_traps", faults.parse(f"{point}:raise:1"))
    faults._hits.clear()

    with pytest.raises(faults.Planted):
        post(sender, body)
    assert not IngestBatch.objects.exists()

    assert post(sender, body).status_code == 202
    assert InboxRow.objects.count() == 1


@pytest.mark.parametrize("point", ["ingest.committed", "ingest.mid_reply"])
def test_what_fails_after_the_commit_is_answered_from_the_receipt(
    point: str, sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json_body(prediction("a"))
    monkeypatch.setattr(faults, "_traps", faults.parse(f"{point}:raise:1"))
    faults._hits.clear()

    with pytest.raises(faults.Planted):
        post(sender, body)

    assert post(sender, body)["Idempotency-Replayed"] == "true"
    assert InboxRow.objects.count() == 1


def test_lines_are_taken_and_their_place_is_told(sender: Client) -> None:
    response = post(sender, lines(prediction("a"), b"", b"{", prediction("b")), media=schema.NDJSON)

    assert response.json()["accepted"] == 2
    assert [(fault["index"], fault["code"]) for fault in response.json()["errors"]] == [(1, "invalid_json")]


def test_outcomes_keep_the_type_of_their_kind(sender: Client) -> None:
    response = post(
        sender, json_body(outcome("a", kind="click", value=1), outcome("b", kind="click", value="x")), kind="outcomes"
    )

    [fault] = response.json()["errors"]
    assert (fault["index"], fault["code"]) == (1, "bad_kind")


def test_times_are_judged_by_the_portals_clock(sender: Client) -> None:
    ahead = sending.written(datetime.now(UTC) + timedelta(minutes=6))

    response = post(sender, json_body(prediction("a", predicted_at=ahead), prediction("b")))

    assert [fault["code"] for fault in response.json()["errors"]] == ["in_future"]
