"""Items set aside come in once their cause is mended, exactly as if they had been sent again, and only once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import LostLease
from mlops_portal.kit.errors import Refused
from monitoring.models import Chunk, InboxRow, IngestBatch, QuarantinedItem, RejectCount
from monitoring.traffic import chunks, payload, replaying
from monitoring.traffic.replaying import ItemsMoved, NothingSetAside
from registry import inventory
from registry.inventory import FeatureDraft
from registry.models import AuditEntry, Feature, ModelVersion, RegisteredModel, Scope, Team, User
from tests.builders import lease
from tests.factories import api, make_key, make_model, make_version
from tests.monitoring.sending import json_body, lines, outcome, parquet, post, prediction, written
from tests.monitoring.traffic.conftest import compact, counts

pytestmark = pytest.mark.django_db

FEATURES = (
    FeatureDraft("income", "number", allowed_min=0),
    FeatureDraft("region", "category", privacy="hash", segment=True),
    FeatureDraft("age", "number", privacy="bucket", privacy_options={"edges": [18, 30, 65]}),
    FeatureDraft("card", "text", privacy="mask"),
    FeatureDraft("note", "text", privacy="drop", required=False),
    FeatureDraft("employer", "text", required=False),  # by default a hash
    FeatureDraft("owner", "boolean", required=False),
    FeatureDraft("opened", "timestamp", required=False),
)
GIVEN = {
    "income": 41200,
    "region": "EU",
    "age": 41,
    "card": "4111111111111111",
    "note": "call her back",
    "employer": "Acme Corp",
    "owner": True,
    "opened": "2020-01-01T00:00:00Z",
}
RAW = ("4111111111111111", "call her back", "Acme Corp", "c-991", '"EU"')
CLASSES = {"classes": ["repaid", "default"], "positive": "default"}


@pytest.fixture
def model(team: Team) -> RegisteredModel:
    """A model whose features know every privacy rule, with one version."""
    made = make_model(team=team, slug="credit", output=CLASSES, features=FEATURES)
    make_version(made)
    return made


@pytest.fixture
def sender(model: RegisteredModel) -> Client:
    return api(make_key(team=model.team, scopes=[Scope.INGEST]))


def item(request_id: str = "r-1", *, version: str = "2", features: dict[str, Any] | None = None, **fields: Any) -> Any:
    base = prediction(request_id, version=version, subject_id="c-991", **fields)
    return base | {"features": GIVEN | (features or {})}


def replay(model: RegisteredModel, *, code: str = "", now: datetime | None = None) -> dict[str, int]:
    """Ask for a replay and do it; the job's result."""
    replaying.request(model, code=code, by="setup", now=now or datetime.now(UTC))
    held = lease("monitoring.replay_items", f"{model.pk}:{code}", model=str(model.pk), code=code)
    replaying.replay(model.pk, code, held, now or datetime.now(UTC))
    return Job.objects.get(pk=held.job_id).result


def stored(request_id: str) -> dict[str, Any]:
    """The row of a request as its chunk holds it, but for when it came."""
    for chunk in Chunk.objects.live():
        for row in chunks.read(chunk).to_pylist():
            if row["request_id"] == request_id:
                return {name: value for name, value in row.items() if name != "received_at"}
    raise AssertionError(f"{request_id} is not stored")


class TestQuarantine:
    def test_values_stand_as_they_would_be_stored(self, sender: Client) -> None:
        post(sender, json_body(item()))

        kept = QuarantinedItem.objects.get()
        features = json.loads(kept.item)["features"]
        assert (features["income"], features["age"], features["card"]) == (41200, 30.0, "****1111")
        assert "note" not in features
        assert kept.rules == {
            "region": "hash", "age": "bucket", "card": "mask", "note": "drop", "employer": "hash",
        }  # fmt: skip
        assert (kept.is_whole, len(kept.subject_ref), bool(kept.kid)) == (True, 26, True)

    def test_no_raw_value_is_there(self, sender: Client) -> None:
        post(sender, json_body(item()))
        post(sender, json_body(item(version="1", score="no")))

        text = str(list(QuarantinedItem.objects.values()))
        assert [raw for raw in RAW if raw in text] == []

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda one: one["features"].update(surprise=1),
            lambda one: one["features"].update(employer=5),
            lambda one: one.update(extra="field"),
            lambda one: one.update(subject_id=7),
            lambda one: one.update(features="none"),
        ],
        ids=["unknown feature", "wrong type", "unknown field", "no subject", "no features"],
    )
    def test_what_lost_something_is_not_whole(self, sender: Client, spoil: Callable[[Any], None]) -> None:
        one = item()
        spoil(one)

        post(sender, json_body(one))

        assert QuarantinedItem.objects.get().is_whole is False

    def test_a_number_beyond_all_doubles_is_lost(self, sender: Client) -> None:
        post(sender, json_body(item()).replace(b"0.31", b"1e400"))

        kept = QuarantinedItem.objects.get()
        assert (kept.is_whole, json.loads(kept.item)["score"]) == (False, None)

    def test_a_feature_that_the_version_does_not_read_is_no_loss(self, sender: Client) -> None:
        post(sender, json_body(item(version="1", score="no", features={"surprise": "secret"})))

        kept = QuarantinedItem.objects.get()
        assert (kept.is_whole, "secret" in kept.item) == (True, False)

    def test_a_line_that_is_no_json_and_the_row_of_a_file_are_not_whole(self, sender: Client) -> None:
        post(sender, lines(item(version="1"), b"{"), media="application/x-ndjson")
        table = parquet(request_id=["a"], version=["2"], predicted_at=[written(datetime.now(UTC))], income=[1.0])
        post(sender, table, media="application/vnd.apache.parquet")

        assert list(QuarantinedItem.objects.values_list("item", "is_whole")) == [("", False), ("", False)]


class TestReplay:
    def test_it_comes_in_as_if_it_had_been_sent_again(self, model: RegisteredModel, sender: Client) -> None:
        late = item("late")
        post(sender, json_body(late))
        make_version(model)

        assert replay(model) == {"replayed": 1, "stayed": 0}
        post(sender, json_body(late | {"request_id": "sent"}))
        compact(model)

        one, other = stored("late"), stored("sent")
        assert one.pop("request_id") != other.pop("request_id")
        assert one.pop("id_hash") != other.pop("id_hash")
        assert (one.pop("content_hash") == other.pop("content_hash")) is False  # the id is part of it
        assert one == other
        assert one["subject_ref"] == other["subject_ref"] is not None

    def test_sent_again_besides_it_is_a_repetition(self, model: RegisteredModel, sender: Client) -> None:
        late = item("late")
        post(sender, json_body(late))
        make_version(model)
        replay(model)
        compact(model)

        again = post(sender, json_body(late)).json()["batch"]
        compact(model)

        assert counts(IngestBatch.objects.get(pk=again)) == {
            "stored": 0, "duplicates": 1, "conflicts": 0, "parked": 0,
        }  # fmt: skip

    def test_it_leaves_a_receipt_and_marks_the_item(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item("a"), item("b"), prediction("c", features=GIVEN)))
        make_version(model)
        now = datetime.now(UTC).replace(microsecond=0)

        replay(model, now=now)

        receipt = IngestBatch.objects.get(via="replay")
        assert (receipt.received, receipt.accepted, receipt.rejected) == (2, 2, 0)
        assert set(QuarantinedItem.objects.values_list("replayed_at", flat=True)) == {now}
        assert ModelVersion.objects.get(number=2).schema_frozen_at is not None

    def test_nothing_comes_in_twice(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item()))
        make_version(model)
        replay(model)

        with pytest.raises(NothingSetAside):
            replaying.request(model, by="setup", now=datetime.now(UTC))
        held = lease("monitoring.replay_items", "again")
        replaying.replay(model.pk, "", held, datetime.now(UTC))

        assert InboxRow.objects.count() == 1

    def test_what_still_will_not_do_stays_with_the_new_reason(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item("good"), item("bad", score=7), item("other", version="3")))
        make_version(model)
        counted = RejectCount.objects.count()

        assert replay(model) == {"replayed": 1, "stayed": 2}

        rows = QuarantinedItem.objects.order_by("index")
        assert [(row.index, row.code, bool(row.replayed_at)) for row in rows] == [
            (0, "unknown_version", True),
            (1, "score_out_of_range", False),
            (2, "unknown_version", False),
        ]
        assert rows[1].pointer == "/items/1/score"
        assert RejectCount.objects.count() == counted
        assert QuarantinedItem.objects.count() == 3

    def test_one_reason_can_be_chosen(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item("a"), item("b", version="1", prediction="maybe")))
        make_version(model)

        assert replay(model, code="unknown_version") == {"replayed": 1, "stayed": 0}
        assert QuarantinedItem.objects.get(replayed_at=None).code == "unknown_label"

    def test_a_label_that_was_added_lets_items_in(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item(version="1", prediction="maybe")))
        RegisteredModel.objects.update(output=CLASSES | {"classes": ["repaid", "default", "maybe"]})

        assert replay(model) == {"replayed": 1, "stayed": 0}

    def test_waiting_makes_no_item_too_old(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item(predicted_at=written(datetime.now(UTC) - timedelta(days=29)))))
        make_version(model)

        assert replay(model, now=datetime.now(UTC) + timedelta(days=13))["replayed"] == 1

    def test_what_was_too_old_stays_so(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item(version="1", predicted_at=written(datetime.now(UTC) - timedelta(days=31)))))

        assert replay(model) == {"replayed": 0, "stayed": 1}

    def test_what_was_ahead_of_its_time_comes_in_later(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item(version="1", predicted_at=written(datetime.now(UTC) + timedelta(hours=1)))))

        assert replay(model)["stayed"] == 1
        assert replay(model, now=datetime.now(UTC) + timedelta(hours=2))["replayed"] == 1

    def test_outcomes_too(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(outcome("a", value="maybe")), kind="outcomes")
        RegisteredModel.objects.update(output=CLASSES | {"classes": ["repaid", "default", "maybe"]})

        assert replay(model)["replayed"] == 1
        [group] = payload.decode(bytes(InboxRow.objects.get().payload))
        assert group.columns["value_text"] == ["maybe"]

    def test_other_models_are_left_alone(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item()))

        with pytest.raises(NothingSetAside):
            replaying.request(make_model(), by="setup", now=datetime.now(UTC))


class TestRules:
    def version_with(self, model: RegisteredModel, **privacy: str) -> ModelVersion:
        drafts = [FeatureDraft.of(one) for one in Feature.objects.current().filter(model=model)]
        changed = [replace(one, privacy=privacy.get(one.name, one.privacy)) for one in drafts]
        return make_version(model, features=changed)

    def test_what_was_kept_as_it_is_comes_under_the_rule_of_the_version(
        self, model: RegisteredModel, sender: Client
    ) -> None:
        post(sender, json_body(item()))
        self.version_with(model, income="drop")

        assert replay(model)["replayed"] == 1
        [group] = payload.decode(bytes(InboxRow.objects.get().payload))
        assert "income" not in group.features

    @pytest.mark.parametrize(("name", "rule"), [("region", "keep"), ("card", "hash"), ("note", "keep")])
    def test_a_value_that_went_through_another_rule_cannot_come_back(
        self, model: RegisteredModel, sender: Client, name: str, rule: str
    ) -> None:
        post(sender, json_body(item()))
        self.version_with(model, **{name: rule})

        assert replay(model) == {"replayed": 0, "stayed": 1}
        kept = QuarantinedItem.objects.get()
        assert (kept.code, name in kept.detail) == ("rule_changed", True)

    def test_a_feature_that_the_version_does_not_read_is_left_out(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item()))
        make_version(model, features=[FeatureDraft("income", "number")])

        assert replay(model)["replayed"] == 1
        [group] = payload.decode(bytes(InboxRow.objects.get().payload))
        assert group.features == {"income": [41200.0]}


class TestAsking:
    def test_it_is_audited_and_ordered_once(self, model: RegisteredModel, sender: Client, alice: User) -> None:
        post(sender, json_body(item("a"), item("b")))

        for _ in range(2):
            assert replaying.request(model, by=alice, now=datetime.now(UTC)) == 2

        assert Job.objects.filter(kind="monitoring.replay_items").count() == 1
        assert AuditEntry.objects.filter(verb="items.replayed", actor="alice").count() == 2

    def test_a_viewer_may_not(self, model: RegisteredModel, sender: Client, victor: User) -> None:
        post(sender, json_body(item()))

        with pytest.raises(Refused):
            replaying.request(model, by=victor, now=datetime.now(UTC))

    @pytest.mark.parametrize("spoil", [{"is_whole": False}, {"code": "request_id_conflict"}])
    def test_what_cannot_come_in_is_no_reason_to_try(
        self, model: RegisteredModel, sender: Client, spoil: dict[str, Any]
    ) -> None:
        post(sender, json_body(item()))
        QuarantinedItem.objects.update(**spoil)

        with pytest.raises(NothingSetAside, match="sent again"):
            replaying.request(model, by="setup", now=datetime.now(UTC))


class TestWork:
    def test_it_goes_in_batches(self, model: RegisteredModel, sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replaying, "AT_ONCE", 2)
        post(sender, json_body(*(item(f"r-{i}", **({"score": 7} if i % 2 else {})) for i in range(7))))
        make_version(model)

        assert replay(model) == {"replayed": 4, "stayed": 3}
        assert IngestBatch.objects.filter(via="replay").count() == 4

    def test_an_overtaken_worker_brings_nothing_in(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item()))
        make_version(model)
        old = lease("monitoring.replay_items", "x")
        Job.objects.filter(pk=old.job_id).update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            replaying.replay(model.pk, "", old, datetime.now(UTC))

        assert not InboxRow.objects.exists()

    def test_two_at_once_bring_it_in_once(
        self, model: RegisteredModel, sender: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post(sender, json_body(item()))
        make_version(model)
        judged = replaying._judged

        def and_be_overtaken(*arguments: Any) -> Any:
            QuarantinedItem.objects.update(replayed_at=datetime.now(UTC))
            return judged(*arguments)

        monkeypatch.setattr(replaying, "_judged", and_be_overtaken)

        with pytest.raises(ItemsMoved):
            replaying.replay(model.pk, "", lease("monitoring.replay_items", "x"), datetime.now(UTC))

        assert not InboxRow.objects.exists()

    def test_a_blocked_version_is_remarked(self, model: RegisteredModel, sender: Client) -> None:
        post(sender, json_body(item()))
        inventory.block_version(make_version(model), reason="wrong data", by="setup", now=datetime.now(UTC))

        replay(model)

        assert IngestBatch.objects.get(via="replay").surprises == {"blocked_version": {"": 1}}
