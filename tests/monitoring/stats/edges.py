"""Columns as bad as they come, and what every public function of the package is given of them.

A call is named by its module and function. It is written for a situation, and yields what to hand over.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from monitoring.stats.gates import DAILY, Condition, ConditionState, Observation
from monitoring.stats.grid import FeatureSpec, freeze, numeric_edges
from monitoring.stats.profile import (
    CostProfile,
    ErrorCounts,
    LatencyProfile,
    ScoreCounts,
    build,
    count_numeric,
)
from monitoring.stats.results import Confusion, Divergence, Estimate, Reason, Verdict

USUAL = np.linspace(0.0, 1.0, 50)
HALF = np.arange(50) % 2
LATER = USUAL[::-1] * 0.9
LARGEST = np.finfo(np.float64).max
MATRIX = [[0.0, -1.0], [-4.0, 3.0]]


@dataclass(frozen=True)
class Situation:
    """Columns of one length: labels (0, 1, NaN), scores, numbers and texts."""

    labels: np.ndarray
    scores: np.ndarray
    values: np.ndarray
    texts: list[Any]

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def score_counts(self) -> ScoreCounts:
        return ScoreCounts.of(self.labels, self.scores)

    @property
    def table(self) -> Confusion:
        """Labels against decisions at one half; unknown labels are in none of its cells."""
        known = ~np.isnan(self.labels)
        decided = (np.nan_to_num(self.scores[known]) >= 0.5).astype(int)
        place = self.labels[known].astype(int) * 2 + decided
        return Confusion(("0", "1"), np.bincount(place, minlength=4).reshape(2, 2).astype(np.int64))

    @property
    def latencies(self) -> LatencyProfile:
        return LatencyProfile.of(self.values)

    def counted_on(self, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return reference and values as counts on the cells of the reference."""
        grid = numeric_edges(reference)
        return count_numeric(reference, grid).counts, count_numeric(self.values, grid).counts


SITUATIONS = {
    "empty": Situation(np.zeros(0), np.zeros(0), np.zeros(0), []),
    "one row": Situation(np.ones(1), np.array([0.5]), np.array([3.0]), ["a"]),
    "one class": Situation(np.ones(50), USUAL, USUAL, ["a"] * 50),
    "all null": Situation(np.full(50, np.nan), np.full(50, np.nan), np.full(50, np.nan), [None] * 50),
    "constant": Situation(HALF.astype(float), np.full(50, 0.5), np.full(50, 7.0), ["a"] * 50),
    "infinite": Situation(
        HALF.astype(float), np.where(HALF, np.inf, -np.inf), np.where(HALF, np.inf, -np.inf), ["a", "b"] * 25
    ),
    "huge": Situation(
        HALF.astype(float), np.where(HALF, 1e300, -1e300), np.where(HALF, LARGEST, -LARGEST), ["a", "b"] * 25
    ),
    "some null": Situation(
        np.where(np.arange(50) % 3, HALF, np.nan),
        np.where(np.arange(50) % 5, USUAL, np.nan),
        np.where(np.arange(50) % 4, USUAL, np.inf),
        ["a", None] * 25,
    ),
}

Calls = Callable[[Any, Situation], Iterator[Any]]


def _counts(f: Any, s: Situation) -> Iterator[Any]:
    """Two arrays of counts: usual and bad, either way round."""
    for reference in (s.values, USUAL):
        a, c = s.counted_on(reference)
        yield f(a, c)
        yield f(c, a)


def _columns(f: Any, s: Situation) -> Iterator[Any]:
    yield f(s.values, s.values)
    yield f(s.values, USUAL)
    yield f(USUAL, s.values)


def _columns_of_one_length(f: Any, s: Situation) -> Iterator[Any]:
    yield f(s.values, s.values)
    yield f(s.values, s.scores)


def _labelled(f: Any, s: Situation) -> Iterator[Any]:
    yield f(s.labels, s.scores)


def _weighted(f: Any, s: Situation) -> Iterator[Any]:
    yield f(s.labels, s.scores)
    for weights in (np.zeros(s.n), np.full(s.n, np.nan), np.full(s.n, np.inf), np.full(s.n, 1e300), np.ones(s.n)):
        yield f(s.labels, s.scores, weights)


def _of_scores(f: Any, s: Situation) -> Iterator[Any]:
    yield f(s.score_counts)


def _of_values(f: Any, s: Situation) -> Iterator[Any]:
    yield f(s.values)


def _of_estimates(f: Any, _s: Situation) -> Iterator[Any]:
    nothing, bare, whole = Estimate(None, reason=Reason.empty), Estimate(0.5, n=1), Estimate(0.5, 0.4, 0.6, 500, 500.0)
    for one in (nothing, bare, whole):
        for other in (nothing, bare, whole):
            yield f(one, other)


def _wasserstein(f: Any, s: Situation) -> Iterator[Any]:
    for reference in (s.values, USUAL):
        grid = numeric_edges(reference)
        for clip in (True, False):
            yield f(*s.counted_on(reference), grid, clip=clip)


def _shares(f: Any, s: Situation) -> Iterator[Any]:
    known = int(np.isfinite(s.values).sum())
    yield f(known, s.n, 0, 0)
    yield f(0, 0, known, s.n)
    yield f(known, s.n, known, s.n)
    yield f(0, 100, known, s.n)


def _profile(s: Situation, reference: np.ndarray) -> Any:
    grid = freeze(
        {"x": reference, "t": s.texts},
        [FeatureSpec("x", "number"), FeatureSpec("t", "text", segment=True)],
        s.scores,
        "probability",
        classes=("a", "b"),
    )
    return build({"x": s.values, "t": s.texts}, grid, score=s.scores, decided=s.labels, latency_ms=s.values)


def _build_labels(f: Any, s: Situation) -> Iterator[Any]:
    grid = _profile(s, USUAL).grid
    yield f(s.scores, s.labels, s.labels, {"t": s.texts}, grid, "binary").scores()
    yield f(s.values, None, s.values, {"t": s.texts}, grid, "regression").errors()
    yield f(None, s.texts, s.texts, {}, grid, "multiclass").confusion()


def _build(f: Any, s: Situation) -> Iterator[Any]:
    for reference in (s.values, USUAL):
        built = f({"x": s.values, "t": s.texts}, _profile(s, reference).grid, score=s.scores, latency_ms=s.values)
        yield [*built.features.values(), built.score, built.latency]


def _verdicts(f: Any, _s: Situation) -> Iterator[Any]:
    for value in (None, 0.0, 1.0):
        for n in (0, 1, 10_000):
            yield f(Divergence("psi.1", value, n_ref=n, n_cur=n), True, 0.1, 0.25)


def _performances(f: Any, _s: Situation) -> Iterator[Any]:
    for one in (Estimate(None, reason=Reason.empty), Estimate(0.5, n=1), Estimate(0.5, 0.4, 0.6, 500, 500.0)):
        for base in (None, 0.4):
            yield f(one, base, 0.02, "higher", smaller_class=one.n)


def _chances(f: Any, s: Situation) -> Iterator[Any]:
    """Chances made of the scores, or all even."""
    yield f(np.clip(s.scores, 0, 1), s.scores, 0.5, MATRIX)
    yield f(np.full(len(s.scores), 0.5), s.scores, 0.5)


def _arms(f: Any) -> list[Any]:
    arm = sys.modules[f.__module__].Arm
    return [arm(0, 0.0, 0.0), arm(1, 0.5, 0.0, 0), arm(4000, 0.1, 0.09, 400)]


def _observations() -> list[Observation]:
    return [Observation(verdict, gap, 0.1) for verdict in Verdict for gap in (0.0, 1e9)]


CALLS: dict[str, Calls] = {
    "basis.fit": lambda f, s: iter([f(s.values[:, None]).width]),
    "basis.basis": lambda f, s: iter([f(s.values[:, None])]),
    "calibration.ece": _of_scores,
    "calibration.ece_exact": _labelled,
    "calibration.in_the_large": _of_scores,
    "calibration.in_the_large_exact": _labelled,
    "calibration.spiegelhalter": _of_scores,
    "calibration.spiegelhalter_exact": _labelled,
    "calibration.reliability": _of_scores,
    "calibration.isotonic": _of_scores,
    "calibration.pooled": lambda f, s: iter([f(s.labels[~np.isnan(s.labels)])]),
    "calibration.calibration_verdict": lambda f, s: (
        f(error, Divergence("spiegelhalter.1", value=z))
        for error in (Estimate(None), Estimate(0.5, n=9))
        for z in (None, 5.0)
    ),
    "classification.auc": _of_scores,
    "classification.auc_resolution": _of_scores,
    "classification.auc_exact": _weighted,
    "classification.average_precision": _of_scores,
    "classification.average_precision_exact": _weighted,
    "classification.log_loss": _of_scores,
    "classification.brier": _of_scores,
    "classification.log_loss_exact": _weighted,
    "classification.brier_exact": _weighted,
    "classification.n_effective": _of_values,
    "columns.encode": lambda f, s: iter([f(s.texts), f(s.values), f(s.labels)]),
    "confusions.confusion": lambda f, s: iter([f(s.texts, s.texts[::-1], ["a", "b"])]),
    "confusions.rates": lambda f, s: iter([f(s.table), f(s.table, seed=None)]),
    "confusions.rates_exact": lambda f, s: (
        f(s.texts, s.texts[::-1], ["a", "b"], w) for w in (None, np.zeros(s.n), np.full(s.n, np.inf), np.ones(s.n))
    ),
    "confusions.per_class": lambda f, s: iter([f(s.table)]),
    "divergence.psi": _counts,
    "divergence.kl": _counts,
    "divergence.js": _counts,
    "divergence.tvd": _counts,
    "divergence.linf": _counts,
    "divergence.hellinger": _counts,
    "divergence.noise_floor": lambda f, s: iter([f(10, 1, max(s.n, 1))]),
    "divergence.excess": lambda f, s: iter([f(Divergence("psi.1", reason=Reason.empty))]),
    "divergence.occupied": _counts,
    "divergence.missing_reason": _counts,
    "estimation.cbpe.cbpe": lambda f, s: iter([f(s.score_counts, lambda x: x, 0.5, MATRIX)]),
    "estimation.cbpe.cbpe_exact": _chances,
    "estimation.errors.fit_errors": lambda f, s: iter([f(s.values[:, None], s.values).estimate(s.values[:, None])]),
    "estimation.segments.reweighted_accuracy": lambda f, s: iter(
        [f(s.table.counts[0], s.table.counts.sum(axis=0), s.table.counts[1])]
    ),
    "estimation.trust.trust": lambda f, s: iter([f([(None, None), *zip(s.values, s.scores, strict=True)])]),
    "estimation.trust.is_trusted": lambda f, s: (
        f(one, other, one) for one in (Estimate(None), Estimate(0.5, 0.4, 0.6)) for other in (Estimate(None), one)
    ),
    "gates.benjamini_hochberg": lambda f, s: iter([f(np.clip(s.scores, 0, 1))]),
    "gates.noise_p": lambda f, s: iter([f(Divergence("psi.1"), Divergence("chi2.1", p_value=0.5))]),
    "gates.drift_verdict": _verdicts,
    "gates.widened": lambda f, s: iter([f(timedelta(hours=1), lambda _length: bool(s.n))]),
    "gates.segment_speaks": lambda f, s: (
        f(one, gap, other, gap) for one in Verdict for other in (None, *Verdict) for gap in (None, 0.1)
    ),
    "gates.performance_verdict": _performances,
    "gates.is_beyond_chance": lambda f, s: (found for found in _of_estimates(lambda a, b: f(a, b, "higher"), s)),
    "gates.mature": lambda f, s: (f(c, 0.9, age, p95) for c in (0.0, 1.0) for age in (0, np.inf) for p95 in (None, 9)),
    "gates.observe": lambda f, s: (f(Condition(), seen, DAILY).state for seen in _observations()),
    "gates.persist": lambda f, s: (f(state, _observations(), DAILY) for state in ConditionState),
    "gates.replay": lambda f, s: iter([f(_observations()[: s.n], DAILY)]),
    "grid.category.category_grid": lambda f, s: iter([f(s.texts).labels, f(s.values).labels]),
    "grid.frozen.freeze": lambda f, s: iter([_profile(s, reference).grid.id for reference in (s.values, USUAL)]),
    "grid.headline.headline": lambda f, s: (f(side) for side in s.counted_on(s.values)),
    "grid.labels.bin_labels": lambda f, s: iter([f(np.unique(s.values[np.isfinite(s.values)]))]),
    "grid.labels.value_labels": lambda f, s: iter([f(np.unique(s.values[np.isfinite(s.values)]))]),
    "grid.latency.latency_key": lambda f, s: iter([f(np.abs(s.values[~np.isnan(s.values)]))]),
    "grid.numeric.numeric_edges": lambda f, s: iter([f(s.values).labels]),
    "grid.score.score_cell": lambda f, s: iter([f(s.scores[~np.isnan(s.scores)])]),
    "grid.score.score_grid": lambda f, s: iter([f(s.score_counts.negatives).labels]),
    "intervals.wilson": lambda f, s: iter([f(0, 0), f(0, s.n), f(s.n, s.n), f(0.5, 0.7)]),
    "intervals.rate": lambda f, s: iter([f(0, 0), f(0, s.n), f(s.n, s.n)]),
    "intervals.mean_interval": lambda f, s: iter([f(0, 0.0, 0.0), f(1, 1.0, 1.0), f(s.n, 0.0, 0.0)]),
    "intervals.order_statistic": lambda f, s: (f(q, n) for q in (0.01, 0.5, 0.99) for n in (1, 2, 10_000)),
    "intervals.hanley_mcneil": lambda f, s: (f(area, 1, 1) for area in (0.0, 0.5, 1.0)),
    "intervals.delong": lambda f, s: iter(
        [f(np.array([1, 0]), np.array([0, 1])), f(np.array([5, 5]), np.array([1, 0]))]
    ),
    "intervals.logit_interval": lambda f, s: (f(a, se, 1) for a in (0.0, 0.5, 1.0) for se in (None, 0.0, 0.3)),
    "intervals.auc_interval": lambda f, s: (f(a, se, 1, 1) for a in (0.0, 0.5, 1.0) for se in (None, 0.0, 0.3)),
    "intervals.poisson_bootstrap": lambda f, s: iter([f(np.zeros(3, dtype=np.int64), lambda r: r.sum(axis=1), reps=5)]),
    "intervals.percentile_interval": lambda f, s: iter([f(np.zeros(4)), f(np.zeros((1, 3)))]),
    "labelling.coverage": lambda f, s: iter([f(0, 0), f(0, s.n), f(s.n, s.n)]),
    "labelling.label_skew": _of_scores,
    "labelling.is_skewed": lambda f, s: iter([f(Divergence("label_skew.1", reason=Reason.empty))]),
    "ordering.ascending": lambda f, s: iter([f(s.values[np.isfinite(s.values)])]),
    "ordering.distinct": lambda f, s: iter([f(np.sort(s.values[np.isfinite(s.values)]))]),
    "profile.building.build": _build,
    "profile.categories.count_category": lambda f, s: iter([f(s.texts, _profile(s, USUAL).grid.features["t"])]),
    "profile.labels.build_labels": _build_labels,
    "profile.merging.merge": lambda f, s: iter([f(_profile(s, USUAL), _profile(s, USUAL)).feature("x")]),
    "profile.merging.merge_all": lambda f, s: iter([f([_profile(s, s.values)] * 3).feature("x")]),
    "profile.numbers.count_numeric": lambda f, s: iter(
        [f(s.values, numeric_edges(side)) for side in (s.values, USUAL)]
    ),
    "profile.scores.losses": lambda f, s: iter([f(HALF, USUAL)]),
    "profile.storage.dumps": lambda f, s: iter([len(f(_profile(s, USUAL)))]),
    "profile.storage.loads": lambda f, s: iter([]),  # its own damage tests
    "quality.share_change": _shares,
    "quality.stuck": _counts,
    "quality.volume": lambda f, s: iter(
        [f(100.0, s.values.tolist()), *(f(v, [100.0] * 5) for v in s.values[:2].tolist())]
    ),
    "quality.freshness": lambda f, s: iter([f(1.0, s.values.tolist()), *(f(v, [1.0]) for v in s.values[:2].tolist())]),
    "quality.schema_changes": lambda f, s: iter([f({}, {}), f({"x": "number"}, {})]),
    "quantiles.quantile": lambda f, s: (f(s.latencies, q) for q in (0.01, 0.5, 0.99)),
    "quantiles.share_above": lambda f, s: (f(s.latencies, limit) for limit in (-1.0, 0.0, 1.0, np.inf)),
    "regression.errors": _columns_of_one_length,
    "regression.pinball": lambda f, s: iter([f(s.values, s.scores, 0.9), f(s.values, s.values, 0.1, np.ones(s.n))]),
    "regression.from_counts": lambda f, s: iter([f(ErrorCounts.of(s.values, s.scores))]),
    "rowwise.stacked": lambda f, s: iter([f([*s.counted_on(s.values)])]),
    "rowwise.compare": lambda f, s: iter([f(*(side[None] for side in s.counted_on(USUAL)))]),
    "rowwise.distances": lambda f, s: iter([f(*(side[None] for side in s.counted_on(USUAL)))]),
    "rowwise.cell_distances": lambda f, s: (
        f(*(side[None] for side in s.counted_on(reference)), [numeric_edges(reference)])
        for reference in (s.values, USUAL)
    ),
    "twosample.ks": _counts,
    "twosample.ks_exact": _columns,
    "twosample.wasserstein": _wasserstein,
    "twosample.wasserstein_exact": _columns,
    "twosample.chi2_homogeneity": _counts,
    "twosample.cramers_v": _counts,
    "twosample.two_proportions": _shares,
    "twosample.pooled_z": _shares,
    "value.comparing.uplift": lambda f, s: iter([f(s.score_counts, 0.5, 0.7, MATRIX, reps=20)]),
    "value.comparing.uplifts": lambda f, s: iter([f(s.score_counts, np.array([0.1, 0.9]), 0.5, MATRIX, reps=20)]),
    "value.comparing.uplift_of_pairs": lambda f, s: iter([f(np.stack([s.table.counts] * 2), MATRIX, reps=20)]),
    "value.comparing.uplift_of_rows": lambda f, s: iter([f(s.labels, s.labels, 1 - s.labels, MATRIX)]),
    "value.comparing.bounds": lambda f, s: iter([f(s.score_counts, 0.5, MATRIX), f(s.score_counts, 0.5, MATRIX, 0.7)]),
    "value.matrix.total": lambda f, s: iter([f(s.table, MATRIX)]),
    "value.matrix.per_decision": lambda f, s: iter([f(s.table, MATRIX)]),
    "value.matrix.mean_value": lambda f, s: iter([f(s.table.counts, np.array(MATRIX))]),
    "value.matrix.value_of_rows": lambda f, s: iter(
        [f(s.labels, s.labels, MATRIX), f(s.labels, s.labels, [[s.values] * 2] * 2)]
    ),
    "value.matrix.mean_of": _of_values,
    "value.matrix.ideal_threshold": lambda f, s: iter([f(MATRIX), f([[0, 0], [0, 0]])]),
    "value.signals.action_rate": lambda f, s: iter([f({}, "a"), f({"a": 0}, "a"), f({"b": s.n}, "a")]),
    "value.signals.signal_rate": lambda f, s: iter([f(s.values, np.full(s.n, 90.0), 24), f(s.values, s.values, 24)]),
    "value.signals.signal_mean": _of_values,
    "value.sweeping.sweep": lambda f, s: iter([f(s.score_counts, MATRIX, 0.5)]),
    "value.sweeping.sweep_of_rows": lambda f, s: iter([f(s.labels, s.scores, MATRIX, 0.5)]),
    "value.thresholds.worth_of": lambda f, s: iter([f(s.score_counts.negatives, s.score_counts.positives, MATRIX)]),
    "value.thresholds.snap": lambda f, s: (f(threshold) for threshold in (-np.inf, 0.0, 0.5, 1.0, np.inf)),
    "value.thresholds.cuts_of": lambda f, s: iter([f(np.array([0.1, 0.9]), s.score_counts)]),
    "ranking.in_order": lambda f, s: iter([f(s.texts, {}), f([], {"a": 1.0})]),
    "ranking.ndcg": lambda f, s: iter([f(s.values.tolist(), 10), f([], 10, s.values.tolist())]),
    "ranking.average_precision_at": lambda f, s: iter([f(s.values.tolist(), 10), f([], 10, s.values.tolist())]),
    "ranking.recall_at": lambda f, s: iter([f(s.values.tolist(), 10), f([], 10, s.values.tolist())]),
    "ranking.hit_at": lambda f, s: iter([f(s.values.tolist(), 10), f([], 10, s.values.tolist())]),
    "ranking.reciprocal_rank": lambda f, s: iter([f(s.values.tolist()), f([], s.values.tolist())]),
    "ranking.over_queries": lambda f, s: iter([f([None] * s.n), f([0.5] * s.n)]),
    "ranking.each": lambda f, s: iter([f([(s.values.tolist(), []), ([], [])])[1]]),
    "spend.burning.expected": lambda f, s: iter([f(s.values, 0, 720, 100.0)]),
    "spend.burning.burn": lambda f, s: iter([f(s.values, s.values, 6), f(s.values, np.zeros(s.n), 6)]),
    "spend.burning.burning": lambda f, s: iter([f(s.values, s.values)]),
    "spend.costs.per_thousand": lambda f, s: iter([f(CostProfile(), s.n), f(CostProfile.of(np.abs(s.values)), s.n)]),
    "spend.costs.decompose": lambda f, s: iter([f({}, {}), f({}, CostProfile.of(s.values).stages)]),
    "spend.forecasting.forecast": lambda f, s: iter([f(s.values[:20], 0, 30, 100.0, 0)]),
    "changepoint.baseline": _of_values,
    "changepoint.cusum": lambda f, s: iter([f(s.values, 0.0, 1.0), f(s.values, 0.0, 0.0)]),
    "changepoint.two_sided": lambda f, s: iter([f(s.values, 0.0, 1.0), f(s.values, 0.0, 0.0)]),
    "changepoint.lasting": lambda f, s: iter([f(s.values, 0.0, 1.0), f(s.values, 0.0, 0.0)]),
    "agreement.pairs.pair_up": lambda f, s: iter([f(s.texts, s.texts[::-1], ["a", "b"])]),
    "agreement.pairs.pair_up_by": lambda f, s: iter([f(s.texts, s.texts, ["a", "b"], s.texts)]),
    "agreement.pairs.disagreement": lambda f, s: iter([f(s.table)]),
    "agreement.pairs.score_bins": lambda f, s: iter([len(f(s.scores))]),
    "agreement.pairs.score_gap": _columns_of_one_length,
    "agreement.pairs.value_at_stake": lambda f, s: iter([f(s.table, np.array(MATRIX))]),
    "agreement.pairs.ranking_disagreement": lambda f, s: iter(
        [f([s.texts], [s.texts], 10), f([], [], 10), f([[]], [[]], 10)]
    ),
    "agreement.pairs.mcnemar": lambda f, s: iter([f(0, 0), f(0, s.n)]),
    "agreement.pairs.discordant_accuracy": lambda f, s: iter([f(0.0, 0.5, 0), f(0.1, 0.5, s.n)]),
    "agreement.replaying.replay": lambda f, s: iter(
        [f(s.values, s.values), f(s.texts, s.texts), f(s.values, np.zeros(s.n))]
    ),
    "agreement.reviewers.raw_agreement": lambda f, s: iter([f(s.table.counts)]),
    "agreement.reviewers.cohen": lambda f, s: iter([f(s.table)]),
    "agreement.reviewers.fleiss": lambda f, s: iter(
        [f(np.ones((s.n, 2), dtype=np.int64)), f(np.tile([2, 0], (s.n, 1)))]
    ),
    "agreement.reviewers.alpha": lambda f, s: iter([f(s.table.counts)]),
    "agreement.reviewers.specific_agreement": lambda f, s: iter([f(s.table, "1")]),
    "agreement.reviewers.positive_agreement": lambda f, s: iter([f(s.table)]),
    "agreement.reviewers.negative_agreement": lambda f, s: iter([f(s.table)]),
    "guarded.half_width": lambda f, s: (f(se, n, 0.05) for se in (0.0, 1.0) for n in (1, 10_000)),
    "guarded.guard": lambda f, s: (f(one, other, 0.0, 0.02, 0.05) for one in _arms(f) for other in _arms(f)),
    "guarded.split_log_e": lambda f, s: iter(
        [f(np.array([0, 0]), np.array([0.5, 0.5])), f(np.array([s.n, 0]), np.array([0.9, 0.1]))]
    ),
    "guarded.is_mismatched": lambda f, s: iter([f(np.array([s.n, 0]), np.array([0.9, 0.1]))]),
    "guarded.split_p": lambda f, s: iter(
        [f(np.array([0, 0]), np.array([0.5, 0.5])), f(np.array([s.n, 0]), np.array([0.9, 0.1]))]
    ),
    "multivariate.domain_auc": lambda f, s: iter(
        [f(s.values[:, None], s.values[:, None], 0), f(s.values[:, None], USUAL[:, None], 0)]
    ),
}
