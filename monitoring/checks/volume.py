"""How many predictions a day brought, against the same weekday of the weeks before, and whether they stopped."""

from collections import Counter
from datetime import UTC, date, timedelta

import numpy as np

from monitoring.checks.base import Check, Finding, WindowData
from monitoring.checks.config import Volume
from monitoring.metrics import SILENCE
from monitoring.stats import quality
from monitoring.stats.results import Reason, Verdict

KEY = "volume"
METRIC = "rows.1"
LEAST_WEEKS, LEAST_DAYS = 4, 7
USUAL = 0.99  # of the pauses before


def measure(data: WindowData, config: Volume) -> list[Finding]:
    """Judge the rows of the window's last day, of the whole model; both directions warn.

    Against the same weekday of at least four weeks; until there are so many, against the last days, at least seven.
    A day without a row is no_data, never a small number. Silence at the end of the window is said where there is any.
    """
    day = (data.end - timedelta(microseconds=1)).astimezone(UTC).date()
    per_day: Counter[date] = Counter()
    for hour in (*data.usage.before, *data.usage.current):
        per_day[hour.hour.astimezone(UTC).date()] += hour.rows
    rows, days = per_day[day], _days_before(day, data)
    history = [per_day[one] for one in days if one.weekday() == day.weekday()]
    if len(history) < LEAST_WEEKS:
        history = [per_day[one] for one in days] if len(days) >= LEAST_DAYS else []
    change = quality.volume(rows, history, z_limit=config.z, least_change=config.change)
    silence = _silence(data, config)
    if not rows:
        none = Finding(KEY, METRIC, verdict=Verdict.no_data, base_value=change.median, reason=Reason.empty.value)
        return [none, *silence]
    relative = abs(rows - change.median) / change.median if change.median else None
    return [
        Finding(
            KEY,
            METRIC,
            verdict=change.verdict,
            value=float(rows),
            n=rows,
            base_value=change.median,
            base_n=len(history),
            gap=relative,
            threshold=config.change,
            reason=change.reason.value if change.reason else "",
            details={"z": change.z if change.z is not None and np.isfinite(change.z) else None},
        ),
        *silence,
    ]


CHECK = Check(KEY, measure)


def _silence(data: WindowData, config: Volume) -> list[Finding]:
    """Say in hours that no prediction came for three times the usual pause: the 99th percentile of those before.

    Times are known by the hour: a pause reaches from the beginning of one hour with predictions to that of the next,
    so nothing is silent within three hours.
    """
    hours = sorted({hour.hour for hour in (*data.usage.before, *data.usage.current) if hour.rows})
    started = data.usage.started_on
    learned = [hour for hour in hours if started and started <= hour.astimezone(UTC).date() and hour < data.start]
    if not learned or learned[-1] - learned[0] < timedelta(days=LEAST_DAYS - 1):
        return []
    pauses_h = np.diff([hour.timestamp() for hour in learned]) / 3600
    silent_h = (data.end - hours[-1]) / timedelta(hours=1)
    if quality.freshness(silent_h, pauses_h.tolist(), factor=config.silence_factor) != Verdict.warn:
        return []
    usual_h = float(np.quantile(pauses_h, USUAL))
    return [
        Finding(
            KEY,
            SILENCE,
            verdict=Verdict.warn,
            value=silent_h,
            base_value=usual_h,
            base_n=len(pauses_h),
            gap=silent_h,
            threshold=config.silence_factor * usual_h,
        )
    ]


def _days_before(day: date, data: WindowData) -> list[date]:
    """The days of the baseline since the first full day of traffic; one of them without a row counts as 0."""
    started = data.usage.started_on
    if started is None or not data.usage.before:
        return []
    first = min(hour.hour.astimezone(UTC).date() for hour in data.usage.before)
    first = max(first, started)
    return [first + timedelta(days=n) for n in range((day - first).days)]
