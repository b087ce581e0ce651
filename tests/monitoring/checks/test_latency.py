import numpy as np
import pytest

from monitoring.checks import latency
from monitoring.checks.base import Objective, Usage
from monitoring.checks.config import Latency
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import DAY, START, VERSION, days_of, new_id, rng, window


def spread(mean: float, n: int = 2_000) -> np.ndarray:
    return rng().gamma(20, mean / 20, size=n)


def found(current, *, first=None, objectives=None, config=None):
    usage = Usage(current=current, first_days=first or {}, objectives=objectives or {})
    return {
        (one.metric, one.endpoint, one.version): one
        for one in latency.measure(window(usage=usage), config or Latency())
    }


def hours(mean: float, n: int = 2_000, **fields):
    return days_of(START, 1, rows=n, latency=spread(mean, n), **fields)


P95, P99 = "latency_p95.1", "latency_p99.1"


@pytest.mark.parametrize(("mean", "verdict"), [(100, Verdict.ok), (140, Verdict.ok), (170, Verdict.warn)])
def test_without_an_objective_the_first_days_say_what_is_usual(mean, verdict):
    seen = found(hours(mean), first={VERSION: days_of(START - 30 * DAY, 7, rows=2_000, latency=spread(100))})

    p95 = seen[P95, "score", VERSION]
    assert p95.verdict == verdict
    assert p95.details == {"limit_ms": pytest.approx(1.5 * p95.base_value), "objective": False}
    assert p95.low <= p95.value <= p95.high
    assert seen[P99, "score", VERSION].verdict == verdict


def test_an_objective_covers_all_versions_of_the_endpoint():
    current = hours(100) + hours(400, version_id=new_id())

    seen = found(current, objectives={"score": Objective(p95_ms=250)})

    p95 = seen[P95, "score", None]
    assert (p95.verdict, p95.n, p95.details["objective"]) == (Verdict.warn, 4_000, True)
    assert found(hours(100), objectives={"score": Objective(p95_ms=250)})[P95, "score", None].verdict == Verdict.ok


def test_an_objective_for_p95_leaves_p99_to_the_first_days():
    seen = found(hours(100), objectives={"score": Objective(p95_ms=250)})

    assert (seen[P99, "score", None].verdict, seen[P99, "score", None].reason) == (Verdict.insufficient, "no_reference")


def test_each_endpoint_speaks_for_itself():
    first = {VERSION: days_of(START - 30 * DAY, 7, rows=2_000, latency=spread(100), endpoint="slow")}

    seen = found(hours(100, endpoint="fast") + hours(300, endpoint="slow"), first=first)

    assert seen[P95, "slow", VERSION].verdict == Verdict.warn
    assert seen[P95, "fast", VERSION].reason == "no_reference"


def test_a_value_that_may_be_below_the_limit_is_no_alert():
    objective = {"score": Objective(p95_ms=139)}

    few, many = found(hours(100, n=150), objectives=objective), found(hours(100, n=20_000), objectives=objective)

    assert few[P95, "score", None].low < 139 < few[P95, "score", None].high
    assert few[P95, "score", None].verdict == Verdict.ok
    assert many[P95, "score", None].low < 139 or many[P95, "score", None].verdict == Verdict.warn


def test_under_a_hundred_requests_nothing_is_judged():
    seen = found(hours(900, n=99), objectives={"score": Objective(p95_ms=250)})[P95, "score", None]

    assert (seen.verdict, seen.reason) == (Verdict.insufficient, "too_few")
    assert seen.value > 250


def test_p99_needs_a_thousand_requests():
    seen = found(hours(900, n=999), objectives={"score": Objective(p99_ms=250, p95_ms=250)})

    assert (seen[P99, "score", None].value, seen[P99, "score", None].reason) == (None, "too_few")


def test_an_alert_clears_on_the_last_fifth_of_the_way_to_the_limit():
    first = {VERSION: days_of(START - 30 * DAY, 7, rows=2_000, latency=spread(100))}

    usual = found(hours(100), first=first)[P95, "score", VERSION]
    unknown = found(hours(100), objectives={"score": Objective(p95_ms=400)})[P95, "score", None]

    assert usual.threshold == pytest.approx(0.5 * usual.base_value)
    assert (unknown.gap, unknown.threshold) == (0.0, 100.0)


def test_a_model_that_reports_no_latency_has_no_row():
    assert found(days_of(START, 1, rows=50)) == {}
    assert found([]) == {}


def test_latencies_that_are_all_invalid_are_no_data():
    seen = found(days_of(START, 1, rows=5, latency=np.full(5, -1.0)))[P95, "score", VERSION]

    assert (seen.verdict, seen.value, seen.reason) == (Verdict.no_data, None, "empty")
