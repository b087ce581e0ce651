"""How long answers took, at the slow end, against what the endpoint promises or what was usual at the start."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from monitoring.checks.base import Check, Finding, Hour, Usage, WindowData, interval, operations
from monitoring.checks.config import Latency
from monitoring.stats.profile import LatencyProfile
from monitoring.stats.quantiles import quantile
from monitoring.stats.results import Estimate, Reason, Verdict

KEY = "latency"
QUANTILES = {0.95: "latency_p95.1", 0.99: "latency_p99.1"}
NO_BASE_SHARE = 0.75  # of the objective: what counts as usual where nothing is known or even that was above it


def measure(data: WindowData, config: Latency) -> list[Finding]:
    """Return p95 and p99 per endpoint: with an objective over all versions, else per version.

    Warn when the value, and the lower end of its interval too, is above the limit.
    """
    found: list[Finding] = []
    for (endpoint, version), hours in sorted(
        _groups(data.usage).items(), key=lambda item: (item[0][0], str(item[0][1]))
    ):
        seen = operations(hours).latency
        if not seen.n and not seen.n_invalid:
            continue  # it does not report latencies
        base = _first_days(data.usage, endpoint, version)
        for q, metric in QUANTILES.items():
            found.append(_finding(metric, q, seen, base, endpoint, version, data.usage, config))
    return found


CHECK = Check(KEY, measure)


def _groups(usage: Usage) -> dict[tuple[str, UUID | None], list[Hour]]:
    groups: dict[tuple[str, UUID | None], list[Hour]] = defaultdict(list)
    for hour in usage.current:
        promised = usage.objectives.get(hour.endpoint)
        has_objective = promised is not None and promised.p95_ms is not None
        groups[hour.endpoint, None if has_objective else hour.version_id].append(hour)
    return groups


def _first_days(usage: Usage, endpoint: str, version: UUID | None) -> LatencyProfile:
    """What was usual: latencies of the endpoint in the first seven full days of the version, or of all of them."""
    versions: Sequence[UUID] = [version] if version else list(usage.first_days)
    hours = [hour for one in versions for hour in usage.first_days.get(one, ()) if hour.endpoint == endpoint]
    return operations(hours).latency


def _finding(
    metric: str,
    q: float,
    seen: LatencyProfile,
    first_days: LatencyProfile,
    endpoint: str,
    version: UUID | None,
    usage: Usage,
    config: Latency,
) -> Finding:
    now, usual = quantile(seen, q), quantile(first_days, q)
    base = usual.value if usual.n >= config.min_n else None
    promised = usage.objectives.get(endpoint)
    objective = promised.of(q) if promised else None
    limit = objective if objective is not None else base * config.factor if base is not None else None
    start = _start(base, limit)
    return Finding(
        KEY,
        metric,
        verdict=_verdict(now, limit, config.min_n),
        version=version,
        endpoint=endpoint,
        base_value=base,
        base_n=usual.n,
        gap=None if now.value is None or start is None else max(0.0, now.value - start),
        threshold=None if limit is None or start is None else limit - start,
        details={"limit_ms": limit, "objective": objective is not None},
        **interval(now) | _reason(now, limit, config.min_n),
    )


def _start(base: float | None, limit: float | None) -> float | None:
    """Return where the way to the limit begins; an alert clears on its last fifth."""
    if limit is None:
        return None
    return base if base is not None and base < limit else NO_BASE_SHARE * limit


def _verdict(now: Estimate, limit: float | None, min_n: int) -> Verdict:
    if not now.n:
        return Verdict.no_data
    if now.value is None or limit is None or now.n < min_n:
        return Verdict.insufficient
    return Verdict.warn if now.value > limit and (now.low or 0.0) > limit else Verdict.ok


def _reason(now: Estimate, limit: float | None, min_n: int) -> dict[str, str]:
    if now.reason:
        return {}
    if now.n < min_n:
        return {"reason": Reason.too_few.value}
    return {"reason": Reason.no_reference.value} if limit is None else {}
