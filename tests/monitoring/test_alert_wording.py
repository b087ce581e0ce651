"""The sentence of an alert for every kind of measurement, and the limit it names."""

from datetime import timedelta
from typing import Any

import pytest

from mlops_portal.kit.wording import THIN
from monitoring import alerts, metrics
from monitoring.alerts import limits
from monitoring.checks.table import CHECKS
from monitoring.models import Alert, Condition, Monitor
from monitoring.stats.results import Verdict
from registry.models import Team
from tests.factories import MIDNIGHT, NOON, make_measurement, make_model, make_monitor, make_run

CONFIG = {
    "checks": {
        "input_drift": {"warn": 0.1, "drift": 0.25, "overrides": {"hour": {"warn": 0.2, "drift": 0.4}}},
        "output_drift": {"warn": 0.1, "drift": 0.3},
    }
}


@pytest.fixture
def monitor(team: Team) -> Monitor:
    return make_monitor(make_model(team=team, slug="eta"), config=CONFIG)


def said(monitor: Monitor, **fields: Any) -> str:
    """The sentence after two days of the same breach."""
    fields = {"verdict": Verdict.drift, "n": 12_345} | fields
    for day in (1, 0):
        run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        alerts.observe_run(run, [make_measurement(run, **fields)], now=NOON)
    return Alert.objects.get().summary.replace(THIN, " ")


OUTPUT = {"check_key": "output_drift"}
QUALITY = {"check_key": "data_quality", "feature": "trip_km", "base_value": 0.01, "threshold": 0.02}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"feature": "trip_km", "value": 0.41}, "trip_km drifted: PSI 0.41 (n = 12,345), limit 0.25"),
        ({"feature": "hour", "value": 0.41}, "hour drifted: PSI 0.41 (n = 12,345), limit 0.40"),
        (
            {"feature": "trip_km", "segment": "region=EU", "value": 0.41},
            "trip_km in region=EU drifted: PSI 0.41 (n = 12,345), limit 0.25",
        ),
        (OUTPUT | {"signal": "score", "value": 0.35}, "Scores drifted: PSI 0.35 (n = 12,345), limit 0.30"),
        (OUTPUT | {"signal": "prediction", "value": 0.35}, "Predictions drifted: PSI 0.35 (n = 12,345), limit 0.30"),
        (
            OUTPUT
            | {"metric": "positive_rate.1", "value": 0.31, "base_value": 0.45, "gap": 0.31, "low": 0.3, "high": 0.32},
            "Positive rate fell to 31 % (30–32 %, n = 12,345), reference 45 %",
        ),
        (
            OUTPUT | {"metric": "error_share.1", "value": 0.04, "base_value": 0.001, "gap": 0.039, "threshold": 0.02},
            "Error rate rose to 4 % (n = 12,345), limit 2.1 %",
        ),
        (
            QUALITY | {"metric": "null_share.1", "value": 0.12, "gap": 0.11},
            "trip_km has more nulls: 12 % (n = 12,345), limit 3 %",
        ),
        (
            QUALITY | {"metric": "unseen_share.1", "value": 0.12, "gap": 0.11},
            "trip_km has more unseen values: 12 % (n = 12,345), limit 3 %",
        ),
        (
            QUALITY | {"metric": "schema.1", "value": 1.0, "gap": 1.0},
            "trip_km is missing from every record (n = 12,345)",
        ),
        (
            {"check_key": "performance", "metric": "auc.1", "value": 0.71, "low": 0.68, "high": 0.74}
            | {"base_value": 0.8, "gap": 0.09, "threshold": 0.02, "verdict": Verdict.worse},
            "AUC fell to 0.71 (0.68–0.74, n = 12,345), floor 0.78",
        ),
        (
            {"check_key": "performance", "metric": "mae.1", "value": 3.4, "base_value": 2.6, "gap": 0.8}
            | {"threshold": 0.26, "verdict": Verdict.worse},
            "Mean absolute error rose to 3.4 (n = 12,345), limit 2.9",
        ),
        (
            {"check_key": "latency", "metric": "latency_p95.1", "endpoint": "eta-live", "value": 412.0}
            | {"base_value": 205.0, "gap": 207.0, "threshold": 95.0, "details": {"limit_ms": 300.0}},
            "P95 latency at eta-live rose to 412 ms (n = 12,345), limit 300 ms",
        ),
        (
            {"check_key": "cost", "metric": "cost_per_1k.1", "value": 0.49, "base_value": 0.16}
            | {"gap": 2.06, "threshold": 0.25},
            "Cost per 1,000 rose to $0.49 (n = 12,345), limit $0.20",
        ),
        (
            {"check_key": "volume", "metric": "rows.1", "value": 48_210.0, "n": 48_210, "base_value": 24_000.0}
            | {"gap": 1.0, "threshold": 0.3},
            "Volume rose to 48,210, reference 24,000",
        ),
        (
            {"check_key": "volume", "metric": "silence.1", "value": 15.0, "n": 0, "base_value": 1.0}
            | {"gap": 15.0, "threshold": 3.0, "verdict": Verdict.warn},
            "No predictions for 15 h, limit 3.0 h",
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_every_kind_of_measurement_makes_a_sentence(monitor: Monitor, fields: dict[str, Any], sentence: str) -> None:
    assert said(monitor, **fields) == sentence


def test_a_shift_below_drift_is_called_so(monitor: Monitor) -> None:
    for day in (1, 0):
        run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        found = make_measurement(run, feature="trip_km", value=0.15, verdict=Verdict.warn)
        alerts.observe_run(run, [found], now=NOON)

    assert Alert.objects.get().summary == "trip_km shifted: PSI 0.15 (n = 10,000), limit 0.10"


def test_a_window_that_begins_to_clear_does_not_reword_the_alert(monitor: Monitor) -> None:
    said(monitor, feature="trip_km", value=0.41)
    run = make_run(monitor, end=MIDNIGHT + timedelta(days=1))
    alerts.observe_run(run, [make_measurement(run, feature="trip_km", value=0.01)], now=NOON)

    assert Condition.objects.get().state == "clearing"
    assert "PSI 0.41" in Alert.objects.get().summary


def test_all_traffic_speaks_before_its_segments(monitor: Monitor) -> None:
    for day in (1, 0):
        run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        found = [
            make_measurement(run, feature="trip_km", value=0.3, verdict=Verdict.drift),
            make_measurement(run, feature="trip_km", segment="region=EU", value=0.9, verdict=Verdict.drift),
        ]
        alerts.observe_run(run, found, now=NOON)

    assert Alert.objects.get().summary == "trip_km drifted: PSI 0.30 (n = 10,000), limit 0.25, with 1 more condition"


def test_a_very_long_name_leaves_room_for_the_rest(monitor: Monitor) -> None:
    for day in (1, 0):
        run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        found = [
            make_measurement(run, feature="a" * 128, segment="b=" + "c" * 398, value=0.9, verdict=Verdict.drift),
            make_measurement(run, feature="z" * 128, segment="y=" + "x" * 398, value=0.8, verdict=Verdict.drift),
        ]
        alerts.observe_run(run, found, now=NOON)

    summary = Alert.objects.get().summary
    assert len(summary) == 512
    assert summary.endswith("…, with 1 more feature")


def test_a_divergence_has_a_limit_for_warn_and_one_for_drift(monitor: Monitor) -> None:
    one = make_measurement(make_run(monitor), feature="trip_km", value=0.2)

    assert limits.lines(one, CONFIG) == (limits.Line(0.1, is_warning=True), limits.Line(0.25))
    assert limits.lines(one, {}) == (limits.Line(0.1),)


@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": None},
        {"check_key": "volume", "metric": "rows.1", "base_value": 5.0, "gap": 0.4},
        {"check_key": "performance", "metric": "auc.1", "gap": None},
        {"check_key": "latency", "metric": "latency_p99.1", "gap": 3.0, "details": {}},
    ],
    ids=["no threshold", "both ways", "no base", "no limit"],
)
def test_what_cannot_be_drawn_has_no_line(monitor: Monitor, fields: dict[str, Any]) -> None:
    assert limits.lines(make_measurement(make_run(monitor), value=0.2, **fields), CONFIG) == ()


def test_every_check_belongs_to_a_family() -> None:
    assert set(CHECKS) <= set(alerts.FAMILIES)


def test_an_unknown_metric_is_said_by_its_id() -> None:
    assert metrics.words("queue_share.2") == metrics.MetricWords("queue share", "%")
    assert metrics.words("queue_depth.1").title == "Queue depth"
