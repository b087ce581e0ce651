"""Storing the result of a run: everything in the transaction that ends its job."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from mlops_portal.kit.insertion import Insertion
from monitoring import alerts
from monitoring.checks.base import Finding
from monitoring.checks.judging import worst
from monitoring.models import Measurement, MeasurementRow, Run
from monitoring.runs.loading import Loaded
from monitoring.stats.results import Reason, Verdict

logger = logging.getLogger(__name__)

DETAILS_BYTES = 4096
CODE_VERSION = "1"  # grows whenever the same inputs would give other findings
_measurements = Insertion(Measurement, MeasurementRow._fields)


def save(run: Run, loaded: Loaded, findings: Sequence[Finding], now: datetime) -> None:
    """Write the run, its measurements and what follows from them, and retire the revision before.

    To be called inside `queue.finishing`. A late look at unchanged inputs leaves no revision. If traffic came to a
    day of the window since it was read, the result is kept but dirty, so that it is measured again.
    """
    digest = loaded.digest(run.config.sha256)
    former = _former(run)
    if former and former.inputs_sha == digest and run.why in (Run.Why.LATE, Run.Why.LABELS):
        Run.objects.filter(pk=run.pk).delete()
        kept = Run.objects.filter(pk=former.pk)
        kept.update(dirty_at=None, dirty_rows=0, matures_at=None)
        _mark_if_moved(kept, loaded, now)
        return
    if former:
        former_row = Run.objects.filter(pk=former.pk)
        former_row.update(is_latest=False, state=Run.State.SUPERSEDED, dirty_at=None, dirty_rows=0)
        Measurement.objects.filter(run=former.pk).update(is_latest=False)
    row = Run.objects.filter(pk=run.pk)
    written = _fields(loaded, findings, digest, now)
    row.update(**written)
    # The row is written before the days are looked at again: whoever adds traffic writes both the other way round,
    # so one of the two sees the other.
    _mark_if_moved(row, loaded, now)
    run.state, run.rows, run.is_latest = written["state"], written["rows"], True
    measured = [_row(run, finding) for finding in findings]
    _measurements.rows(measured)
    alerts.observe_run(run, measured, now=now)


def _former(run: Run) -> Run | None:
    if run.revision == 1:
        return None
    siblings = Run.objects.latest().filter(
        monitor=run.monitor_id, window_start=run.window_start, window_end=run.window_end
    )
    return siblings.exclude(pk=run.pk).only("pk", "inputs_sha").first()


def _mark_if_moved(row: Any, loaded: Loaded, now: datetime) -> None:
    if loaded.pins.have_moved():
        row.update(dirty_at=now, dirty_rows=loaded.data.rows)  # how many came is not known: count them as many


def _fields(loaded: Loaded, findings: Sequence[Finding], digest: str, now: datetime) -> dict[str, Any]:
    maturity = loaded.maturity
    return {
        "state": Run.State.DONE if loaded.data.rows else Run.State.NO_DATA,
        "is_latest": True,
        "data_start": loaded.data_start,
        "inputs": loaded.inputs(),
        "inputs_sha": digest,
        "code_version": CODE_VERSION,
        "rows": loaded.data.rows,
        "coverage_share": maturity.coverage if maturity else None,
        "mature": maturity.is_mature if maturity else None,
        "matures_at": maturity.at if maturity and not maturity.is_mature else None,
        "dirty_at": None,
        "dirty_rows": 0,
        "summary": summary(loaded, findings),
        "error": "",
        "finished_at": now,
    }


def summary(loaded: Loaded, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what lists and pages show of a run; the keys stand in the docstring of `monitoring.runs`."""
    counted = {"rejected": loaded.rejected, "damaged": loaded.damaged}
    if not loaded.data.rows:
        return {"verdicts": {"no_data": 1}, "worst": "no_data", "checks": {}, "top": []} | counted
    numbers = {version.id: version.number for version in loaded.data.versions}
    ranked = sorted((one for one in findings if one.rank), key=lambda finding: finding.rank or 0)
    by_check: dict[str, list[Finding]] = {}
    for finding in findings:
        by_check.setdefault(finding.check_key, []).append(finding)
    return {
        "verdicts": dict(sorted(Counter(finding.verdict.value for finding in findings).items())),
        "worst": worst(findings).value,
        "checks": {key: worst(of_check).value for key, of_check in by_check.items()},
        "top": [
            {
                "feature": one.feature,
                "version": numbers.get(one.version) if one.version else None,
                "psi": one.value,
                "excess": one.excess,
                "verdict": one.verdict.value,
            }
            for one in ranked
        ],
    } | counted


def _row(run: Run, finding: Finding) -> MeasurementRow:
    value, low, high = _finite(finding.value), _finite(finding.low), _finite(finding.high)
    reason = str(finding.reason)
    if value is None and not reason:
        reason = Reason.undefined.value if finding.value is None else Reason.not_finite.value
    if low is not None and high is not None and low > high:
        low, high = high, low
    return MeasurementRow(
        run_id=run.pk,
        model_id=run.model_id,
        check_key=finding.check_key,
        metric=finding.metric,
        version_id=finding.version,
        endpoint=finding.endpoint,
        signal=finding.signal,
        feature=finding.feature,
        segment=finding.segment,
        value=value,
        low=low,
        high=high,
        n=finding.n,
        base_value=_finite(finding.base_value),
        base_n=finding.base_n,
        threshold=_finite(finding.threshold),
        gap=_finite(finding.gap),
        verdict=Verdict(finding.verdict).value,
        reason=reason,
        hard=finding.hard,
        provisional=finding.provisional,
        rank=finding.rank,
        details=_details(finding),
        window_start=run.window_start,
        window_end=run.window_end,
        is_latest=True,
    )


def _details(finding: Finding) -> dict[str, Any]:
    """Return the details without what JSON cannot say, and without the histogram if they were over 4 KB."""
    details: dict[str, Any] = _plain(dict(finding.details))
    if len(msgspec.json.encode(details)) > DETAILS_BYTES:
        details.pop("histogram", None)
    return details


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
