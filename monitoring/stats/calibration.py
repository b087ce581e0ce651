"""Calibration: do scores mean what they say?"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.grid import SCORE_CELLS, SCORE_EDGES, headline
from monitoring.stats.intervals import MIN_CLASS, wilson
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Divergence, Estimate, Reason, Verdict

BINS = 10
SLACK = 1e-12
FOLDS = 5


def cell_scores(cells: int) -> FloatArray:
    """Return the score that stands for each cell: the middle of its edges."""
    edges = SCORE_EDGES[:: SCORE_CELLS // cells]
    return (edges[:-1] + edges[1:]) / 2


def ece(counts: ScoreCounts) -> Estimate:
    """Return the expected calibration error: mean |score - label| over ten bins of about equal mass.

    >>> round(ece(ScoreCounts.of(np.array([1.0, 1.0]), np.array([0.75, 0.75]))).value, 3)
    0.25
    """
    return _ece(cell_scores(len(counts.negatives)), counts.negatives, counts.positives)


def ece_exact(labels: FloatArray, scores: FloatArray) -> Estimate:
    """Return the expected calibration error of rows.

    labels: 0, 1 or NaN for unknown; a row without a label, or with a score outside of [0, 1], is left out.

    >>> ece_exact(np.array([1, 1]), np.array([0.75, 0.75])).value
    0.25
    """
    return _ece(*_by_score(labels, scores))


def _ece(scores: FloatArray, negatives: IntArray, positives: IntArray) -> Estimate:
    counts = negatives + positives
    n = int(counts.sum())
    if not n:
        return Estimate(None, method="equal_mass", reason=Reason.empty)
    groups = headline(counts)
    gap = np.bincount(groups, counts * scores - positives)
    return Estimate(float(np.abs(gap).sum() / n), n=n, n_eff=n, method="equal_mass")


def in_the_large(counts: ScoreCounts) -> Estimate:
    """Return the mean score minus the share of positives, with a normal interval.

    The interval is that of the labels given the scores.

    >>> round(in_the_large(ScoreCounts.of(np.array([1.0, 0.0]), np.array([0.75, 0.75]))).value, 3)
    0.25
    """
    return _in_the_large(cell_scores(len(counts.negatives)), counts.negatives, counts.positives)


def in_the_large_exact(labels: FloatArray, scores: FloatArray) -> Estimate:
    """Return the mean score minus the share of positives, of rows.

    >>> in_the_large_exact(np.array([1, 0]), np.array([0.75, 0.75])).value
    0.25
    """
    return _in_the_large(*_by_score(labels, scores))


def _in_the_large(scores: FloatArray, negatives: IntArray, positives: IntArray) -> Estimate:
    counts = negatives + positives
    n = int(counts.sum())
    if not n:
        return Estimate(None, method="normal", reason=Reason.empty)
    value = float((counts * scores - positives).sum() / n)
    half = 1.959963984540054 * float(np.sqrt((counts * scores * (1 - scores)).sum())) / n
    return Estimate(value, value - half, value + half, n=n, n_eff=n, method="normal")


def spiegelhalter(counts: ScoreCounts) -> Divergence:
    """Return Spiegelhalter's z of the hypothesis that the scores are calibrated, with two-sided p.

    `undefined` where every score is 0, 0.5 or 1 and the test has no spread.
    Spiegelhalter, Statistics in Medicine 5 (1986).

    >>> spiegelhalter(ScoreCounts.of(np.array([1.0, 0.0]), np.array([0.25, 0.25]))).n_cur
    2
    """
    return _spiegelhalter(cell_scores(len(counts.negatives)), counts.negatives, counts.positives)


def spiegelhalter_exact(labels: FloatArray, scores: FloatArray) -> Divergence:
    """Return Spiegelhalter's z of rows.

    >>> round(spiegelhalter_exact(np.array([1, 0]), np.array([0.25, 0.25])).value, 6)
    0.816497
    """
    return _spiegelhalter(*_by_score(labels, scores))


def _spiegelhalter(scores: FloatArray, negatives: IntArray, positives: IntArray) -> Divergence:
    counts = negatives + positives
    n = int(counts.sum())
    if not n:
        return Divergence("spiegelhalter.1", reason=Reason.empty)
    lean = 1 - 2 * scores
    variance = float((counts * lean * lean * scores * (1 - scores)).sum())
    if variance <= SLACK:
        return Divergence("spiegelhalter.1", n_cur=n, reason=Reason.undefined)
    z = float((lean * (positives - counts * scores)).sum()) / variance**0.5
    return Divergence("spiegelhalter.1", value=z, p_value=float(2 * ndtr(-abs(z))), n_cur=n)


def reliability(counts: ScoreCounts) -> list[tuple[float, Estimate]]:
    """Return the reliability diagram: per equal-mass bin its mean score and its share of positives (Wilson).

    >>> [(round(score, 3), share.value) for score, share in reliability(ScoreCounts.of(np.ones(4), np.full(4, 0.75)))]
    [(0.75, 1.0)]
    """
    scores, both = cell_scores(len(counts.negatives)), counts.negatives + counts.positives
    if not both.any():
        return []
    groups = headline(both)
    sizes, hits, sums = (np.bincount(groups, part) for part in (both, counts.positives, both * scores))
    return [
        (float(total / n), Estimate(float(k / n), *wilson(k, n), n=int(n), n_eff=float(n), method="wilson"))
        for n, k, total in zip(sizes, hits, sums, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """How often the label is 1 at a score: linear between knots, level beyond them.

    scores, chances: the knots, both ascending; none of them where the scores speak for themselves.
    n: the labelled rows it was fitted on. gain: by how much it lowers the cross-validated ECE; None if not known.
    """

    scores: FloatArray
    chances: FloatArray
    n: int
    gain: float | None

    @property
    def is_kept(self) -> bool:
        """Whether the map changes a score; else every score is its own chance."""
        return len(self.scores) > 0

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Return the chance at each score, in [0, 1]."""
        if not self.is_kept:
            return np.clip(scores, 0.0, 1.0)
        return np.interp(scores, self.scores, self.chances)


def isotonic(counts: ScoreCounts, seed: int = 0) -> Map:
    """Fit the monotone map from score to chance; kept only if it lowers the cross-validated ECE (5 folds).

    seed: how the rows fall into folds. Below 30 rows of a class no map is kept, and its gain is not known.

    Zadrozny and Elkan, KDD (2002).

    >>> isotonic(ScoreCounts.of(np.repeat([0.0, 1.0], 50), np.full(100, 0.9))).chances.tolist()
    [0.5]
    """
    none, n = np.empty(0), counts.n
    if min(counts.n_negative, counts.n_positive) < MIN_CLASS:
        return Map(none, none, n, gain=None)
    scores, labelled = cell_scores(len(counts.negatives)), np.stack((counts.negatives, counts.positives))
    parts = np.random.default_rng(seed).multinomial(labelled, np.full(FOLDS, 1 / FOLDS))
    gain = sum(_gain(scores, labelled - part, part) for part in np.moveaxis(parts, -1, 0)) / n
    knots, chances = _fit(scores, labelled)
    return Map(knots, chances, n, gain) if gain > 0 else Map(none, none, n, gain)


def pooled(means: FloatArray, weights: FloatArray | IntArray | None = None) -> FloatArray:
    """Return the non-decreasing values nearest to means, by least squares: neighbours out of order are pooled.

    >>> pooled(np.array([0.0, 1.0, 0.0])).tolist()
    [0.0, 0.5, 0.5]
    """
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(means, weights=weights).x)


def _fit(scores: FloatArray, labelled: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the knots: of each level stretch its first and last occupied cell."""
    both = labelled.sum(axis=0)
    used = both > 0
    chances = pooled(labelled[1, used] / both[used], both[used])
    level = np.diff(chances) <= SLACK
    needed = ~(np.append(False, level) & np.append(level, False))
    return scores[used][needed], chances[needed]


def _gain(scores: FloatArray, fitted_on: IntArray, judged_on: IntArray) -> float:
    """Return by how much, times rows, the map of some rows lowers the ECE of others."""
    mapped = np.interp(scores, *_fit(scores, fitted_on))
    before, after = (_ece(column, judged_on[0], judged_on[1]) for column in (scores, mapped))
    return ((before.value or 0.0) - (after.value or 0.0)) * before.n


def calibration_verdict(error: Estimate, test: Divergence, warn: float = 0.03, worse: float = 0.08) -> Verdict:
    """Judge calibration: both the error and the evidence (|z| > 3.29) are needed.

    >>> calibration_verdict(Estimate(0.05, n=900), Divergence("spiegelhalter.1", value=4.0)).value
    'warn'
    """
    if not error.n:
        return Verdict.no_data
    if error.value is None or test.value is None:
        return Verdict.insufficient
    if abs(test.value) <= 3.29 or error.value < warn - SLACK:
        return Verdict.ok
    return Verdict.worse if error.value >= worse - SLACK else Verdict.warn


def _by_score(labels: FloatArray, scores: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the distinct scores and their negatives and positives.

    A row without a label (NaN) or with a score outside of [0, 1] is left out.
    """
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if len(y) != len(s) or not np.isin(y[~np.isnan(y)], (0, 1)).all():
        raise ValueError("labels 0 and 1, and as many scores, are needed")
    used = ~np.isnan(y) & (s >= 0) & (s <= 1)
    distinct, place = np.unique(s[used], return_inverse=True)
    counts = [np.bincount(place[y[used] == label], minlength=len(distinct)) for label in (0, 1)]
    return distinct, counts[0], counts[1]
