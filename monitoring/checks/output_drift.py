"""Whether the model still answers as in the reference: score, decisions, classes; errors and fallbacks by the hour."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from monitoring.checks.base import Check, Finding, Gates, VersionWindow, WindowData, interval
from monitoring.checks.config import HOUR_PARTS, OutputDrift
from monitoring.checks.shares import share_finding
from monitoring.stats import divergence
from monitoring.stats.arrays import IntArray
from monitoring.stats.gates import noise_p
from monitoring.stats.grid.score import score_cell
from monitoring.stats.intervals import rate
from monitoring.stats.profile import NumericProfile, Profile
from monitoring.stats.results import Divergence, Reason, Verdict
from monitoring.stats.twosample import chi2_homogeneity, two_proportions

KEY = "output_drift"
THRESHOLD, NEAR = 0.5, 0.05  # of a probability, until a decision rule says otherwise
LEAST_SHARE = 0.05  # of the rarer decision: below it a change is held against this share


def measure(data: WindowData, config: OutputDrift) -> list[Finding]:
    """Return what changed in the answers: of each version against its reference, of the model against days before."""
    found: list[Finding] = []
    of_profiles = [part for part in config.parts if part not in HOUR_PARTS]
    for version in data.versions if of_profiles else ():
        if version.current is None or version.reference is None:
            reason = Reason.empty if version.reference else Reason.no_reference
            found.append(Finding(KEY, "psi.1", version=version.id, signal="score", n=version.rows, reason=reason))
            continue
        for part in of_profiles:
            found += _PARTS[part](version, version.reference, version.current, config)
    for part in config.parts:
        if part in HOUR_PARTS:
            found += _of_hours(data, part)
    return found


CHECK = Check(KEY, measure)


def _score(version: VersionWindow, reference: Profile, current: Profile, config: OutputDrift) -> Iterator[Finding]:
    if current.grid.score is not None and _has_scores(reference, current):
        bins = [profile.score_headline() for profile in (reference, current, version.judged or current)]
        yield _shape(version, "score", bins, current.grid.score.labels, config)


def _has_scores(*profiles: Profile) -> bool:
    """Return whether any side knows a score; a model that only answers with a class is not judged by one."""
    return any(profile.score is not None and profile.score.n for profile in profiles)


def _class_mix(version: VersionWindow, reference: Profile, current: Profile, config: OutputDrift) -> Iterator[Finding]:
    if current.grid.prediction is not None:
        bins = [profile.prediction_headline() for profile in (reference, current, version.judged or current)]
        yield _shape(version, "prediction", bins, current.grid.prediction.labels, config)


def _shape(
    version: VersionWindow, signal: str, bins: list[IntArray], labels: tuple[str, ...], config: OutputDrift
) -> Finding:
    """Compare headline counts: of the reference, of the window, and of what the verdict rests on."""
    before, now, longer = bins
    psi, js = divergence.psi(before, now), divergence.js(before, now)
    judged = divergence.psi(before, longer)
    p = noise_p(judged, chi2_homogeneity(before, longer))
    value = _value(psi)
    return Finding(
        KEY,
        "psi.1",
        version=version.id,
        signal=signal,
        value=value,
        gap=_value(judged),
        n=psi.n_cur,
        base_n=psi.n_ref,
        threshold=config.warn,
        reason="" if value is not None or psi.reason is None else psi.reason.value,
        details={
            "p_value": p,
            "floor": psi.floor,
            "bins": psi.bins,
            "excess": divergence.excess(psi),
            "evidence": {} if js.value is None else {"js.1": js.value},
            "histogram": {
                "labels": [label[:40] for label in labels],
                "reference": before.tolist(),
                "current": now.tolist(),
            },
            **_longer(version, judged.value, judged.n_cur),
        },
        gates=Gates(judged, p, config.warn, config.drift, config.hard_break),
    )


def _value(psi: Divergence) -> float | None:
    """Return the PSI; 0 where one bin is occupied, the same on both sides."""
    return 0.0 if psi.reason == Reason.constant else psi.value


def _longer(version: VersionWindow, value: float | None, n: int) -> dict[str, Any]:
    """Return what the verdict rests on, where that is more than the window."""
    return {"judged": {"value": value, "n": n}} if version.is_widened else {}


def _mean_score(version: VersionWindow, reference: Profile, current: Profile, config: OutputDrift) -> Iterator[Finding]:
    """The mean of the score; its change is measured in standard deviations of the reference."""
    before, now = reference.score, current.score
    if before is None or now is None or not _has_scores(reference, current):
        return
    longer = (version.judged or current).score or now
    effect = _mean_effect(before, longer)
    half = 0.0 if now.std is None else float(ndtri(0.975)) * now.std / np.sqrt(now.n)
    yield Finding(
        KEY,
        "mean_score.1",
        version=version.id,
        signal="score",
        value=now.mean,
        low=None if now.mean is None or now.std is None else now.mean - half,
        high=None if now.mean is None or now.std is None else now.mean + half,
        n=now.n,
        base_value=before.mean,
        base_n=before.n,
        gap=effect.value,
        threshold=config.warn,
        reason="" if now.mean is not None else Reason.empty.value,
        details={"p_value": effect.p_value, "effect": effect.value, **_longer(version, longer.mean, longer.n)},
        gates=Gates(effect, 1.0 if effect.p_value is None else effect.p_value, config.warn, config.drift),
    )


def _mean_effect(before: NumericProfile, now: NumericProfile) -> Divergence:
    """Return the standardised difference of two means with its two-sided p-value (Welch, normal)."""
    result = Divergence("mean_score.1", bins=2, n_ref=before.n, n_cur=now.n)
    if before.mean is None or now.mean is None or before.std is None or now.std is None:
        return result
    error = float(np.sqrt(before.std**2 / before.n + now.std**2 / now.n))
    change = abs(now.mean - before.mean)
    if not before.std or not error or not np.isfinite([change, error, before.std]).all():
        return result
    p = float(2 * ndtr(-change / error))
    return Divergence("mean_score.1", change / before.std, p, None, 2, before.n, now.n)


def _positive_rate(
    version: VersionWindow, reference: Profile, current: Profile, config: OutputDrift
) -> Iterator[Finding]:
    """The share of positive decisions; its change is held against the share of the rarer decision before."""
    if not current.n_decided:
        return
    share, longer = rate(current.n_positive, current.n_decided), version.judged or current
    change = two_proportions(reference.n_positive, reference.n_decided, longer.n_positive, longer.n_decided)
    before = reference.n_positive / reference.n_decided if reference.n_decided else None
    effect = None
    if before is not None and change.value is not None:
        effect = abs(change.value) / max(min(before, 1 - before), LEAST_SHARE)
    p = 1.0 if change.p_value is None else change.p_value
    seen = Divergence("positive_rate.1", effect, p, None, 2, reference.n_decided, longer.n_decided)
    yield Finding(
        KEY,
        "positive_rate.1",
        version=version.id,
        signal="decision",
        base_value=before,
        base_n=reference.n_decided,
        gap=effect,
        threshold=config.warn,
        details={
            "p_value": p,
            "effect": effect,
            **_longer(version, longer.n_positive / longer.n_decided, longer.n_decided),
        },
        gates=Gates(seen, p, config.warn, config.drift),
        **interval(share),
    )


def _near_threshold(
    version: VersionWindow, reference: Profile, current: Profile, config: OutputDrift
) -> Iterator[Finding]:
    """The share of scores so close to the threshold that a small shift would turn the decision: evidence.

    Scores are known by their cells, which here are less than half a thousandth wide.
    """
    before, now = reference.score, current.score
    is_binary = current.n_decided and current.grid.score_kind == "probability"
    if not is_binary or before is None or now is None or not now.n:
        return
    near = slice(*score_cell(np.array([THRESHOLD - NEAR, THRESHOLD + NEAR])).tolist())
    yield Finding(
        KEY,
        "near_threshold_share.1",
        verdict=Verdict.ok,
        version=version.id,
        signal="score",
        base_value=int(before.counts[near].sum()) / before.n if before.n else None,
        base_n=before.n,
        details={"threshold": THRESHOLD, "within": NEAR},
        **interval(rate(int(now.counts[near].sum()), now.n)),
    )


_Part = Callable[[VersionWindow, Profile, Profile, OutputDrift], Iterator[Finding]]
_PARTS: dict[str, _Part] = {
    "score": _score,
    "class_mix": _class_mix,
    "mean_score": _mean_score,
    "positive_rate": _positive_rate,
    "near_threshold": _near_threshold,
}


def _of_hours(data: WindowData, part: str) -> Iterator[Finding]:
    """Fallbacks or errors of the whole model against the days before; a rise that is drift is a hard break."""
    before, now = (
        (sum(hour.errors if part == "error" else hour.fallbacks for hour in hours), sum(hour.rows for hour in hours))
        for hours in (data.usage.before, data.usage.current)
    )
    if now[1]:
        yield share_finding(KEY, f"{part}_share.1", before, now, hard=Verdict.drift)
