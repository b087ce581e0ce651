"""Whether the features still look as in the reference: population stability of each, within segments too."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from monitoring.checks.base import Check, FeatureInfo, Finding, Gates, VersionWindow, WindowData
from monitoring.checks.config import InputDrift
from monitoring.stats import divergence, rowwise
from monitoring.stats.arrays import IntArray
from monitoring.stats.gates import MIN_WINDOW
from monitoring.stats.grid import NumericGrid
from monitoring.stats.profile import NumericProfile, Profile
from monitoring.stats.results import Divergence, Reason

KEY = "input_drift"
METRIC = "psi.1"
LONGEST_LABEL = 40
OF_NUMBERS = ("kl.1", "js.1", "chi2.1")  # evidence on headline bins; there are others on fine cells
OF_TEXTS = (*OF_NUMBERS, "cramers_v.1")


def measure(data: WindowData, config: InputDrift) -> list[Finding]:
    """Return one PSI per feature and version, and one per segment that is large enough.

    Each waits for the gates of the run. The details hold the evidence of other distances and both histograms; where
    the verdict rests on more days than the window has, they say what was found there (`judged`).
    """
    found: list[Finding] = []
    for version in data.versions:
        if version.current is None or version.reference is None:
            found.append(_nothing(version, Reason.empty if version.reference else Reason.no_reference))
            continue
        features = [info for info in version.features if _is_wanted(info, version.current, config)]
        found += _whole(version, version.reference, version.current, features, config)
        for dimension in () if version.is_widened else version.dimensions:
            found += _by_segment(version, version.reference, version.current, dimension, features, config)
    return found


CHECK = Check(KEY, measure)


def _nothing(version: VersionWindow, reason: Reason) -> Finding:
    return Finding(KEY, METRIC, version=version.id, n=version.rows, reason=reason.value)


def _is_wanted(info: FeatureInfo, current: Profile, config: InputDrift) -> bool:
    named = config.features is None or info.name in config.features
    return named and not info.is_dropped and info.name in current.grid.features


def _whole(
    version: VersionWindow, reference: Profile, current: Profile, features: list[FeatureInfo], config: InputDrift
) -> Iterator[Finding]:
    before = rowwise.stacked([reference.headline(info.name) for info in features])
    now = rowwise.stacked([current.headline(info.name) for info in features])
    compared = judged = rowwise.compare(before, now)
    if version.is_widened and version.judged:
        longer = [version.judged.headline(info.name) for info in features]
        judged = rowwise.compare(before, rowwise.stacked(longer))
    evidence = _evidence(reference, current, [info.name for info in features], before, now)
    for row, (info, one, other) in enumerate(zip(features, compared, judged, strict=True)):
        labels = current.grid.headline_labels(info.name)
        details = {
            **_noise(*one),
            "evidence": evidence[row],
            "histogram": {
                "labels": [label[:LONGEST_LABEL] for label in labels],
                "reference": before[row, : len(labels)].tolist(),
                "current": now[row, : len(labels)].tolist(),
            },
        }
        if info.importance is not None:
            details["impact"] = info.importance * divergence.excess(one[0])
        if judged is not compared:
            details["judged"] = {"value": other[0].value, "n": other[0].n_cur, **_noise(*other)}
        yield _finding(version, info.name, "", one[0], other, config, details)


def _noise(psi: Divergence, p: float) -> dict[str, Any]:
    return {"p_value": p, "floor": psi.floor, "bins": psi.bins, "excess": divergence.excess(psi)}


def _evidence(
    reference: Profile, current: Profile, names: Sequence[str], before: IntArray, now: IntArray
) -> list[dict[str, float]]:
    """Return what other distances say of each feature; those without a value are left out."""
    columns = [(reference.feature(name), current.feature(name)) for name in names]
    features = enumerate(current.grid.features[name] for name in names)
    grids = {row: grid for row, grid in features if isinstance(grid, NumericGrid)}
    of_bins = rowwise.distances(before, now)
    of_cells = rowwise.cell_distances(
        rowwise.stacked([columns[row][0].counts for row in grids]),
        rowwise.stacked([columns[row][1].counts for row in grids]),
        list(grids.values()),
    )
    places = {row: place for place, row in enumerate(grids)}
    found = []
    for row, (a, c) in enumerate(columns):
        known = {metric: of_bins[metric][row] for metric in (OF_NUMBERS if row in grids else OF_TEXTS)}
        if isinstance(a, NumericProfile) and isinstance(c, NumericProfile):
            known |= {metric: values[places[row]] for metric, values in of_cells.items()}
            known |= {"reference_mean": a.mean, "mean": c.mean} if a.mean is not None and c.mean is not None else {}
        found.append({name: value for name, value in known.items() if value is not None})
    return found


def _by_segment(
    version: VersionWindow,
    reference: Profile,
    current: Profile,
    dimension: str,
    features: list[FeatureInfo],
    config: InputDrift,
) -> Iterator[Finding]:
    """Compare every other feature within each segment that has 200 rows."""
    names = current.grid.segments[dimension]
    large = np.flatnonzero(current.segments[dimension].rows >= MIN_WINDOW)
    rows = [(info.name, int(place)) for info in features if info.name != dimension for place in large]
    by_feature = {info.name: _both(reference, current, dimension, info.name) for info in features}
    before = rowwise.stacked([by_feature[name][0][place] for name, place in rows])
    now = rowwise.stacked([by_feature[name][1][place] for name, place in rows])
    for (name, place), (psi, p) in zip(rows, rowwise.compare(before, now), strict=True):
        if psi.n_cur >= MIN_WINDOW:
            segment = f"{dimension}={names[place]}"[:400]
            yield _finding(version, name, segment, psi, (psi, p), config, _noise(psi, p))


def _both(reference: Profile, current: Profile, dimension: str, name: str) -> tuple[Any, Any]:
    return reference.segment_headline(dimension, name), current.segment_headline(dimension, name)


def _finding(
    version: VersionWindow,
    feature: str,
    segment: str,
    psi: Divergence,
    judged: tuple[Divergence, float],
    config: InputDrift,
    details: dict[str, Any],
) -> Finding:
    limits, value = config.thresholds(feature), _value(psi)
    return Finding(
        KEY,
        METRIC,
        version=version.id,
        feature=feature,
        segment=segment,
        value=value,
        gap=_value(judged[0]),
        n=psi.n_cur,
        base_n=psi.n_ref,
        threshold=limits.warn,
        reason=_reason(psi, version, value),
        details=details,
        gates=Gates(*judged, limits.warn, limits.drift, config.hard_break),
        excess=divergence.excess(psi),
    )


def _value(psi: Divergence) -> float | None:
    """Return the PSI; 0 where one bin is occupied, the same on both sides."""
    return 0.0 if psi.reason == Reason.constant else psi.value


def _reason(psi: Divergence, version: VersionWindow, value: float | None) -> str:
    if value is not None or psi.reason is None:
        return ""
    return Reason.all_null if psi.reason == Reason.empty and version.rows else psi.reason
