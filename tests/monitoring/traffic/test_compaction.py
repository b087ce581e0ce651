import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import LostLease
from mlops_portal.kit import clock, faults, wiring
from monitoring.models import (
    Chunk,
    ChunkProfile,
    DayManifest,
    HourProfile,
    InboxRow,
    QuarantinedItem,
    VersionTraffic,
)
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.profile import Operations
from monitoring.traffic import chunks, compaction, frames, ledger, payload, storage
from monitoring.traffic.compaction import compacting, consolidation
from registry.models import ModelVersion
from tests.builders import DAY, Prediction, day_of, lease, make_credit_version, prediction_group, send
from tests.monitoring.traffic.conftest import compact, counts

pytestmark = pytest.mark.django_db

NEXT_DAY = DAY + timedelta(days=1)
FILE_POINTS = ("tmp_written", "fsynced", "verified", "renamed", "dir_synced")
POINTS = tuple(f"compact.{point}" for point in ("read", "deduped", *FILE_POINTS, "in_txn"))


@pytest.fixture
def version() -> ModelVersion:
    return make_credit_version()


def count_on_grid(version: ModelVersion) -> Any:
    """Freeze a grid from a day of reference and make it the active one."""
    reference = day_of(rows=2000, seed=7)
    grid = freeze(
        {"income": np.array([one.income for one in reference]), "region": [one.region for one in reference]},
        [FeatureSpec("income", "number"), FeatureSpec("region", "category", segment=True)],
        np.array([one.score for one in reference]),
        "probability",
    )
    grid_id = chunks.grids.keep(grid, version.pk, DAY)
    VersionTraffic.objects.update_or_create(version=version, defaults={"grid_id": grid_id})
    return grid


def stored_ids(version: ModelVersion) -> list[str]:
    live = Chunk.objects.live().filter(version=version, kind="prediction")
    return sorted(name for chunk in live for name in chunks.read(chunk)["request_id"].to_pylist())


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class TestCompact:
    def test_a_day_of_predictions_becomes_one_chunk(self, version: ModelVersion, folder: Path) -> None:
        batch = send(version, day_of(rows=200), now=NEXT_DAY)

        compact(version.model)

        chunk = Chunk.objects.get()
        assert (chunk.rows, chunk.state, chunk.day, chunk.kind) == (200, "live", DAY.date(), "prediction")
        assert files(folder) == [f"{version.model_id}/{version.pk}/2026-11-10/{chunk.sha256}.parquet"]
        assert counts(batch) == {"stored": 200, "duplicates": 0, "conflicts": 0, "parked": 0}
        assert batch.state == "stored"
        assert not InboxRow.objects.exists()
        manifest = DayManifest.objects.get()
        assert (manifest.rows, manifest.generation, manifest.label_generation) == (200, 1, 0)

    def test_a_chunk_holds_what_was_sent_in_the_order_of_time(self, version: ModelVersion) -> None:
        sent = day_of(rows=50)
        send(version, sent[::-1], now=NEXT_DAY)

        compact(version.model)

        table = chunks.read(Chunk.objects.get())
        assert table["request_id"].to_pylist() == [one.request_id for one in sent]
        assert table["f.income"].to_pylist() == [one.income for one in sent]
        assert table["f.region"].to_pylist() == [one.region for one in sent]
        assert table["predicted_at"].to_pylist() == [one.at for one in sent]
        assert table["score"].to_pylist() == [one.score for one in sent]
        assert set(table.column_names).isdisjoint({frames.ROW, frames.KID})

    def test_nothing_waiting_is_no_work(self, version: ModelVersion) -> None:
        compact(version.model)

        assert not Chunk.objects.exists()

    def test_days_at_midnight_utc_lie_apart(self, version: ModelVersion) -> None:
        last = Prediction("a", NEXT_DAY - timedelta(microseconds=1))
        send(version, [last, Prediction("b", NEXT_DAY)], now=NEXT_DAY)

        compact(version.model)

        assert list(Chunk.objects.order_by("day").values_list("day", "rows")) == [
            (DAY.date(), 1),
            (NEXT_DAY.date(), 1),
        ]

    def test_versions_lie_apart(self, version: ModelVersion) -> None:
        other = make_credit_version(version.model)
        send(version, [Prediction("a", DAY)], now=NEXT_DAY)
        send(other, [Prediction("a", DAY)], now=NEXT_DAY)

        compact(version.model)

        assert stored_ids(version) == stored_ids(other) == ["a"]

    def test_many_bodies_are_compacted_together(self, version: ModelVersion) -> None:
        batches = [send(version, day_of(rows=20, prefix=f"b{n}"), now=NEXT_DAY) for n in range(5)]

        compact(version.model)

        assert Chunk.objects.get().rows == 100
        assert [counts(batch)["stored"] for batch in batches] == [20] * 5

    def test_small_bodies_of_different_columns_are_put_together(self, version: ModelVersion) -> None:
        full, plain = day_of(rows=2)
        send(version, [full], now=NEXT_DAY)
        bare = prediction_group(version, [plain], NEXT_DAY)
        for name in ("endpoint", "prediction", "latency_ms", "cost"):
            del bare.columns[name]
        del bare.features["region"]
        batch = send(version, [plain], now=NEXT_DAY)
        InboxRow.objects.filter(batch=batch).update(payload=payload.encode([bare]))

        compact(version.model)

        table = chunks.read(Chunk.objects.get())
        assert table["endpoint"].to_pylist() == [full.endpoint, ""]
        assert table["f.region"].to_pylist() == [full.region, None]
        assert table["latency_ms"].to_pylist() == [full.latency_ms, None]
        assert table["score"].to_pylist() == [full.score, plain.score]

    def test_a_null_and_a_missing_value_stay_null(self, version: ModelVersion) -> None:
        send(version, [replace(day_of(rows=1)[0], income=None, region=None, latency_ms=None)], now=NEXT_DAY)

        compact(version.model)

        table = chunks.read(Chunk.objects.get())
        assert [table[name][0].as_py() for name in ("f.income", "f.region", "latency_ms")] == [None] * 3

    def test_history_does_not_make_a_model_live(self, version: ModelVersion) -> None:
        send(version, day_of(rows=5), now=NEXT_DAY, via="backfill")
        compact(version.model)
        assert VersionTraffic.objects.get().last_live_at is None

        send(version, day_of(NEXT_DAY, rows=5), now=NEXT_DAY)
        compact(version.model)
        traffic = VersionTraffic.objects.get()
        assert (traffic.last_live_at, traffic.first_at, traffic.rows) == (NEXT_DAY, DAY, 10)

    def test_rows_beyond_one_compaction_order_the_next(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("monitoring.traffic.batches.ITEMS", 30)
        for n in range(3):
            send(version, day_of(rows=20, prefix=f"b{n}"), now=NEXT_DAY)

        compact(version.model)

        assert InboxRow.objects.count() == 2
        assert Job.objects.get(kind="monitoring.compact", state="queued").key == str(version.model_id)

    def test_an_unreadable_row_stops_nobody_else(self, version: ModelVersion) -> None:
        poisoned = send(version, day_of(rows=3, prefix="p"), now=NEXT_DAY)
        InboxRow.objects.update(payload=b"not a payload")
        send(version, day_of(rows=4), now=NEXT_DAY)

        compact(version.model)
        compact(version.model)

        assert Chunk.objects.get().rows == 4
        assert InboxRow.objects.get().batch == poisoned
        assert not Job.objects.filter(kind="monitoring.compact", state="queued").exists()

    def test_a_chunk_step_sees_every_new_chunk_in_the_transaction(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        found = wiring.functions
        steps = {"CHUNK_STEPS": (lambda chunk, frame, now: seen.append((chunk.rows, len(frame))),)}
        monkeypatch.setattr(wiring, "functions", lambda name: steps.get(name) or found(name))
        send(version, day_of(rows=5), now=NEXT_DAY)

        compact(version.model)

        assert seen == [(5, 5)]


class TestProfiles:
    def test_without_a_grid_hours_are_all_there_is(self, version: ModelVersion) -> None:
        send(version, day_of(rows=240), now=NEXT_DAY)

        compact(version.model)

        assert not ChunkProfile.objects.exists()
        assert list(HourProfile.objects.order_by("hour").values_list("rows", flat=True)) == [10] * 24
        assert chunks.profile(version, DAY, NEXT_DAY).profile is None

    def test_a_chunk_is_counted_on_the_active_grid(self, version: ModelVersion) -> None:
        grid = count_on_grid(version)
        sent = day_of(rows=300)
        send(version, sent, now=NEXT_DAY)

        compact(version.model)

        pinned = chunks.profile(version, DAY, NEXT_DAY)
        assert pinned.profile is not None
        assert pinned.grid.id == grid.id
        assert pinned.profile.rows == pinned.rows == 300
        incomes = np.array([one.income for one in sent])
        expected = np.bincount(grid.features["income"].group_of(incomes), minlength=10)
        assert pinned.profile.headline("income").tolist() == expected.tolist()
        regions = [one.region for one in sent]
        assert pinned.profile.segments["region"].rows.tolist() == [*map(regions.count, ("EU", "UK", "US")), 0]

    def test_fallbacks_and_errors_stay_out_of_scores(self, version: ModelVersion) -> None:
        count_on_grid(version)
        good, fallback, failed = day_of(rows=3)
        rows = [good, replace(fallback, fallback=True), replace(failed, error="timeout", score=None)]
        send(version, rows, now=NEXT_DAY)

        compact(version.model)

        profile = chunks.profile(version, DAY, NEXT_DAY).profile
        assert (profile.n_fallback, profile.n_error, profile.score.n, profile.n_decided) == (1, 1, 1, 1)
        assert profile.feature("income").n == 3
        assert [hour.errors + hour.fallbacks for hour in HourProfile.objects.order_by("hour")] == [0, 1, 1]

    def test_hours_keep_endpoints_cost_and_stages_apart(self, version: ModelVersion) -> None:
        stages = '[{"name":"rank","calls":3,"cost":0.25},{"name":"score","calls":2}]'
        send(
            version,
            [
                Prediction("a", DAY, endpoint="one", cost=0.5, stages=stages),
                Prediction("b", DAY + timedelta(minutes=59), endpoint="two", cost=None),
                Prediction("c", DAY + timedelta(minutes=60), endpoint="one", cost=0.25),
            ],
            now=NEXT_DAY,
        )

        compact(version.model)

        hours = chunks.hours(version.model, DAY, NEXT_DAY)
        assert [(hour.endpoint, hour.rows, float(hour.amount), hour.amount_missing) for hour in hours] == [
            ("one", 1, 0.5, 0),
            ("two", 1, 0.0, 1),
            ("one", 1, 0.25, 0),
        ]
        cost = Operations.loads(bytes(hours[0].blob)).cost
        assert {name: (stage.calls, stage.amount) for name, stage in cost.stages.items()} == {
            "main": (1.0, 0.25),
            "rank": (3.0, 0.25),
            "score": (2.0, 0.0),
        }

    def test_a_grid_that_moves_meanwhile_is_noticed(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(version, day_of(rows=10), now=NEXT_DAY)
        original, calls = compacting._store, []

        def store(*arguments: Any) -> None:
            calls.append(1)
            if len(calls) == 1:
                prepared = compacting.preparing.predictions
                monkeypatch.setattr(
                    compacting.preparing,
                    "predictions",
                    lambda *given: (made := prepared(*given), count_on_grid(version))[0],
                )
            original(*arguments)

        monkeypatch.setattr(compacting, "_store", store)

        compact(version.model)

        assert len(calls) == 2
        assert chunks.profile(version, DAY, NEXT_DAY).profile.rows == 10


class TestDuplicates:
    def test_repeated_in_one_compaction_the_first_stays(self, version: ModelVersion) -> None:
        first = send(version, day_of(rows=20), now=NEXT_DAY)
        second = send(version, day_of(rows=20), now=NEXT_DAY)

        compact(version.model)

        assert counts(first)["stored"] == 20
        assert counts(second) == {"stored": 0, "duplicates": 20, "conflicts": 0, "parked": 0}
        assert len(stored_ids(version)) == 20
        assert not InboxRow.objects.exists()

    def test_after_compaction_a_repetition_makes_no_chunk(self, version: ModelVersion) -> None:
        send(version, day_of(rows=20), now=NEXT_DAY)
        compact(version.model)
        again = send(version, day_of(rows=20), now=NEXT_DAY)

        compact(version.model)

        assert counts(again)["duplicates"] == 20
        assert DayManifest.objects.get().generation == 1
        assert Chunk.objects.count() == 1

    @pytest.mark.parametrize("together", [True, False], ids=["one compaction", "two compactions"])
    def test_other_content_under_a_known_id_is_a_conflict(self, version: ModelVersion, *, together: bool) -> None:
        record = day_of(rows=1)[0]
        send(version, [record], now=NEXT_DAY)
        if not together:
            compact(version.model)
        changed = send(version, [replace(record, score=0.9)], now=NEXT_DAY)

        compact(version.model)

        assert counts(changed) == {"stored": 0, "duplicates": 0, "conflicts": 1, "parked": 0}
        assert chunks.read(Chunk.objects.get())["score"].to_pylist() == [record.score]
        item = QuarantinedItem.objects.get()
        assert (item.code, item.batch) == ("request_id_conflict", changed)

    @pytest.mark.parametrize("apart", [-1, 1], ids=["day before", "day after"])
    def test_a_neighbouring_day_counts_too(self, version: ModelVersion, apart: int) -> None:
        record = Prediction("a", DAY + timedelta(hours=12))
        send(version, [record], now=NEXT_DAY)
        compact(version.model)
        moved = send(version, [replace(record, at=record.at + apart * timedelta(days=1))], now=NEXT_DAY)

        compact(version.model)

        assert counts(moved)["conflicts"] == 1

    @pytest.mark.parametrize("together", [True, False], ids=["one compaction", "two compactions"])
    def test_two_days_on_an_id_is_free_again(self, version: ModelVersion, *, together: bool) -> None:
        record = Prediction("a", DAY)
        send(version, [record], now=NEXT_DAY)
        if not together:
            compact(version.model)
        later = send(version, [replace(record, at=DAY + timedelta(days=2))], now=NEXT_DAY)

        compact(version.model)

        assert counts(later)["stored"] == 1

    def test_equal_hashes_of_different_ids_are_told_apart(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(frames, "id_hashes", lambda ids: np.full(len(ids), 7, dtype=np.uint64))
        send(version, day_of(rows=5), now=NEXT_DAY)
        compact(version.model)
        send(version, day_of(rows=8), now=NEXT_DAY)

        compact(version.model)

        assert stored_ids(version) == sorted({one.request_id for one in (*day_of(rows=5), *day_of(rows=8))})

    def test_a_damaged_neighbour_does_not_stop_new_records(self, version: ModelVersion, folder: Path) -> None:
        send(version, day_of(rows=5), now=NEXT_DAY)
        compact(version.model)
        (folder / Chunk.objects.get().path).write_bytes(b"PAR1")
        send(version, day_of(rows=5, prefix="new"), now=NEXT_DAY)

        compact(version.model)

        assert sorted(Chunk.objects.values_list("state", "rows")) == [("damaged", 5), ("live", 5)]


class TestCrashes:
    @pytest.mark.parametrize("action", ["raise", "enospc"])
    @pytest.mark.parametrize("point", POINTS)
    def test_a_failure_at_any_point_leaves_nothing_visible(
        self, version: ModelVersion, armed: Callable[[str], None], point: str, action: str
    ) -> None:
        count_on_grid(version)
        batch = send(version, [*day_of(rows=20), *day_of(NEXT_DAY, rows=20)], now=NEXT_DAY)
        armed(f"{point}:{action}:1")

        with pytest.raises((faults.Planted, OSError)):
            compact(version.model)

        assert not Chunk.objects.exists()
        assert not DayManifest.objects.exists()
        assert not HourProfile.objects.exists()
        assert VersionTraffic.objects.get().rows == 0
        assert InboxRow.objects.count() == 1
        assert counts(batch)["stored"] == 0

    @pytest.mark.parametrize("point", [*POINTS, "compact.committed"])
    def test_the_next_attempt_stores_everything_once(
        self, version: ModelVersion, armed: Callable[[str], None], folder: Path, point: str
    ) -> None:
        batch = send(version, [*day_of(rows=20), *day_of(NEXT_DAY, rows=20)], now=NEXT_DAY)
        armed(f"{point}:raise:1")
        with pytest.raises(faults.Planted):
            compact(version.model)
        Job.objects.all().delete()

        compact(version.model)

        assert counts(batch)["stored"] == 40
        assert len(stored_ids(version)) == len(set(stored_ids(version))) == 40
        assert files(folder) == sorted(Chunk.objects.values_list("path", flat=True))

    @pytest.mark.parametrize("hit", [1, 2])
    def test_a_failure_at_the_second_file_hides_the_first(
        self, version: ModelVersion, armed: Callable[[str], None], hit: int
    ) -> None:
        send(version, [*day_of(rows=20), *day_of(NEXT_DAY, rows=20)], now=NEXT_DAY)
        armed(f"compact.renamed:raise:{hit}")

        with pytest.raises(faults.Planted):
            compact(version.model)

        assert not Chunk.objects.exists()

    def test_no_draft_stays_behind(self, version: ModelVersion, armed: Callable[[str], None], folder: Path) -> None:
        send(version, day_of(rows=20), now=NEXT_DAY)
        armed("compact.verified:enospc:1")

        with pytest.raises(OSError, match="No space left") as raised:
            compact(version.model)

        assert raised.value.errno == errno.ENOSPC
        assert files(folder) == []

    def test_what_reads_back_differently_is_never_published(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        send(version, day_of(rows=20), now=NEXT_DAY)

        def lose_the_end(draft: Path) -> None:
            draft.write_bytes(draft.read_bytes()[:-100])

        monkeypatch.setattr(storage, "fsync", lose_the_end)

        with pytest.raises(chunks.NotWritten):
            compact(version.model)

        assert not Chunk.objects.exists()
        assert files(folder) == []

    def test_an_overtaken_worker_saves_nothing(self, version: ModelVersion) -> None:
        send(version, day_of(rows=20), now=NEXT_DAY)
        old = lease("monitoring.compact", str(version.model_id), model=str(version.model_id))
        Job.objects.update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            compaction.compact(version.model_id, old)

        assert not Chunk.objects.exists()
        assert InboxRow.objects.count() == 1

    def test_an_inbox_row_that_is_gone_undoes_everything(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(version, day_of(rows=20), now=NEXT_DAY)
        prepare = compacting.preparing.predictions

        def and_lose_the_row(*arguments: Any) -> Any:
            prepared = prepare(*arguments)
            InboxRow.objects.all().delete()
            return prepared

        monkeypatch.setattr(compacting.preparing, "predictions", and_lose_the_row)

        with pytest.raises(compacting.InboxMoved):
            compact(version.model)

        assert not Chunk.objects.exists()

    @pytest.mark.parametrize("existed", [True, False], ids=["known day", "first chunk of the day"])
    def test_a_day_that_moves_meanwhile_is_read_again(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch, *, existed: bool
    ) -> None:
        if existed:
            DayManifest.objects.create(version=version, day=DAY.date(), generation=4, rows=1)
        send(version, day_of(rows=20), now=NEXT_DAY)
        prepare, attempts = compacting.preparing.predictions, []

        def and_be_overtaken(*arguments: Any) -> Any:
            prepared = prepare(*arguments)
            if not attempts:
                DayManifest.objects.update_or_create(
                    version=version, day=DAY.date(), defaults={"generation": 5, "rows": 2}
                )
            attempts.append(1)
            return prepared

        monkeypatch.setattr(compacting.preparing, "predictions", and_be_overtaken)

        compact(version.model)

        manifest = DayManifest.objects.get()
        assert (len(attempts), manifest.generation, manifest.rows) == (2, 6, 22)

    def test_a_day_that_never_rests_is_left_to_the_next_attempt(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(version, day_of(rows=20), now=NEXT_DAY)
        monkeypatch.setattr(ledger, "see", lambda *days: ledger.Seen({(version.pk, DAY.date()): 99}, {}))

        with pytest.raises(ledger.Moved):
            compact(version.model)

        assert InboxRow.objects.exists()


class TestSweep:
    def waiting_since(self, version: ModelVersion, seconds: float) -> None:
        send(version, day_of(rows=1), now=NEXT_DAY - timedelta(seconds=seconds))

    def test_ten_seconds_are_waited_for_company(self, version: ModelVersion) -> None:
        self.waiting_since(version, 9)
        compaction.sweep(NEXT_DAY)
        assert not Job.objects.exists()

        compaction.sweep(NEXT_DAY + timedelta(seconds=1))

        job = Job.objects.get()
        assert (job.kind, job.key, job.queue, job.team) == (
            "monitoring.compact",
            str(version.model_id),
            "ingest",
            version.model.team_id,
        )

    def test_a_full_inbox_is_due_at_once(self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting_since(version, 0)
        size_bytes = InboxRow.objects.get().size_bytes
        monkeypatch.setattr(compacting, "WAITING_BYTES", size_bytes + 1)
        compaction.sweep(NEXT_DAY)
        assert not Job.objects.exists()

        monkeypatch.setattr(compacting, "WAITING_BYTES", size_bytes)
        compaction.sweep(NEXT_DAY)

        assert Job.objects.count() == 1

    def test_draining_waits_for_nothing(self, version: ModelVersion) -> None:
        self.waiting_since(version, 0)

        compaction.sweep(NEXT_DAY, drain=True)

        assert Job.objects.count() == 1


class TestConsolidate:
    @pytest.fixture
    def day(self, version: ModelVersion, settings: Any) -> list[Prediction]:
        """A day in five chunks, counted on a grid."""
        count_on_grid(version)
        sent = day_of(rows=100)
        for part in range(5):
            send(version, sent[part::5], now=NEXT_DAY)
            compact(version.model)
        Job.objects.all().delete()
        return sent

    def consolidate(self, version: ModelVersion) -> None:
        compaction.consolidate(version.pk, DAY.date(), lease("monitoring.consolidate", f"{version.pk}:{DAY:%F}"))

    def seen(self, version: ModelVersion) -> tuple[Any, ...]:
        pinned = chunks.profile(version, DAY, NEXT_DAY)
        hours = chunks.hours(version.model, DAY, NEXT_DAY)
        by_hour = {hour: sum(one.rows for one in hours if one.hour == hour) for hour in {one.hour for one in hours}}
        return (
            pinned.rows,
            pinned.profile.counts.tolist(),
            pinned.profile.tallies.tolist(),
            sorted(by_hour.items()),
            sum(one.amount for one in hours),
            pinned.generations,
            stored_ids(version),
        )

    @pytest.fixture(autouse=True)
    def _after_the_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "now", lambda: NEXT_DAY + timedelta(hours=5))

    def test_one_chunk_replaces_all_and_every_count_stays(self, version: ModelVersion, day: list[Prediction]) -> None:
        before = self.seen(version)

        self.consolidate(version)

        assert self.seen(version) == before
        [kept] = Chunk.objects.live()
        assert (kept.rows, kept.first_at, kept.last_at) == (100, day[0].at, day[-1].at)
        old = Chunk.objects.filter(state="replaced")
        assert old.count() == 5
        assert {chunk.replaced_by_id for chunk in old} == {kept.pk}
        assert kept.created_at == max(chunk.created_at for chunk in old)

    def test_rows_come_out_in_the_order_of_time(
        self, version: ModelVersion, day: list[Prediction], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.consolidate(version)

        moments = chunks.read(Chunk.objects.live().get())["predicted_at"].to_pylist()
        assert moments == sorted(moments)

    @pytest.mark.parametrize("point", [*(f"compact.{point}" for point in FILE_POINTS), "consolidate.in_txn"])
    def test_a_failure_at_any_point_changes_nothing(
        self, version: ModelVersion, day: list[Prediction], armed: Callable[[str], None], point: str
    ) -> None:
        before = self.seen(version)
        armed(f"{point}:raise:1")

        with pytest.raises(faults.Planted):
            self.consolidate(version)

        assert self.seen(version) == before
        assert Chunk.objects.live().count() == 5

    def test_a_chunk_that_changed_meanwhile_undoes_it(
        self, version: ModelVersion, day: list[Prediction], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        merge = consolidation._merged

        def and_be_overtaken(old: list[Chunk]) -> Any:
            Chunk.objects.filter(pk=old[0].pk).update(state="damaged")
            return merge(old)

        monkeypatch.setattr(consolidation, "_merged", and_be_overtaken)

        with pytest.raises(ledger.Moved):
            self.consolidate(version)

        assert Chunk.objects.live().count() == 4

    def test_one_chunk_is_left_alone(self, version: ModelVersion) -> None:
        send(version, day_of(rows=3), now=NEXT_DAY)
        compact(version.model)

        self.consolidate(version)

        assert Chunk.objects.get().state == "live"

    def test_during_the_day_only_small_chunks_are_merged(self) -> None:
        sizes = [5000, 3, 40, 5, 4, 900]

        small = consolidation._small([Chunk(rows=rows, first_at=DAY, sha256=str(rows)) for rows in sizes])

        assert sorted(chunk.rows for chunk in small) == [3, 4, 5]

    def test_a_day_is_swept_two_hours_after_its_end_and_its_last_chunk(
        self, version: ModelVersion, day: list[Prediction]
    ) -> None:
        Chunk.objects.update(created_at=NEXT_DAY)
        consolidation.sweep(NEXT_DAY + timedelta(hours=1, minutes=59))
        assert not Job.objects.exists()

        consolidation.sweep(NEXT_DAY + timedelta(hours=2))

        assert Job.objects.get().key == f"{version.pk}:2026-11-10"

    def test_a_full_day_is_ordered_by_the_compaction_that_fills_it(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consolidation, "FULL", 3)
        for n in range(3):
            assert not Job.objects.filter(kind="monitoring.consolidate").exists()
            send(version, day_of(rows=2, prefix=f"p{n}"), now=NEXT_DAY)
            compact(version.model)

        assert Job.objects.get(kind="monitoring.consolidate").key == f"{version.pk}:2026-11-10"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_shuffled_stream_comes_to_the_same_as_a_sorted_one(seed: int) -> None:
    sent = [record for n in range(4) for record in day_of(DAY + timedelta(days=n), rows=60, seed=n)]
    orders = [np.arange(len(sent)), np.random.default_rng(seed).permutation(len(sent))]
    seen = []
    for order in orders:
        version = make_credit_version()
        grid = count_on_grid(version)
        for part in np.array_split(order, 7):
            send(version, [sent[i] for i in (*part, *part[:3])][: len(part) + 3], now=NEXT_DAY)
            compact(version.model)
        pinned = chunks.profile(version, DAY, DAY + timedelta(days=4))
        days = chunks.days(version, DAY, DAY + timedelta(days=4))
        seen.append((pinned.profile.counts.tolist(), days, stored_ids(version), grid.id))

    assert seen[0] == seen[1]
