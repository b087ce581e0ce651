"""The inbox: one durable row per body, once per key, whatever happens beside it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection

from mlops_portal.kit.errors import Invalid
from monitoring.models import InboxRow, IngestBatch, QuarantinedItem, RejectCount
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import inbox, payload, schema
from monitoring.traffic.inbox import Entry
from monitoring.traffic.specs import ModelSpec
from registry.models import ModelVersion, RegisteredModel, Team
from tests.factories import make_team
from tests.monitoring.sending import json_body, make_credit, prediction

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(team: Team) -> RegisteredModel:
    return make_credit(team)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def decoded(model: RegisteredModel, *items: object) -> schema.Decoded:
    return schema.decode(json_body(*items), schema.JSON, Kind.PREDICTION, model, now())


def accept(
    model: RegisteredModel, *items: object, key: str = "k", body: str = "b", at: datetime | None = None
) -> IngestBatch:
    found = decoded(model, *items)
    return inbox.accept(model, Kind.PREDICTION, found, key=key, body_sha256=body, via="api", now=at or now())


def entry(model: RegisteredModel, request_id: str, **changes: object) -> Entry:
    found = decoded(model, prediction(request_id))
    spec = ModelSpec.of(model)
    made = inbox.entry(spec, "prediction", found, key=request_id, body_sha256="b", via="api", now=now())
    return replace(made, **changes)


def test_a_body_is_one_receipt_and_one_row(model: RegisteredModel) -> None:
    batch = accept(model, prediction("a"), prediction("b"))

    row = InboxRow.objects.get()
    assert (row.batch, row.model, row.kind, row.items) == (batch, model, Kind.PREDICTION, 2)
    assert row.size_bytes == len(row.payload)
    assert payload.decode(row.payload)[0].columns["request_id"] == ["a", "b"]
    assert (batch.received, batch.accepted, batch.rejected, batch.state) == (2, 2, 0, "accepted")
    assert batch.team == model.team
    assert batch.answer["batch"] == str(batch.pk)


def test_the_same_body_gives_the_first_receipt_and_stores_nothing(model: RegisteredModel) -> None:
    first = accept(model, prediction("a"))
    again = accept(model, prediction("a"), at=now() + timedelta(days=6))

    assert again == first
    assert InboxRow.objects.count() == 1


def test_a_key_is_good_for_one_body(model: RegisteredModel) -> None:
    accept(model, prediction("a"))

    with pytest.raises(Invalid) as caught:
        accept(model, prediction("b"), body="other")
    assert caught.value.code == "idempotency_key_reused"
    assert InboxRow.objects.count() == 1


def test_the_same_key_means_another_batch_for_another_model(model: RegisteredModel) -> None:
    other = make_credit(make_team(), slug="other")

    assert accept(model, prediction("a")) != accept(other, prediction("a"))
    assert InboxRow.objects.count() == 2


def test_the_first_batch_freezes_the_features_of_the_version(model: RegisteredModel) -> None:
    at = now()
    accept(model, prediction("a"), at=at)
    accept(model, prediction("b"), key="k2", at=at + timedelta(hours=1))

    assert ModelVersion.objects.get().schema_frozen_at == at


def test_a_batch_of_rejects_freezes_nothing(model: RegisteredModel) -> None:
    accept(model, prediction("a", score="no"))

    assert ModelVersion.objects.get().schema_frozen_at is None


def test_rejects_are_kept_and_counted_beside_what_was_accepted(model: RegisteredModel) -> None:
    batch = accept(model, prediction("a"), prediction("b", score=7), prediction("c", features={"income": "x"}))

    assert (batch.accepted, batch.rejected, batch.answer["errors_total"]) == (1, 2, 2)
    kept = QuarantinedItem.objects.order_by("index").values_list("batch", "index", "code", "pointer")
    assert list(kept) == [
        (batch.pk, 1, "score_out_of_range", "/items/1/score"),
        (batch.pk, 2, "wrong_type", "/items/2/features/income"),
    ]
    assert sorted(RejectCount.objects.values_list("feature", "code", "n")) == [
        ("", "score_out_of_range", 1),
        ("income", "wrong_type", 1),
    ]


def test_the_answer_shows_a_hundred_faults_and_counts_all(model: RegisteredModel) -> None:
    batch = accept(model, prediction("a"), *(prediction(f"b{i}", score=7) for i in range(120)))

    assert len(batch.answer["errors"]) == 100
    assert batch.answer["errors_total"] == batch.rejected == 120
    assert QuarantinedItem.objects.count() == 120


def test_a_body_without_a_good_record_does_not_use_up_its_key(model: RegisteredModel) -> None:
    refused = accept(model, prediction("a", version="2"))
    accept(model, prediction("a", version="2"))
    assert (refused.accepted, InboxRow.objects.count(), RejectCount.objects.get().n) == (0, 0, 1)

    accepted = accept(model, prediction("a"))

    assert accepted.accepted == 1
    assert accepted.key == "k"


def test_a_repeat_is_answered_from_its_receipt_though_its_records_are_too_old_now(model: RegisteredModel) -> None:
    first = accept(model, prediction("a"))
    stale = schema.decode(json_body(prediction("a")), schema.JSON, Kind.PREDICTION, model, now() + timedelta(days=31))
    assert stale.accepted == 0

    again = inbox.accept(model, Kind.PREDICTION, stale, key="k", body_sha256="b", via="api", now=now())

    assert again == first


def test_bodies_that_arrive_together_are_committed_together(model: RegisteredModel, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    entries = [entry(model, f"r-{i}") for i in range(20)]
    entries = [replace(one, decoded=replace(one.decoded, unfrozen=[])) for one in entries]

    with django_assert_num_queries(4):  # two inserts within one transaction
        receipts = inbox.receive_all(entries)

    assert [receipt.batch_id for receipt in receipts] == [one.batch_id for one in entries]  # type: ignore[union-attr]
    assert InboxRow.objects.count() == 20


def test_a_body_that_spoils_a_common_commit_spoils_only_itself(model: RegisteredModel) -> None:
    taken = entry(model, "taken")
    inbox.receive_all([taken])
    entries = [entry(model, "a"), replace(taken, body_sha256="other"), entry(model, "b"), replace(taken)]

    receipts = inbox.receive_all(entries)

    assert [isinstance(receipt, Exception) for receipt in receipts] == [False, True, False, False]
    assert receipts[3].is_replay  # type: ignore[union-attr]
    assert InboxRow.objects.count() == 3


def test_a_constraint_that_is_broken_for_good_is_told(model: RegisteredModel) -> None:
    first = entry(model, "a")
    inbox.receive_all([first])

    [outcome] = inbox.receive_all([entry(model, "b", batch_id=first.batch_id)])

    assert isinstance(outcome, IntegrityError)
    assert InboxRow.objects.count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_one_of_many_senders_of_one_body_stores_it() -> None:
    model = make_credit(make_team())
    found = decoded(model, prediction("a"))
    sha256 = hashlib.sha256(b"body").hexdigest()
    start = Barrier(8)
    batches: list[object] = []

    def send() -> None:
        start.wait()
        try:
            batches.append(
                inbox.accept(model, Kind.PREDICTION, found, key="k", body_sha256=sha256, via="api", now=now()).pk
            )
        finally:
            connection.close()

    run_all([send] * 8)

    assert len(batches) == 8
    assert len(set(batches)) == 1
    assert InboxRow.objects.count() == 1


def run_all(tasks: list[Callable[[], None]]) -> None:
    threads = [Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
