"""Conditions and alerts: what opens, joins, rises, closes, comes back, and who may answer for it."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mlops_portal.kit.errors import Conflict, Invalid, Refused
from monitoring import alerts
from monitoring.alerts import JudgedWindow, Scope, Signal, conditions, lifecycle
from monitoring.models import Alert, AlertMember, AlertTransition, Condition, Measurement, Monitor, Run, VersionTraffic
from monitoring.stats.gates import EVENT, ConditionState, Rule
from monitoring.stats.results import Verdict
from registry import permissions
from registry.models import AuditEntry, OutboxMessage, Role, Team, User
from tests.factories import (
    NOON,
    make_key,
    make_measurement,
    make_model,
    make_monitor,
    make_run,
    make_user,
    make_version,
)

FIRST_END = datetime(2026, 10, 1, tzinfo=UTC)
NOW = NOON


@pytest.fixture
def monitor(alice: User, team: Team) -> Monitor:
    """A daily monitor of a model that alice owns."""
    return make_monitor(make_model(team=team, slug="eta", owner=alice))


def end_of(day: int) -> datetime:
    return FIRST_END + timedelta(days=day)


def verdict_of(psi: float | None) -> Verdict:
    if psi is None:
        return Verdict.insufficient
    return Verdict.ok if psi < 0.1 else Verdict.warn if psi < 0.25 else Verdict.drift


def measure(run: Run, psi: dict[str, float | None]) -> list[Measurement]:
    return [
        make_measurement(
            run,
            feature=feature,
            value=value,
            verdict=verdict_of(value),
            threshold=0.25 if (value or 0) >= 0.25 else 0.1,
            hard=(value or 0) >= 0.5,
        )
        for feature, value in psi.items()
    ]


def look(
    monitor: Monitor,
    day: int,
    *,
    revision: int = 1,
    quiet: bool = False,
    state: str = Run.State.DONE,
    now: datetime | None = None,
    **psi: float | None,
) -> Run:
    """Let one day's run judge these features by their PSI."""
    run = make_run(monitor, end=end_of(day), revision=revision, quiet=quiet, state=state)
    alerts.observe_run(run, measure(run, psi), now=now or end_of(day) + timedelta(minutes=7))
    return run


def look_at_each(monitor: Monitor, psi: Iterable[float | None], *, start: int = 0, **more: Any) -> None:
    for day, value in enumerate(psi, start):
        look(monitor, day, trip_km=value, **more)


def messages() -> list[str]:
    return list(OutboxMessage.objects.order_by("created_at", "pk").values_list("type", flat=True))


def the_alert() -> Alert:
    return Alert.objects.get()


def verbs(alert: Alert) -> list[str]:
    return list(alert.transitions.values_list("verb", flat=True))


class TestOpening:
    def test_a_signal_that_never_breached_leaves_no_row(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.01, 0.09, 0.02])

        assert not Condition.objects.exists()

    def test_one_daily_breach_waits(self, monitor: Monitor) -> None:
        look(monitor, 0, trip_km=0.3)

        assert Condition.objects.get().state == "pending"
        assert not Alert.objects.exists()

    @pytest.mark.parametrize(
        ("psi", "opens"),
        [
            ([0.2, 0.2], True),
            ([0.2, 0.02, 0.2], True),
            ([0.2, None, None, 0.2], True),
            ([0.2, 0.02, 0.02, 0.2], False),
            ([0.09, 0.099, 0.099], False),
        ],
        ids=["two in a row", "two of three", "unjudged windows do not count", "two of four", "below the limit"],
    )
    def test_two_of_three_judged_days_open(self, monitor: Monitor, psi: list[float | None], *, opens: bool) -> None:
        look_at_each(monitor, psi)

        assert Alert.objects.open().exists() is opens

    def test_a_hard_break_opens_at_once_and_is_critical(self, monitor: Monitor) -> None:
        look(monitor, 0, trip_km=0.6)

        assert the_alert().severity == "critical"

    def test_an_hourly_monitor_needs_three_of_five(self, monitor: Monitor) -> None:
        hourly = make_monitor(monitor.model, slug="operations", cadence=Monitor.Cadence.HOUR)
        for hour, psi in enumerate([0.2, 0.02, 0.2, 0.02, 0.2]):
            assert not Alert.objects.exists()
            run = make_run(hourly, end=FIRST_END + timedelta(hours=hour))
            alerts.observe_run(run, measure(run, {"trip_km": psi}), now=NOW)

        assert the_alert().opened_at == FIRST_END + timedelta(hours=4)

    def test_it_knows_when_it_began_and_when_it_was_noticed(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.02, 0.2])

        alert = the_alert()
        assert (alert.since_at, alert.opened_at, alert.last_breach_at) == (end_of(0), end_of(2), end_of(2))
        assert alert.detected_at == end_of(2) + timedelta(minutes=7)
        assert verbs(alert) == ["opened"]

    def test_fifty_drifting_features_are_one_alert_and_one_message(self, monitor: Monitor) -> None:
        for day in range(2):
            look(monitor, day, **{f"f{i:02}": 0.3 + i / 1000 for i in range(50)})

        alert = the_alert()
        assert alert.members.count() == 50
        assert messages() == ["alert.opened"]
        assert alert.summary == "f49 drifted: PSI 0.35 (n = 10,000), limit 0.25, with 49 more features"

    def test_the_same_run_five_times_counts_once(self, monitor: Monitor) -> None:
        look(monitor, 0, trip_km=0.3)
        run = make_run(monitor, end=end_of(1))
        found = measure(run, {"trip_km": 0.3})
        for _ in range(5):
            alerts.observe_run(run, found, now=NOW)

        assert len(Condition.objects.get().ring) == 2
        assert messages() == ["alert.opened"]
        assert verbs(the_alert()) == ["opened"]

    def test_windows_in_any_order_give_the_same_ring(self, monitor: Monitor) -> None:
        series = {0: 0.2, 1: 0.3, 2: 0.02, 3: 0.2}
        other = make_monitor(make_model(team=monitor.model.team))
        for day in (0, 1, 2, 3):
            look(monitor, day, trip_km=series[day])
        for day in (0, 3, 1, 2):
            look(other, day, trip_km=series[day])

        in_order, shuffled = Condition.objects.order_by("model__slug")
        assert in_order.ring == shuffled.ring
        assert in_order.state == shuffled.state


class TestGroups:
    def test_another_monitor_of_the_family_joins_the_open_alert(self, monitor: Monitor) -> None:
        recent = make_monitor(monitor.model, slug="inputs-recent")
        look_at_each(monitor, [0.2, 0.2])
        look(recent, 1, fare=0.2)
        look(recent, 2, fare=0.2)

        alert = the_alert()
        assert alert.members.count() == 2
        assert verbs(alert) == ["opened", "joined"]
        assert messages() == ["alert.opened"]

    def test_it_stays_open_while_a_condition_of_another_monitor_fires(self, monitor: Monitor) -> None:
        recent = make_monitor(monitor.model, slug="inputs-recent")
        look_at_each(monitor, [0.2, 0.2])
        for day in (1, 2):
            look(recent, day, fare=0.2)
        look_at_each(monitor, [0.01, 0.01], start=2)

        alert = the_alert()
        assert alert.closed_at is None
        assert AlertMember.objects.get(left_at=None).condition.scope["feature"] == "fare"
        assert verbs(alert)[-1] == "left"

    def test_families_and_endpoints_are_kept_apart(self, monitor: Monitor) -> None:
        for day in range(2):
            run = make_run(monitor, end=end_of(day))
            late = {"check_key": "latency", "metric": "latency_p95.1", "verdict": Verdict.warn}
            found = [
                make_measurement(run, feature="trip_km", value=0.3, verdict=Verdict.drift),
                make_measurement(run, value=400.0, endpoint="eta-live", **late),
                make_measurement(run, value=900.0, endpoint="eta-batch", **late),
            ]
            alerts.observe_run(run, found, now=NOW)

        groups = sorted(Alert.objects.values_list("endpoint", "family"))
        assert groups == [("", "drift"), ("eta-batch", "operations"), ("eta-live", "operations")]

    def test_a_worker_that_opens_second_joins_the_first(
        self, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recent = make_monitor(monitor.model, slug="inputs-recent")
        look_at_each(monitor, [0.2, 0.2])
        look(recent, 0, fare=0.2)
        _blind_once(monkeypatch)

        look(recent, 1, fare=0.2)

        assert the_alert().members.count() == 2

    def test_a_change_in_between_is_read_again(
        self, monitor: Monitor, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look_at_each(monitor, [0.2, 0.2])
        _change_in_between(monkeypatch, lambda: alerts.acknowledge(the_alert(), by=alice, now=NOW))

        look(monitor, 2, trip_km=0.3)

        alert = the_alert()
        assert alert.acknowledged_by == alice
        assert alert.sequence == 3
        assert "PSI 0.30" in alert.summary

    def test_an_alert_that_never_rests_is_left_to_the_next_attempt(
        self, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look_at_each(monitor, [0.2, 0.2])
        monkeypatch.setattr(lifecycle, "_move", lambda alert, changes: False)

        with pytest.raises(lifecycle.AlertKeepsMoving):
            look(monitor, 2, trip_km=0.3)

    def test_segments_that_repeat_their_aggregate_stay_silent(self, monitor: Monitor) -> None:
        for day in range(2):
            run = make_run(monitor, end=end_of(day))
            found = [
                make_measurement(run, feature="trip_km", value=0.3, verdict=Verdict.drift),
                make_measurement(run, feature="trip_km", segment="region=EU", value=0.5, verdict=Verdict.drift),
                make_measurement(run, feature="trip_km", segment="region=US", value=0.7, verdict=Verdict.drift),
                make_measurement(run, feature="fare", value=0.02),
                make_measurement(run, feature="fare", segment="region=EU", value=0.2, verdict=Verdict.warn),
            ]
            alerts.observe_run(run, found, now=NOW)

        spoken = {(c.scope["feature"], c.scope["segment"]) for c in Condition.objects.all()}
        assert spoken == {("trip_km", ""), ("trip_km", "region=US"), ("fare", "region=EU")}

    def test_provisional_values_never_alert(self, monitor: Monitor) -> None:
        for day in range(3):
            run = make_run(monitor, end=end_of(day))
            found = make_measurement(
                run, check_key="performance", metric="auc.1", value=0.6, verdict=Verdict.worse, provisional=True
            )
            alerts.observe_run(run, [found], now=NOW)

        assert not Condition.objects.exists()


class TestClearing:
    def test_two_clear_days_close_it(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.01, 0.01])

        alert = the_alert()
        assert (alert.closed_at, alert.close_reason) == (end_of(3), "cleared")
        assert messages() == ["alert.opened", "alert.closed"]
        assert not alert.members.filter(left_at=None).exists()

    def test_just_under_the_limit_is_not_clear(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.01, 0.09, 0.01, 0.09])

        assert Condition.objects.get().state == "firing"
        assert the_alert().closed_at is None

    @pytest.mark.parametrize("verdict", [Verdict.insufficient, Verdict.no_data, Verdict.error])
    def test_what_could_not_be_judged_clears_nothing(self, monitor: Monitor, verdict: Verdict) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.01])
        for day in (3, 4, 5):
            run = make_run(monitor, end=end_of(day))
            found = [
                make_measurement(run, feature="trip_km", value=None, verdict=verdict),
                make_measurement(run, feature="fare", value=0.01),
            ]
            alerts.observe_run(run, found, now=NOW)

        condition = Condition.objects.get(source__contains="input_drift")
        assert condition.state == "clearing"
        assert len(condition.ring) == 3
        assert condition.unknown_since == (None if verdict == Verdict.insufficient else end_of(3))
        assert Alert.objects.get(family="drift").closed_at is None

    def test_the_next_judged_window_ends_the_doubt(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2])
        look(monitor, 2, state=Run.State.NO_DATA)
        assert Condition.objects.get(source__contains="drift").unknown_since == end_of(2)

        look(monitor, 3, trip_km=0.3)

        assert Condition.objects.get(source__contains="drift").unknown_since is None

    def test_a_condition_of_which_the_run_says_nothing_is_ok_where_its_check_was_judged(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2])
        look(monitor, 2, fare=0.01)
        assert the_alert().closed_at is None
        look(monitor, 3, fare=0.01)

        assert the_alert().closed_at == end_of(3)

    def test_a_condition_of_a_check_that_was_not_judged_is_kept(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2])
        for day in (2, 3, 4):
            look(monitor, day, fare=None)

        assert the_alert().closed_at is None


class TestLateData:
    def test_a_higher_revision_replaces_its_window(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2])
        look(monitor, 1, revision=2, trip_km=0.01)

        alert = the_alert()
        assert Condition.objects.get().state == "pending"
        assert (alert.close_reason, alert.closed_at) == ("recomputed", end_of(1))

    def test_a_lower_revision_changes_nothing(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2])
        run = make_run(monitor, end=end_of(1), revision=2)
        alerts.observe_run(run, measure(run, {"trip_km": 0.2}), now=NOW)
        before = Condition.objects.get().ring
        old = make_run(monitor, end=end_of(1), revision=1)
        alerts.observe_run(old, measure(old, {"trip_km": 0.01}), now=NOW)

        assert Condition.objects.get().ring == before

    def test_the_same_revision_with_other_numbers_changes_nothing(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2])
        run = make_run(monitor, end=end_of(1))
        alerts.observe_run(run, measure(run, {"trip_km": 0.2}), now=NOW)
        other = measure(make_run(make_monitor(make_model())), {"trip_km": 0.01})
        alerts.observe_run(run, other, now=NOW)

        assert Condition.objects.get().ring[-1]["gap"] == 0.2

    def test_a_window_that_lost_its_verdict_leaves_the_ring(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2])
        look(monitor, 1, revision=2, trip_km=None)

        condition = Condition.objects.get()
        assert (condition.state, len(condition.ring)) == ("pending", 1)

    def test_a_replaced_window_inside_a_long_episode_keeps_the_episode(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2] * 20)
        look(monitor, 13, revision=2, trip_km=0.01)

        condition = Condition.objects.get()
        assert condition.state == "firing"
        assert the_alert().closed_at is None

    def test_a_window_older_than_the_ring_leaves_only_a_note(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2] * 12)
        before = Condition.objects.get().ring
        look(monitor, 3, revision=2, trip_km=0.01)

        assert Condition.objects.get().ring == before
        assert verbs(the_alert())[-1] == "noted"

    def test_the_ring_stays_small(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2] * 30)

        assert len(Condition.objects.get().ring) == 12


class TestSeverity:
    def test_one_critical_window_among_warnings_does_not_raise(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.3])

        assert the_alert().severity == "warning"

    def test_it_rises_once_as_many_windows_are_critical_as_it_takes_to_open(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.3, 0.3, 0.2])

        alert = the_alert()
        assert alert.severity == "critical"
        assert messages() == ["alert.opened", "alert.raised"]
        assert verbs(alert).count("raised") == 1

    def test_rising_ends_an_acknowledgement(self, monitor: Monitor, alice: User) -> None:
        look_at_each(monitor, [0.2, 0.2])
        alerts.acknowledge(the_alert(), by=alice, now=NOW)
        look_at_each(monitor, [0.3, 0.3], start=2)

        assert the_alert().state == "open"

    def test_it_falls_silently_when_the_critical_member_leaves(self, monitor: Monitor) -> None:
        for day in range(2):
            look(monitor, day, trip_km=0.3, fare=0.2)
        for day in (2, 3):
            look(monitor, day, trip_km=0.01, fare=0.2)

        alert = the_alert()
        assert alert.severity == "warning"
        assert verbs(alert)[-1] == "lowered"
        assert messages() == ["alert.opened"]


class TestComingBack:
    def test_within_three_days_it_is_the_same_alert_again(self, monitor: Monitor, alice: User) -> None:
        look_at_each(monitor, [0.2, 0.2])
        alerts.acknowledge(the_alert(), by=alice, now=NOW)
        look_at_each(monitor, [0.01, 0.01, 0.2, 0.2], start=2)

        alert = the_alert()
        assert (alert.reopen_count, alert.closed_at, alert.state) == (1, None, "open")
        assert messages() == ["alert.opened", "alert.closed", "alert.reopened"]

    def test_later_it_is_another_one(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.01, 0.01, 0.01, 0.01, 0.2, 0.2])

        assert Alert.objects.count() == 2
        assert Alert.objects.filter(reopen_count=0).count() == 2

    def test_the_third_return_within_a_week_is_flapping_and_writes_no_more(self, monitor: Monitor) -> None:
        hourly = make_monitor(monitor.model, slug="operations", cadence=Monitor.Cadence.HOUR)
        for hour, psi in enumerate(([0.2] * 3 + [0.01] * 3) * 5):
            run = make_run(hourly, end=FIRST_END + timedelta(hours=hour))
            alerts.observe_run(run, measure(run, {"trip_km": psi}), now=NOW)

        alert = the_alert()
        assert alert.reopen_count == 4
        assert alerts.is_flapping(alert, alert.last_breach_at)
        assert messages().count("alert.reopened") == 2
        assert messages().count("alert.closed") == 3


class TestQuietHistory:
    def test_history_moves_alerts_without_a_message(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2, 0.01, 0.01], quiet=True)

        assert the_alert().close_reason == "cleared"
        assert messages() == []

    def test_what_is_still_open_is_announced_once(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2], quiet=True)
        assert the_alert().announced_at is None
        look_at_each(monitor, [0.2, 0.2], start=2)

        assert messages() == ["alert.opened"]
        assert the_alert().announced_at == end_of(2) + timedelta(minutes=7)

    def test_an_alert_that_was_never_announced_closes_without_a_message(self, monitor: Monitor) -> None:
        look_at_each(monitor, [0.2, 0.2], quiet=True)
        look_at_each(monitor, [0.01, 0.01], start=2, quiet=True)

        assert messages() == []


class TestAboutTheRun:
    def test_two_windows_without_data_open_an_alert_of_their_own(self, monitor: Monitor) -> None:
        look(monitor, 0, state=Run.State.NO_DATA)
        assert not Alert.objects.exists()
        look(monitor, 1, state=Run.State.NO_DATA)

        alert = the_alert()
        assert (alert.family, alert.summary) == ("operations", "No predictions arrived in the last windows")

    def test_the_first_window_with_data_ends_it(self, monitor: Monitor) -> None:
        for day in (0, 1):
            look(monitor, day, state=Run.State.NO_DATA)
        look(monitor, 2, trip_km=0.01)

        assert the_alert().closed_at == end_of(2)

    def test_two_runs_with_failed_checks_alert_the_owner(self, monitor: Monitor) -> None:
        for day in (0, 1):
            run = make_run(monitor, end=end_of(day))
            bad = make_measurement(run, check_key="latency", metric="latency_p95.1", value=None, verdict=Verdict.error)
            alerts.observe_run(run, [bad, *measure(run, {"trip_km": 0.01})], now=NOW)

        assert the_alert().family == "control"

    def test_a_failed_run_says_nothing_about_data(self, monitor: Monitor) -> None:
        for day in (0, 1):
            look(monitor, day, state=Run.State.NO_DATA)
        look(monitor, 2, state=Run.State.FAILED)

        assert the_alert().closed_at is None


def test_the_number_of_queries_does_not_grow_with_the_features(monitor: Monitor) -> None:
    def queries_of_day(day: int, psi: dict[str, float | None]) -> int:
        run = make_run(monitor, end=end_of(day))
        found = measure(run, psi)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            alerts.observe_run(run, found, now=NOW)
        return len(captured)

    few: dict[str, float | None] = {f"f{i}": 0.2 for i in range(3)}
    many: dict[str, float | None] = {f"f{i}": 0.2 for i in range(40)}
    queries_of_day(0, few)
    with_few = queries_of_day(1, few)
    other = make_monitor(make_model(team=monitor.model.team))
    monitor = other
    queries_of_day(0, many)
    with_many = queries_of_day(1, many)

    assert with_many <= with_few + 2  # SQLite splits a large insert
    assert with_many <= 30


def test_a_healthy_run_costs_few_queries(monitor: Monitor, django_assert_max_num_queries: Callable[..., Any]) -> None:
    run = make_run(monitor, end=end_of(0))
    found = measure(run, {f"f{i}": 0.01 for i in range(60)})

    with django_assert_max_num_queries(4):
        alerts.observe_run(run, found, now=NOW)


def test_any_other_source_enters_by_observe(monitor: Monitor) -> None:
    lag = Signal("control:delivery", Alert.Family.CONTROL, Verdict.warn, scope=Scope(endpoint="eta-live"), value=9.0)
    window = JudgedWindow(end_of(0), 1, EVENT, timedelta(hours=24))

    alerts.observe(monitor.model, [lag], window, now=NOW)

    assert the_alert().endpoint == "eta-live"
    assert Condition.objects.get().state == ConditionState.firing


def test_going_quiet_empties_the_ring(monitor: Monitor) -> None:
    eager = Rule(2, 5, 1)
    for day, verdict in enumerate([Verdict.warn, Verdict.warn, Verdict.ok, Verdict.warn]):
        lag = Signal("control:delivery", Alert.Family.CONTROL, verdict)
        alerts.observe(monitor.model, [lag], JudgedWindow(end_of(day), 1, eager, timedelta(0)), now=NOW)

    assert Condition.objects.get().state == "pending"


def test_thresholds_are_no_part_of_a_fingerprint(monitor: Monitor) -> None:
    loose = Signal("budget:1:fast", Alert.Family.BUDGET, Verdict.warn, threshold=2.0)
    tight = Signal("budget:1:fast", Alert.Family.BUDGET, Verdict.warn, threshold=1.0)
    other = Signal("budget:1:slow", Alert.Family.BUDGET, Verdict.warn, threshold=2.0)
    model_id = monitor.model_id

    assert conditions.fingerprint(model_id, loose) == conditions.fingerprint(model_id, tight)
    assert conditions.fingerprint(model_id, loose) != conditions.fingerprint(model_id, other)


class TestSilence:
    def look(self, monitor: Monitor, day: int, *, silent: bool) -> None:
        run = make_run(monitor, end=end_of(day))
        found = [make_measurement(run, check_key="volume", metric="rows.1", value=100.0, verdict=Verdict.ok)]
        if silent:
            silence = {"value": 15.0, "threshold": 3.0, "n": 0, "base_value": 1.0}
            found.append(make_measurement(run, check_key="volume", metric="silence.1", verdict=Verdict.warn, **silence))
        alerts.observe_run(run, found, now=NOW)

    @pytest.fixture
    def live(self, monitor: Monitor) -> Monitor:
        VersionTraffic.objects.create(version=make_version(monitor.model), last_live_at=end_of(0))
        return monitor

    def test_live_traffic_that_stops_opens_at_once(self, live: Monitor) -> None:
        self.look(live, 0, silent=True)

        assert the_alert().summary == "No predictions for 15\u202fh, limit 3.0\u202fh"
        assert the_alert().family == "operations"

    def test_it_clears_with_the_first_window_that_is_not_silent(self, live: Monitor) -> None:
        self.look(live, 0, silent=True)
        self.look(live, 1, silent=False)

        assert the_alert().close_reason == "cleared"

    def test_history_that_was_filled_in_just_ends(self, monitor: Monitor) -> None:
        self.look(monitor, 0, silent=True)

        assert not Alert.objects.exists()
        assert Condition.objects.get().state == "pending"


class TestAcknowledgement:
    @pytest.fixture
    def alert(self, monitor: Monitor) -> Alert:
        look_at_each(monitor, [0.2, 0.2])
        return the_alert()

    @pytest.mark.parametrize(("severity", "hours"), [("critical", 24), ("warning", 72)])
    def test_it_holds_for_a_day_or_three(self, alert: Alert, alice: User, severity: str, hours: int) -> None:
        Alert.objects.filter(pk=alert.pk).update(severity=severity)

        alerts.acknowledge(the_alert(), by=alice, now=NOW, note="looking")

        alert.refresh_from_db()
        assert (alert.state, alert.acknowledged_note) == ("acked", "looking")
        assert alert.acknowledged_until == NOW + timedelta(hours=hours)

    def test_the_first_name_stays(self, alert: Alert, alice: User, bob: User) -> None:
        stale = the_alert()
        alerts.acknowledge(alert, by=alice, now=NOW)

        with pytest.raises(alerts.AlreadyAcknowledged, match="alice has acknowledged"):
            alerts.acknowledge(stale, by=bob, now=NOW)

        assert the_alert().acknowledged_by == alice

    def test_it_is_written_down(self, alert: Alert, alice: User) -> None:
        alerts.acknowledge(alert, by=alice, now=NOW, note="asked upstream")

        last = AlertTransition.objects.filter(alert=alert).last()
        assert last is not None
        assert (last.verb, last.by) == ("acknowledged", "alice")
        assert "asked upstream" in last.note
        assert AuditEntry.objects.filter(verb="alert.acknowledged", object_id=str(alert.pk)).count() == 1

    def test_a_viewer_is_refused(self, alert: Alert, victor: User) -> None:
        with pytest.raises(Refused):
            alerts.acknowledge(alert, by=victor, now=NOW)

        assert not alerts.may_acknowledge(victor, alert)
        assert "handle alerts" in alerts.may_acknowledge(victor, alert).reason

    def test_a_reviewer_may(self, alert: Alert, team: Team) -> None:
        rita = make_user("rita", team=team, role=Role.VIEWER, is_reviewer=True)

        assert alerts.may_acknowledge(rita, alert)

    def test_a_key_never_may(self, alert: Alert, team: Team) -> None:
        key = permissions.authenticate_key(make_key(team=team, scopes=["registry"]), NOON)

        assert not alerts.may_acknowledge(key, alert)

    def test_a_closed_alert_stays_closed(self, alert: Alert, monitor: Monitor, alice: User) -> None:
        look_at_each(monitor, [0.01, 0.01], start=2)

        with pytest.raises(alerts.AlertClosed):
            alerts.acknowledge(alert, by=alice, now=NOW)

    @pytest.mark.parametrize(
        ("until", "code"), [(timedelta(days=8), "until_too_far"), (timedelta(0), "until_in_the_past")]
    )
    def test_its_end_lies_within_a_week(self, alert: Alert, alice: User, until: timedelta, code: str) -> None:
        with pytest.raises(Invalid) as caught:
            alerts.acknowledge(alert, by=alice, now=NOW, until=NOW + until)

        assert caught.value.code == code

    def test_one_can_take_it_back(self, alert: Alert, alice: User) -> None:
        alerts.acknowledge(alert, by=alice, now=NOW)

        alerts.unacknowledge(alert, by=alice, now=NOW)

        assert the_alert().state == "open"
        assert verbs(alert)[-1] == "unacknowledged"

    def test_nobody_takes_back_that_of_another(self, alert: Alert, alice: User, bob: User) -> None:
        alerts.acknowledge(alert, by=alice, now=NOW)

        with pytest.raises(Refused, match="Only alice"):
            alerts.unacknowledge(alert, by=bob, now=NOW)

    def test_nothing_is_taken_back_where_nothing_was_given(self, alert: Alert, alice: User) -> None:
        with pytest.raises(Conflict):
            alerts.unacknowledge(alert, by=alice, now=NOW)

    def test_when_its_time_is_over_one_reminder_is_sent(self, alert: Alert, alice: User) -> None:
        alerts.acknowledge(alert, by=alice, now=NOW)
        alerts.sweep(NOW + timedelta(hours=71))
        assert the_alert().state == "acked"

        for hours in (72, 73):
            alerts.sweep(NOW + timedelta(hours=hours))

        assert the_alert().state == "open"
        assert messages() == ["alert.opened", "alert.reminded"]


def _blind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look for open alerts finds none, as when another worker has not committed yet."""
    real, calls = lifecycle._open_alerts, []

    def blind(*args: Any) -> Any:
        calls.append(args)
        return {} if len(calls) == 1 else real(*args)

    monkeypatch.setattr(lifecycle, "_open_alerts", blind)


def _change_in_between(monkeypatch: pytest.MonkeyPatch, change: Callable[[], Any]) -> None:
    """Somebody changes the alert right after it has been read."""
    real, calls = lifecycle._open_alerts, []

    def read(*args: Any) -> Any:
        found = real(*args)
        if not calls:
            change()
        calls.append(args)
        return found

    monkeypatch.setattr(lifecycle, "_open_alerts", read)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer: nothing runs at the same time")
class TestAtTheSameTime:
    def run_together(self, *works: Callable[[], Any]) -> None:
        """All of them at once, each with a connection of its own; the first error is raised."""
        barrier = Barrier(len(works))

        def work(one: Callable[[], Any]) -> None:
            try:
                barrier.wait()
                one()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(works)) as pool:
            for done in [pool.submit(work, one) for one in works]:
                done.result()

    def test_two_monitors_open_one_alert(self, team: Team) -> None:
        model = make_model(team=team)
        monitors = [make_monitor(model, slug=f"m-{number}") for number in range(4)]
        works = []
        for number, monitor in enumerate(monitors):
            run = make_run(monitor, end=end_of(0))
            found = measure(run, {f"f{number}": 0.6})
            works.append(partial(alerts.observe_run, run, found, now=NOW))

        self.run_together(*works)

        assert the_alert().members.filter(left_at=None).count() == 4
        assert verbs(the_alert()).count("opened") == 1

    def test_windows_of_one_monitor_all_enter_the_ring(self, team: Team) -> None:
        monitor = make_monitor(make_model(team=team))
        works = []
        for day in range(6):
            run = make_run(monitor, end=end_of(day))
            works.append(partial(alerts.observe_run, run, measure(run, {"trip_km": 0.2}), now=NOW))

        self.run_together(*works)

        assert [row["end"] for row in Condition.objects.get().ring] == [end_of(day).isoformat() for day in range(6)]

    def test_of_two_people_one_is_first(self, team: Team, alice: User, bob: User) -> None:
        monitor = make_monitor(make_model(team=team))
        look_at_each(monitor, [0.2, 0.2])
        refused: list[Exception] = []

        def acknowledge(user: User) -> None:
            try:
                alerts.acknowledge(the_alert(), by=user, now=NOW)
            except alerts.AlreadyAcknowledged as error:
                refused.append(error)

        self.run_together(partial(acknowledge, alice), partial(acknowledge, bob))

        assert len(refused) == 1
        assert the_alert().transitions.filter(verb="acknowledged").count() == 1
