from datetime import date, timedelta

import pytest

from mlops_portal.jobs.models import Job
from monitoring import windows
from monitoring.checks.config import AgainstPrevious, Checks, MonitorConfig, Performance, Volume
from monitoring.models import Run
from monitoring.windows import DAY, Window
from tests.monitoring.measured import at, make_monitor, make_run

NOW = at("2026-11-20 12:00")


@pytest.mark.parametrize(
    ("cadence", "after", "until", "expected"),
    [
        ("day", "2011-10-01 10:20", "2011-10-03 00:00", ["2011-10-02 00:00", "2011-10-03 00:00"]),
        ("day", "2011-10-01 00:00", "2011-10-02 00:00", ["2011-10-02 00:00"]),
        ("day", "2011-10-01 10:20", "2011-10-01 23:59", []),
        ("day", "2011-10-03 00:00", "2011-10-01 00:00", []),
        ("hour", "2011-10-01 22:30", "2011-10-02 00:00", ["2011-10-01 23:00", "2011-10-02 00:00"]),
        ("week", "2025-11-20 10:00", "2025-12-02 00:00", ["2025-11-24 00:00", "2025-12-01 00:00"]),
        ("day", "1969-12-30 10:00", "1970-01-01 00:00", ["1969-12-31 00:00", "1970-01-01 00:00"]),
    ],
)
def test_ends_lie_on_the_cadence_after_one_moment_and_up_to_another(cadence, after, until, expected):
    assert windows.ends(cadence, at(after), at(until)) == [at(end) for end in expected]


def test_a_monday_is_the_end_of_a_week():
    assert {end.weekday() for end in windows.ends("week", at("2025-01-01 00:00"), at("2026-01-01 00:00"))} == {0}


def test_bounds_and_baseline_follow_the_configuration():
    config = MonitorConfig(window_hours=24, baseline=AgainstPrevious(days=28), checks=Checks(volume=Volume()))

    assert windows.bounds(NOW, config) == Window(NOW - DAY, NOW)
    assert windows.baseline(NOW - DAY, config) == Window(NOW - 29 * DAY, NOW - DAY)
    assert windows.baseline(NOW, MonitorConfig(window_hours=24, checks=Checks(volume=Volume()))) is None


class TestMarkDirty:
    def test_it_concerns_the_windows_that_hold_the_day(self, db):
        monitor = make_monitor(window_hours=168)
        before, first, last, after = (
            make_run(monitor, end=end)
            for end in ("2026-11-03 00:00", "2026-11-04 00:00", "2026-11-10 00:00", "2026-11-11 00:00")
        )

        marked = windows.mark_dirty(monitor.model_id, date(2026, 11, 3), 12, NOW)

        assert marked == 2
        assert dirty() == {first.pk: 12, last.pk: 12}
        assert before.pk not in dirty()
        assert after.pk not in dirty()

    def test_a_widened_window_holds_its_earlier_days_too(self, db):
        run = make_run(make_monitor(window_hours=168), end="2026-11-10 00:00", data_start=at("2026-10-13 00:00"))

        windows.mark_dirty(run.model_id, date(2026, 10, 13), 1, NOW)

        assert dirty() == {run.pk: 1}

    def test_the_baseline_counts(self, db):
        monitor = make_monitor(window_hours=24, baseline=AgainstPrevious(days=28))
        run = make_run(monitor, end="2026-11-10 00:00", hours=24)

        assert windows.mark_dirty(monitor.model_id, date(2026, 10, 11), 5, NOW) == 0
        assert windows.mark_dirty(monitor.model_id, date(2026, 10, 12), 5, NOW) == 1
        assert dirty() == {run.pk: 5}

    def test_outcomes_concern_performance_only(self, db):
        monitor = make_monitor(window_hours=168)
        judge = make_monitor(
            monitor.model, slug="performance", window_hours=168, checks=Checks(performance=Performance())
        )
        make_run(monitor, end="2026-11-10 00:00")
        judged = make_run(judge, end="2026-11-10 00:00")

        windows.mark_dirty(monitor.model_id, date(2026, 11, 5), 7, NOW, labels=True)

        assert dirty() == {judged.pk: 7}

    def test_rows_add_up_and_the_first_time_stays(self, db):
        run = make_run(make_monitor(window_hours=168), end="2026-11-10 00:00")

        windows.mark_dirty(run.model_id, date(2026, 11, 5), 7, NOW)
        windows.mark_dirty(run.model_id, date(2026, 11, 6), 2, NOW + DAY)

        run.refresh_from_db()
        assert (run.dirty_rows, run.dirty_at) == (9, NOW)

    def test_a_run_that_is_reading_now_is_concerned_and_a_superseded_one_is_not(self, db):
        monitor = make_monitor(window_hours=168)
        make_run(monitor, end="2026-11-10 00:00", state=Run.State.SUPERSEDED, is_latest=False)
        running = make_run(monitor, end="2026-11-10 00:00", revision=2, state=Run.State.RUNNING, is_latest=False)

        windows.mark_dirty(monitor.model_id, date(2026, 11, 5), 7, NOW)

        assert dirty() == {running.pk: 7}

    def test_other_models_stay_clean(self, db):
        make_run(make_monitor(window_hours=168), end="2026-11-10 00:00")

        assert windows.mark_dirty(make_monitor(window_hours=168).model_id, date(2026, 11, 5), 7, NOW) == 0


class TestRipen:
    def test_a_clean_run_stays_as_it_is(self, db):
        make_run(make_monitor(window_hours=168), end="2026-11-10 00:00")

        assert windows.ripen(NOW, drain=True) == 0

    def test_much_late_data_is_used_ten_minutes_after_the_last_look(self, db):
        run = make_run(make_monitor(window_hours=168), end="2026-11-10 00:00", rows=1000, dirty_rows=10, dirty_at=NOW)

        assert windows.ripen(run.finished_at + timedelta(minutes=9, seconds=59)) == 0
        assert windows.ripen(run.finished_at + timedelta(minutes=10)) == 1

        again = Run.objects.get(revision=2)
        assert (again.state, again.why, again.is_latest) == (Run.State.PLANNED, Run.Why.LATE, False)
        assert (again.window_start, again.window_end) == (run.window_start, run.window_end)
        job = Job.objects.get(kind="monitoring.execute_run")
        assert job.payload == {"run": str(again.pk)}
        assert job.key.endswith(":2")

    @pytest.mark.parametrize(
        ("dirty_at", "not_yet", "due"),
        [
            ("2026-11-12 03:59", "2026-11-12 03:59:59", "2026-11-12 04:00"),
            ("2026-11-12 04:00", "2026-11-13 03:59:59", "2026-11-13 04:00"),
        ],
    )
    def test_little_late_data_waits_for_four_in_the_morning(self, db, dirty_at, not_yet, due):
        make_run(make_monitor(window_hours=168), end="2026-11-10 00:00", rows=1000, dirty_rows=9, dirty_at=at(dirty_at))

        assert windows.ripen(at(not_yet)) == 0
        assert windows.ripen(at(due)) == 1

    def test_rows_for_an_empty_window_are_always_much(self, db):
        run = make_run(make_monitor(window_hours=168), end="2026-11-10 00:00", rows=0, dirty_rows=1, dirty_at=NOW)

        assert windows.ripen(run.finished_at + timedelta(minutes=10)) == 1

    def test_drain_does_not_wait(self, db):
        run = make_run(make_monitor(window_hours=168), end="2026-11-10 00:00", rows=1000, dirty_rows=1, dirty_at=NOW)

        assert windows.ripen(run.finished_at, drain=True) == 1

    def test_a_window_has_one_open_run_however_often_it_is_asked_for(self, db):
        run = make_run(make_monitor(window_hours=168), end="2026-11-10 00:00", rows=1, dirty_rows=1, dirty_at=NOW)

        assert windows.ripen(NOW, drain=True) == 1
        assert windows.ripen(NOW, drain=True) == 0
        assert windows.plan_again(run, why=Run.Why.MANUAL, now=NOW) is None
        assert Run.objects.count() == 2

    def test_labels_are_judged_when_they_are_old_enough(self, db):
        run = immature(rows=100, coverage=0.2)

        assert windows.ripen(run.matures_at - timedelta(seconds=1)) == 0
        assert windows.ripen(run.matures_at) == 1
        assert Run.objects.get(revision=2).why == Run.Why.LABELS

    @pytest.mark.parametrize(
        ("coverage", "dirty_rows", "after", "planned"),
        [
            (0.2, 5, DAY, 1),
            (0.2, 4, DAY, 0),
            (0.2, 5, DAY - timedelta(seconds=1), 0),
            (0.85, 5, timedelta(minutes=10), 1),
            (0.84, 5, timedelta(minutes=10), 0),
        ],
        ids=["five points", "less", "not twice a day", "mature by them", "not yet"],
    )
    def test_growing_labels_of_a_young_window(self, db, coverage, dirty_rows, after, planned):
        run = immature(rows=100, coverage=coverage, dirty_rows=dirty_rows, dirty_at=NOW)

        assert windows.ripen(run.finished_at + after) == planned


def immature(*, rows: int, coverage: float, **fields: object) -> Run:
    judge = make_monitor(slug="performance", window_hours=168, checks=Checks(performance=Performance()))
    matures_at = at("2026-11-13 00:00")
    return make_run(
        judge, end="2026-11-10 00:00", rows=rows, coverage_share=coverage, mature=False, matures_at=matures_at, **fields
    )


def dirty() -> dict[object, int]:
    return dict(Run.objects.exclude(dirty_at=None).values_list("pk", "dirty_rows"))
