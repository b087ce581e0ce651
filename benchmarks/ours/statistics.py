"""Metrics of a classifier by segment, and the bootstrap of a threshold sweep, ours and scikit-learn's."""

import json
import sys
from itertools import pairwise

import numpy as np
import sklearn
from sklearn import calibration, metrics

from benchmarks.timing import median_s
from mlops_portal.kit import memory
from monitoring.stats.calibration import ece
from monitoring.stats.classification import auc, average_precision, brier, log_loss
from monitoring.stats.columns import CodedColumn
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.intervals import poisson_bootstrap
from monitoring.stats.profile import ScoreCounts, build_labels
from monitoring.stats.value import uplifts

ROWS = 3_000_000
SEGMENTS = tuple(f"s{index:02d}" for index in range(20))
SWEPT_ROWS, THRESHOLDS, REPLICATES = 1_000_000, 200, 1000
MATRIX = ((0.0, -5.0), (-20.0, 10.0))


def scored(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of a calibrated model."""
    rng = np.random.default_rng(11)
    scores = rng.beta(1, 3, rows)
    return (rng.random(rows) < scores).astype(float), scores


def by_segment() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, scores and the segment of each row."""
    return *scored(ROWS), np.random.default_rng(12).integers(0, len(SEGMENTS), ROWS)


def ours() -> dict[str, float]:
    """Count the rows of every segment; take five metrics of each and of all rows."""
    labels, scores, segments = by_segment()
    column = CodedColumn(segments.astype(np.int32), SEGMENTS)
    grid = freeze({"segment": column}, [FeatureSpec("segment", "category", segment=True)], scores, "probability")

    def work() -> list[float | None]:
        profile = build_labels(scores, None, labels, {"segment": column}, grid, "binary")
        counted = [profile.scores(), *(profile.scores("segment", name) for name in SEGMENTS)]
        return [metric(part).value for part in counted for metric in (auc, average_precision, brier, log_loss, ece)]

    return median_s(work) | {"sum": float(np.sum(work()))}


def theirs() -> dict[str, float | str]:
    """The same metrics of the same rows, sorted into segments once."""
    labels, scores, segments = by_segment()

    def work() -> list[float]:
        order = np.argsort(segments, kind="stable")
        y, s = labels[order], scores[order]
        ends = np.cumsum(np.bincount(segments, minlength=len(SEGMENTS)))
        parts = [(0, ROWS), *pairwise([0, *ends])]
        return [value for a, b in parts for value in (*_four(y[a:b], s[a:b]), _calibration(y[a:b], s[a:b]))]

    return median_s(work) | {"sum": float(np.sum(work())), "version": sklearn.__version__}


def _four(y: np.ndarray, s: np.ndarray) -> tuple[float, float, float, float]:
    return (
        metrics.roc_auc_score(y, s),
        metrics.average_precision_score(y, s),
        metrics.brier_score_loss(y, s),
        metrics.log_loss(y, s),
    )


def _calibration(y: np.ndarray, s: np.ndarray) -> float:
    """The mean gap of scikit-learn's calibration curve over bins of equal mass."""
    true, said = calibration.calibration_curve(y, s, n_bins=10, strategy="quantile")
    return float(np.abs(true - said).mean())


def bootstrap() -> dict[str, float]:
    """Difference of 200 thresholds to today's on 1000 resamples, from counts."""
    counts = ScoreCounts.of(*scored(SWEPT_ROWS))
    thresholds = np.linspace(0.005, 0.995, THRESHOLDS)
    return median_s(lambda: uplifts(counts, thresholds, 0.2, MATRIX, seed=1, reps=REPLICATES), times=9)


def intervals() -> dict[str, dict[str, float]]:
    """The interval of an area from counts, and 200 resamples of the area of 21 groups."""
    labels, scores, segments = by_segment()
    whole = ScoreCounts.of(labels, scores)
    groups = [np.stack((whole.negatives, whole.positives))]
    for index in range(len(SEGMENTS)):
        mine = ScoreCounts.of(labels[segments == index], scores[segments == index])
        groups.append(np.stack((mine.negatives, mine.positives)).reshape(2, -1, 4).sum(axis=2))
    return {
        "area": median_s(lambda: auc(whole), times=99),
        "groups": median_s(lambda: [poisson_bootstrap(cells, _areas, 200, seed=1) for cells in groups]),
    }


def _areas(resampled: np.ndarray) -> np.ndarray:
    negatives, positives = resampled[:, 0], resampled[:, 1]
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return (positives * below).sum(axis=1) / positives.sum(axis=1) / negatives.sum(axis=1)


if __name__ == "__main__":
    memory.keep_freed()
    print(json.dumps({"ours": ours, "theirs": theirs, "bootstrap": bootstrap, "intervals": intervals}[sys.argv[1]]()))
