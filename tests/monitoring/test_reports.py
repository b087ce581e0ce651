"""Numbers for pages: what leads, what stands beside it, and in which unit."""

import pytest

from monitoring import reports
from monitoring.charts import Limit
from monitoring.models import Alert, Measurement, Reference
from monitoring.reports import shared
from monitoring.stats.results import Verdict
from tests.factories import MIDNIGHT, NOON, make_measurement, make_model, make_monitor, make_run, make_version
from tests.monitoring.shown import make_shown


def one(metric: str, verdict: str, *, check: str = "performance") -> Measurement:
    return Measurement(check_key=check, metric=metric, verdict=verdict)


class TestShared:
    def test_the_main_metric_leads_while_nothing_is_worse(self):
        whole = {"auc.1": one("auc.1", Verdict.ok), "recall.1": one("recall.1", Verdict.ok)}

        assert shared.leading_performance(whole, "binary") is whole["auc.1"]

    def test_a_metric_that_is_worse_leads_before_the_main_one(self):
        whole = {"auc.1": one("auc.1", Verdict.ok), "recall.1": one("recall.1", Verdict.worse)}

        assert shared.leading_performance(whole, "binary") is whole["recall.1"]

    def test_what_could_not_be_judged_hides_nothing(self):
        whole = {"auc.1": one("auc.1", Verdict.ok), "precision.1": one("precision.1", Verdict.insufficient)}

        assert shared.leading_performance(whole, "binary") is whole["auc.1"]
        assert shared.by_metric([one("psi.1", Verdict.no_data), one("psi.1", Verdict.ok)])["psi.1"].verdict == "ok"

    def test_certainty_holds_interval_and_size(self):
        assert shared.certainty(Measurement(metric="recall.1", value=0.71, low=0.66, high=0.76, n=412)) == (
            "66\N{EN DASH}76\N{NARROW NO-BREAK SPACE}%, n = 412"
        )
        skewed = Measurement(metric="auc.1", value=0.7, n=412, details={"label_skew": 0.3, "is_skewed": True})
        assert shared.certainty(skewed) == "n = 412, labelled records are not typical"


class TestHealth:
    def test_limits_stand_in_the_unit_of_their_panel(self, team):
        panels = reports.health(make_shown(team), span="60", now=NOON).timeline.panels

        limits = {panel.title: panel.limits for panel in panels}
        assert limits["Latency p95"] == (Limit(120, "limit"),)
        assert limits["Cost per 1,000"] == (Limit(0.5, "limit"),)
        assert [limit.value for limit in limits["Mean absolute error"]] == [2.2]
        assert [limit.value for limit in limits["Input drift"]] == [0.1, 0.25]
        assert limits["Volume"] == ()

    def test_the_floor_of_a_skill_lies_below_also_while_all_is_well(self, team):
        model = make_model(team=team, task="binary")
        make_measurement(
            make_run(make_monitor(model, slug="performance")),
            metric="auc.1",
            check_key="performance",
            value=0.8,
            base_value=0.75,
            threshold=0.02,
            gap=0.0,
        )

        (panel,) = reports.health(model, span="60", now=NOON).timeline.panels

        assert panel.limits == (Limit(0.73, "floor", "bad", below=True),)

    def test_a_model_without_runs_has_no_figures(self, team):
        report = reports.health(make_model(team=team), span="60", now=NOON)

        assert (report.figures, report.timeline, report.has_traffic) == ((), None, False)


class TestNeedsNow:
    def test_critical_alerts_come_first_then_failed_references(self, team, alice):
        model = make_shown(team)
        version = model.versions.get()
        Reference.objects.create(
            version=version,
            name="broken",
            source="upload",
            state=Reference.State.FAILED,
            file_format="csv",
            path="x",
            sha256="0" * 64,
            size_bytes=1,
            problems=[{"code": "empty", "detail": "The file has no rows."}],
            created_at=NOON,
            created_by="alice",
        )
        for severity in ("warning", "critical"):
            Alert.objects.create(
                model=model,
                family="drift" if severity == "warning" else "performance",
                severity=severity,
                summary=f"a {severity} thing",
                opened_at=MIDNIGHT,
                since_at=MIDNIGHT,
                last_breach_at=MIDNIGHT,
                detected_at=NOON,
            )

        todo = reports.needs_now(alice, reports.fleet_rows(alice, now=NOON), now=NOON)

        assert [item.sentence for item in todo] == [
            "a critical thing",
            "a warning thing",
            "has no usable reference “broken”.",
        ]


@pytest.mark.parametrize("models", [1, 24])
def test_the_rows_of_the_fleet_take_eight_queries_at_most(team, alice, models, django_assert_max_num_queries):
    for number in range(models):
        make_shown(team, slug=f"model-{number}", name=f"Model {number}", days=2)

    with django_assert_max_num_queries(8):
        rows = reports.fleet_rows(alice, now=NOON)

    assert len(rows) == models
    assert {(row.versions, row.day, row.last_record_at) for row in rows} == {("v1", 3, MIDNIGHT)}


def test_a_version_that_never_served_is_not_shown_as_serving(team, alice):
    model = make_shown(team)
    make_version(model)

    (row,) = reports.fleet_rows(alice, now=NOON)

    assert row.versions == "v1"


def test_the_timeline_takes_six_queries_at_most(team, django_assert_max_num_queries):
    model = make_shown(team, features=20, days=28)

    with django_assert_max_num_queries(6):
        reports.health(model, span="60", now=NOON)
