"""Data quality: what a distance between distributions cannot see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.stats.arrays import IntArray
from monitoring.stats.intervals import rate
from monitoring.stats.metrics import SHARE_RISE
from monitoring.stats.results import Estimate, Reason, Verdict
from monitoring.stats.twosample import pooled_z

SLACK = 1e-12
MIN_HISTORY = 4


@dataclass(frozen=True, slots=True)
class ShareRule:
    """When a share has risen too far above its reference.

    warn: by at least max(least_rise, half the reference share), z above z_limit and at least min_rows rows;
    drift: also by at least drift_rise.
    """

    least_rise: float = SHARE_RISE.least
    relative_rise: float = SHARE_RISE.relative
    z_limit: float = 3.29
    min_rows: int = 10
    drift_rise: float = SHARE_RISE.drift
    critical_rise: float = SHARE_RISE.critical


SHARE_RULE = ShareRule()


@dataclass(frozen=True, slots=True)
class ShareChange:
    """A window's share against the reference's. critical: risen by at least half of all rows."""

    verdict: Verdict
    share: Estimate
    reference_share: float | None
    z: float
    critical: bool = False
    reason: Reason | None = None


def share_change(k_ref: int, n_ref: int, k_cur: int, n_cur: int, rule: ShareRule = SHARE_RULE) -> ShareChange:
    """Judge the rise of a share from k_ref of n_ref reference rows to k_cur of n_cur window rows.

    Without window rows `no_data`, without reference rows `insufficient`. A fall is ok.
    Raises ValueError unless 0 <= k <= n on both sides.

    >>> share_change(0, 10_000, 25, 500).verdict.value, share_change(0, 10_000, 1, 500).verdict.value
    ('warn', 'ok')
    """
    z = pooled_z(k_ref, n_ref, k_cur, n_cur)
    share = rate(k_cur, n_cur)
    if share.value is None:
        return ShareChange(Verdict.no_data, share, _share(k_ref, n_ref), 0.0, reason=Reason.empty)
    if not n_ref:
        return ShareChange(Verdict.insufficient, share, None, 0.0, reason=Reason.no_reference)
    before = k_ref / n_ref
    rise, verdict = share.value - before, Verdict.ok
    enough = rise >= max(rule.least_rise, rule.relative_rise * before) - SLACK
    if enough and z > rule.z_limit and k_cur >= rule.min_rows:
        verdict = Verdict.drift if rise >= rule.drift_rise - SLACK else Verdict.warn
    critical = verdict == Verdict.drift and rise >= rule.critical_rise - SLACK
    return ShareChange(verdict, share, before, z, critical)


def stuck(reference: IntArray, current: IntArray, *, limit: float = 0.99, usual: float = 0.9) -> bool:
    """Tell whether one value now fills at least 99 % of a column where none filled 90 % before.

    reference, current: counts on the same cells.

    >>> stuck(np.array([50, 50]), np.array([0, 300]))
    True
    """
    n = int(current.sum())
    if not n or int(current.max()) / n < limit - SLACK or not reference.any():
        return False
    return bool(reference.max() / reference.sum() < usual - SLACK)


@dataclass(frozen=True, slots=True)
class VolumeChange:
    """Rows of a window against the same weekday before; z in robust standard deviations."""

    verdict: Verdict
    median: float | None = None
    z: float | None = None
    reason: Reason | None = None


def volume(rows: float, history: Sequence[float], *, z_limit: float = 3.5, least_change: float = 0.3) -> VolumeChange:
    """Judge a window's row count against earlier ones of the same weekday or hour; both directions warn.

    Under four earlier windows `insufficient`; earlier counts that are not finite are left out.

    >>> volume(200, [100, 102, 98, 100]).verdict.value
    'warn'
    """
    before = np.asarray(history, dtype=np.float64)
    before = before[np.isfinite(before)]
    if not np.isfinite(rows):
        return VolumeChange(Verdict.insufficient, reason=Reason.not_finite)
    if len(before) < MIN_HISTORY:
        return VolumeChange(Verdict.insufficient, reason=Reason.too_few)
    with np.errstate(over="ignore", invalid="ignore"):
        median = float(np.median(before))
        spread = 1.4826 * float(np.median(np.abs(before - median)))
        z = float((np.float64(rows) - median) / (spread or max(0.05 * median, 1.0)))
    if not np.isfinite(z):
        return VolumeChange(Verdict.insufficient, reason=Reason.not_finite)
    changed = abs(rows - median) >= least_change * median - SLACK
    return VolumeChange(Verdict.warn if abs(z) > z_limit and changed else Verdict.ok, median, z)


def freshness(gap_s: float, gaps_s: Sequence[float], *, factor: float = 3.0) -> Verdict:
    """Judge the time since the last event against the gaps between earlier ones.

    gap_s: infinite if there never was one. `warn` beyond 3 x the 99th percentile of the gaps; `insufficient` without
    earlier gaps, or with a gap that is no number.

    >>> freshness(100.0, [10.0, 20.0, 30.0]).value
    'warn'
    """
    before = np.asarray(gaps_s, dtype=np.float64)
    before = before[np.isfinite(before)]
    if not len(before) or np.isnan(gap_s):
        return Verdict.insufficient
    return Verdict.warn if gap_s > factor * float(np.quantile(before, 0.99)) else Verdict.ok


@dataclass(frozen=True, slots=True)
class SchemaChanges:
    """How the columns seen differ from those declared; `broken` is critical at once."""

    absent: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        return bool(self.absent or self.retyped)


def schema_changes(declared: Mapping[str, str], seen: Mapping[str, str]) -> SchemaChanges:
    """Compare declared feature types with those seen in a window.

    declared, seen: type by name; seen holds only features that occur in at least one row. Whole numbers in a
    column of numbers are no change.

    >>> schema_changes({"income": "number", "age": "integer"}, {"income": "text"})
    SchemaChanges(absent=('age',), retyped=('income',), undeclared=())
    """
    retyped = (name for name in declared if name in seen and not _fits(declared[name], seen[name]))
    return SchemaChanges(
        absent=tuple(sorted(set(declared) - set(seen))),
        retyped=tuple(sorted(retyped)),
        undeclared=tuple(sorted(set(seen) - set(declared))),
    )


def _fits(declared: str, seen: str) -> bool:
    return declared == seen or (declared, seen) == ("number", "integer")


def _share(k: int, n: int) -> float | None:
    return k / n if n else None
