from datetime import timedelta

import pytest

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from monitoring import planner, windows
from monitoring.checks.config import AgainstPrevious, Checks, Volume
from monitoring.models import DayManifest, IngestBatch, Monitor, Run, VersionTraffic
from tests.factories import make_version
from tests.monitoring.measured import at, make_days, make_monitor, make_run, make_traffic, make_waiting

LATER = at("2026-11-20 12:00")


@pytest.fixture(autouse=True)
def _no_defaults(monkeypatch):
    """These tests make their own monitors."""
    monkeypatch.setattr(planner.monitors, "complete", lambda models, now: None)


def planned(monitor: Monitor) -> list[str]:
    runs = Run.objects.filter(monitor=monitor, revision=1).order_by("window_end")
    return [f"{run.window_end:%m-%d}" for run in runs]


def october(monitor_slug: str = "inputs-training", **traffic: str) -> Monitor:
    version = make_version()
    make_traffic(
        version, **{"first": "2026-10-01 10:20", "newest": "2026-10-02 23:00", "live": "2026-10-02 23:00"} | traffic
    )
    return make_monitor(version.model, slug=monitor_slug)


class TestDue:
    def test_windows_end_at_midnight_from_the_first_prediction_on(self, db):
        monitor = october()

        assert planner.plan(at("2026-10-03 00:04")) == 1
        assert planned(monitor) == ["10-02"]
        assert planner.plan(at("2026-10-03 00:05")) == 1

        assert planned(monitor) == ["10-02", "10-03"]
        run = Run.objects.get(window_end=at("2026-10-03 00:00"))
        assert run.window_start == at("2026-09-26 00:00")
        assert (run.state, run.why, run.is_latest, run.quiet) == ("planned", "first", True, False)

    def test_each_run_is_ordered_once(self, db):
        october()

        planner.plan(at("2026-10-03 00:05"))
        planner.plan(at("2026-10-03 00:06"))

        jobs = Job.objects.filter(kind="monitoring.execute_run")
        assert sorted(job.payload["run"] for job in jobs) == sorted(str(run.pk) for run in Run.objects.all())
        assert {job.queue for job in jobs} == {"compute"}

    @pytest.mark.parametrize(
        ("received", "now", "ends"),
        [
            ("2026-10-03 00:03", "2026-10-03 00:34:59", ["10-02"]),
            ("2026-10-03 00:03", "2026-10-03 00:35", ["10-02", "10-03"]),
            ("2026-10-03 00:05", "2026-10-03 00:05", ["10-02", "10-03"]),
            ("2026-10-03 00:04:59", "2026-10-03 00:05", ["10-02"]),
        ],
    )
    def test_rows_that_came_before_the_grace_was_over_hold_the_window_for_half_an_hour(self, db, received, now, ends):
        monitor = october()
        make_waiting(monitor.model, received=received)

        planner.plan(at(now))

        assert planned(monitor) == ends

    def test_drain_ignores_grace_and_waiting_but_not_the_end_of_the_window(self, db):
        monitor = october()
        make_waiting(monitor.model, received="2026-10-02 23:59")

        planner.plan(at("2026-10-02 23:59:59"), drain=True)
        assert planned(monitor) == ["10-02"]
        planner.plan(at("2026-10-03 00:00"), drain=True)

        assert planned(monitor) == ["10-02", "10-03"]

    def test_a_longer_grace_waits_longer(self, db):
        version = make_version()
        make_traffic(version, first="2026-10-01 10:20", newest="2026-10-02 23:00", live="2026-10-02 23:00")
        monitor = make_monitor(version.model, grace_minutes=120)

        planner.plan(at("2026-10-03 01:59"))

        assert planned(monitor) == ["10-02"]

    def test_paused_monitors_and_deleted_models_are_left_alone(self, db):
        paused, deleted = october(), october()
        Monitor.objects.filter(pk=paused.pk).update(state=Monitor.State.PAUSED)
        deleted.model.deleted_at = LATER
        deleted.model.save()

        assert planner.plan(at("2026-10-03 00:05")) == 0

    def test_without_traffic_nothing_is_due(self, db):
        make_monitor()

        assert planner.plan(LATER) == 0

    def test_an_hourly_monitor_looks_back_35_days_at_most(self, db):
        version = make_version()
        make_traffic(version, first="2026-01-01 00:30", newest="2026-11-20 11:30", live="2026-11-20 11:30", days=True)
        monitor = make_monitor(version.model, cadence=Monitor.Cadence.HOUR, window_hours=1)

        planner.plan(LATER, drain=True)

        runs = Run.objects.filter(monitor=monitor).order_by("window_end")
        assert runs.count() == 840
        assert (runs[0].window_end, runs[839].window_end) == (LATER - timedelta(days=35, hours=-1), LATER)


class TestHorizon:
    def test_history_stops_at_the_end_of_the_newest_predictions_window(self, db):
        version = make_version()
        make_traffic(version, first="2011-10-01 00:00", newest="2012-12-31 23:00", days=True)
        monitor = make_monitor(version.model)

        planner.plan(LATER, drain=True)

        assert len(planned(monitor)) == 458
        marks = Monitor.objects.get(pk=monitor.pk)
        assert (marks.planned_from, marks.planned_until) == (at("2011-10-02"), at("2013-01-02"))
        assert planner.plan(LATER, drain=True) == 0

    def test_without_drain_at_most_200_windows_per_call(self, db):
        version = make_version()
        make_traffic(version, first="2011-10-01 00:00", newest="2012-12-31 23:00", days=True)
        make_monitor(version.model)

        assert [planner.plan(LATER) for _ in range(4)] == [200, 200, 58, 0]

    def test_live_traffic_plans_up_to_now_so_that_silence_shows(self, db):
        monitor = october(newest="2026-10-02 23:00", live="2026-10-02 23:00")

        planner.plan(at("2026-10-20 00:05"))

        assert planned(monitor)[-1] == "10-20"

    def test_silence_of_28_days_ends_the_planning(self, db):
        monitor = october()

        planner.plan(at("2026-10-30 23:00"))
        assert planned(monitor)[-1] == "10-30"
        planner.plan(at("2026-10-31 00:05"))

        assert planned(monitor)[-1] == "10-30"

    def test_horizon_is_now_or_the_newest_prediction(self, db):
        version = make_version()
        assert planner.horizon(version.model, LATER) is None
        make_traffic(version, first="2026-10-01 10:20", newest="2026-10-02 23:00", live="2026-10-02 23:00")

        assert planner.horizon(version.model, at("2026-10-20 10:00")) == at("2026-10-20 10:00")
        assert planner.horizon(version.model, LATER) == at("2026-10-02 23:00")

    def test_old_windows_are_quiet_but_for_the_newest(self, db):
        october(newest="2026-10-05 12:00", live=None)

        planner.plan(LATER)

        quiet = dict(Run.objects.values_list("window_end", "quiet"))
        assert [quiet[end] for end in sorted(quiet)] == [True, True, True, True, False]

    def test_windows_less_than_two_days_late_are_not_quiet(self, db):
        october(newest="2026-10-05 12:00", live="2026-10-05 12:00")

        planner.plan(at("2026-10-06 00:05"))

        loud = Run.objects.filter(quiet=False).order_by("window_end").values_list("window_end", flat=True)
        assert list(loud) == [at("2026-10-05"), at("2026-10-06")]


class TestWatermark:
    def test_after_three_missed_days_every_window_is_planned(self, db):
        monitor = october(newest="2026-10-10 12:00", live="2026-10-10 12:00")
        planner.plan(at("2026-10-07 00:05"))

        planner.plan(at("2026-10-10 06:00"))

        assert planned(monitor) == [f"10-{day:02}" for day in range(2, 11)]

    def test_older_traffic_extends_the_range_backward(self, db):
        monitor = october()
        planner.plan(at("2026-10-03 00:05"))
        VersionTraffic.objects.update(first_at=at("2026-09-28 08:00"))

        planner.plan(at("2026-10-03 00:06"))

        assert planned(monitor) == ["09-29", "09-30", "10-01", "10-02", "10-03"]
        assert Monitor.objects.get(pk=monitor.pk).planned_from == at("2026-09-29")

    def test_a_long_way_back_stays_without_holes_between_calls(self, db):
        monitor = october(newest="2026-10-02 23:00", live=None)
        planner.plan(LATER)
        version = VersionTraffic.objects.get().version
        make_days(version, at("2025-10-01").date(), at("2026-10-02").date())
        VersionTraffic.objects.update(first_at=at("2025-10-01 08:00"))

        planner.plan(LATER)
        first = Run.objects.order_by("window_end").first().window_end
        assert Monitor.objects.get(pk=monitor.pk).planned_from == first
        planner.plan(LATER)

        assert Run.objects.count() == 367

    def test_the_clock_may_step_back(self, db):
        october(newest="2026-10-05 12:00", live="2026-10-05 12:00")
        planner.plan(at("2026-10-06 00:05"))

        assert planner.plan(at("2026-10-05 23:05")) == 0
        assert planner.plan(at("2026-10-06 00:06")) == 0

    def test_the_clock_may_step_forward_and_back_again(self, db):
        october(newest="2026-10-05 12:00", live="2026-10-05 12:00")
        planner.plan(at("2026-10-07 00:05"))

        assert planner.plan(at("2026-10-06 00:05")) == 0
        assert planner.plan(at("2026-10-08 00:05")) == 1
        assert Run.objects.count() == 7

    def test_of_two_planners_the_slower_changes_nothing(self, db, monkeypatch):
        monitor = october()
        ends = windows.ends
        rivals = [at("2026-10-05 00:05")]

        def overtaken(*args):
            while rivals:
                planner.plan(rivals.pop())
            return ends(*args)

        monkeypatch.setattr(planner.windows, "ends", overtaken)

        assert planner.plan(at("2026-10-03 00:05")) == 0
        assert planned(monitor) == ["10-02", "10-03", "10-04", "10-05"]
        assert Monitor.objects.get(pk=monitor.pk).planned_until == at("2026-10-06")

    def test_a_run_that_somebody_asked_for_is_not_planned_twice(self, db):
        monitor = october()
        make_run(monitor, end="2026-10-02 00:00")

        assert planner.plan(at("2026-10-03 00:05")) == 1
        assert planned(monitor) == ["10-02", "10-03"]


class TestHistoryBeingFilledIn:
    def test_a_running_backfill_holds_its_model(self, db):
        monitor, other = october(), october("other")
        queue.take("monitoring.backfill", f"{monitor.model_id}:abc", worker="command")

        planner.plan(at("2026-10-03 00:05"), drain=True)

        assert planned(monitor) == []
        assert planned(other) == ["10-02", "10-03"]

    def test_a_killed_backfill_holds_nothing(self, db):
        monitor = october()
        queue.take("monitoring.backfill", f"{monitor.model_id}:abc", worker="command")
        Job.objects.update(lease_until=at("2026-01-01"))

        planner.plan(at("2026-10-03 00:05"))

        assert planned(monitor) == ["10-02", "10-03"]

    @pytest.mark.parametrize(
        ("via", "drain", "ends"),
        [
            (IngestBatch.Via.BACKFILL, False, []),
            (IngestBatch.Via.BACKFILL, True, []),
            (IngestBatch.Via.API, False, ["10-02", "10-03"]),
            (IngestBatch.Via.API, True, []),
        ],
    )
    def test_compaction_that_is_on_its_way_is_waited_for(self, db, via, drain, ends):
        monitor = october()
        make_waiting(monitor.model, received="2026-11-19 12:00", via=via)
        queue.enqueue("monitoring.compact", str(monitor.model_id), queue="ingest")

        planner.plan(LATER, drain=drain)

        assert planned(monitor) == ends

    def test_compaction_in_quarantine_holds_nothing(self, db):
        monitor = october()
        make_waiting(monitor.model, received="2026-11-19 12:00", via=IngestBatch.Via.BACKFILL)
        queue.enqueue("monitoring.compact", str(monitor.model_id), queue="ingest")
        Job.objects.update(state=Job.State.QUARANTINED)

        planner.plan(LATER)

        assert planned(monitor) == ["10-02", "10-03"]


class TestGaps:
    def gapped(self) -> Monitor:
        version = make_version()
        make_traffic(version, first="2026-01-01 10:00", newest="2026-03-31 10:00")
        make_days(version, at("2026-01-01").date(), at("2026-01-10").date())
        make_days(version, at("2026-03-20").date(), at("2026-03-31").date())
        return make_monitor(version.model)

    def test_a_gap_over_35_days_is_one_run_without_data(self, db):
        self.gapped()

        planner.plan(LATER, drain=True)

        gap = Run.objects.get(state=Run.State.NO_DATA)
        assert (gap.window_start, gap.window_end) == (at("2026-01-11"), at("2026-03-20"))
        assert Run.objects.filter(state=Run.State.PLANNED).count() == 16 + 12
        assert Job.objects.filter(kind="monitoring.execute_run").count() == 28

    def test_traffic_that_comes_into_the_gap_opens_it_again(self, db):
        monitor = self.gapped()
        planner.plan(LATER, drain=True)
        make_days(VersionTraffic.objects.get().version, at("2026-02-01").date(), at("2026-03-19").date())
        windows.mark_dirty(monitor.model_id, at("2026-02-01").date(), 5, LATER)

        planner.plan(LATER, drain=True)

        assert not Run.objects.latest().filter(state=Run.State.NO_DATA).exists()
        assert len({run.window_end for run in Run.objects.latest()}) == 90
        assert windows.ripen(LATER, drain=True) == 0

    def test_a_dirty_gap_is_no_window_that_ripens(self, db):
        monitor = self.gapped()
        planner.plan(LATER, drain=True)
        windows.mark_dirty(monitor.model_id, at("2026-02-01").date(), 5, LATER)

        windows.ripen(LATER, drain=True)

        assert not Run.objects.filter(revision=2, window_start=at("2026-01-11"), window_end=at("2026-03-20")).exists()

    def test_a_gap_of_35_days_is_35_windows(self, db):
        version = make_version()
        make_traffic(version, first="2026-01-01 10:00", newest="2026-03-31 10:00", days=True)
        DayManifest.objects.filter(day__gte=at("2026-01-11"), day__lt=at("2026-02-22")).delete()
        make_monitor(version.model)

        planner.plan(LATER, drain=True)

        assert not Run.objects.filter(state=Run.State.NO_DATA).exists()
        assert Run.objects.count() == 90


def test_runs_whose_execution_is_in_quarantine_are_failed(db):
    october()
    planner.plan(at("2026-10-03 00:05"))
    job = Job.objects.order_by("key").first()
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUARANTINED)

    planner.plan(at("2026-10-03 00:06"))

    failed = Run.objects.get(state=Run.State.FAILED)
    assert str(failed.pk) == job.payload["run"]
    assert failed.error


def test_planning_when_nothing_is_due_takes_few_queries(db, django_assert_max_num_queries):
    for _ in range(3):
        october()
    planner.plan(at("2026-10-03 00:05"))

    with django_assert_max_num_queries(5):
        assert planner.plan(at("2026-10-03 00:06")) == 0


def test_the_baseline_does_not_change_which_windows_there_are(db):
    version = make_version()
    make_traffic(version, first="2026-10-01 10:20", newest="2026-10-02 23:00", live="2026-10-02 23:00")
    monitor = make_monitor(version.model, window_hours=24, baseline=AgainstPrevious(), checks=Checks(volume=Volume()))

    planner.plan(at("2026-10-03 00:05"))

    assert planned(monitor) == ["10-02", "10-03"]
