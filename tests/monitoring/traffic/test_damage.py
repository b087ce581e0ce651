"""A file was damaged on disk: its records stay known, so that sending them again counts nothing twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitoring.models import Chunk, ChunkIds, DayManifest
from monitoring.traffic import chunks, compaction
from monitoring.traffic.compaction import consolidation
from monitoring.traffic.ledger import Moved
from registry.models import ModelVersion
from tests.builders import DAY, Outcome, Prediction, day_of, lease, make_credit_version, report, send
from tests.monitoring.traffic.conftest import compact, counts

pytestmark = pytest.mark.django_db

NEXT_DAY = DAY + timedelta(days=1)
ROWS = 60


def unlink(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * (len(content) - 80) + content[-40:])


def misname(path: Path) -> None:
    """A column of the footer whose name is no UTF-8 any more."""
    content = path.read_bytes()
    assert content.count(b"request_id") >= 1
    path.write_bytes(content.replace(b"request_id", b"\x8d" * 10))


DAMAGES = [unlink, empty, truncate, overwrite, misname]


@pytest.fixture
def version() -> ModelVersion:
    return make_credit_version()


@pytest.fixture
def sent(version: ModelVersion) -> list[Prediction]:
    """Records that one chunk holds."""
    records = day_of(rows=ROWS)
    send(version, records, now=NEXT_DAY)
    compact(version.model)
    return records


def path_of(folder: Path) -> Path:
    return folder / Chunk.objects.known().get(kind="prediction").path


def counted(version: ModelVersion) -> int:
    """What a window says: the rows of the profiles, the hours and the manifest agree."""
    days = chunks.days(version, DAY - timedelta(days=1), NEXT_DAY + timedelta(days=1))
    hours = chunks.hours(version.model, DAY - timedelta(days=1), NEXT_DAY + timedelta(days=1))
    by_hours, by_days = sum(hour.rows for hour in hours), sum(days.values())
    assert by_hours == by_days
    return by_days


class TestSentAgain:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_everything_is_a_repetition(
        self, version: ModelVersion, sent: list[Prediction], folder: Path, damage: Callable[[Path], None]
    ) -> None:
        damage(path_of(folder))
        again = send(version, sent, now=NEXT_DAY)

        compact(version.model)

        assert counts(again) == {"stored": 0, "duplicates": ROWS, "conflicts": 0, "parked": 0}
        assert counted(version) == ROWS
        assert Chunk.objects.get().state == "damaged"

    @pytest.mark.slow
    def test_wherever_a_file_is_hit(self, version: ModelVersion, sent: list[Prediction], folder: Path) -> None:
        path, rng = path_of(folder), np.random.default_rng(5)
        whole = path.read_bytes()
        for _ in range(40):
            hurt = bytearray(whole)
            for place in rng.integers(0, len(whole), size=3):
                hurt[place] ^= int(rng.integers(1, 256))
            path.write_bytes(hurt)
            Chunk.objects.update(state="live")
            send(version, sent, now=NEXT_DAY)

            compact(version.model)

            assert counted(version) == ROWS

    def test_new_records_among_them_are_stored(
        self, version: ModelVersion, sent: list[Prediction], folder: Path
    ) -> None:
        unlink(path_of(folder))
        more = day_of(rows=30, prefix="new", seed=2)
        batch = send(version, [*sent[::2], *more], now=NEXT_DAY)

        compact(version.model)

        assert counts(batch) == {"stored": 30, "duplicates": 30, "conflicts": 0, "parked": 0}
        assert counted(version) == ROWS + 30

    def test_another_content_is_not_stored_beside_the_first(
        self, version: ModelVersion, sent: list[Prediction], folder: Path
    ) -> None:
        unlink(path_of(folder))
        batch = send(version, [replace(sent[0], score=0.99)], now=NEXT_DAY)

        compact(version.model)

        assert counts(batch)["stored"] == 0
        assert counted(version) == ROWS

    @pytest.mark.parametrize(("apart", "stored"), [(-2, 1), (-1, 0), (1, 0), (2, 1)])
    def test_neighbouring_days_count_as_ever(
        self, version: ModelVersion, sent: list[Prediction], folder: Path, apart: int, stored: int
    ) -> None:
        unlink(path_of(folder))
        moved = replace(sent[0], at=DAY + timedelta(days=apart, hours=12))
        batch = send(version, [moved], now=NEXT_DAY)

        compact(version.model)

        assert counts(batch)["stored"] == stored

    def test_a_second_time_too(self, version: ModelVersion, sent: list[Prediction], folder: Path) -> None:
        unlink(path_of(folder))
        for _ in range(2):
            send(version, sent, now=NEXT_DAY)
            compact(version.model)

        assert counted(version) == ROWS

    def test_a_file_that_joins_others_knows_their_ids(
        self, version: ModelVersion, sent: list[Prediction], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        more = day_of(rows=30, prefix="new", seed=2)
        send(version, more, now=NEXT_DAY)
        compact(version.model)
        monkeypatch.setattr(consolidation.clock, "now", lambda: NEXT_DAY + timedelta(hours=5))
        compaction.consolidate(version.pk, DAY.date(), lease("monitoring.consolidate", f"{version.pk}:{DAY:%F}"))
        unlink(folder / Chunk.objects.live().get().path)
        batch = send(version, [*sent, *more], now=NEXT_DAY)

        compact(version.model)

        assert counts(batch)["duplicates"] == ROWS + 30
        assert counted(version) == ROWS + 30

    def test_a_file_damaged_while_it_is_joined_keeps_its_ids(
        self, version: ModelVersion, sent: list[Prediction], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(version, day_of(rows=30, prefix="new", seed=2), now=NEXT_DAY)
        compact(version.model)
        monkeypatch.setattr(consolidation.clock, "now", lambda: NEXT_DAY + timedelta(hours=5))
        merge = consolidation._merged

        def and_be_overtaken(old: list[Chunk]) -> object:
            merged = merge(old)
            Chunk.objects.filter(pk=old[0].pk).update(state="damaged")
            return merged

        monkeypatch.setattr(consolidation, "_merged", and_be_overtaken)
        with pytest.raises(Moved):
            compaction.consolidate(version.pk, DAY.date(), lease("monitoring.consolidate", "x"))

        assert sorted(ChunkIds.objects.values_list("chunk__rows", flat=True)) == [30, ROWS]


class TestOutcomes:
    def test_an_outcome_of_a_lost_record_finds_its_day(
        self, version: ModelVersion, sent: list[Prediction], folder: Path
    ) -> None:
        unlink(path_of(folder))
        send(version, sent[:1], now=NEXT_DAY)
        compact(version.model)  # notices the damage
        batch = report(version.model, [Outcome(sent[0].request_id, "default", NEXT_DAY)], now=NEXT_DAY)

        compact(version.model)

        assert counts(batch) == {"stored": 1, "duplicates": 0, "conflicts": 0, "parked": 0}
        assert DayManifest.objects.get().labels == 1


class TestRepair:
    def damaged(self, version: ModelVersion, sent: list[Prediction], path: Path) -> Path:
        """Move the file away and let compaction notice; where it is."""
        moved = path.rename(path.with_suffix(".moved"))
        send(version, sent, now=NEXT_DAY)
        compact(version.model)
        return moved

    def test_a_file_that_was_put_back_is_read_again(
        self, version: ModelVersion, sent: list[Prediction], folder: Path
    ) -> None:
        path = path_of(folder)
        self.damaged(version, sent, path).rename(path)

        chunks.tidy(NEXT_DAY)

        assert Chunk.objects.get().state == "live"
        changed = send(version, [replace(sent[0], score=0.99)], now=NEXT_DAY)
        compact(version.model)
        assert counts(changed)["conflicts"] == 1

    def test_parked_outcomes_wait_again(self, version: ModelVersion, folder: Path) -> None:
        report(version.model, [Outcome("nobody", "default", NEXT_DAY)], now=NEXT_DAY)
        compact(version.model)
        Chunk.objects.update(state="damaged")

        chunks.tidy(NEXT_DAY)

        assert Chunk.objects.get().state == "parked"

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_anything_else_stays_damaged(
        self, version: ModelVersion, sent: list[Prediction], folder: Path, damage: Callable[[Path], None]
    ) -> None:
        path = path_of(folder)
        damage(self.damaged(version, sent, path).rename(path))

        chunks.tidy(NEXT_DAY)

        assert Chunk.objects.get().state == "damaged"

    def test_a_twin_that_lives_does_not_stop_the_tidying(
        self, version: ModelVersion, sent: list[Prediction], folder: Path
    ) -> None:
        values = Chunk.objects.values().get()
        del values["id"]
        Chunk.objects.create(**values | {"state": "damaged"})

        chunks.tidy(NEXT_DAY)

        assert sorted(Chunk.objects.values_list("state", flat=True)) == ["damaged", "live"]


class TestKeeping:
    def test_ids_go_once_no_record_can_be_late_any_more(
        self, version: ModelVersion, sent: list[Prediction], folder: Path
    ) -> None:
        created_at = Chunk.objects.get().created_at

        chunks.tidy(created_at + timedelta(days=35))
        assert ChunkIds.objects.count() == 1

        chunks.tidy(created_at + timedelta(days=35, seconds=1))
        assert not ChunkIds.objects.exists()

    def test_they_take_eight_bytes_a_record(self, sent: list[Prediction]) -> None:
        assert len(ChunkIds.objects.get().blob) == 8 * ROWS
