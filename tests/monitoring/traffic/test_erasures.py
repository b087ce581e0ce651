"""A subject is forgotten: nothing of theirs is left anywhere, nobody else loses anything, and they stay out."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import LostLease
from mlops_portal.kit import clock
from mlops_portal.kit.errors import Invalid, Refused
from monitoring import purging
from monitoring.models import (
    Chunk,
    ChunkIds,
    ChunkProfile,
    DayManifest,
    Erasure,
    HourProfile,
    IngestBatch,
    QuarantinedItem,
    VersionTraffic,
)
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.traffic import chunks, compaction, erasures, outcomes, privacy
from monitoring.traffic.erasures import forgetting
from monitoring.traffic.ledger import Moved
from registry.inventory import FeatureDraft
from registry.models import AuditEntry, ModelVersion, RegisteredModel, Scope, Team, User
from tests.builders import lease
from tests.factories import api, make_key, make_model, make_team, make_version
from tests.monitoring.sending import json_body, outcome, post, prediction, written
from tests.monitoring.traffic.conftest import compact, counts

pytestmark = pytest.mark.django_db

ANN, BEN = "c-991", "c-17"
EMAIL, CARD = "ann.canary@example.org", "4111 1111 1111 1111"
CLASSES = {"classes": ["repaid", "default"], "positive": "default"}
FEATURES = (
    FeatureDraft("income", "number"),
    FeatureDraft("contact", "text", privacy="keep", required=False),
    FeatureDraft("card", "category", required=False),
)
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


@pytest.fixture
def model(team: Team) -> RegisteredModel:
    made = make_model(team=team, slug="credit", output=CLASSES, features=FEATURES)
    make_version(made)
    return made


@pytest.fixture
def version(model: RegisteredModel) -> ModelVersion:
    """Its traffic is counted on a grid."""
    version = model.versions.get()
    names = [f"person-{i % 7}" for i in range(600)]
    grid = freeze(
        {"income": np.arange(600.0), "contact": names, "card": names},
        [FeatureSpec("income", "number"), FeatureSpec("contact", "text"), FeatureSpec("card", "category")],
        np.linspace(0, 1, 600),
        "probability",
    )
    grid_id = chunks.grids.keep(grid, version.pk, NOON)
    VersionTraffic.objects.update_or_create(version=version, defaults={"grid_id": grid_id})
    return version


@pytest.fixture
def sender(version: ModelVersion) -> Client:
    return api(make_key(team=version.model.team, scopes=[Scope.INGEST]))


def item(request_id: str, subject: str | None = ANN, *, at: datetime = NOON, **fields: Any) -> dict[str, Any]:
    features = {"income": 41_200.0, "contact": "nobody@example.org", "card": "none"}
    if subject == ANN:
        features |= {"contact": EMAIL, "card": CARD}
    base = prediction(request_id, predicted_at=written(at), **fields)
    return base | {"features": features} | ({"subject_id": subject} if subject else {})


def send(sender: Client, *items: dict[str, Any], kind: str = "predictions") -> IngestBatch:
    answer = post(sender, json_body(*items), kind=kind).json()
    return (
        IngestBatch.objects.get(pk=answer["batch"]) if "batch" in answer else IngestBatch.objects.latest("received_at")
    )


def forget(team: Team, subject: str = ANN, *, key: str = "one") -> Erasure:
    """Order it and do it."""
    erasure = erasures.request(team, subject, client_key=key, by="setup", now=clock.now())
    return do(erasure)


def do(erasure: Erasure) -> Erasure:
    Job.objects.filter(kind="monitoring.erase").delete()
    held = lease("monitoring.erase", str(erasure.pk), erasure=str(erasure.pk))
    forgetting.erase(erasure.pk, held, clock.now())
    erasure.refresh_from_db()
    return erasure


def ids_in_files() -> list[str]:
    live = Chunk.objects.filter(state__in=("live", "parked")).order_by("kind", "day")
    return sorted(name for chunk in live for name in chunks.read(chunk)["request_id"].to_pylist())


def counted(version: ModelVersion) -> set[int]:
    """The predictions by profile, by hours, by manifest, by what is known of the version, and in files."""
    start = NOON.replace(hour=0) - timedelta(days=3)
    end = start + timedelta(days=7)
    seen = chunks.profile(version, start, end)
    return {
        seen.profile.rows if seen.profile else 0,
        seen.rows,
        sum(hour.rows for hour in chunks.hours(version.model, start, end)),
        sum(chunks.days(version, start, end).values()),
        VersionTraffic.objects.get(version=version).rows,
        sum(Chunk.objects.live().filter(kind="prediction").values_list("rows", flat=True)),
    }


class TestRecords:
    def test_those_of_the_subject_go_and_all_others_stay(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        send(sender, item("a"), item("b", BEN), item("c", None), item("d"))
        compact(model)

        erasure = forget(model.team)

        assert ids_in_files() == ["b", "c"]
        assert counted(version) == {2}
        assert (erasure.state, erasure.receipt) == (
            "done",
            {"records": 2, "outcomes": 0, "items": 0, "unreadable": []},
        )

    def test_on_every_day_and_of_every_model_of_the_team(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        other = make_model(team=model.team, slug="limits", output=CLASSES, features=FEATURES)
        make_version(other)
        send(sender, item("a"), item("b", BEN, at=NOON - timedelta(days=1)), item("c", at=NOON - timedelta(days=1)))
        post(sender, json_body(item("x"), item("y", BEN)), slug="limits")
        compact(model)
        compact(other)

        forget(model.team)

        assert ids_in_files() == ["b", "y"]
        assert DayManifest.objects.get(version=version, day=NOON.date()).rows == 0

    def test_another_team_is_left_alone(self, model: RegisteredModel, version: ModelVersion, sender: Client) -> None:
        send(sender, item("a"))
        compact(model)

        forget(make_team())

        assert ids_in_files() == ["a"]

    def test_old_files_are_gone_at_once_and_nothing_of_them_stays(
        self, model: RegisteredModel, version: ModelVersion, sender: Client, folder: Path
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        before = Chunk.objects.get()

        forget(model.team)

        before.refresh_from_db()
        new = Chunk.objects.live().get()
        assert (before.state, before.path, before.replaced_by) == ("replaced", "", new)
        assert [path.name for path in folder.rglob("*.parquet")] == [f"{new.sha256}.parquet"]
        assert (new.created_at, new.rows) == (before.created_at, 1)
        for kept in (ChunkIds, ChunkProfile, HourProfile):
            assert list(kept.objects.values_list("chunk", flat=True)) == [new.pk]

    def test_files_that_were_joined_go_too(
        self, model: RegisteredModel, version: ModelVersion, sender: Client, folder: Path
    ) -> None:
        for name in "ab":
            send(sender, item(name), item(f"{name}2", BEN))
            compact(model)
        day = NOON.date()
        compaction.consolidate(version.pk, day, lease("monitoring.consolidate", f"{version.pk}:{day}"))
        assert len(list(folder.rglob("*.parquet"))) == 3

        forget(model.team)

        assert ids_in_files() == ["a2", "b2"]
        assert len(list(folder.rglob("*.parquet"))) == 1
        assert counted(version) == {2}

    def test_twice_is_once(self, model: RegisteredModel, version: ModelVersion, sender: Client) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        erasure = forget(model.team)
        new = Chunk.objects.live().get()

        do(erasure)

        assert Chunk.objects.live().get() == new
        assert erasure.receipt["records"] == 1

    def test_outcomes_go_with_their_prediction(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        send(sender, outcome("a"), outcome("b"), kind="outcomes")
        compact(model)

        erasure = forget(model.team)

        assert ids_in_files() == ["b", "b"]
        assert erasure.receipt["outcomes"] == 1
        assert DayManifest.objects.get().labels == 1
        labels = outcomes.label_profile(version, NOON.date(), NOON.date() + timedelta(days=1))
        assert (labels.rows, labels.labelled) == (1, 1)

    def test_an_interrupted_one_still_finds_outcomes(
        self, model: RegisteredModel, version: ModelVersion, sender: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        send(sender, outcome("a"), outcome("b"), kind="outcomes")
        compact(model)
        with monkeypatch.context() as patch:
            patch.setattr(forgetting, "_forget_items", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                forget(model.team)

        erasure = do(Erasure.objects.get())

        assert ids_in_files() == ["b", "b"]
        assert erasure.receipt | {"unreadable": []} == {"records": 1, "outcomes": 1, "items": 0, "unreadable": []}


class TestStayingOut:
    def test_what_comes_later_is_not_stored(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        forget(model.team)

        batch = send(sender, item("a"), item("b", BEN), item("b", BEN))
        compact(model)

        assert ids_in_files() == ["b"]
        assert counts(batch) == {"stored": 1, "duplicates": 1, "conflicts": 0, "parked": 0}
        assert batch.erased == 1
        answer = sender.get(f"/api/v1/batches/{batch.pk}").json()
        assert (answer["accepted"], answer["stored"], answer["duplicates"], answer["erased"]) == (3, 1, 1, 1)

    def test_what_is_sent_again_is_not_stored(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        forget(model.team)

        send(sender, item("b", BEN), item("a"))
        compact(model)

        assert ids_in_files() == ["b"]

    def test_it_waits_for_what_had_come_before(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        send(sender, item("a"), item("b", BEN))

        erasure = forget(model.team)
        assert (erasure.state, Job.objects.get(kind="monitoring.erase", state="queued").not_before > clock.now()) == (
            "rewriting",
            True,
        )

        compact(model)
        assert ids_in_files() == ["b"]
        assert do(erasure).state == "done"

    def test_traffic_that_is_stuck_is_said(self, model: RegisteredModel, version: ModelVersion, sender: Client) -> None:
        send(sender, item("a"))
        queue.enqueue("monitoring.compact", str(model.pk))
        Job.objects.filter(kind="monitoring.compact").update(state="quarantined")

        with pytest.raises(forgetting.TrafficStuck):
            forget(model.team)

    def test_items_set_aside_later_go_with_the_next_purge(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        forget(model.team)
        send(sender, item("a", score="no"), item("b", BEN, score="no"))

        purging.purge(lease("monitoring.purge", "x"), clock.now())

        assert QuarantinedItem.objects.count() == 1


class TestTrouble:
    def test_a_file_that_cannot_be_read_is_named_and_gone_through_when_it_is_back(
        self, model: RegisteredModel, version: ModelVersion, sender: Client, folder: Path
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        path = next(folder.rglob("*.parquet"))
        moved = path.rename(folder / "moved")

        erasure = forget(model.team)
        assert erasure.receipt["unreadable"] == [Chunk.objects.get().sha256]

        moved.rename(path)
        chunks.tidy(clock.now())
        assert Job.objects.get(kind="monitoring.erase", state="queued").key == str(erasure.pk)
        do(erasure)

        assert ids_in_files() == ["b"]
        assert Erasure.objects.get().receipt == {"records": 1, "outcomes": 0, "items": 0, "unreadable": []}

    def test_an_overtaken_worker_changes_nothing(
        self, model: RegisteredModel, version: ModelVersion, sender: Client
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        erasure = erasures.request(model.team, ANN, client_key="one", by="setup", now=clock.now())
        Job.objects.filter(kind="monitoring.erase").delete()
        old = lease("monitoring.erase", str(erasure.pk))
        Job.objects.filter(pk=old.job_id).update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            forgetting.erase(erasure.pk, old, clock.now())

        assert ids_in_files() == ["a", "b"]
        assert counted(version) == {2}
        assert Erasure.objects.get().state == "requested"

    @pytest.mark.parametrize("meanwhile", [{"state": "replaced"}, {"state": "damaged"}])
    def test_a_file_that_changed_meanwhile_undoes_it(
        self,
        model: RegisteredModel,
        version: ModelVersion,
        sender: Client,
        monkeypatch: pytest.MonkeyPatch,
        meanwhile: dict[str, str],
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        without = forgetting._without

        def and_be_overtaken(*arguments: Any) -> Any:
            Chunk.objects.update(**meanwhile)
            return without(*arguments)

        monkeypatch.setattr(forgetting, "_without", and_be_overtaken)

        with pytest.raises(Moved):
            forget(model.team)

        assert Chunk.objects.count() == 1
        assert ChunkProfile.objects.count() == 1

    def test_another_grid_meanwhile_undoes_it(
        self, model: RegisteredModel, version: ModelVersion, sender: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(sender, item("a"), item("b", BEN))
        compact(model)
        without = forgetting._without

        def and_be_overtaken(*arguments: Any) -> Any:
            draft = without(*arguments)
            VersionTraffic.objects.update(grid=None)
            return draft

        monkeypatch.setattr(forgetting, "_without", and_be_overtaken)

        with pytest.raises(Moved):
            forget(model.team)


class TestOrdering:
    def test_it_is_audited_without_the_name(self, team: Team, alice: User) -> None:
        erasures.request(team, ANN, client_key="one", by=alice, now=clock.now())

        entry = AuditEntry.objects.get(verb="subject.erased")
        assert ANN not in str(entry.__dict__)
        assert Erasure.objects.get().refs == {
            privacy.current_kid(): privacy.subject_ref(team.pk, ANN, privacy.current_kid())
        }

    def test_the_same_request_again_is_the_same_order(self, team: Team, alice: User) -> None:
        first, second = (erasures.request(team, ANN, client_key="one", by=alice, now=clock.now()) for _ in range(2))

        assert first == second
        assert AuditEntry.objects.filter(verb="subject.erased").count() == 1

    def test_a_key_is_good_for_one_subject(self, team: Team) -> None:
        erasures.request(team, ANN, client_key="one", by="setup", now=clock.now())

        with pytest.raises(Invalid) as caught:
            erasures.request(team, BEN, client_key="one", by="setup", now=clock.now())
        assert caught.value.code == "idempotency_key_reused"

    @pytest.mark.parametrize("subject", ["", "x" * 257, "a\x00b"])
    def test_a_subject_is_a_text(self, team: Team, subject: str) -> None:
        with pytest.raises(Invalid):
            erasures.request(team, subject, client_key="one", by="setup", now=clock.now())

    def test_a_viewer_may_not(self, team: Team, victor: User) -> None:
        with pytest.raises(Refused):
            erasures.request(team, ANN, client_key="one", by=victor, now=clock.now())


class TestApi:
    PLACE = "/api/v1/models/credit/erasures"

    def order(self, client: Client, body: object, *, key: str | None = "one") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return client.post(self.PLACE, body, content_type="application/json", headers=headers)

    def test_it_is_ordered_and_its_end_can_be_read(self, model: RegisteredModel, team: Team) -> None:
        writer = api(make_key(team=team, scopes=[Scope.REGISTRY]))

        answer = self.order(writer, {"subject_id": ANN})

        assert (answer.status_code, answer.json()["state"]) == (202, "requested")
        do(Erasure.objects.get())
        [shown] = api(make_key(team=team)).get(self.PLACE).json()["items"]
        assert (shown["id"], shown["state"], shown["receipt"]["records"]) == (answer.json()["id"], "done", 0)
        assert ANN not in json.dumps(shown)

    @pytest.mark.parametrize(
        ("body", "key", "status", "code"),
        [
            ({"subject_id": ANN}, None, 400, "idempotency_key_required"),
            ({}, "one", 422, "invalid"),
            ({"subject_id": 7}, "one", 422, "invalid"),
            ({"subject_id": ""}, "one", 422, "missing_field"),
            ({"subject": ANN}, "one", 400, "unknown_field"),
        ],
    )
    def test_it_is_refused(
        self, model: RegisteredModel, team: Team, body: object, key: str | None, status: int, code: str
    ) -> None:
        answer = self.order(api(make_key(team=team, scopes=[Scope.REGISTRY])), body, key=key)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert not Erasure.objects.exists()

    def test_a_key_needs_the_scope_and_the_role(self, model: RegisteredModel, team: Team) -> None:
        for options in ({"scopes": [Scope.READ]}, {"scopes": [Scope.REGISTRY], "role": "contributor"}):
            assert self.order(api(make_key(team=team, **options)), {"subject_id": ANN}).status_code == 403

    def test_another_teams_model_is_not_there(self, model: RegisteredModel, other_team: Team) -> None:
        stranger = api(make_key(team=other_team, scopes=[Scope.REGISTRY]))

        assert stranger.get(self.PLACE).status_code == 404
        assert self.order(stranger, {"subject_id": ANN}).status_code == 404


def places(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that is stored: files, all rows of all tables, and on SQLite the raw pages of the database."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
    for one in apps.get_models():
        for row in one._default_manager.values():
            texts = [bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row.values()]
            yield one.__name__, b"\n".join(texts)
    if connection.vendor == "sqlite":
        yield "pages", connection.connection.serialize()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_canary_is_nowhere_afterwards(
    model: RegisteredModel, version: ModelVersion, sender: Client, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    canaries = [EMAIL.encode(), CARD.encode(), ANN.encode()]
    send(sender, item("a"), item("b", BEN))
    compact(model)
    send(sender, item("a", score=0.9), item("c", score="no"), item("d", version="7"), item("e", BEN, score="no"))
    post(sender, json_body(item("f") | {"features": {"income": EMAIL}, "subject_id": ANN}))
    compact(model)
    send(sender, outcome("a"), outcome("zz"), kind="outcomes")
    compact(model)
    send(sender, item("g"))

    erasure = erasures.request(model.team, ANN, client_key="one", by="setup", now=clock.now())
    compact(model)
    assert do(erasure).state == "done"

    seen = {f"{place}: {canary!r}" for place, content in places(folder) for canary in canaries if canary in content}
    assert seen == set()
    assert all(canary.decode() not in caplog.text for canary in canaries)
    stored = chunks.profile(version, NOON.replace(hour=0), NOON.replace(hour=0) + timedelta(days=1))
    assert EMAIL not in str(stored.profile.other_top)
    assert ids_in_files() == ["b", "zz"]
