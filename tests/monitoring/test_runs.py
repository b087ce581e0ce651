import json
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock, faults
from mlops_portal.kit.errors import Invalid, Refused
from monitoring import planner, runs, windows
from monitoring.checks.base import Check
from monitoring.checks.config import (
    HOUR_PARTS,
    AgainstPrevious,
    Checks,
    Cost,
    DataQuality,
    InputDrift,
    Latency,
    OutputDrift,
    Performance,
    Volume,
)
from monitoring.checks.table import CHECKS
from monitoring.models import Alert, DayManifest, Measurement, MeasurementRow, Reference, Run, VersionTraffic
from monitoring.runs import execution, saving
from monitoring.runs.bases import early_days
from monitoring.stats.grid import Grid
from monitoring.stats.profile import build_labels
from monitoring.stats.results import Verdict
from monitoring.traffic import chunks
from registry.models import AuditEntry, Role
from tests.factories import NOON, make_member, make_model, make_version
from tests.monitoring.measured import (
    add_chunk,
    add_labels,
    at,
    executed,
    lease_of,
    make_monitor,
    make_reference,
    make_run,
)

INPUTS = Checks(input_drift=InputDrift(), output_drift=OutputDrift(), data_quality=DataQuality())
END = "2026-10-08 00:00"


def rng(seed=7):
    return np.random.default_rng(seed)


def features(rows: int, shift: float = 0.0, seed: int = 1) -> dict[str, np.ndarray]:
    r = rng(seed)
    return {"income": r.normal(shift, size=rows), "age": r.normal(size=rows)}


@pytest.fixture
def version(db):
    made = make_version(features=[("income", "number"), ("age", "number")])
    make_reference(made, features(5_000), score=rng().beta(2, 5, size=5_000), score_kind="probability")
    return made


def week(version, *, rows: int = 100, shift: float = 0.0, first: str = "2026-10-01", days: int = 7) -> None:
    for n in range(days):
        day = (at(first) + timedelta(days=n)).date()
        add_chunk(version, day, features(rows, shift, seed=n), score=rng(n).beta(2, 5, size=rows))


def planned(version, *, end: str = END, checks: Checks = INPUTS, **monitor) -> Run:
    return make_run(make_monitor(version.model, checks=checks, **monitor), end=end, state=Run.State.PLANNED)


def rows_of(run: Run) -> dict[tuple[str, str, str], Measurement]:
    return {(one.metric, one.signal, one.feature): one for one in run.measurements.all()}


class TestExecute:
    def test_a_window_is_measured_and_stored_whole(self, version):
        week(version, shift=1.0)
        run = executed(planned(version))

        assert (run.state, run.rows, run.is_latest, run.error) == (Run.State.DONE, 700, True, "")
        found = rows_of(run)
        assert found.keys() == {
            ("psi.1", "", "income"),
            ("psi.1", "", "age"),
            ("psi.1", "score", ""),
            ("mean_score.1", "score", ""),
            ("null_share.1", "", "income"),
            ("null_share.1", "", "age"),
        }
        income = found["psi.1", "", "income"]
        assert (income.verdict, income.n, income.base_n, income.rank) == (Verdict.drift, 700, 5_000, 1)
        assert (income.version, income.window_end, income.model_id) == (version, run.window_end, run.model_id)
        assert income.is_latest
        assert Job.objects.get(kind="monitoring.execute_run").state == Job.State.DONE

    def test_the_summary_says_what_lists_show(self, version):
        week(version, shift=1.0)
        run = executed(planned(version))

        assert run.summary["verdicts"] == {"drift": 1, "ok": 5}
        assert run.summary["worst"] == "drift"
        assert run.summary["checks"] == {"input_drift": "drift", "output_drift": "ok", "data_quality": "ok"}
        assert [(one["feature"], one["version"], one["verdict"]) for one in run.summary["top"][:1]] == [
            ("income", 1, "drift")
        ]
        assert run.summary["top"][0]["psi"] == rows_of(run)["psi.1", "", "income"].value
        assert (run.summary["rejected"], run.summary["damaged"]) == (0, 0)

    def test_the_run_pins_what_it_read(self, version):
        week(version)
        run = executed(planned(version))

        days = {(at("2026-10-01") + timedelta(days=n)).date().isoformat(): 1 for n in range(7)}
        reference = Reference.objects.get()
        assert run.inputs["generations"] == {str(version.pk): days}
        assert len(run.inputs["chunks"]) == 7
        assert run.inputs["references"] == [str(reference.pk)]
        assert run.inputs["grids"] == [reference.grid.sha256]
        assert len(run.inputs_sha) == 64
        assert run.data_start == run.window_start

    @pytest.mark.parametrize(("later_s", "took_s"), [(2.5, 2.5), (-60.0, 0.0)], ids=["as usual", "clock set back"])
    def test_it_notes_when_it_began_and_when_it_was_saved(self, version, monkeypatch, later_s, took_s):
        week(version)
        run = planned(version)
        measure = execution.measure

        def meanwhile(data, checks):
            monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(seconds=later_s))
            return measure(data, checks)

        monkeypatch.setattr(clock, "now", lambda: NOON)
        monkeypatch.setattr(execution, "measure", meanwhile)

        execution.execute(run.pk, lease_of(run))

        run.refresh_from_db()
        assert (run.started_at, run.finished_at) == (NOON, NOON + timedelta(seconds=took_s))

    def test_a_day_of_the_window_after_its_end_is_not_read(self, version):
        week(version, days=8)

        assert executed(planned(version)).rows == 700

    def test_a_window_without_a_row_is_no_data(self, version):
        week(version, days=1)
        run = executed(planned(version, end="2026-11-08 00:00"))

        assert (run.state, run.rows, run.summary["worst"]) == (Run.State.NO_DATA, 0, "no_data")
        assert not run.measurements.exists()

    def test_delivered_twice_it_is_measured_once(self, version):
        week(version)
        run = executed(planned(version))
        finished_at = run.finished_at

        again = executed(run, now=at("2026-10-09"))

        assert again.finished_at == finished_at
        assert run.measurements.count() == 6

    def test_a_run_that_was_withdrawn_is_left_alone(self, version):
        run = planned(version)
        lease = lease_of(run)
        Run.objects.all().delete()

        execution.execute(run.pk, lease)

        assert not Run.objects.exists()

    def test_a_worker_that_lost_its_lease_saves_nothing(self, version):
        week(version)
        run = planned(version)
        lease = lease_of(run)
        Job.objects.update(fence=lease.fence + 1)

        with pytest.raises(queue.LostLease):
            execution.execute(run.pk, lease)

        assert not Measurement.objects.exists()
        assert Run.objects.get().state == Run.State.RUNNING

    def test_an_interrupted_run_begins_again(self, version):
        week(version)
        run = planned(version)
        Run.objects.update(state=Run.State.RUNNING, started_at=NOON)

        assert executed(run).state == Run.State.DONE


class TestFailure:
    def test_a_check_that_raises_is_an_error_of_that_check_only(self, version, monkeypatch):
        def broken(data, config):
            raise ZeroDivisionError("in 'secret value' 42")

        monkeypatch.setitem(CHECKS, "output_drift", Check("output_drift", broken))
        week(version)
        run = executed(planned(version))

        failed = run.measurements.get(verdict="error")
        assert (failed.check_key, failed.reason, failed.value) == ("output_drift", "failed", None)
        assert failed.details["error"] == "ZeroDivisionError"
        assert "secret" not in json.dumps(failed.details)
        assert run.summary["worst"] == "error"
        assert run.measurements.exclude(verdict="error").count() == 4

    def test_a_window_that_cannot_be_read_is_tried_again(self, version, monkeypatch):
        monkeypatch.setattr(execution, "load", broken_load)
        run = planned(version)

        with pytest.raises(OSError, match="gone"):
            execution.execute(run.pk, lease_of(run))

        run.refresh_from_db()
        assert run.state == Run.State.RUNNING

    def test_after_the_last_attempt_it_is_failed(self, version, monkeypatch):
        monkeypatch.setattr(execution, "load", broken_load)
        run = planned(version)
        lease = lease_of(run)
        Job.objects.update(max_attempts=1)
        last = queue.Lease(**{name: getattr(lease, name) for name in queue.Lease.__slots__} | {"max_attempts": 1})

        with pytest.raises(OSError, match="gone"):
            execution.execute(run.pk, last)

        run.refresh_from_db()
        assert (run.state, run.is_latest) == (Run.State.FAILED, True)
        assert "gone" in run.error

    def test_a_failed_run_can_be_run_again(self, version):
        week(version)
        run = planned(version)
        Run.objects.update(state=Run.State.FAILED, error="before")

        run = executed(run)

        assert (run.state, run.error) == (Run.State.DONE, "")


def broken_load(*args, **kwargs):
    raise OSError("gone")


class TestInterruption:
    """A worker that dies anywhere leaves nothing half done; the next attempt does it all, once."""

    @pytest.fixture
    def _planted(self, monkeypatch, request):
        monkeypatch.setattr(faults, "_traps", faults.parse(f"{request.param}:raise:1"))
        monkeypatch.setattr(faults, "_hits", Counter())

    @pytest.mark.parametrize("_planted", ["run.loaded", "run.computed", "run.in_txn"], indirect=True)
    def test_before_the_commit_nothing_is_saved(self, version, _planted):
        week(version)
        run = planned(version)
        lease = lease_of(run)

        with pytest.raises(faults.Planted):
            execution.execute(run.pk, lease)

        assert not Measurement.objects.exists()
        assert Job.objects.get().state == Job.State.RUNNING
        execution.execute(run.pk, lease, now=NOON)
        assert run.measurements.count() == 6
        assert Run.objects.get().state == Run.State.DONE

    @pytest.mark.parametrize("_planted", ["run.committed"], indirect=True)
    def test_after_the_commit_all_is_saved(self, version, _planted):
        week(version)
        run = planned(version)
        lease = lease_of(run)

        with pytest.raises(faults.Planted):
            execution.execute(run.pk, lease)

        execution.execute(run.pk, lease)
        assert run.measurements.count() == 6
        assert Job.objects.get().state == Job.State.DONE

    @pytest.mark.parametrize("_planted", ["plan.inserted"], indirect=True)
    def test_a_planner_that_dies_leaves_its_windows_due(self, version, _planted):
        week(version)
        make_monitor(version.model, checks=INPUTS)

        with pytest.raises(faults.Planted):
            planner.plan(at("2026-10-05 00:05"))
        assert not Run.objects.filter(monitor__slug="inputs-training").exists()

        planner.plan(at("2026-10-05 00:05"))
        assert Run.objects.filter(monitor__slug="inputs-training").count() == 4
        assert Job.objects.filter(kind="monitoring.execute_run").count() == Run.objects.count()


class TestWidening:
    @pytest.mark.parametrize(
        ("rows", "hours", "start"),
        [
            (200, 24, "2026-10-07"),
            (100, 24, "2026-10-05"),
            (40, 24, "2026-10-01"),
            (40, 168, "2026-10-01"),
            (3, 168, "2026-10-01"),
        ],
        ids=["enough", "three days", "seven days", "as wide as it is", "never enough"],
    )
    def test_a_window_with_few_rows_takes_more_days(self, version, rows, hours, start):
        week(version, rows=rows)
        run = executed(planned(version, window_hours=hours))

        assert run.data_start == at(start)
        assert run.window_start == at(END) - timedelta(hours=hours)
        income = rows_of(run)["psi.1", "", "income"]
        judged = income.details.get("judged", {"n": income.n})
        assert (income.n, judged["n"]) == (rows * hours // 24, (at(END) - at(start)).days * rows)

    def test_the_value_is_of_the_window_and_the_verdict_of_the_days_it_took(self, version):
        week(version, rows=100, days=4)
        week(version, rows=100, shift=3.0, first="2026-10-05", days=2)
        week(version, rows=100, first="2026-10-07", days=1)

        income = rows_of(executed(planned(version, window_hours=24)))["psi.1", "", "income"]

        assert income.value < 0.25 < income.details["judged"]["value"]
        assert income.gap == income.details["judged"]["value"]
        assert income.verdict == Verdict.drift

    def test_an_empty_window_is_not_widened(self, version):
        week(version, rows=500, days=6)
        run = executed(planned(version, window_hours=24))

        assert run.state == Run.State.NO_DATA


class TestRevisions:
    def late(self, version, run, rows: int = 100) -> Run:
        add_chunk(version, at("2026-10-03").date(), features(rows, 2.0), score=rng().beta(2, 5, size=rows))
        assert windows.ripen(at("2026-10-09"), drain=True) == 1
        return executed(Run.objects.get(revision=run.revision + 1), now=at("2026-10-09"))

    def test_late_rows_make_a_revision_that_supersedes_the_one_before(self, version):
        week(version)
        first = executed(planned(version))

        second = self.late(version, first)

        first.refresh_from_db()
        assert (first.state, first.is_latest, first.dirty_at) == (Run.State.SUPERSEDED, False, None)
        assert (second.state, second.is_latest, second.rows, second.why) == (Run.State.DONE, True, 800, "late")
        assert not first.measurements.filter(is_latest=True).exists()
        assert second.measurements.filter(is_latest=True).count() == second.measurements.count()
        assert first.inputs_sha != second.inputs_sha
        assert rows_of(first)["psi.1", "", "income"].n == 700

    def test_equal_inputs_leave_no_revision(self, version):
        week(version)
        first = executed(planned(version))
        Run.objects.update(dirty_at=NOON, dirty_rows=5)
        windows.ripen(NOON, drain=True)
        again = Run.objects.get(revision=2)

        execution.execute(again.pk, lease_of(again), now=NOON)

        only = Run.objects.get()
        assert (only.pk, only.is_latest, only.dirty_at, only.dirty_rows) == (first.pk, True, None, 0)
        assert windows.ripen(NOON, drain=True) == 0

    def test_a_revision_after_that_is_numbered_and_ordered_anew(self, version):
        week(version)
        first = executed(planned(version))
        Run.objects.update(dirty_at=NOON, dirty_rows=5)
        windows.ripen(NOON, drain=True)
        again = Run.objects.get(revision=2)
        execution.execute(again.pk, lease_of(again), now=NOON)

        assert self.late(version, first).revision == 2

    def test_rows_that_come_while_it_is_measured_leave_it_dirty(self, version, monkeypatch):
        week(version)
        measure = execution.measure

        def meanwhile(data, checks):
            add_chunk(version, at("2026-10-03").date(), features(10), score=rng().random(10))
            return measure(data, checks)

        monkeypatch.setattr(execution, "measure", meanwhile)
        run = executed(planned(version))

        assert run.rows == 700
        assert run.dirty_at is not None
        monkeypatch.undo()
        assert windows.ripen(at("2026-10-09"), drain=True) == 1
        assert executed(Run.objects.get(revision=2), now=at("2026-10-09")).rows == 710

    def test_rows_that_came_before_it_began_do_not(self, version):
        run = planned(version)
        week(version)
        assert Run.objects.get().dirty_at is not None

        assert executed(run).dirty_at is None

    def test_a_failed_revision_waits_for_the_next_late_pass(self, version, monkeypatch):
        week(version)
        first = executed(planned(version))
        add_chunk(version, at("2026-10-03").date(), features(100), score=rng().random(100))
        windows.ripen(at("2026-10-08 01:00"))
        again = Run.objects.get(revision=2)
        windows.order(again, team=again.model.team_id)
        Job.objects.filter(key__endswith=":2").update(state=Job.State.QUARANTINED)

        planner.plan(at("2026-10-08 02:00"))

        again.refresh_from_db()
        first.refresh_from_db()
        assert again.state == Run.State.FAILED
        assert first.is_latest
        assert windows.ripen(at("2026-10-08 03:59")) == 0
        assert windows.ripen(at("2026-10-08 04:00")) == 1


class TestRequest:
    @pytest.fixture(autouse=True)
    def _of_the_team(self, version, alice):
        make_member(alice, team=version.model.team, role=Role.MAINTAINER)

    def test_a_viewer_may_not_ask(self, version, victor):
        make_member(victor, team=version.model.team)
        run = planned(version)

        with pytest.raises(Refused, match="To edit monitors"):
            runs.request(run.monitor, run.window_start, by=victor, now=NOON)

    def test_a_person_gets_the_next_revision(self, version, alice):
        week(version)
        first = executed(planned(version))

        again = runs.request(first.monitor, first.window_start, by=alice, now=NOON)
        again = executed(again, now=NOON)

        assert (again.revision, again.why, again.state, again.is_latest) == (2, "manual", Run.State.DONE, True)
        assert AuditEntry.objects.get(verb="run.requested").actor == "alice"

    def test_while_it_is_measured_there_is_nothing_to_ask_for(self, version, alice):
        run = planned(version)

        with pytest.raises(runs.WindowOpen):
            runs.request(run.monitor, run.window_start, by=alice, now=NOON)

    def test_a_window_that_never_was_is_unknown(self, version, alice):
        with pytest.raises(Invalid, match="no such window"):
            runs.request(make_monitor(version.model), at("2020-01-01"), by=alice, now=NOON)


class TestRecompute:
    def test_it_finds_what_is_stored(self, version):
        week(version, shift=0.4)
        run = executed(planned(version))

        again = [saving._row(run, finding) for finding in execution.recompute(run)]

        assert again == list(run.measurements.order_by("pk").values_list(*MeasurementRow._fields))

    def test_it_says_when_the_days_have_changed(self, version):
        week(version)
        run = executed(planned(version))
        DayManifest.objects.filter(day=at("2026-10-02")).update(generation=9)

        with pytest.raises(execution.InputsMoved):
            execution.recompute(run)


class TestOperations:
    CHECKS = Checks(volume=Volume(), latency=Latency(), cost=Cost(), output_drift=OutputDrift(parts=HOUR_PARTS))

    def served(self, version, day: str, *, rows: int = 200, ms: float = 50.0, price: float = 0.001) -> None:
        latency = rng(at(day).day).gamma(20, ms / 20, size=rows)
        add_chunk(
            version, at(day).date(), features(rows), latency_ms=latency, cost=np.full(rows, price), endpoint="score"
        )

    def month(self, version, **last):
        for n in range(36):
            day = f"{at('2026-09-01') + timedelta(days=n):%Y-%m-%d}"
            self.served(version, day, **(last if n == 35 else {}))
        run = planned(
            version,
            end="2026-10-07 00:00",
            checks=self.CHECKS,
            slug="operations",
            window_hours=24,
            baseline=AgainstPrevious(days=28),
        )
        return executed(run)

    def test_a_usual_day_is_ok(self, version):
        run = self.month(version)

        assert run.summary["verdicts"] == {"insufficient": 1, "ok": 6}
        assert {one.metric: one.verdict for one in run.measurements.all()} == {
            "rows.1": "ok",
            "latency_p95.1": "ok",
            "latency_p99.1": "insufficient",
            "cost_per_1k.1": "ok",
            "calls_per_request.1": "ok",
            "error_share.1": "ok",
            "fallback_share.1": "ok",
        }

    def test_a_bad_day_is_told_by_each_check(self, version):
        run = self.month(version, rows=600, ms=150.0, price=0.003)

        found = {one.metric: one for one in run.measurements.all()}
        assert found["rows.1"].verdict == "warn"
        assert found["latency_p95.1"].verdict == "warn"
        assert (found["latency_p95.1"].endpoint, found["latency_p95.1"].version) == ("score", version)
        assert found["cost_per_1k.1"].verdict == "drift"
        assert found["cost_per_1k.1"].value == pytest.approx(3.0)

    def test_a_silent_day_is_no_data_and_says_what_was_usual(self, version):
        for n in range(35):
            self.served(version, f"{at('2026-09-01') + timedelta(days=n):%Y-%m-%d}")
        run = planned(
            version,
            end="2026-10-07 00:00",
            checks=self.CHECKS,
            slug="operations",
            window_hours=24,
            baseline=AgainstPrevious(days=28),
        )

        run = executed(run)

        assert run.state == Run.State.NO_DATA
        only = run.measurements.get()
        assert (only.metric, only.verdict, only.base_value) == ("rows.1", "no_data", 200)

    def test_a_day_with_few_rows_is_widened_for_all_but_volume(self, version):
        for n in range(36):
            self.served(version, f"{at('2026-09-01') + timedelta(days=n):%Y-%m-%d}", rows=24)
        run = planned(
            version,
            end="2026-10-07 00:00",
            checks=self.CHECKS,
            slug="operations",
            window_hours=24,
            baseline=AgainstPrevious(days=28),
        )

        run = executed(run)

        found = {one.metric: one for one in run.measurements.all()}
        assert run.data_start == at("2026-09-30")
        assert (found["rows.1"].value, found["cost_per_1k.1"].n, found["latency_p95.1"].n) == (24, 168, 168)

    def test_without_a_reference_operations_still_speak(self, db):
        version = make_version(features=[("income", "number"), ("age", "number")])
        run = self.month(version)

        assert run.state == Run.State.DONE
        assert run.summary["worst"] == "insufficient"


class OfOutcomes:
    """A binary model whose outcomes come an hour after the predictions."""

    CHECKS = Checks(performance=Performance())

    def joined(self, version, rows: int, skill: float, *, known: int | None = None, seed: int = 1):
        grid = Grid.loads(bytes(Reference.objects.get(version=version).grid.blob))
        r = rng(seed)
        label = (r.random(rows) < 0.4).astype(float)
        score = 1 / (1 + np.exp(-r.normal(skill * (2 * label - 1))))
        label[rows if known is None else known :] = np.nan
        return build_labels(score, (score >= 0.5).astype(float), label, {}, grid, "binary")

    def week_of_labels(self, version, skill: float, *, known: int = 100, delay_s: float = 3600.0) -> None:
        for n in range(7):
            day = (at("2026-10-01") + timedelta(days=n)).date()
            add_labels(version, day, self.joined(version, 100, skill, known=known, seed=n), delay_s=delay_s)

    def run_of(self, version, **fields) -> Run:
        return planned(version, checks=self.CHECKS, slug="performance", **fields)


class TestPerformance(OfOutcomes):
    @pytest.fixture
    def judged(self, version):
        """A version whose reference knows its outcomes, with a week of predictions."""
        reference = Reference.objects.get()
        Reference.objects.update(label_profile=self.joined(version, 5_000, 1.0, seed=9).dumps())
        assert reference.is_primary
        week(version)
        return version

    def test_known_outcomes_are_judged_against_those_of_the_reference(self, judged):
        self.week_of_labels(judged, 0.4)
        run = executed(self.run_of(judged))

        auc = rows_of(run)["auc.1", "truth", ""]
        assert (auc.verdict, auc.n, auc.base_n, auc.provisional) == ("worse", 700, 5_000, False)
        assert (run.mature, run.coverage_share, run.matures_at) == (True, 1.0, None)
        assert run.summary["worst"] == "worse"
        assert run.inputs["labels"][str(judged.pk)]["2026-10-01"] == 1

    def test_the_same_skill_is_ok(self, judged):
        self.week_of_labels(judged, 1.0)

        assert executed(self.run_of(judged)).summary["worst"] == "ok"

    def test_without_an_outcome_it_is_insufficient_and_says_why(self, judged):
        for n in range(7):
            day = (at("2026-10-01") + timedelta(days=n)).date()
            add_labels(judged, day, self.joined(judged, 100, 1.0, known=0), delay_s=None)
        run = executed(self.run_of(judged))

        only = run.measurements.get()
        assert (only.verdict, only.reason, only.value) == ("insufficient", "empty", None)
        assert run.mature is False

    def test_immature_outcomes_are_provisional_and_never_alert(self, judged):
        self.week_of_labels(judged, 0.2, known=50)
        run = executed(self.run_of(judged))

        assert (run.mature, run.coverage_share) == (False, 0.5)
        assert {one.provisional for one in run.measurements.all()} == {True}
        assert run.matures_at == run.window_end + timedelta(hours=1)
        assert not Alert.objects.exists()

    def test_until_delays_are_known_outcomes_take_three_days(self, judged):
        self.week_of_labels(judged, 0.2, known=20)
        run = executed(self.run_of(judged))

        assert run.matures_at == run.window_end + timedelta(hours=72)

    def test_at_maturity_the_window_is_judged_as_the_next_revision(self, judged):
        self.week_of_labels(judged, 0.2, known=50)
        run = executed(self.run_of(judged))
        assert windows.ripen(run.matures_at - timedelta(minutes=1)) == 0

        assert windows.ripen(run.matures_at) == 1
        second = executed(Run.objects.get(revision=2), now=run.matures_at)

        assert (second.why, second.mature, second.is_latest) == ("labels", True, True)
        assert {one.provisional for one in second.measurements.all()} == {False}
        assert second.measurements.get(metric="auc.1").verdict == "worse"
        assert windows.ripen(run.matures_at + timedelta(days=3), drain=True) == 0

    def test_outcomes_that_come_later_make_a_revision(self, judged):
        self.week_of_labels(judged, 1.0)
        run = executed(self.run_of(judged))
        add_labels(judged, at("2026-10-03").date(), self.joined(judged, 100, 0.1, seed=99))

        assert windows.ripen(at("2026-10-09")) == 1
        second = executed(Run.objects.get(revision=2), now=at("2026-10-09"))

        assert second.why == "labels"
        assert second.measurements.get(metric="auc.1").value < run.measurements.get(metric="auc.1").value

    def test_what_was_usual_decides_what_is_complete(self, judged):
        monitor = make_monitor(judged.model, checks=self.CHECKS, slug="performance")
        make_run(monitor, end="2026-10-05 00:00", mature=True, coverage_share=0.5)
        self.week_of_labels(judged, 1.0, known=46, delay_s=400_000.0)

        run = executed(make_run(monitor, end=END, state=Run.State.PLANNED))

        assert (run.mature, run.coverage_share) == (True, 0.46)

    def test_few_outcomes_take_more_days(self, judged):
        self.week_of_labels(judged, 1.0, known=30)
        run = executed(self.run_of(judged, window_hours=24), now=at("2026-10-20"))

        assert run.data_start == at("2026-10-01")
        assert run.measurements.get(metric="auc.1").n == 210

    def test_an_old_result_is_computed_again_with_the_maturity_it_had(self, judged):
        self.week_of_labels(judged, 0.2, known=50)
        run = executed(self.run_of(judged))

        assert {one.provisional for one in execution.recompute(run)} == {True}


class TestFirstDays(OfOutcomes):
    """The reference knows no outcomes: the first 28 full days of the version stand for it."""

    @pytest.fixture
    def judged(self, version):
        """Four weeks of a good model, and the week that is measured."""
        Reference.objects.update(label_profile=None)
        self.days(version, "2026-09-03", 28, skill=1.0)
        week(version)
        VersionTraffic.objects.update(first_at=at("2026-09-03"))
        return version

    def days(self, version, first: str, count: int, *, skill: float, delay_s: float | None = 3600.0) -> None:
        week(version, first=first, days=count)
        for n in range(count):
            day = (at(first) + timedelta(days=n)).date()
            add_labels(version, day, self.joined(version, 100, skill, seed=100 + n), delay_s=delay_s)

    def test_known_outcomes_are_judged_against_those_of_the_first_days(self, judged):
        self.week_of_labels(judged, 0.4)
        run = executed(self.run_of(judged))

        auc = rows_of(run)["auc.1", "truth", ""]
        assert (auc.verdict, auc.n, auc.base_n) == ("worse", 700, 2_800)
        assert auc.details["base_since"] == "2026-09-03"
        assert any(f"outcomes of {judged.pk} from 2026-09-03 to 2026-10-01" in one for one in run.inputs["references"])

    def test_the_first_day_counts_only_if_it_is_a_full_one(self, judged):
        VersionTraffic.objects.update(first_at=at("2026-09-02 12:00"))
        self.week_of_labels(judged, 1.0)

        run = executed(self.run_of(judged))

        assert rows_of(run)["auc.1", "truth", ""].details["base_since"] == "2026-09-03"

    def test_days_of_the_window_are_no_base(self, judged):
        VersionTraffic.objects.update(first_at=at("2026-09-03 00:00:01"))
        self.week_of_labels(judged, 0.4)

        run = executed(self.run_of(judged))

        assert rows_of(run)["auc.1", "truth", ""].reason == "no_reference"

    def test_first_days_whose_outcomes_still_come_are_no_base_yet(self, version):
        Reference.objects.update(label_profile=None)
        week(version, first="2026-09-03", days=28)
        for n in range(28):
            day = (at("2026-09-03") + timedelta(days=n)).date()
            add_labels(version, day, self.joined(version, 100, 1.0, known=50, seed=n), delay_s=30 * 86_400.0)
        week(version)
        self.week_of_labels(version, 1.0)
        VersionTraffic.objects.update(first_at=at("2026-09-03"))

        run = executed(self.run_of(version))
        later = executed(windows.plan_again(run, why=Run.Why.MANUAL, now=at("2026-11-20")), now=at("2026-11-20"))

        assert rows_of(run)["auc.1", "truth", ""].reason == "no_reference"
        assert rows_of(later)["auc.1", "truth", ""].base_n == 1_400

    def test_a_result_computed_again_is_the_same_until_they_change(self, judged):
        self.week_of_labels(judged, 0.4)
        run = executed(self.run_of(judged))

        [auc] = [one for one in execution.recompute(run) if one.metric == "auc.1"]
        assert auc.base_value == rows_of(run)["auc.1", "truth", ""].base_value

        add_labels(judged, at("2026-09-05").date(), self.joined(judged, 100, 0.1, seed=5))
        with pytest.raises(execution.InputsMoved, match="compared with"):
            execution.recompute(run)

    def test_without_traffic_there_are_none(self, version):
        assert early_days(version, at(END), "truth", at(END)) is None


def ranked(grid: Grid, rows: int, skill: float, seed: int):
    """Lists of six items joined with the relevant one, which stands first with this chance."""
    r = rng(seed)
    places = np.where(r.random(rows) < skill, 0, r.integers(0, 6, rows))
    relevant = [{str(place): 1.0} for place in places]
    return build_labels(None, [[*"012345"]] * rows, relevant, {}, grid, "ranking")


def test_a_ranking_is_judged_by_its_queries(db):
    version = make_version(make_model(task="ranking"), features=[("income", "number"), ("age", "number")])
    grid = Grid.loads(bytes(make_reference(version, features(5_000)).grid.blob))
    Reference.objects.update(label_profile=ranked(grid, 5_000, 0.8, seed=9).dumps())
    week(version)
    for n in range(7):
        add_labels(version, (at("2026-10-01") + timedelta(days=n)).date(), ranked(grid, 100, 0.5, seed=n))

    run = executed(planned(version, checks=Checks(performance=Performance())))

    found = rows_of(run)
    ndcg = found["ndcg_k.1", "truth", ""]
    assert (ndcg.verdict, ndcg.n, ndcg.base_n, ndcg.threshold) == ("worse", 700, 5_000, 0.02)
    assert ndcg.low < ndcg.value < ndcg.high < ndcg.base_value
    assert {metric for metric, *_ in found} == {"ndcg_k.1", "map_k.1", "recall_k.1", "hit_k.1", "mrr.1"}
    assert run.summary["worst"] == "worse"


def test_inputs_of_a_version_without_reference_are_insufficient(db):
    version = make_version(features=[("income", "number"), ("age", "number")])
    week(version)

    run = executed(planned(version))

    assert {(one.verdict, one.reason) for one in run.measurements.all()} == {("insufficient", "no_reference")}


def test_each_version_is_compared_on_its_own_grid(version):
    other = make_version(version.model, features=[("income", "number"), ("age", "number")])
    make_reference(other, features(5_000, shift=1.0))
    week(version, shift=0.0)
    week(other, shift=1.0)

    run = executed(planned(version, checks=Checks(input_drift=InputDrift())))

    assert {(one.version_id, one.feature, one.verdict) for one in run.measurements.all()} == {
        (each.pk, name, "ok") for each in (version, other) for name in ("income", "age")
    }


def test_the_days_before_can_be_the_baseline(version):
    week(version, first="2026-09-10", days=20, rows=100)
    week(version, first="2026-10-07", days=1, rows=500, shift=1.0)
    run = planned(version, checks=Checks(input_drift=InputDrift()), window_hours=24, baseline=AgainstPrevious(days=28))

    income = rows_of(executed(run))["psi.1", "", "income"]

    assert (income.n, income.base_n, income.verdict) == (500, 2_000, "drift")


def test_two_windows_of_drift_open_an_alert(version):
    week(version, shift=1.5)
    monitor = make_monitor(version.model, checks=INPUTS)
    for end in ("2026-10-07 00:00", "2026-10-08 00:00"):
        executed(make_run(monitor, end=end, state=Run.State.PLANNED))

    assert Alert.objects.get().family == Alert.Family.DRIFT


def test_what_is_not_a_number_is_never_stored(version):
    run = make_run(make_monitor(version.model), end=END)
    finding = execution.Finding(
        "cost", "cost_per_1k.1", value=float("nan"), low=2.0, high=1.0, gap=float("inf"), details={"a": {"b": np.nan}}
    )

    row = saving._row(run, finding)

    assert (row.value, row.reason, row.gap, row.details) == (None, "not_finite", None, {"a": {"b": None}})
    assert (row.low, row.high) == (1.0, 2.0)


def test_details_over_four_kilobytes_go_without_their_histogram(version):
    run = make_run(make_monitor(version.model), end=END)
    details = {"p_value": 0.1, "histogram": {"labels": ["x" * 40] * 200}}

    row = saving._row(run, execution.Finding("input_drift", "psi.1", value=0.0, details=details))

    assert row.details == {"p_value": 0.1}


class TestCost:
    """Statements of a run from its lease to its commit, those that open and end the transaction among them."""

    def statements(self, run: Run) -> int:
        lease = lease_of(run)
        with CaptureQueriesContext(connection) as seen:
            execution.execute(run.pk, lease)
        run.refresh_from_db()
        assert run.state == Run.State.DONE
        return len(seen)

    @pytest.fixture(autouse=True)
    def _knows_its_grids(self, version):
        chunks.grids.load(Reference.objects.get().grid_id)

    def test_a_day_on_which_all_is_well(self, version):
        week(version, rows=300)

        assert self.statements(planned(version)) <= 15

    def test_as_many_for_two_versions_and_a_widened_window(self, version):
        other = make_version(version.model, features=[("income", "number"), ("age", "number")])
        chunks.grids.load(make_reference(other, features(5_000)).grid_id)
        week(version, rows=100)
        week(other, rows=100)

        assert self.statements(planned(version, window_hours=24)) <= 15

    def test_the_days_before_as_baseline_cost_no_more(self, version):
        week(version, first="2026-09-10", days=28, rows=100)
        baseline = AgainstPrevious(days=28)

        assert self.statements(planned(version, window_hours=24, baseline=baseline)) <= 15

    def test_an_open_alert_costs_five_more_and_its_opening_twelve(self, version):
        week(version, rows=300, shift=0.8, days=9)
        monitor = make_monitor(version.model, checks=INPUTS)
        ends = ("2026-10-07 00:00", "2026-10-08 00:00", "2026-10-09 00:00")

        taken = [self.statements(make_run(monitor, end=end, state=Run.State.PLANNED)) for end in ends]

        assert Alert.objects.open().exists()
        assert max(taken) <= 27
        assert max(taken[1:]) <= 20

    def test_operations(self, version):
        served = TestOperations()
        for n in range(36):
            served.served(version, f"{at('2026-09-01') + timedelta(days=n):%Y-%m-%d}")
        run = planned(
            version,
            end="2026-10-07 00:00",
            checks=served.CHECKS,
            slug="operations",
            window_hours=24,
            baseline=AgainstPrevious(days=28),
        )

        assert self.statements(run) <= 15
