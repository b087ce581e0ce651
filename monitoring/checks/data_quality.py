"""What a distance between distributions cannot see: nulls, values that do not fit, columns that vanished or froze."""

from collections.abc import Iterator
from typing import Any

from monitoring.checks.base import Check, FeatureInfo, Finding, VersionWindow, WindowData
from monitoring.checks.config import DataQuality
from monitoring.checks.shares import share_finding
from monitoring.stats.gates import BREACHES
from monitoring.stats.profile import CategoryProfile, NumericProfile, Profile
from monitoring.stats.quality import ShareRule, stuck
from monitoring.stats.results import Reason, Verdict

KEY = "data_quality"
NULLS = "null_share.1"
REJECTS = "reject_share.1"
SCHEMA = "schema.1"
STUCK = "stuck.1"

Column = NumericProfile | CategoryProfile


def measure(data: WindowData, config: DataQuality) -> list[Finding]:
    """Return the null share of every feature, and whatever else is not ok."""
    rule = ShareRule(
        least_rise=config.min_change,
        relative_rise=config.relative,
        drift_rise=config.drift_change,
        critical_rise=config.critical_null,
    )
    found: list[Finding] = []
    for version in data.versions:
        label = str(version.number)
        rejects = {feature: n for (of, feature), n in data.rejects.items() if of == label and feature}
        if version.current is None or version.reference is None:
            reason = Reason.empty if version.reference else Reason.no_reference
            found.append(Finding(KEY, NULLS, version=version.id, n=version.rows, reason=reason.value))
            continue
        for info in version.features:
            if not info.is_dropped and info.name in version.current.grid.features:
                found += _of_feature(version, version.reference, version.current, info, rule, config)
        found += _rejects(version, version.reference, rejects, rule)
    return found


CHECK = Check(KEY, measure)


def _of_feature(
    version: VersionWindow,
    reference: Profile,
    current: Profile,
    info: FeatureInfo,
    rule: ShareRule,
    config: DataQuality,
) -> Iterator[Finding]:
    before, now = reference.feature(info.name), current.feature(info.name)
    about: dict[str, Any] = {"version": version.id, "feature": info.name}
    nulls = (before.n_null, reference.rows), (now.n_null, current.rows)
    yield share_finding(KEY, NULLS, *nulls, rule, **about)
    for metric, was, is_now in _shares(before, now):
        if not is_now[0]:
            continue  # what does not occur has not risen
        finding = share_finding(KEY, metric, was, is_now, rule, **about)
        if finding.verdict in BREACHES:
            yield finding
    if current.rows and now.n_missing == current.rows and before.n_missing < reference.rows:
        yield _broken(SCHEMA, "absent", current.rows, reference.rows, **about)
    if stuck(before.counts, now.counts, limit=config.stuck_share):
        top = int(now.counts.max())
        yield Finding(
            KEY,
            STUCK,
            verdict=Verdict.warn,
            value=top / now.n,
            n=now.n,
            base_value=int(before.counts.max()) / before.n,
            base_n=before.n,
            threshold=config.stuck_share,
            gap=top / now.n,
            **about,
        )


def _shares(before: Column, now: Column) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Yield metric, rows concerned and rows looked at, of the reference and of the window."""
    yield "invalid_share.1", (before.n_invalid, _all(before)), (now.n_invalid, _all(now))
    if isinstance(before, NumericProfile) and isinstance(now, NumericProfile):
        yield "nonfinite_share.1", (before.n_nonfinite, _all(before)), (now.n_nonfinite, _all(now))
        yield "out_of_range_share.1", (_outside(before), before.n), (_outside(now), now.n)
    elif isinstance(before, CategoryProfile) and isinstance(now, CategoryProfile):
        yield "unseen_share.1", (before.n_unseen, before.n), (now.n_unseen, now.n)


def _all(column: Column) -> int:
    finite = column.n + column.n_invalid
    return finite + column.n_nonfinite if isinstance(column, NumericProfile) else finite


def _outside(column: NumericProfile) -> int:
    """The first and the last cell are open: they hold what lies beyond the range of the reference."""
    return int(column.counts[0] + column.counts[-1]) if len(column.counts) > 1 else 0


def _broken(metric: str, reason: str, n: int, base_n: int, **about: Any) -> Finding:
    """A break of the schema: critical at once."""
    return Finding(
        KEY,
        metric,
        verdict=Verdict.drift,
        value=1.0,
        n=n,
        base_value=0.0,
        base_n=base_n,
        threshold=1.0,
        gap=1.0,
        hard=True,
        details={"what": reason},
        **about,
    )


def _rejects(version: VersionWindow, reference: Profile, rejects: dict[str, int], rule: ShareRule) -> Iterator[Finding]:
    """What was refused at the door counts too, else validation would hide drift. The reference had none."""
    for feature, n in sorted(rejects.items()):
        finding = share_finding(
            KEY,
            REJECTS,
            (0, reference.rows),
            (n, version.rows + n),
            rule,
            version=version.id,
            feature=feature,
        )
        if finding.verdict in BREACHES:
            yield finding
