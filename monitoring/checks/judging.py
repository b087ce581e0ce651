"""Verdicts that need all findings of a run: evidence is shared out among them, the largest shifts get a rank."""

from collections.abc import Sequence
from dataclasses import replace

from monitoring.checks.base import Finding, Gates
from monitoring.stats import gates as rules
from monitoring.stats.results import Reason, Verdict

MAX_SEGMENT_FINDINGS = 50
SEVERITY = (
    Verdict.error,
    Verdict.drift,
    Verdict.worse,
    Verdict.warn,
    Verdict.no_data,
    Verdict.insufficient,
    Verdict.ok,
)


def judge(findings: Sequence[Finding], *, q: float = rules.FALSE_DISCOVERY_RATE, top: int = 5) -> list[Finding]:
    """Give every divergence its verdict, keep what is worth a row, and rank the features with the largest excess.

    Benjamini-Hochberg at q over all divergences of the run that could be compared, segments included. Of segments
    only breaches are kept, the 50 with the largest excess.
    """
    waiting = [finding.gates for finding in findings if finding.gates and _is_comparable(finding.gates)]
    accepted = rules.benjamini_hochberg([gates.p for gates in waiting], q)
    is_evident = dict(zip(map(id, waiting), accepted, strict=True))
    judged = [
        _judged(one, one.gates, p_accepted=is_evident.get(id(one.gates), False)) if one.gates else one
        for one in findings
    ]
    return _ranked(_with_largest_segments([one for one in judged if one is not None]), top)


def worst(findings: Sequence[Finding]) -> Verdict:
    """Return the verdict that a run is shown with; no_data if nothing was found."""
    present = {finding.verdict for finding in findings}
    return next((verdict for verdict in SEVERITY if verdict in present), Verdict.no_data)


def _is_comparable(gates: Gates) -> bool:
    seen = gates.divergence
    return seen.value is not None and seen.n_cur >= rules.MIN_WINDOW and seen.n_ref >= rules.MIN_REFERENCE


def _judged(finding: Finding, gates: Gates, *, p_accepted: bool) -> Finding | None:
    """Return the finding with its verdict; None for a segment that does not breach."""
    seen = gates.divergence
    verdict = rules.drift_verdict(seen, p_accepted, gates.warn, gates.drift)
    if finding.segment and verdict not in rules.BREACHES:
        return None
    is_hard = verdict == Verdict.drift and gates.hard_break is not None and (seen.value or 0.0) >= gates.hard_break
    reason = Reason.too_few if verdict == Verdict.insufficient and not finding.reason else finding.reason
    return replace(finding, verdict=verdict, hard=is_hard, reason=reason, gates=None)


def _with_largest_segments(findings: Sequence[Finding]) -> list[Finding]:
    whole = [one for one in findings if not _is_segment_drift(one)]
    segments = [one for one in findings if _is_segment_drift(one)]
    segments.sort(key=lambda finding: (-finding.excess, finding.feature, finding.segment))
    return whole + segments[:MAX_SEGMENT_FINDINGS]


def _is_segment_drift(finding: Finding) -> bool:
    return bool(finding.segment) and finding.check_key == "input_drift"


def _ranked(findings: Sequence[Finding], top: int) -> list[Finding]:
    """Rank each feature once, by the version in which it moved most."""
    moved = [one for one in findings if one.check_key == "input_drift" and not one.segment and one.excess > 0]
    moved.sort(key=lambda finding: (-finding.excess, finding.feature, str(finding.version)))
    ranks: dict[str, Finding] = {}
    for finding in moved:
        if len(ranks) < top:
            ranks.setdefault(finding.feature, finding)
    places = {id(finding): rank for rank, finding in enumerate(ranks.values(), start=1)}
    return [replace(one, rank=places[id(one)]) if id(one) in places else one for one in findings]
