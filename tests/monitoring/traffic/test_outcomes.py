import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import LostLease
from mlops_portal.kit import clock, faults
from monitoring.models import Chunk, DayManifest, LabelProfile, VersionTraffic
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.traffic import chunks, frames, outcomes, rankings
from monitoring.traffic.outcomes import joining, parked
from monitoring.traffic.outcomes.matching import Told
from registry.models import ModelVersion
from tests.builders import DAY, Outcome, Prediction, day_of, lease, make_credit_version, report, send
from tests.factories import make_model, make_version
from tests.monitoring.traffic.conftest import compact, counts

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)
NEXT_DAY = DAY + A_DAY


@pytest.fixture
def version() -> ModelVersion:
    return make_credit_version()


def give_grid(version: ModelVersion, score_kind: str = "probability", **options: Any) -> None:
    reference = day_of(rows=500, seed=7)
    grid = freeze(
        {"income": np.array([one.income for one in reference]), "region": [one.region for one in reference]},
        [FeatureSpec("income", "number"), FeatureSpec("region", "category", segment=True)],
        np.array([one.score for one in reference]),
        score_kind,
        **options,
    )
    grid_id = chunks.grids.keep(grid, version.pk, DAY)
    VersionTraffic.objects.update_or_create(version=version, defaults={"grid_id": grid_id})


def store(version: ModelVersion, predictions: list[Prediction], now: datetime = NEXT_DAY) -> None:
    send(version, predictions, now=now)
    compact(version.model)


def tell(version: ModelVersion, told: list[Outcome], now: datetime = NEXT_DAY) -> dict[str, int]:
    batch = report(version.model, told, now=now)
    compact(version.model)
    return counts(batch)


def match(version: ModelVersion) -> None:
    outcomes.match_parked(version.model_id, lease("monitoring.match_parked", str(version.model_id)))


def placed(version: ModelVersion) -> dict[date, int]:
    return dict(Chunk.objects.live().filter(version=version, kind="outcome").values_list("day", "rows"))


def truths(predictions: list[Prediction], *, hint: bool = True, after: timedelta = HOUR) -> list[Outcome]:
    """The truth of each: a default where the score is above 0.4."""
    return [
        Outcome(
            one.request_id,
            "default" if one.score > 0.4 else "repaid",
            one.at + after,
            near=one.at if hint else None,
        )
        for one in predictions
    ]


def ranking_version() -> ModelVersion:
    return make_version(make_model(task="ranking", features=[("income", "number"), ("region", "category")]))


def shown(lists: dict[str, list[str] | None]) -> list[Prediction]:
    """Requests of a ranking with the ids they showed."""
    return [
        Prediction(one, DAY, score=None, label=None if items is None else json.dumps(items))
        for one, items in lists.items()
    ]


class TestPlacing:
    def test_an_outcome_lies_on_the_day_of_its_prediction(self, version: ModelVersion) -> None:
        store(version, day_of(rows=20))

        told = tell(version, truths(day_of(rows=20), after=30 * A_DAY), now=NEXT_DAY + 31 * A_DAY)

        assert told == {"stored": 20, "duplicates": 0, "conflicts": 0, "parked": 0}
        assert placed(version) == {DAY.date(): 20}
        manifest = DayManifest.objects.get()
        assert (manifest.generation, manifest.label_generation, manifest.labels) == (1, 1, 20)

    @pytest.mark.parametrize(("apart", "found"), [(-2, 0), (-1, 1), (0, 1), (1, 1), (2, 0)])
    def test_a_hint_reaches_one_day_either_way(self, version: ModelVersion, apart: int, found: int) -> None:
        store(version, [Prediction("a", DAY + 12 * HOUR)])

        told = tell(version, [Outcome("a", "repaid", NEXT_DAY, near=DAY + 12 * HOUR + apart * A_DAY)])

        assert told["parked"] == 1 - found
        assert sum(placed(version).values()) == found

    def test_without_a_hint_the_last_three_days_are_looked_at(self, version: ModelVersion) -> None:
        store(version, [Prediction(f"d{n}", DAY - n * A_DAY) for n in range(5)])

        told = tell(version, [Outcome(f"d{n}", "repaid", DAY + HOUR) for n in range(5)], now=DAY + 2 * HOUR)

        assert told["parked"] == 2
        assert placed(version) == {(DAY - n * A_DAY).date(): 1 for n in range(3)}

    def test_history_is_found_by_the_time_it_was_observed(self, version: ModelVersion) -> None:
        store(version, [Prediction("a", DAY)])

        told = tell(version, [Outcome("a", "repaid", DAY + HOUR)], now=DAY + 300 * A_DAY)

        assert told["parked"] == 0

    def test_each_version_that_scored_the_request_gets_it(self, version: ModelVersion) -> None:
        shadow = make_credit_version(version.model)
        store(version, [Prediction("a", DAY)])
        store(shadow, [Prediction("a", DAY + HOUR)])

        told = tell(version, [Outcome("a", "repaid", NEXT_DAY, near=DAY)])

        assert told["stored"] == 1
        assert placed(version) == placed(shadow) == {DAY.date(): 1}

    def test_the_same_outcome_again_is_a_duplicate(self, version: ModelVersion) -> None:
        store(version, day_of(rows=5))
        tell(version, truths(day_of(rows=5)))

        again = tell(version, truths(day_of(rows=5)))

        assert again == {"stored": 0, "duplicates": 5, "conflicts": 0, "parked": 0}
        assert DayManifest.objects.get().label_generation == 1

    def test_an_unknown_outcome_again_is_a_duplicate_too(self, version: ModelVersion) -> None:
        assert tell(version, [Outcome("x", "repaid", DAY)])["parked"] == 1

        assert tell(version, [Outcome("x", "repaid", DAY)])["duplicates"] == 1

    def test_a_correction_is_stored_beside_the_first(self, version: ModelVersion) -> None:
        store(version, [Prediction("a", DAY)])
        tell(version, [Outcome("a", "repaid", DAY + HOUR, near=DAY)])

        told = tell(version, [Outcome("a", "default", DAY + 2 * HOUR, near=DAY)])

        assert told["stored"] == 1
        assert DayManifest.objects.get().labels == 2

    def test_outcomes_wait_for_predictions_that_were_sent_before_them(self, version: ModelVersion) -> None:
        batch = report(version.model, [Outcome("early", "repaid", DAY, near=DAY)], now=NEXT_DAY)
        send(version, [Prediction("a", DAY)], now=NEXT_DAY)
        later = report(version.model, [Outcome("a", "repaid", DAY + HOUR, near=DAY)], now=NEXT_DAY)

        for _ in range(3):
            compact(version.model)

        assert counts(batch)["parked"] == 1
        assert counts(later)["parked"] == 0

    def test_signals_keep_their_first_type(self, version: ModelVersion) -> None:
        store(version, [Prediction("a", DAY), Prediction("b", DAY)])

        tell(
            version,
            [
                Outcome("a", "repaid", DAY, near=DAY),
                Outcome("b", "repaid", DAY, near=DAY),
                Outcome("a", True, DAY, kind="complaint", near=DAY),
                Outcome("a", 3.5, DAY, kind="refund", near=DAY),
            ],
        )

        assert VersionTraffic.objects.get().signals == {
            "truth": {"type": "text", "n": 2},
            "complaint": {"type": "boolean", "n": 1},
            "refund": {"type": "number", "n": 1},
        }

    @pytest.mark.parametrize("point", ["compact.read", "compact.deduped", "compact.renamed", "compact.in_txn"])
    def test_a_failure_stores_no_outcome(self, version: ModelVersion, armed: Callable[[str], None], point: str) -> None:
        store(version, day_of(rows=5))
        batch = report(version.model, [*truths(day_of(rows=5)), Outcome("x", "repaid", DAY)], now=NEXT_DAY)
        armed(f"{point}:raise:1")

        with pytest.raises(faults.Planted):
            compact(version.model)

        assert not Chunk.objects.filter(kind="outcome").exists()
        Job.objects.all().delete()
        compact(version.model)
        assert counts(batch) == {"stored": 6, "duplicates": 0, "conflicts": 0, "parked": 1}


class TestParked:
    def test_an_outcome_that_came_first_is_matched(self, version: ModelVersion) -> None:
        tell(version, [Outcome("a", "repaid", DAY, near=DAY), Outcome("never", "repaid", DAY, near=DAY)])
        store(version, [Prediction("a", DAY)])

        match(version)

        assert placed(version) == {DAY.date(): 1}
        waiting = Chunk.objects.get(state="parked")
        assert chunks.read(waiting)["request_id"].to_pylist() == ["never"]
        assert Chunk.objects.get(state="replaced").replaced_by == waiting

    def test_any_retained_day_will_do(self, version: ModelVersion) -> None:
        store(version, [Prediction("a", DAY)])
        told = tell(version, [Outcome("a", "repaid", DAY + 20 * A_DAY)], now=DAY + 20 * A_DAY)
        assert told["parked"] == 1

        match(version)

        assert placed(version) == {DAY.date(): 1}
        assert not Chunk.objects.filter(state="parked").exists()

    def test_a_hint_is_preferred_to_a_farther_day(self, version: ModelVersion) -> None:
        tell(version, [Outcome("a", "repaid", DAY, near=DAY)])
        store(version, [Prediction("a", DAY), Prediction("a", DAY + 9 * A_DAY, score=0.9)])

        match(version)

        assert placed(version) == {DAY.date(): 1}

    def test_matching_is_ordered_when_predictions_come(self, version: ModelVersion) -> None:
        store(version, [Prediction("a", DAY)])
        assert not Job.objects.filter(kind="monitoring.match_parked").exists()
        tell(version, [Outcome("b", "repaid", DAY)])

        job = Job.objects.get(kind="monitoring.match_parked")

        assert job.not_before > clock.now() + 50 * timedelta(minutes=1)

    def test_a_matching_that_runs_is_not_begun_again(self, version: ModelVersion) -> None:
        lease("monitoring.match_parked", str(version.model_id))

        tell(version, [Outcome("b", "repaid", DAY)])

        assert not Job.objects.get(kind="monitoring.match_parked").again

    @pytest.mark.parametrize(("days", "state"), [(29, "parked"), (31, "expired")])
    def test_after_thirty_days_it_is_given_up(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch, days: int, state: str
    ) -> None:
        tell(version, [Outcome("a", "repaid", DAY)])
        parked_at = Chunk.objects.get().created_at
        monkeypatch.setattr(clock, "now", lambda: parked_at + days * A_DAY)

        match(version)

        assert Chunk.objects.get().state == state

    def test_what_is_left_keeps_waiting_since_it_came(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tell(version, [Outcome("a", "repaid", DAY, near=DAY), Outcome("b", "repaid", DAY)])
        parked_at = Chunk.objects.get().created_at
        store(version, [Prediction("a", DAY)])
        monkeypatch.setattr(clock, "now", lambda: parked_at + 5 * A_DAY)

        match(version)

        assert Chunk.objects.get(state="parked").created_at == parked_at

    def test_the_thirty_days_are_swept(self, version: ModelVersion) -> None:
        tell(version, [Outcome("a", "repaid", DAY)])
        Job.objects.all().delete()
        parked_at = Chunk.objects.get().created_at

        parked.sweep(parked_at + 29 * A_DAY)
        assert not Job.objects.exists()

        parked.sweep(parked_at + 30 * A_DAY)
        assert Job.objects.get().kind == "monitoring.match_parked"

    def test_matching_twice_changes_nothing(self, version: ModelVersion) -> None:
        tell(version, [Outcome("a", "repaid", DAY, near=DAY)])
        store(version, [Prediction("a", DAY)])
        match(version)
        before = list(Chunk.objects.order_by("pk").values_list("pk", "state"))

        match(version)

        assert list(Chunk.objects.order_by("pk").values_list("pk", "state")) == before
        assert DayManifest.objects.get().label_generation == 1

    @pytest.mark.parametrize("point", ["compact.tmp_written", "compact.renamed", "match.in_txn"])
    def test_a_failure_moves_nothing(self, version: ModelVersion, armed: Callable[[str], None], point: str) -> None:
        tell(version, [Outcome("a", "repaid", DAY, near=DAY), Outcome("b", "repaid", DAY)])
        store(version, [Prediction("a", DAY)])
        armed(f"{point}:enospc:1")

        with pytest.raises(OSError, match="No space left"):
            match(version)

        assert Chunk.objects.get(kind="outcome").state == "parked"

    def test_an_overtaken_worker_moves_nothing(self, version: ModelVersion) -> None:
        tell(version, [Outcome("a", "repaid", DAY, near=DAY)])
        store(version, [Prediction("a", DAY)])
        Job.objects.all().delete()
        old = lease("monitoring.match_parked", str(version.model_id))
        Job.objects.update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            outcomes.match_parked(version.model_id, old)

        assert Chunk.objects.get(kind="outcome").state == "parked"


class TestLabelProfile:
    def test_a_binary_model_is_joined_with_its_truth(self, version: ModelVersion) -> None:
        give_grid(version)
        sent = day_of(rows=200)
        store(version, sent)
        tell(version, truths(sent[:150]))

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert (labels.rows, labels.labelled, labels.generations) == (200, 150, {"2026-11-10": 1})
        counted = labels.profile.scores()
        positive = [one.score > 0.4 for one in sent[:150]]
        decided = [one.score >= 0.5 for one in sent[:150]]
        assert (counted.n_positive, counted.n_negative) == (sum(positive), 150 - sum(positive))
        assert counted.decided[1].tolist() == [
            sum(p and not d for p, d in zip(positive, decided, strict=True)),
            sum(p and d for p, d in zip(positive, decided, strict=True)),
        ]
        assert labels.delay_p95_s == pytest.approx(3600)

    def test_segments_are_joined_apart(self, version: ModelVersion) -> None:
        give_grid(version)
        sent = day_of(rows=200)
        store(version, sent)
        tell(version, truths(sent))

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert labels.profile.scores("region", "UK").n == sum(one.region == "UK" for one in sent)

    @pytest.mark.parametrize("corrected_first", [True, False])
    def test_the_outcome_observed_last_wins(self, version: ModelVersion, *, corrected_first: bool) -> None:
        give_grid(version)
        store(version, [Prediction("a", DAY)])
        told = [Outcome("a", "repaid", DAY + HOUR, near=DAY), Outcome("a", "default", DAY + 2 * HOUR, near=DAY)]
        for one in told[::-1] if corrected_first else told:
            tell(version, [one])

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert (labels.profile.scores().n_positive, labels.labelled) == (1, 1)

    def test_of_two_seen_at_once_the_one_received_last_wins(self, version: ModelVersion) -> None:
        give_grid(version)
        store(version, [Prediction("a", DAY)])
        tell(version, [Outcome("a", "repaid", DAY + HOUR, near=DAY)], now=NEXT_DAY + HOUR)
        tell(version, [Outcome("a", "default", DAY + HOUR, near=DAY)], now=NEXT_DAY)

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert labels.profile.scores().n_negative == 1

    def test_fallbacks_and_errors_do_not_count(self, version: ModelVersion) -> None:
        give_grid(version)
        sent = day_of(rows=3)
        store(version, [sent[0], replace(sent[1], fallback=True), replace(sent[2], error="timeout")])
        tell(version, truths(sent))

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert (labels.rows, labels.labelled) == (1, 1)

    def test_a_proxy_is_joined_by_its_name(self, version: ModelVersion) -> None:
        give_grid(version)
        store(version, [Prediction("a", DAY), Prediction("b", DAY)])
        tell(version, [Outcome(name, name == "a", DAY, kind="complaint", near=DAY) for name in ("a", "b")])

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date(), signal="complaint")

        assert (labels.profile.scores().n_positive, labels.profile.scores().n_negative) == (1, 1)
        assert outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).labelled == 0

    def test_a_regression_is_joined_by_number(self) -> None:
        version = make_version(make_model(task="regression", features=[("income", "number"), ("region", "category")]))
        give_grid(version, "number")
        store(version, [Prediction("a", DAY, score=None, number=10.0), Prediction("b", DAY, score=None, number=4.0)])
        tell(version, [Outcome("a", 7.0, DAY, near=DAY), Outcome("b", 5.0, DAY, near=DAY)])

        errors = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).profile.errors()

        assert (errors.n, errors.total_abs, errors.total) == (2, 4.0, 2.0)

    def test_classes_are_joined_by_text(self) -> None:
        model = make_model(
            task="multiclass",
            output={"classes": ["bike", "bus", "car"]},
            features=[("income", "number"), ("region", "category")],
        )
        version = make_version(model)
        give_grid(version, "none", classes=("bike", "bus", "car"))
        store(version, [Prediction(f"{n}", DAY, label=label) for n, label in enumerate(["bike", "bus", "car"])])
        tell(version, [Outcome(f"{n}", label, DAY, near=DAY) for n, label in enumerate(["bike", "car", "car"])])

        confusion = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).profile.confusion()

        assert confusion.counts[:3, :3].tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]

    def test_a_ranking_is_joined_with_its_relevances(self) -> None:
        version = ranking_version()
        give_grid(version, "none")
        store(version, shown({"a": ["i1", "i2"], "b": ["i3"], "c": ["i1"], "d": None, "e": ["i4", "i5"]}))
        told = {"a": {"i2": 1.0}, "b": {"i9": 2.0}, "c": {}, "d": {"i1": 1.0}}
        tell(version, [Outcome(one, value, DAY + HOUR, near=DAY) for one, value in told.items()])

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        counts = labels.profile.rankings()
        assert (labels.rows, labels.labelled, labels.profile.n_labelled) == (5, 4, 3)
        assert (counts.queries, counts.left_out) == (2, 1)
        assert counts.estimates()["mrr"].value == pytest.approx((1 / 2 + 0) / 2)
        assert labels.profile.rankings("region", "EU").queries == 2

    def test_of_a_ranking_the_last_relevances_count(self) -> None:
        version = ranking_version()
        give_grid(version, "none")
        store(version, shown({"a": ["i1", "i2"]}))
        tell(version, [Outcome("a", {"i2": 1.0}, DAY + HOUR, near=DAY)])
        tell(version, [Outcome("a", {"i1": 1.0}, DAY + 2 * HOUR, near=DAY)])

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert labels.profile.rankings().estimates()["mrr"].value == 1

    def test_another_signal_of_a_ranking_is_counted_without_a_profile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        version = ranking_version()
        give_grid(version, "none")
        store(version, shown({"a": ["i1"], "b": ["i1"]}))
        tell(version, [Outcome("a", True, DAY + HOUR, kind="complaint", near=DAY)])

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date(), "complaint")

        assert (labels.profile, labels.rows, labels.labelled) == (None, 2, 1)
        monkeypatch.setattr(joining, "_joined", None)  # a second join would fail
        assert outcomes.label_profile(version, DAY.date(), NEXT_DAY.date(), "complaint").labelled == 1

    def test_a_ranking_without_a_grid_is_joined_again_when_it_has_one(self) -> None:
        version = ranking_version()
        store(version, shown({"a": ["i1", "i2"], "b": None}))
        tell(version, [Outcome("a", {"i2": 1.0}, DAY + HOUR, near=DAY)])

        before = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())
        give_grid(version, "none")
        after = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert (before.profile, before.rows, before.labelled) == (None, 2, 1)
        assert after.profile.rankings().queries == 1

    def test_rankings_are_read_a_stretch_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        version = ranking_version()
        give_grid(version, "none")
        sent = shown({f"r{n}": [f"i{m}" for m in range(n % 5 + 1)] for n in range(40)})
        store(version, sent)
        tell(version, [Outcome(one.request_id, {"i0": 1.0, "i3": 2.0}, DAY + HOUR, near=DAY) for one in sent[:30]])
        whole = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).profile
        LabelProfile.objects.all().delete()
        monkeypatch.setattr(rankings, "ROWS_AT_ONCE", 7)
        monkeypatch.setattr(joining, "PART_ROWS", 25)

        parts = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).profile

        assert (parts.rows, parts.n_labelled) == (40, 30)
        for by in (None, "region"):
            one, other = (each.rankings(by, by and "EU") for each in (whole, parts))
            assert one.queries == other.queries > 0
            assert other.totals == pytest.approx(one.totals)

    def test_days_add_up(self, version: ModelVersion) -> None:
        give_grid(version)
        sent = [*day_of(rows=50), *day_of(NEXT_DAY, rows=30)]
        store(version, sent)
        tell(version, truths(sent))

        labels = outcomes.label_profile(version, DAY.date(), (NEXT_DAY + A_DAY).date())

        assert (labels.rows, labels.profile.scores().n) == (80, 80)

    def test_a_day_is_joined_once_per_state_of_its_books(
        self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give_grid(version)
        store(version, day_of(rows=20))
        tell(version, truths(day_of(rows=20)[:5]))
        first = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())
        with monkeypatch.context() as patch:
            patch.setattr(joining, "_joined", None)  # a second join would fail
            again = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())
        assert again.profile.dumps() == first.profile.dumps()
        tell(version, truths(day_of(rows=20)[5:]))

        assert outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).labelled == 20
        assert LabelProfile.objects.count() == 2

    def test_a_kept_day_is_joined_again_on_another_grid(self, version: ModelVersion) -> None:
        store(version, day_of(rows=20))
        assert outcomes.label_profile(version, DAY.date(), NEXT_DAY.date()).profile is None
        give_grid(version)

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert labels.profile.rows == 20

    def test_large_days_are_joined_in_parts(self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
        give_grid(version)
        store(version, day_of(rows=100))
        tell(version, truths(day_of(rows=100)[:70]))
        whole = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())
        LabelProfile.objects.all().delete()
        monkeypatch.setattr(joining, "PART_ROWS", 30)

        parts = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert (parts.rows, parts.labelled, parts.delay_p95_s) == (100, 70, whole.delay_p95_s)
        assert parts.profile.scores().positives.tolist() == whole.profile.scores().positives.tolist()

    @pytest.mark.parametrize("told", [["b"], ["a", "b"], ["b", "a", "b"]])
    def test_two_requests_with_one_hash_keep_their_own_outcomes(self, told: list[str]) -> None:
        same = {"id_hash": pa.array([7, 7], pa.uint64())}
        predictions = pa.table({"request_id": ["a", "b"]} | same)
        times = pa.chunked_array([pa.array(range(len(told)), pa.int64()).cast(frames.TIME)])
        given = {
            "request_id": pa.chunked_array([told]),
            "id_hash": pa.chunked_array([pa.array([7] * len(told), pa.uint64())]),
            "value_number": pa.chunked_array([[float(number) for number in range(len(told))]]),
            "value_text": pa.chunked_array([pa.nulls(len(told), pa.string())]),
            "observed_at": times,
            "received_at": times,
        }

        found = Told.of(given).find(predictions)

        newest = {one: float(number) for number, one in enumerate(told)}
        ids = [predictions["request_id"][int(place)].as_py() for place in found.place]
        assert dict(zip(ids, found.number.tolist(), strict=True)) == newest

    def test_damage_is_told_and_not_kept(self, version: ModelVersion, folder: Path) -> None:
        give_grid(version)
        store(version, day_of(rows=20))
        tell(version, truths(day_of(rows=20)))
        chunk = Chunk.objects.get(kind="outcome")
        (folder / chunk.path).unlink()

        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert (labels.damaged, labels.rows, labels.labelled) == ([chunk.sha256], 20, 0)
        assert not LabelProfile.objects.exists()

    def test_no_traffic_is_no_profile(self, version: ModelVersion) -> None:
        labels = outcomes.label_profile(version, DAY.date(), NEXT_DAY.date())

        assert labels == outcomes.PinnedLabels(None)
