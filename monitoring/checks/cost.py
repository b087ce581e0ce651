"""What a thousand predictions cost, and how many calls one takes, against the days before."""

from collections.abc import Sequence
from dataclasses import replace

from monitoring.checks.base import Check, Finding, Hour, WindowData, operations
from monitoring.checks.config import Cost
from monitoring.stats.gates import BREACHES
from monitoring.stats.results import Reason, Verdict

KEY = "cost"
PER_1K, CALLS = "cost_per_1k.1", "calls_per_request.1"
MIN_ROWS = 100
LEAST_BASE_DAYS = 3
MAX_STAGES = 20


def measure(data: WindowData, config: Cost) -> list[Finding]:
    """Return cost per 1,000 predictions and calls per prediction of the whole model; its stages in the details.

    A model that reports no cost has none of them.
    """
    found: list[Finding] = []
    now, before = data.usage.current, data.usage.before
    priced = sum(hour.rows - hour.amount_missing for hour in now)
    if priced:
        finding = _finding(PER_1K, _per_1k(now), priced, _per_1k(before), before, config)
        found.append(replace(finding, details={**finding.details, **_explained(finding, now, before)}))
    calls = sum(hour.calls for hour in now)
    if calls:
        rows = sum(hour.rows for hour in now)
        found.append(_finding(CALLS, _calls(now), rows, _calls(before), before, config))
    return found


CHECK = Check(KEY, measure)


def _per_1k(hours: Sequence[Hour]) -> float | None:
    priced = sum(hour.rows - hour.amount_missing for hour in hours)
    return float(1000 * sum(hour.amount for hour in hours) / priced) if priced else None


def _calls(hours: Sequence[Hour]) -> float | None:
    rows = sum(hour.rows for hour in hours)
    return sum(hour.calls for hour in hours) / rows if rows else None


def _explained(finding: Finding, now: Sequence[Hour], before: Sequence[Hour]) -> dict[str, object]:
    """Return the stages of the window, and those of the baseline where there is a rise to explain."""
    told: dict[str, object] = {"stages": _stages(now), "unpriced": sum(hour.amount_missing for hour in now)}
    return told | {"base_stages": _stages(before)} if finding.verdict in BREACHES else told


def _stages(hours: Sequence[Hour]) -> dict[str, float]:
    """Return the cost of each stage per 1,000 predictions, the dearest first."""
    rows = sum(hour.rows - hour.amount_missing for hour in hours)
    costs = operations(hours).cost.stages
    dearest = sorted(costs.items(), key=lambda item: (-item[1].amount, item[0]))[:MAX_STAGES]
    return {name: 1000 * stage.amount / rows for name, stage in dearest} if rows else {}


def _finding(
    metric: str,
    value: float | None,
    n: int,
    base: float | None,
    before: Sequence[Hour],
    config: Cost,
) -> Finding:
    base_n = sum(hour.rows for hour in before)
    days = len({hour.hour.date() for hour in before})
    ratio = value / base if value is not None and base else None
    is_enough = n >= MIN_ROWS and base_n >= MIN_ROWS and days >= LEAST_BASE_DAYS and ratio is not None
    reason = "" if is_enough else (Reason.too_few if base_n else Reason.no_reference).value
    return Finding(
        KEY,
        metric,
        verdict=_verdict(ratio, config) if is_enough and ratio is not None else Verdict.insufficient,
        value=value,
        n=n,
        base_value=base,
        base_n=base_n,
        gap=None if ratio is None else max(0.0, ratio - 1),
        threshold=config.warn - 1,
        reason=reason,
        details={"ratio": ratio},
    )


def _verdict(ratio: float, config: Cost) -> Verdict:
    if ratio >= config.drift - 1e-12:
        return Verdict.drift
    return Verdict.warn if ratio >= config.warn - 1e-12 else Verdict.ok
