import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage

from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import LostLease
from monitoring.models import Chunk, ChunkProfile, HourProfile, VersionTraffic
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.traffic import chunks, storage
from monitoring.traffic.chunks import DamagedChunk, NotProfiled, retention
from registry.models import ModelVersion
from tests.builders import DAY, day_of, lease, make_credit_version, send
from tests.monitoring.traffic.conftest import compact

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture
def version() -> ModelVersion:
    return make_credit_version()


@pytest.fixture
def chunk(version: ModelVersion) -> Chunk:
    """A chunk of 300 predictions."""
    send(version, day_of(rows=300), now=NEXT_DAY)
    compact(version.model)
    return Chunk.objects.get()


def grid_of(version: ModelVersion, seed: int) -> UUID:
    """Have the version counted on a grid of its income; the id of the grid's row."""
    incomes = np.random.default_rng(seed).normal(40_000, 10_000, size=500)
    grid_id = chunks.grids.keep(freeze({"income": incomes}, [FeatureSpec("income", "number")]), version.pk, DAY)
    VersionTraffic.objects.update_or_create(version=version, defaults={"grid_id": grid_id})
    return grid_id


def frame(rows: int = 1000, **columns: Any) -> pa.Table:
    rng = np.random.default_rng(5)
    moments = pa.array(np.arange(rows) * 1_000_000 + 1_800_000_000_000_000, pa.int64()).cast(
        pa.timestamp("us", tz="UTC")
    )
    given = {
        "request_id": pa.array([f"r-{i:06d}" for i in range(rows)]),
        "id_hash": pa.array(rng.integers(0, 2**63, size=rows), pa.uint64()),
        "predicted_at": moments,
    }
    return pa.table(given | columns)


class TestFiles:
    def test_equal_content_has_one_name(self, folder: Path) -> None:
        first = chunks.write([frame()], "a", order="predicted_at")

        second = chunks.write([frame()], "a", order="predicted_at")

        assert first == second
        assert first.path == f"a/{first.sha256}.parquet"
        assert [path.name for path in folder.rglob("*.parquet")] == [f"{first.sha256}.parquet"]

    def test_only_the_owner_may_read(self, folder: Path) -> None:
        file = chunks.write([frame()], "a/b", order="predicted_at")

        modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder / file.path, folder / "a", folder / "a/b")]
        assert modes == [0o600, 0o700, 0o700]

    def test_it_states_its_ends_and_size(self, folder: Path) -> None:
        file = chunks.write([frame(10)], "a", order="predicted_at")

        assert (file.rows, file.last_at - file.first_at) == (10, timedelta(seconds=9))
        assert file.size_bytes == (folder / file.path).stat().st_size

    @pytest.mark.parametrize(
        ("name", "encoding", "compression"),
        [
            ("noise", "PLAIN", "UNCOMPRESSED"),
            ("few", "RLE_DICTIONARY", "ZSTD"),
            ("rounded", "PLAIN", "LZ4"),
            ("mostly null", "PLAIN", "LZ4"),
            ("whole", "BYTE_STREAM_SPLIT", "ZSTD"),
            ("predicted_at", "DELTA_BINARY_PACKED", "ZSTD"),
            ("request_id", "DELTA_BYTE_ARRAY", "ZSTD"),
            ("id_hash", "PLAIN", "UNCOMPRESSED"),
        ],
    )
    def test_each_column_has_the_form_that_suits_it(
        self, folder: Path, name: str, encoding: str, compression: str
    ) -> None:
        rng = np.random.default_rng(1)
        noise = rng.normal(size=9000)
        columns = {
            "noise": noise,
            "few": rng.integers(0, 50, size=9000).astype(float),
            "rounded": noise.round(3),
            "mostly null": np.where(rng.random(9000) < 0.6, np.nan, noise),
            "whole": rng.integers(0, 2**30, size=9000).astype(float),
        }

        file = chunks.write([frame(9000, **columns)], "a", order="predicted_at")

        group = pq.ParquetFile(folder / file.path).metadata.row_group(0)
        column = next(group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == name)
        assert encoding in column.encodings
        assert column.compression == compression

    @pytest.mark.parametrize(
        ("ids", "encoding"),
        [
            ([f"r-{n:08d}" for n in range(300)], "DELTA_BYTE_ARRAY"),
            ([f"{n:016x}" for n in np.random.default_rng(2).integers(0, 2**62, 300)], "DELTA_LENGTH_BYTE_ARRAY"),
        ],
        ids=["counted", "drawn"],
    )
    def test_ids_that_count_upwards_are_stored_by_what_differs(
        self, folder: Path, ids: list[str], encoding: str
    ) -> None:
        file = chunks.write([frame(300).set_column(0, "request_id", pa.array(ids))], "a", order="predicted_at")

        stored = pq.ParquetFile(folder / file.path)
        assert encoding in stored.metadata.row_group(0).column(0).encodings
        assert stored.read(["request_id"])["request_id"].to_pylist() == ids

    def test_texts_have_no_statistics(self, folder: Path) -> None:
        file = chunks.write([frame()], "a", order="predicted_at")

        group = pq.ParquetFile(folder / file.path).metadata.row_group(0)
        by_name = {group.column(i).path_in_schema: group.column(i).is_stats_set for i in range(group.num_columns)}
        assert by_name == {"request_id": False, "id_hash": False, "predicted_at": True}

    def test_a_row_costs_at_most_160_bytes_with_20_features(self) -> None:
        rows = 20_000
        rng = np.random.default_rng(2)
        random_ids = [bytes(one).hex() for one in rng.integers(0, 256, size=(rows, 16), dtype=np.uint8)]
        columns: dict[str, Any] = {f"f.x{n}": rng.normal(size=rows) for n in range(14)}
        columns |= {f"f.c{n}": pa.array(rng.choice(["a", "b", "c"], size=rows)).dictionary_encode() for n in range(6)}
        columns |= {"content_hash": rng.integers(0, 2**63, size=rows), "score": rng.random(rows)}
        table = frame(rows, **columns).set_column(0, "request_id", pa.array(random_ids))

        file = chunks.write([table], "a", order="predicted_at")

        assert file.size_bytes / rows <= 160


class TestReading:
    def test_columns_can_be_chosen(self, chunk: Chunk) -> None:
        assert chunks.read(chunk, ["id_hash"]).column_names == ["id_hash"]

    @pytest.mark.parametrize("seed", range(6))
    def test_a_changed_byte_is_damage_and_never_other_data(self, chunk: Chunk, folder: Path, seed: int) -> None:
        path = folder / chunk.path
        whole = chunks.read(chunk)
        content = bytearray(path.read_bytes())
        footer = int.from_bytes(content[-8:-4], "little")
        place = int(np.random.default_rng(seed).integers(4, len(content) - footer - 8))
        content[place] ^= 0x10
        path.write_bytes(content)

        with suppress(DamagedChunk):
            read = chunks.read(chunk)
            assert read.equals(whole)
            return
        chunk.refresh_from_db()
        assert chunk.state == "damaged"

    @pytest.mark.parametrize("how", ["missing", "cut", "empty", "other rows"])
    def test_a_file_that_is_not_what_it_was_is_damage(self, chunk: Chunk, folder: Path, how: str) -> None:
        path = folder / chunk.path
        if how == "missing":
            path.unlink()
        elif how == "other rows":
            pq.write_table(chunks.read(chunk).slice(1), path)
        else:
            path.write_bytes(path.read_bytes()[:500] if how == "cut" else b"")

        with pytest.raises(DamagedChunk):
            chunks.read(chunk)

        chunk.refresh_from_db()
        assert chunk.state == "damaged"

    def test_a_shortage_of_the_machine_is_not_the_chunks_fault(
        self, chunk: Chunk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def exhausted(*opened: Any, **options: Any) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(pq, "ParquetFile", exhausted)

        with pytest.raises(OSError, match="Too many open files"):
            chunks.read(chunk)

        chunk.refresh_from_db()
        assert chunk.state == "live"

    def test_a_replaced_chunk_keeps_its_state(self, chunk: Chunk, folder: Path) -> None:
        Chunk.objects.update(state="replaced")
        (folder / chunk.path).unlink()

        with pytest.raises(DamagedChunk):
            chunks.read(chunk)

        chunk.refresh_from_db()
        assert chunk.state == "replaced"

    def test_a_damaged_chunk_still_counts_and_is_named(self, version: ModelVersion, chunk: Chunk) -> None:
        Chunk.objects.update(state="damaged")

        pinned = chunks.profile(version, DAY, NEXT_DAY)

        assert (pinned.rows, pinned.chunks, pinned.damaged) == (300, [chunk.sha256], [chunk.sha256])
        assert len(chunks.hours(version.model, DAY, NEXT_DAY)) == 24

    def test_a_stretch_is_half_open_and_names_its_generations(self, version: ModelVersion, chunk: Chunk) -> None:
        send(version, day_of(NEXT_DAY, rows=10), now=NEXT_DAY)
        compact(version.model)

        assert chunks.profile(version, DAY, NEXT_DAY).rows == 300
        both = chunks.profile(version, DAY, NEXT_DAY + timedelta(days=1))
        assert (both.rows, both.generations) == (310, {"2026-11-10": 1, "2026-11-11": 1})
        assert chunks.days(version, DAY, NEXT_DAY + timedelta(days=1)) == {DAY.date(): 300, NEXT_DAY.date(): 10}

    def test_a_stretch_begins_at_midnight(self, version: ModelVersion) -> None:
        with pytest.raises(ValueError, match="midnight"):
            chunks.profile(version, DAY + HOUR, NEXT_DAY)

    def test_nothing_is_nothing(self, version: ModelVersion) -> None:
        pinned = chunks.profile(version, DAY, NEXT_DAY)

        assert (pinned.profile, pinned.rows, pinned.chunks, pinned.generations) == (None, 0, [], {})

    def test_hours_are_cut_to_the_stretch(self, version: ModelVersion, chunk: Chunk) -> None:
        hours = chunks.hours(version.model, DAY + 5 * HOUR, DAY + 7 * HOUR)

        assert [hour.hour for hour in hours] == [DAY + 5 * HOUR, DAY + 6 * HOUR]

    def test_of_two_versions_that_share_their_grids_each_is_read_on_its_own(self, version: ModelVersion) -> None:
        other = make_credit_version(version.model)
        grid_ids = {one.pk: grid_of(one, seed) for seed, one in enumerate((version, other))}
        swapped = dict(zip(grid_ids, reversed(grid_ids.values()), strict=True))
        for one in (version, other):
            send(one, day_of(rows=10), now=NEXT_DAY)
        compact(version.model)
        mine = Chunk.objects.get(version=version)
        ChunkProfile.objects.create(chunk=mine, grid_id=swapped[version.pk], blob=b"of another grid")

        held = chunks.stretch(grid_ids, DAY, NEXT_DAY)

        assert [held.pinned(one, DAY, NEXT_DAY).profile.rows for one in grid_ids] == [10, 10]
        assert held.pinned(version.pk, DAY, NEXT_DAY).chunks == [mine.sha256]

    def test_a_live_chunk_without_a_profile_on_the_grid_is_an_error(self, version: ModelVersion) -> None:
        grid_of(version, 0)
        send(version, day_of(rows=10), now=NEXT_DAY)
        compact(version.model)
        ChunkProfile.objects.all().delete()

        with pytest.raises(NotProfiled, match="1 chunks"):
            chunks.profile(version, DAY, NEXT_DAY)

    def test_a_stretch_is_one_query(self, version: ModelVersion, chunk: Chunk, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            held = chunks.stretch({version.pk: None}, DAY, NEXT_DAY + 3 * timedelta(days=1))
            pinned = held.pinned(version.pk, DAY, NEXT_DAY)

        assert (pinned.rows, held.pinned(version.pk, NEXT_DAY, NEXT_DAY + timedelta(days=1)).rows) == (300, 0)

    def test_further_hours_of_a_version_are_read_along(self, version: ModelVersion, chunk: Chunk) -> None:
        also = {version.pk: (DAY, DAY + 2 * HOUR)}

        hours = chunks.hours(version.model, DAY + 5 * HOUR, DAY + 6 * HOUR, also=also)

        assert [hour.hour for hour in hours] == [DAY, DAY + HOUR, DAY + 5 * HOUR]

    def test_a_profile_costs_a_constant_number_of_queries(
        self, version: ModelVersion, chunk: Chunk, django_assert_max_num_queries: Any
    ) -> None:
        for n in range(1, 4):
            send(version, day_of(DAY + n * timedelta(days=1), rows=5), now=NEXT_DAY)
            compact(version.model)

        with django_assert_max_num_queries(6):
            chunks.profile(version, DAY, DAY + timedelta(days=7))


class TestRetention:
    def expire(self, chunk: Chunk, now: datetime) -> None:
        job = lease("monitoring.expire", f"{chunk.model_id}:{chunk.day}")
        chunks.expire_day(chunk.model_id, chunk.day, job, now)

    def test_rows_go_after_ninety_days_and_profiles_stay(
        self, version: ModelVersion, chunk: Chunk, folder: Path
    ) -> None:
        now = chunk.created_at + timedelta(days=91)
        chunks.tidy(now)
        assert Job.objects.get(kind="monitoring.expire").key == f"{chunk.model_id}:2026-11-10"

        self.expire(chunk, now)
        chunks.tidy(now + timedelta(days=2))

        chunk.refresh_from_db()
        assert (chunk.state, chunk.path) == ("expired", "")
        assert not list(folder.rglob("*.parquet"))
        assert chunks.profile(version, DAY, NEXT_DAY).rows == 300
        assert HourProfile.objects.count() == 24

    def test_a_day_younger_than_that_stays(self, chunk: Chunk) -> None:
        now = chunk.created_at + timedelta(days=89)
        chunks.tidy(now)
        assert not Job.objects.filter(kind="monitoring.expire").exists()

        self.expire(chunk, now)

        chunk.refresh_from_db()
        assert chunk.state == "live"

    def test_an_overtaken_worker_expires_nothing(self, chunk: Chunk) -> None:
        old = lease("monitoring.expire", "x")
        Job.objects.filter(pk=old.job_id).update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            chunks.expire_day(chunk.model_id, chunk.day, old, chunk.created_at + timedelta(days=91))

        chunk.refresh_from_db()
        assert chunk.state == "live"

    @pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
    def test_a_replaced_file_is_kept_for_a_day(self, chunk: Chunk, folder: Path, hours: int, *, stays: bool) -> None:
        Chunk.objects.update(state="replaced", retired_at=NEXT_DAY)

        chunks.tidy(NEXT_DAY + hours * HOUR)

        assert (folder / chunk.path).exists() is stays
        assert HourProfile.objects.exists() is stays
        assert not ChunkProfile.objects.exists()

    def test_a_file_that_another_chunk_uses_stays(self, version: ModelVersion, chunk: Chunk, folder: Path) -> None:
        Chunk.objects.update(state="replaced", retired_at=NEXT_DAY)
        values = Chunk.objects.values().get() | {"id": None, "state": "live", "retired_at": None}
        del values["id"]
        Chunk.objects.create(**values)

        chunks.tidy(NEXT_DAY + 48 * HOUR)

        assert (folder / chunk.path).exists()

    @pytest.mark.parametrize(("minutes", "stays"), [(59, True), (61, False)])
    def test_drafts_go_after_an_hour(self, folder: Path, minutes: int, *, stays: bool) -> None:
        draft = folder / "tmp" / "abandoned"
        draft.parent.mkdir(parents=True)
        draft.touch()

        chunks.tidy(datetime.now(UTC) + timedelta(minutes=minutes))

        assert draft.exists() is stays

    @pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
    def test_a_file_without_a_row_goes_after_a_day(
        self, chunk: Chunk, folder: Path, hours: int, *, stays: bool
    ) -> None:
        orphan = folder / Path(chunk.path).parent / "orphan.parquet"
        orphan.touch()

        chunks.tidy(datetime.now(UTC) + hours * HOUR)

        assert orphan.exists() is stays
        assert (folder / chunk.path).exists()

    def test_one_tidying_an_hour_is_ordered(self) -> None:
        for minute in (0, 30, 59, 61):
            chunks.sweep(NEXT_DAY + timedelta(minutes=minute))
            Job.objects.update(state="done")

        assert sorted(Job.objects.values_list("key", flat=True)) == ["2026-11-11T00", "2026-11-11T01"]

    def test_without_a_folder_there_is_nothing_to_tidy(self) -> None:
        chunks.tidy(NEXT_DAY)

    def test_the_time_of_leftovers_is_that_of_the_file(self, folder: Path, chunk: Chunk) -> None:
        path = folder / chunk.path
        Chunk.objects.all().delete()
        os.utime(path, (0, 0))

        assert retention.storage.store().files().__next__()[1] == datetime(1970, 1, 1, tzinfo=UTC)


class TestStorage:
    @pytest.mark.parametrize("url", ["", "chunks", "ftp://host/x", "s3:///x", "file://"])
    def test_an_address_that_names_no_place_is_refused(self, url: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="STORAGE_URL"):
            storage.of_url(url)

    @pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x"])
    def test_no_path_leads_out(self, path: str) -> None:
        with pytest.raises(ValueError, match="leads out"):
            storage.store().delete(path)

    def test_an_object_storage_needs_the_four_verbs_only(self, tmp_path: Path) -> None:
        bucket = FileSystemStorage(location=tmp_path / "bucket")
        store = storage.ObjectStore(bucket, tmp_path / "drafts")

        with storage.drafting(store) as draft:
            draft.write_bytes(b"content")
            store.publish(draft, "a/b/x.parquet")
            store.publish(draft, "a/b/x.parquet")  # a retry of the same content
            store.settle("a/b/x.parquet")
        with store.opened("a/b/x.parquet") as path:
            assert path.read_bytes() == b"content"

        assert [path for path, _ in store.files()] == ["a/b/x.parquet"]
        assert not list((tmp_path / "drafts").iterdir())
        store.delete("a/b/x.parquet")
        assert list(store.files()) == []

    def test_a_chunk_reads_from_an_object_storage(
        self, chunk: Chunk, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = storage.ObjectStore(FileSystemStorage(location=folder), tmp_path / "drafts")
        monkeypatch.setattr(storage, "store", lambda: store)

        assert len(chunks.read(chunk)) == 300

        with contextmanager(gone)(folder / chunk.path), pytest.raises(DamagedChunk):
            chunks.read(chunk)


def gone(path: Path) -> Iterator[None]:
    path.unlink()
    yield
