"""Rows go by age, in batches, and nothing goes that somebody still needs."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease, LostLease
from monitoring import purging, windows
from monitoring.models import (
    Condition,
    DayManifest,
    InboxRow,
    IngestBatch,
    LabelProfile,
    Measurement,
    QuarantinedItem,
    RejectCount,
    Run,
)
from registry.models import ModelVersion, RegisteredModel
from tests.builders import Prediction, lease, make_credit_version, send
from tests.factories import make_measurement, make_model, make_monitor, make_run
from tests.monitoring.measured import executed

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
def version() -> ModelVersion:
    return make_credit_version()


@pytest.fixture
def model() -> RegisteredModel:
    return make_model()


def receipt(model: RegisteredModel, *, age: timedelta, accepted: int = 1, stored: bool = True) -> IngestBatch:
    return IngestBatch.objects.create(
        team=model.team,
        model=model,
        kind="prediction",
        key=f"{age} {accepted} {stored}",
        body_sha256="0" * 64,
        via="api",
        answer={},
        received=1,
        accepted=accepted,
        rejected=1 - accepted,
        stored=accepted if stored else 0,
        received_at=NOW - age,
        stored_at=NOW - age if stored and accepted else None,
    )


def set_aside(batch: IngestBatch, *, age: timedelta) -> QuarantinedItem:
    return QuarantinedItem.objects.create(
        batch=batch,
        model=batch.model,
        index=0,
        code="wrong_type",
        pointer="/items/0",
        item="{}",
        created_at=NOW - age,
    )


def purge(now: datetime = NOW) -> Lease:
    held = lease("monitoring.purge", f"{now:%F}")
    purging.purge(held, now)
    return held


class TestReceipts:
    @pytest.mark.parametrize("accepted", [0, 1])
    def test_they_are_kept_for_a_week(self, model: RegisteredModel, accepted: int) -> None:
        kept = receipt(model, age=7 * DAY, accepted=accepted)
        receipt(model, age=7 * DAY + SECOND, accepted=accepted)

        purge()

        assert list(IngestBatch.objects.all()) == [kept]

    def test_one_whose_records_wait_stays(self, version: ModelVersion) -> None:
        send(version, [Prediction("a", NOW)], now=NOW - 30 * DAY)

        purge()

        assert InboxRow.objects.count() == IngestBatch.objects.count() == 1

    def test_one_that_is_not_stored_stays_even_without_its_row(self, model: RegisteredModel) -> None:
        receipt(model, age=30 * DAY, stored=False)

        purge()

        assert IngestBatch.objects.count() == 1

    def test_one_that_an_item_names_stays_with_it(self, model: RegisteredModel) -> None:
        set_aside(receipt(model, age=10 * DAY), age=10 * DAY)

        purge()
        assert (IngestBatch.objects.count(), QuarantinedItem.objects.count()) == (1, 1)

        purge(NOW + 4 * DAY + SECOND)
        assert (IngestBatch.objects.count(), QuarantinedItem.objects.count()) == (0, 0)

    def test_a_window_that_is_measured_again_still_knows_what_was_refused(self, version: ModelVersion) -> None:
        monitor = make_monitor(version.model, config={"window_hours": 168, "checks": {"input_drift": {}}})
        batch = receipt(version.model, age=8 * DAY, accepted=0)
        RejectCount.objects.create(model=version.model, version_label="1", hour=batch.received_at, code="x", n=1)
        end = datetime(2026, 11, 18, tzinfo=UTC)
        run = executed(make_run(monitor, end=end, state=Run.State.PLANNED))
        assert run.summary["rejected"] == 1

        purge()
        again = windows.plan_again(run, why=Run.Why.MANUAL, now=NOW)
        assert again is not None
        again = executed(again)

        assert not IngestBatch.objects.filter(pk=batch.pk).exists()
        assert again.summary["rejected"] == 1


def test_items_that_were_set_aside_are_kept_for_two_weeks(model: RegisteredModel) -> None:
    batch = receipt(model, age=DAY)
    kept = set_aside(batch, age=14 * DAY)
    set_aside(batch, age=14 * DAY + SECOND)

    purge()

    assert list(QuarantinedItem.objects.all()) == [kept]


def test_counts_of_rejects_are_kept_for_ninety_days(model: RegisteredModel) -> None:
    for days in (89, 90, 91):
        RejectCount.objects.create(model=model, version_label="1", hour=NOW - days * DAY, code=f"c{days}", n=3)

    purge()

    assert sorted(RejectCount.objects.values_list("code", flat=True)) == ["c89", "c90"]


class TestMeasurements:
    def run(self, model: RegisteredModel, *, age: timedelta, revision: int, slug: str = "a") -> Run:
        monitor = model.monitors.filter(slug=slug).first() or make_monitor(model, slug=slug)
        run = make_run(monitor, end=NOW - age, revision=revision)
        Run.objects.filter(pk=run.pk).update(finished_at=NOW - age)
        make_measurement(run, feature="income")
        return run

    def supersede(self, run: Run) -> None:
        Run.objects.filter(pk=run.pk).update(state=Run.State.SUPERSEDED, is_latest=False)
        Measurement.objects.filter(run=run).update(is_latest=False)

    def test_superseded_ones_go_after_400_days_and_their_runs(self, model: RegisteredModel) -> None:
        for slug, days in (("a", 400), ("b", 401)):
            self.supersede(self.run(model, age=days * DAY, revision=1, slug=slug))
            self.run(model, age=days * DAY, revision=2, slug=slug)

        purge()

        left = Run.objects.order_by("monitor__slug", "revision").values_list("monitor__slug", "revision")
        assert list(left) == [("a", 1), ("a", 2), ("b", 2)]
        assert Measurement.objects.count() == 3

    def test_what_still_answers_is_never_old(self, model: RegisteredModel) -> None:
        self.run(model, age=4000 * DAY, revision=1)

        purge()

        assert Measurement.objects.count() == 1

    def test_a_condition_outlives_its_measurement(self, model: RegisteredModel) -> None:
        run = self.run(model, age=401 * DAY, revision=1)
        self.supersede(run)
        Condition.objects.create(
            fingerprint="f", model=model, source="s", family="drift", scope={}, changed_at=NOW,
            measurement=run.measurements.get(),
        )  # fmt: skip

        purge()

        assert Condition.objects.get().measurement is None


class TestLabelProfiles:
    def test_only_the_present_generation_of_a_day_is_kept(self, version: ModelVersion) -> None:
        DayManifest.objects.create(version=version, day=date(2026, 11, 10), generation=2, label_generation=3)
        for generation, label_generation in ((1, 3), (2, 2), (2, 3)):
            LabelProfile.objects.create(
                version=version,
                day=date(2026, 11, 10),
                signal="truth",
                generation=generation,
                label_generation=label_generation,
                rows=1,
                labelled=1,
                blob=b"",
            )

        purge()

        assert list(LabelProfile.objects.values_list("generation", "label_generation")) == [(2, 3)]


class TestWork:
    def test_it_goes_in_batches_and_says_how_many(
        self, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purging, "AT_ONCE", 2)
        batch = receipt(model, age=DAY)
        for _ in range(5):
            set_aside(batch, age=15 * DAY)

        held = purge()

        assert not QuarantinedItem.objects.exists()
        assert Job.objects.get(pk=held.job_id).result == {"set_aside": 5}

    def test_twice_is_once(self, model: RegisteredModel) -> None:
        receipt(model, age=8 * DAY)

        purge()
        Job.objects.all().delete()
        held = purge()

        assert Job.objects.get(pk=held.job_id).result == {}

    def test_an_overtaken_worker_stops(self, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch) -> None:
        receipt(model, age=8 * DAY)
        old = lease("monitoring.purge", "x")
        Job.objects.filter(pk=old.job_id).update(fence=old.fence + 1)

        with pytest.raises(LostLease):
            purging.purge(old, NOW)

        assert IngestBatch.objects.count() == 1

    def test_one_a_day_is_ordered(self) -> None:
        for hours in (0, 20, 21):
            purging.sweep(NOW + hours * timedelta(hours=1))
            while held := queue.claim("maintain"):
                queue.finish(held)

        assert list(Job.objects.order_by("key").values_list("key", flat=True)) == ["2026-11-20", "2026-11-21"]
