"""Shares of rows, such as nulls or errors, as findings: judged at once, each by the share rule."""

from typing import Any

from monitoring.checks.base import Finding, interval
from monitoring.stats.quality import SHARE_RULE, ShareRule, share_change
from monitoring.stats.results import Verdict


def share_finding(
    check_key: str,
    metric: str,
    before: tuple[int, int],
    now: tuple[int, int],
    rule: ShareRule = SHARE_RULE,
    *,
    hard: Verdict | None = None,
    **fields: Any,
) -> Finding:
    """Judge the rise of a share from k of n rows of the baseline to k of n rows of the window.

    hard: the verdict that is a hard break; without it, only a rise by rule.critical_rise is one.
    """
    change = share_change(*before, *now, rule)
    base = change.reference_share
    is_hard = change.critical or (hard is not None and change.verdict == hard)
    values = interval(change.share)
    values["reason"] = values["reason"] or (change.reason.value if change.reason else "")
    return Finding(
        check_key,
        metric,
        verdict=change.verdict,
        base_value=base,
        base_n=before[1],
        gap=None if base is None or change.share.value is None else change.share.value - base,
        threshold=None if base is None else max(rule.least_rise, rule.relative_rise * base),
        hard=is_hard,
        details={"z": change.z, "rows": now[0]},
        **values,
        **fields,
    )
