"""The kinds of checks, as a plain table; only workers import it, for it brings scipy with it."""

from monitoring.checks import cost, data_quality, input_drift, latency, output_drift, performance, volume
from monitoring.checks.base import Check

CHECKS: dict[str, Check] = {
    check.key: check
    for check in (
        input_drift.CHECK,
        output_drift.CHECK,
        data_quality.CHECK,
        performance.CHECK,
        latency.CHECK,
        cost.CHECK,
        volume.CHECK,
    )
}
