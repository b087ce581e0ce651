import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.test import TestCase

from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import LostLease
from mlops_portal.kit import faults
from mlops_portal.kit.errors import Conflict, Invalid, Refused, TooLarge, WrongMedia
from monitoring.models import Chunk, ChunkProfile, Monitor, Reference, VersionTraffic
from monitoring.stats.profile import LabelProfile, loads
from monitoring.traffic import chunks, frames, reference
from monitoring.traffic.reference import loading, reprofiling, requesting
from registry.inventory import FeatureDraft
from registry.models import ModelVersion, User
from tests.builders import DAY, day_of, lease, make_credit_model, make_credit_version, send
from tests.factories import make_model, make_version
from tests.monitoring.traffic.conftest import compact

pytestmark = pytest.mark.django_db

NEXT_DAY = DAY + timedelta(days=1)
ROWS = [
    {
        "income": one.income,
        "region": one.region,
        "score": one.score,
        "label": "default" if one.score > 0.4 else "repaid",
    }
    for one in day_of(rows=600, seed=11)
]


@pytest.fixture
def version() -> ModelVersion:
    return make_credit_version()


def make_ranking_version() -> ModelVersion:
    return make_version(make_model(task="ranking", features=[("income", "number")]))


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file)
    return file.getvalue()


def ask(
    version: ModelVersion,
    content: bytes,
    *,
    name: str = "training",
    primary: bool = True,
    file_format: str = "csv",
    by: Any = "setup",
) -> Reference:
    return reference.request(
        version,
        io.BytesIO(content),
        name=name,
        primary=primary,
        source="upload",
        file_format=file_format,
        by=by,
        now=NEXT_DAY,
    )


def work(one: Reference) -> Reference:
    """Load it as a worker does, and look."""
    job = Job.objects.get(kind="monitoring.load_reference", key=str(one.pk), state="queued")
    with TestCase.captureOnCommitCallbacks(execute=True):
        loading.load(one.pk, lease("monitoring.load_reference", str(one.pk), **job.payload))
    one.refresh_from_db()
    return one


def load(version: ModelVersion, content: bytes, **asked: Any) -> Reference:
    return work(ask(version, content, **asked))


def reprofile(version: ModelVersion) -> None:
    job = Job.objects.get(kind="monitoring.reprofile", state="queued")
    grid_id = chunks.grids.UUID(job.payload["grid"])
    reprofiling.reprofile(version.pk, grid_id, lease("monitoring.reprofile", job.key))


class TestRequest:
    def test_it_waits_to_be_loaded(self, version: ModelVersion, folder: Path) -> None:
        one = ask(version, as_csv(ROWS))

        assert (one.state, one.is_primary, one.size_bytes) == ("loading", False, len(as_csv(ROWS)))
        assert (folder / one.path).read_bytes() == as_csv(ROWS)
        job = Job.objects.get()
        assert (job.kind, job.key, job.queue) == ("monitoring.load_reference", str(one.pk), "compute")

    def test_a_path_will_do(self, version: ModelVersion, tmp_path: Path) -> None:
        path = tmp_path / "reference.csv"
        path.write_bytes(as_csv(ROWS))

        one = reference.request(
            version, path, name="x", primary=True, source="command", file_format="csv", by="setup", now=NEXT_DAY
        )

        assert work(one).rows == 600

    def test_a_name_is_taken_once(self, version: ModelVersion) -> None:
        ask(version, as_csv(ROWS))

        with pytest.raises(Conflict) as refused:
            ask(version, as_csv(ROWS))

        assert refused.value.code == "name_taken"

    def test_a_failed_reference_gives_way(self, version: ModelVersion) -> None:
        load(version, b"a,b\n1,2\n")

        assert load(version, as_csv(ROWS)).state == "ready"
        assert Reference.objects.count() == 1

    @pytest.mark.parametrize(
        ("content", "file_format"),
        [
            (b"\x80\x04\x95pickle", "csv"),
            (b"PK\x03\x04\x00\x00", "csv"),
            (b"PAR1....PAR1", "csv"),
            (b"a,b\n1,2\n", "parquet"),
            (b"\xff\xfea\x00,\x00", "csv"),
        ],
        ids=["pickle", "zip", "parquet as csv", "csv as parquet", "utf-16"],
    )
    def test_another_kind_of_file_is_refused(
        self, version: ModelVersion, folder: Path, content: bytes, file_format: str
    ) -> None:
        with pytest.raises(WrongMedia):
            ask(version, content, file_format=file_format)

        assert not [path for path in folder.rglob("*") if path.is_file()]

    def test_too_much_is_refused_and_nothing_kept(
        self, version: ModelVersion, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(requesting.SIZE_LIMITS, "csv", 1000)

        with pytest.raises(TooLarge):
            ask(version, as_csv(ROWS))

        assert not [path for path in folder.rglob("*") if path.is_file()]

    @pytest.mark.parametrize(
        ("asked", "field"),
        [({"name": ""}, "name"), ({"name": "a\nb"}, "name"), ({"file_format": "xlsx"}, "file_format")],
        ids=str,
    )
    def test_what_will_not_do_is_named(self, version: ModelVersion, asked: dict[str, str], field: str) -> None:
        with pytest.raises(Invalid) as refused:
            ask(version, as_csv(ROWS), **asked)

        assert refused.value.field == field

    def test_an_empty_file_is_refused(self, version: ModelVersion) -> None:
        with pytest.raises(Invalid, match="empty"):
            ask(version, b"")

    def test_a_viewer_may_not(self, alice: User, victor: User, charlie: User) -> None:
        version = make_credit_version(make_credit_model(team=alice.memberships.get().team))
        assert ask(version, as_csv(ROWS), by=alice).created_by

        for person in (victor, charlie):
            with pytest.raises(Refused):
                ask(version, as_csv(ROWS), name="mine", by=person)


class TestLoad:
    @pytest.mark.parametrize("file_format", ["csv", "parquet"])
    def test_the_primary_one_freezes_the_grid(self, version: ModelVersion, file_format: str) -> None:
        content = {"csv": as_csv, "parquet": as_parquet}[file_format](ROWS)

        one = load(version, content, file_format=file_format)

        assert (one.state, one.is_primary, one.rows, one.label_rows) == ("ready", True, 600, 600)
        assert VersionTraffic.objects.get().grid == one.grid
        profile = loads(bytes(one.profile), chunks.grids.load(one.grid_id))
        assert profile.headline("income").tolist() == [60] * 10
        assert profile.score.n == 600
        labels = LabelProfile.loads(bytes(one.label_profile), profile.grid)
        assert labels.scores().n_positive == sum(row["label"] == "default" for row in ROWS)

    def test_either_format_gives_the_same_grid(self, version: ModelVersion) -> None:
        one = load(version, as_csv(ROWS))
        other = load(make_credit_version(), as_parquet(ROWS), file_format="parquet")

        assert one.grid.sha256 == other.grid.sha256
        assert bytes(one.profile) == bytes(other.profile)

    def test_monitors_are_made(self, version: ModelVersion) -> None:
        load(version, as_csv(ROWS))

        assert set(Monitor.objects.values_list("slug", flat=True)) == {"inputs-training", "performance"}

    def test_only_typed_columns_are_kept_of_the_upload(self, version: ModelVersion, folder: Path) -> None:
        one = ask(version, as_csv([{**row, "email": "canary@example.org"} for row in ROWS]))
        uploaded = one.path

        one = work(one)

        assert not (folder / uploaded).exists()
        assert b"canary" not in (folder / one.path).read_bytes()
        assert "email" in one.notes[0]["detail"]

    def test_privacy_rules_come_before_everything(self, folder: Path) -> None:
        features = [
            FeatureDraft(name="city", dtype="text", privacy="hash"),
            FeatureDraft(name="card", dtype="text", privacy="drop"),
            FeatureDraft(name="age", dtype="number", privacy="bucket", privacy_options={"edges": [0, 30, 60]}),
            FeatureDraft(name="phone", dtype="text", privacy="mask"),
        ]
        version = make_version(make_model(features=features))
        people = [
            {"city": f"canary{i % 3}", "card": f"canary{i}", "age": 20 + i % 45, "phone": f"canary-{i % 2}234"}
            for i in range(600)
        ]

        one = load(version, as_csv(people))

        grid = chunks.grids.load(one.grid_id)
        assert set(grid.features) == {"city", "age", "phone"}
        assert grid.features["age"].labels == ("≤ 0", "30", "≥ 60")
        assert grid.features["phone"].values == ("****0234", "****1234")
        for path in folder.rglob("*"):
            assert path.is_dir() or b"canary" not in path.read_bytes()
        assert b"canary" not in bytes(one.grid.blob) + bytes(one.profile)

    def test_a_byte_order_mark_and_quotes_are_no_content(self, version: ModelVersion) -> None:
        rows = [{**row, "region": 'E,"U"'} for row in ROWS]

        one = load(version, b"\xef\xbb\xbf" + as_csv(rows))

        assert one.state == "ready"
        assert chunks.grids.load(one.grid_id).features["region"].values == ('E,"U"',)

    def test_formulas_are_data(self, version: ModelVersion) -> None:
        one = load(version, as_csv([{**row, "region": "=1+1"} for row in ROWS]))

        assert chunks.grids.load(one.grid_id).features["region"].values == ("=1+1",)

    @pytest.mark.parametrize(
        ("change", "field", "found"),
        [
            (lambda row: {k: v for k, v in row.items() if k != "income"}, "income", "no such column"),
            (lambda row: {**row, "income": "41k"}, "income", "'41k'"),
            (lambda row: {**row, "score": "high"}, "score", "'high'"),
            (lambda row: {**row, "label": "maybe"}, "label", "'maybe'"),
            (lambda row: {**row, "at": "yesterday"}, "predicted_at", "'yesterday'"),
        ],
        ids=["missing", "mistyped", "score", "label", "time"],
    )
    def test_what_does_not_fit_is_a_problem_with_a_remedy(
        self, version: ModelVersion, folder: Path, change: Callable[[dict[str, Any]], Any], field: str, found: str
    ) -> None:
        one = load(version, as_csv([change(row) for row in ROWS]))

        assert (one.state, one.is_primary, one.grid) == ("failed", False, None)
        [problem] = one.problems
        assert (problem["field"], problem["found"]) == (field, found)
        assert problem["remedy"].endswith(".")
        assert problem["detail"].startswith(field)
        assert not [path for path in folder.rglob("*") if path.is_file()]
        assert Job.objects.get(kind="monitoring.load_reference").state == "done"

    @pytest.mark.parametrize(
        ("content", "file_format", "words"),
        [
            (b"income,region\n", "csv", "no rows"),
            (b"income,region\n1,EU\n2,EU,3\n", "csv", "cannot be read as CSV"),
            (b"income,income\n1,2\n", "csv", "two columns"),
            (b"PAR1 and nothing else PAR1", "parquet", "cannot be read as Parquet"),
            (as_parquet(ROWS)[:-200] + b"PAR1", "parquet", "cannot be read as Parquet"),
            (b"income,region\n" + b"1,EU\n" * 2000 + b"1,\xff\xff\n", "csv", "cannot be read as CSV"),
        ],
        ids=["empty", "ragged", "twice", "damaged", "cut", "not utf-8"],
    )
    def test_a_file_that_cannot_be_read_is_a_sentence(
        self, version: ModelVersion, content: bytes, file_format: str, words: str
    ) -> None:
        one = load(version, content, file_format=file_format)

        assert one.state == "failed"
        assert words in one.problems[0]["detail"]

    def test_few_rows_are_taken_with_a_remark(self, version: ModelVersion) -> None:
        one = load(version, as_csv(ROWS[:20]))

        assert one.state == "ready"
        assert "insufficient" in one.notes[0]["detail"]

    def test_a_feature_that_is_not_required_may_lack(self) -> None:
        model = make_model(
            features=[
                FeatureDraft(name="income", dtype="number"),
                FeatureDraft(name="hour", dtype="integer", required=False),
            ]
        )

        one = load(make_version(model), as_csv([{"income": row["income"]} for row in ROWS]))

        assert one.state == "ready"
        assert "hour" in one.notes[0]["detail"]

    def test_every_type_is_read_from_text(self) -> None:
        types = {"n": "number", "i": "integer", "b": "boolean", "c": "category", "t": "text", "at": "timestamp"}
        drafts = [FeatureDraft(name=name, dtype=dtype, privacy="keep") for name, dtype in types.items()]
        version = make_version(make_model(features=drafts))
        row = {"n": " 1.5 ", "i": "3", "b": "true", "c": "07", "t": "x", "feature.at": "2026-01-01T00:00:00Z"}

        one = load(version, as_csv([row, dict.fromkeys(row, "")]))

        assert one.problems == []
        profile = loads(bytes(one.profile), chunks.grids.load(one.grid_id))
        assert {name: profile.feature(name).n for name in types} == dict.fromkeys(types, 1)
        assert profile.feature("at").mean == 1_767_225_600.0
        assert profile.grid.features["c"].values == ("07",)

    def test_a_regression_takes_the_prediction_for_a_score(self) -> None:
        version = make_version(make_model(task="regression", features=[("income", "number")]))

        one = load(version, as_csv([{"income": i, "prediction": i / 2, "label": i} for i in range(600)]))

        labels = LabelProfile.loads(bytes(one.label_profile), chunks.grids.load(one.grid_id))
        assert labels.errors().total_abs == sum(i / 2 for i in range(600))

    def test_a_multiclass_model_has_its_classes_counted(self) -> None:
        model = make_model(task="multiclass", output={"classes": ["bike", "bus"]}, features=[("income", "number")])
        rows = [{"income": i, "prediction": "bike", "label": "bus" if i % 2 else "bike"} for i in range(600)]

        one = load(make_version(model), as_csv(rows))

        grid = chunks.grids.load(one.grid_id)
        assert loads(bytes(one.profile), grid).prediction_headline().tolist() == [600, 0, 0]
        assert LabelProfile.loads(bytes(one.label_profile), grid).n_labelled == 600

    @pytest.mark.parametrize("file_format", ["csv", "parquet"])
    def test_a_ranking_has_its_relevances_counted(self, file_format: str) -> None:
        rows = [{"income": i, "prediction": '["a", 7]', "label": '{"7": 1}' if i % 2 else "{}"} for i in range(600)]
        content = {"csv": as_csv, "parquet": as_parquet}[file_format](rows)

        one = load(make_ranking_version(), content, file_format=file_format)

        counts = LabelProfile.loads(bytes(one.label_profile), chunks.grids.load(one.grid_id)).rankings()
        assert (one.label_rows, counts.queries, counts.left_out) == (600, 300, 300)
        assert counts.estimates()["mrr"].value == 0.5

    def test_a_ranking_without_shown_lists_has_no_labels(self) -> None:
        one = load(make_ranking_version(), as_csv([{"income": i, "label": '{"a": 1}'} for i in range(600)]))

        assert (one.state, one.label_rows, one.label_profile) == ("ready", 0, None)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("prediction", "a, b"),
            ("prediction", '{"a": 1}'),
            ("prediction", json.dumps(["x"] * 101)),
            ("label", '["a"]'),
            ("label", '{"a": -1}'),
            ("label", '{"a": "much"}'),
            ("label", "[" * 5_000),
        ],
        ids=["no JSON", "no list", "too long", "no object", "negative", "no number", "too deep"],
    )
    def test_a_ranking_that_cannot_be_read_is_a_problem(self, field: str, value: str) -> None:
        row = {"income": 1, "prediction": '["a"]', "label": '{"a": 1}'}

        one = load(make_ranking_version(), as_csv([row, {**row, field: value}]))

        assert one.state == "failed"
        [problem] = one.problems
        assert (problem["field"], problem["remedy"][:5]) == (field, "Write")
        assert len(problem["found"]) <= 70

    def test_a_later_reference_is_counted_on_the_same_grid(self, version: ModelVersion) -> None:
        first = load(version, as_csv(ROWS))

        second = load(version, as_csv(ROWS[:550]), name="stable weeks", primary=False)

        assert (second.is_primary, second.grid) == (False, first.grid)
        assert not Job.objects.filter(kind="monitoring.reprofile").exists()

    @pytest.mark.parametrize("point", ["load_reference.in_txn"])
    def test_a_failure_leaves_it_loading(self, version: ModelVersion, armed: Callable[[str], None], point: str) -> None:
        one = ask(version, as_csv(ROWS))
        armed(f"{point}:enospc:1")
        with pytest.raises(OSError, match="No space left"):
            work(one)
        one.refresh_from_db()
        assert (one.state, VersionTraffic.objects.count()) == ("loading", 0)
        Job.objects.update(state="queued")

        assert work(one).state == "ready"

    def test_loading_twice_changes_nothing(self, version: ModelVersion) -> None:
        one = load(version, as_csv(ROWS))
        before = (bytes(one.profile), one.grid_id)

        loading.load(one.pk, lease("monitoring.load_reference", str(one.pk), reference=str(one.pk), primary=True))

        one.refresh_from_db()
        assert (bytes(one.profile), one.grid_id) == before

    def test_an_overtaken_worker_saves_nothing(self, version: ModelVersion) -> None:
        one = ask(version, as_csv(ROWS))
        old = lease("monitoring.load_reference", str(one.pk))
        Job.objects.update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            loading.load(one.pk, old)

        one.refresh_from_db()
        assert one.state == "loading"


class TestReprofile:
    @pytest.fixture
    def second(self, version: ModelVersion) -> Reference:
        """A version with traffic on the grid of its first reference, and a second reference asked to be primary."""
        load(version, as_csv(ROWS))
        send(version, day_of(rows=50), now=NEXT_DAY)
        compact(version.model)
        shifted = [{**row, "income": row["income"] + 9_000} for row in ROWS]
        return load(version, as_csv(shifted), name="after the change")

    def test_the_grid_is_switched_when_all_traffic_is_counted(self, version: ModelVersion, second: Reference) -> None:
        first = Reference.objects.get(name="training")
        assert (first.is_primary, second.is_primary) == (False, True)
        assert VersionTraffic.objects.get().grid_id == first.grid_id != second.grid_id

        reprofile(version)

        assert VersionTraffic.objects.get().grid_id == second.grid_id
        pinned = chunks.profile(version, DAY, NEXT_DAY)
        assert (pinned.profile.rows, pinned.grid.id) == (50, second.grid.sha256)

    def test_other_references_come_along(self, version: ModelVersion, second: Reference) -> None:
        reprofile(version)

        first = Reference.objects.get(name="training")
        assert first.grid_id == second.grid_id
        assert loads(bytes(first.profile), chunks.grids.load(second.grid_id)).rows == 600

    def test_until_then_new_traffic_is_counted_on_the_old_grid(self, version: ModelVersion, second: Reference) -> None:
        send(version, day_of(NEXT_DAY, rows=7), now=NEXT_DAY)
        compact(version.model)
        assert chunks.profile(version, DAY, NEXT_DAY + timedelta(days=1)).profile.rows == 57

        reprofile(version)

        assert chunks.profile(version, DAY, NEXT_DAY + timedelta(days=1)).profile.rows == 57

    def test_traffic_that_comes_in_between_is_counted_before_the_switch(
        self, version: ModelVersion, second: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        switch, calls = reprofiling._switch, []

        def and_get_traffic(*arguments: Any) -> bool:
            if not calls:
                send(version, day_of(NEXT_DAY, rows=7), now=NEXT_DAY)
                compact(version.model)
            calls.append(1)
            return switch(*arguments)

        monkeypatch.setattr(reprofiling, "_switch", and_get_traffic)

        reprofile(version)

        assert len(calls) == 2
        assert chunks.profile(version, DAY, NEXT_DAY + timedelta(days=1)).profile.rows == 57

    def test_traffic_faster_than_counting_is_given_back(
        self, version: ModelVersion, second: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reprofiling, "activate", lambda *grid: False)

        with pytest.raises(reprofiling.StillUncounted):
            reprofile(version)

    def test_a_failure_at_the_switch_keeps_the_old_grid(
        self, version: ModelVersion, second: Reference, armed: Callable[[str], None]
    ) -> None:
        armed("reprofile.in_txn:raise:1")

        with pytest.raises(faults.Planted):
            reprofile(version)

        assert VersionTraffic.objects.get().grid_id != second.grid_id
        assert ChunkProfile.objects.count() == 2  # what is counted stays counted

    def test_what_is_damaged_is_left_out_and_told(self, version: ModelVersion, second: Reference, folder: Path) -> None:
        send(version, day_of(NEXT_DAY, rows=7), now=NEXT_DAY)
        compact(version.model)
        chunk = Chunk.objects.get(rows=50)
        (folder / chunk.path).unlink()

        reprofile(version)

        pinned = chunks.profile(version, DAY, NEXT_DAY + timedelta(days=1))
        assert (pinned.profile.rows, pinned.rows, pinned.damaged) == (7, 7, [chunk.sha256])

    def test_an_overtaken_worker_switches_nothing(self, version: ModelVersion, second: Reference) -> None:
        old = lease("monitoring.reprofile", f"{version.pk}:{second.grid_id}")
        Job.objects.filter(pk=old.job_id).update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            reprofiling.reprofile(version.pk, second.grid_id, old)

        assert VersionTraffic.objects.get().grid_id != second.grid_id


class TestPrimary:
    def test_a_later_one_can_be_made_primary(self, version: ModelVersion, alice: User) -> None:
        load(version, as_csv(ROWS))
        other = load(version, as_csv(ROWS[:550]), name="stable", primary=False)

        reference.make_primary(other, by="setup", now=NEXT_DAY)
        work(other)

        assert list(Reference.objects.filter(is_primary=True)) == [other]
        assert VersionTraffic.objects.get().grid_id == other.grid_id

    def test_only_a_loaded_one_can(self, version: ModelVersion) -> None:
        waiting = ask(version, as_csv(ROWS))

        with pytest.raises(Conflict, match="has been loaded"):
            reference.make_primary(waiting, by="setup", now=NEXT_DAY)

    def test_not_twice(self, version: ModelVersion) -> None:
        with pytest.raises(Conflict, match="already"):
            reference.make_primary(load(version, as_csv(ROWS)), by="setup", now=NEXT_DAY)


class TestDelete:
    def test_a_further_reference_goes_with_its_file(
        self, version: ModelVersion, folder: Path, django_capture_on_commit_callbacks: Any
    ) -> None:
        load(version, as_csv(ROWS))
        other = load(version, as_csv(ROWS[:550]), name="stable", primary=False)

        with django_capture_on_commit_callbacks(execute=True):
            reference.delete(other, by="setup", now=NEXT_DAY)

        assert list(Reference.objects.values_list("name", flat=True)) == ["training"]
        assert not (folder / other.path).exists()

    def test_the_primary_one_stays(self, version: ModelVersion) -> None:
        primary = load(version, as_csv(ROWS))
        assert "make another one primary" in reference.may_delete(primary).reason

        with pytest.raises(Conflict) as refused:
            reference.delete(primary, by="setup", now=NEXT_DAY)

        assert refused.value.code == "reference_in_use"


def test_traffic_like_the_reference_has_the_same_cells(version: ModelVersion) -> None:
    """What one path reads from a file and the other from the inbox is counted alike."""
    sent = day_of(rows=600, seed=11)
    one = load(version, as_csv(ROWS))
    send(version, sent, now=NEXT_DAY)
    compact(version.model)

    counted = chunks.profile(version, DAY, NEXT_DAY).profile
    expected = loads(bytes(one.profile), chunks.grids.load(one.grid_id))

    assert np.array_equal(counted.counts, expected.counts)
    assert np.array_equal(counted.segments["region"].headline, expected.segments["region"].headline)
    assert frames.FEATURE == "f."
