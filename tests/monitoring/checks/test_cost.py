import pytest

from monitoring.checks import cost
from monitoring.checks.base import Usage
from monitoring.checks.config import Cost
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import DAY, START, days_of, window

PER_1K, CALLS = "cost_per_1k.1", "calls_per_request.1"


def found(current, before, config=None):
    data = window(usage=Usage(current=current, before=before))
    return {one.metric: one for one in cost.measure(data, config or Cost())}


def before(count: int = 28, **fields):
    return days_of(START - count * DAY, count, **{"rows": 100, "cost": 0.002} | fields)


@pytest.mark.parametrize(
    ("price", "verdict"),
    [(0.002, Verdict.ok), (0.0024, Verdict.ok), (0.0025, Verdict.warn), (0.0039, Verdict.warn), (0.004, Verdict.drift)],
)
def test_cost_per_thousand_against_the_days_before(price, verdict):
    seen = found(days_of(START, 1, rows=100, cost=price), before())[PER_1K]

    assert seen.verdict == verdict
    assert (seen.value, seen.base_value) == (pytest.approx(1000 * price), pytest.approx(2.0))
    assert seen.gap == pytest.approx(price / 0.002 - 1)
    assert seen.threshold == pytest.approx(0.25)


def test_calls_per_request_are_a_metric_of_their_own():
    seen = found(days_of(START, 1, rows=100, calls=300, cost=0.002), before(calls=100))

    assert (seen[CALLS].verdict, seen[CALLS].value, seen[CALLS].base_value) == (Verdict.drift, 3.0, 1.0)
    assert seen[PER_1K].verdict == Verdict.ok


def test_a_rise_is_explained_by_stages():
    now = days_of(START, 1, rows=100, stages={"score": 0.001, "bureau": 0.005})

    details = found(now, before(stages={"score": 0.001, "bureau": 0.001}))[PER_1K].details

    assert details["stages"] == {"bureau": pytest.approx(5.0), "score": pytest.approx(1.0)}
    assert details["base_stages"] == {"bureau": pytest.approx(1.0), "score": pytest.approx(1.0)}
    assert details["unpriced"] == 0


def test_what_is_usual_needs_no_explanation():
    details = found(days_of(START, 1, rows=100, cost=0.002), before())[PER_1K].details

    assert "base_stages" not in details


@pytest.mark.parametrize(
    ("rows", "days", "reason"),
    [(99, 28, "too_few"), (100, 2, "too_few"), (100, 0, "no_reference")],
)
def test_too_little_is_not_judged(rows, days, reason):
    seen = found(days_of(START, 1, rows=rows, cost=0.1), before(days))[PER_1K]

    assert (seen.verdict, seen.reason) == (Verdict.insufficient, reason)


def test_a_model_that_reports_no_cost_has_no_row():
    seen = found(days_of(START, 1, rows=100, calls=0), before(cost=None))

    assert seen == {}


def test_a_baseline_that_was_free_cannot_be_multiplied():
    seen = found(days_of(START, 1, rows=100, cost=0.1), before(cost=0.0))[PER_1K]

    assert (seen.verdict, seen.gap) == (Verdict.insufficient, None)


def test_an_empty_window_has_no_row():
    assert found([], before()) == {}
