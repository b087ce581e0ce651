import numpy as np
import pytest

from monitoring.checks import performance
from monitoring.checks.base import Labels
from monitoring.checks.config import Performance
from monitoring.stats import classification
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import labels_of, rng, version, window

CONFIG = Performance()


def found(labels, task, config=CONFIG):
    data = window(version(None, None, labels=labels), task=task, rows=labels.rows if labels else 1)
    return {(one.metric, one.segment): one for one in performance.measure(data, config)}


def outcomes(n: int, skill: float, seed: int = 7):
    r = rng(seed)
    label = (r.random(n) < 0.4).astype(float)
    score = 1 / (1 + np.exp(-r.normal(skill * (2 * label - 1))))
    return label, score


class TestBinary:
    def judged(self, now: float, before: float, n: int = 4_000, **fields):
        label, score = outcomes(n, now)
        decided = (score >= 0.5).astype(float)
        base = outcomes(8_000, before, seed=8)
        base_decided = (base[1] >= 0.5).astype(float)
        labels = labels_of(
            "binary",
            label=label,
            score=score,
            prediction=decided,
            base=base,
            base_prediction=base_decided,
            score_kind="probability",
            **fields,
        )
        return found(labels, "binary"), label, score, decided

    def test_the_metrics_are_those_of_the_joined_rows(self):
        seen, label, score, decided = self.judged(1.0, 1.0)

        assert {metric for metric, segment in seen if not segment} == {
            "auc.1",
            "accuracy.1",
            "precision.1",
            "recall.1",
        }
        auc = seen["auc.1", ""]
        assert auc.value == pytest.approx(classification.auc_exact(label, score).value, abs=1e-4)
        assert seen["accuracy.1", ""].value == pytest.approx((label == decided).mean())
        assert (auc.n, auc.base_n, auc.signal, auc.threshold) == (4_000, 8_000, "truth", 0.02)
        assert auc.low < auc.value < auc.high
        assert {one.verdict for one in seen.values()} == {Verdict.ok}

    def test_a_fall_is_worse(self):
        seen, *_ = self.judged(0.6, 1.0)

        auc = seen["auc.1", ""]
        assert auc.verdict == Verdict.worse
        assert auc.gap == pytest.approx(auc.base_value - auc.value)

    def test_noise_is_never_worse(self):
        """Without a change, the naive rule (a step and an interval below the base) would alarm in some of these."""
        alarmed, naive = 0, 0
        for seed in range(100):
            label, score = outcomes(700, 1.0, seed=100 + seed)
            base = outcomes(2_000, 1.0, seed=1_000 + seed)
            labels = labels_of("binary", label=label, score=score, base=base, score_kind="probability")
            auc = found(labels, "binary")["auc.1", ""]
            alarmed += auc.verdict == Verdict.worse
            naive += auc.base_value - auc.value >= auc.threshold and auc.high < auc.base_value

        assert naive > 2
        assert alarmed == 0

    def test_a_rise_is_ok(self):
        seen, *_ = self.judged(1.6, 1.0)

        assert (seen["auc.1", ""].verdict, seen["auc.1", ""].gap) == (Verdict.ok, 0.0)

    def test_few_labels_are_insufficient(self):
        seen, *_ = self.judged(0.2, 1.0, n=99)

        assert {(one.verdict, one.reason) for one in seen.values() if one.value is not None} == {
            (Verdict.insufficient, "too_few")
        }

    def test_one_class_only_has_no_auc(self):
        label, score = np.zeros(500), rng().random(500)
        labels = labels_of("binary", label=label, score=score, base=outcomes(8_000, 1.0), score_kind="probability")

        auc = found(labels, "binary")["auc.1", ""]

        assert (auc.value, auc.verdict, auc.reason) == (None, Verdict.insufficient, "one_class")

    def test_labels_of_a_part_of_the_scores_are_noted(self):
        label, score = outcomes(4_000, 1.0)
        of_high = np.where(score > 0.5, label, np.nan)
        of_any = np.where(rng(3).random(4_000) < 0.5, label, np.nan)

        skewed, even = (
            found(labels_of("binary", label=one, score=score, score_kind="probability"), "binary")["auc.1", ""]
            for one in (of_high, of_any)
        )

        assert skewed.details["label_skew"] > 0.1
        assert skewed.details["is_skewed"]
        assert not even.details["is_skewed"]

    def test_scores_that_are_all_the_same_have_no_skew(self):
        label, _ = outcomes(1_000, 1.0)
        labels = labels_of("binary", label=label, score=np.full(1_000, 0.5), score_kind="probability")

        assert "label_skew" not in found(labels, "binary")["auc.1", ""].details

    def test_immature_labels_are_provisional(self):
        seen, *_ = self.judged(0.2, 1.0, mature=False)

        assert all(one.provisional for one in seen.values())
        assert seen["auc.1", ""].verdict == Verdict.worse

    def test_a_reference_without_labels_leaves_nothing_to_compare_with(self):
        label, score = outcomes(1_000, 1.0)
        seen = found(labels_of("binary", label=label, score=score, score_kind="probability"), "binary")["auc.1", ""]

        assert (seen.verdict, seen.reason, seen.base_value) == (Verdict.insufficient, "no_reference", None)
        assert seen.value > 0.8

    def test_only_the_metrics_asked_for(self):
        label, score = outcomes(1_000, 1.0)
        labels = labels_of("binary", label=label, score=score, base=(label, score), score_kind="probability")

        seen = found(labels, "binary", Performance(metrics=("auc",), delta={"auc": 0.5}))

        assert {metric for metric, _ in seen} == {"auc.1"}
        assert seen["auc.1", ""].threshold == 0.5


class TestRegression:
    def judged(self, error: float, bias: float = 0.0, n: int = 2_000, **fields):
        r = rng()
        truth = r.normal(100, 20, size=n)
        base_truth = r.normal(100, 20, size=5_000)
        labels = labels_of(
            "regression",
            label=truth,
            score=truth + bias + r.normal(0, error, size=n),
            base=(base_truth, base_truth + r.normal(0, 10, size=5_000)),
            score_kind="number",
            **fields,
        )
        return found(labels, "regression")

    def test_the_same_error_is_ok(self):
        seen = self.judged(10)

        assert {metric for metric, segment in seen if not segment} == {"mae.1", "rmse.1", "bias.1"}
        assert {one.verdict for one in seen.values()} == {Verdict.ok}
        mae = seen["mae.1", ""]
        assert mae.value == pytest.approx(10 * np.sqrt(2 / np.pi), rel=0.05)
        assert mae.threshold == pytest.approx(0.1 * mae.base_value)

    def test_rmse_has_an_interval_around_it(self):
        rmse = self.judged(10)["rmse.1", ""]

        assert rmse.low < rmse.value < rmse.high
        # of a normal error: sd of the root mean square is sigma / sqrt(2n)
        assert rmse.high - rmse.low == pytest.approx(2 * 1.96 * 10 / np.sqrt(4_000), rel=0.2)

    def test_a_larger_error_is_worse(self):
        seen = self.judged(15)

        assert seen["mae.1", ""].verdict == seen["rmse.1", ""].verdict == Verdict.worse
        assert seen["bias.1", ""].verdict == Verdict.ok

    @pytest.mark.parametrize("bias", [-6.0, 6.0])
    def test_a_bias_to_either_side_is_worse(self, bias):
        seen = self.judged(10, bias)["bias.1", ""]

        assert seen.verdict == Verdict.worse
        assert seen.value == pytest.approx(bias, abs=1)
        assert seen.gap == pytest.approx(abs(bias), abs=1)

    def test_the_region_in_which_the_error_grows_is_named(self):
        r = rng()
        n = 3_000
        region = np.array(["north", "south", "west"] * (n // 3))
        truth = r.normal(100, 20, size=n)
        labels = labels_of(
            "regression",
            label=truth,
            score=truth + r.normal(0, np.where(region == "west", 25.0, 10.0)),
            segment=list(region),
            base=(truth, truth + r.normal(0, 10, size=n)),
            base_segment=list(region),
            score_kind="number",
        )

        seen = found(labels, "regression")

        assert {segment: one.verdict for (metric, segment), one in seen.items() if segment} == {
            "region=north": Verdict.ok,
            "region=south": Verdict.ok,
            "region=west": Verdict.worse,
        }
        assert {metric for metric, segment in seen if segment} == {"mae.1"}

    def test_small_segments_have_no_row(self):
        seen = self.judged(10, n=150, segment=["a"] * 99 + ["b"] * 51, base_segment=["a", "b"] * 2_500)

        assert [segment for _, segment in seen if segment] == []


def test_classes_are_judged_by_accuracy():
    r = rng()
    truth = r.choice(["bike", "car", "bus"], size=2_000)
    decided = np.where(r.random(2_000) < 0.3, "car", truth)
    labels = labels_of(
        "multiclass",
        label=list(truth),
        prediction=list(decided),
        base=(list(truth), None),
        base_prediction=list(truth),
        classes=["bike", "car", "bus"],
    )

    seen = found(labels, "multiclass")["accuracy.1", ""]

    assert (seen.verdict, seen.value) == (Verdict.worse, pytest.approx((truth == decided).mean()))


class TestRanking:
    def judged(self, skill: float, n: int = 1_500, **fields):
        shown, relevant = rankings(skill, n)
        before = rankings(0.8, 4_000, seed=8)
        labels = labels_of(
            "ranking", label=relevant, prediction=shown, base=(before[1], None), base_prediction=before[0], **fields
        )
        return found(labels, "ranking"), shown, relevant

    def test_the_metrics_are_those_of_the_queries(self):
        seen, shown, relevant = self.judged(0.8)

        assert {metric for metric, segment in seen if not segment} == {
            "ndcg_k.1",
            "map_k.1",
            "recall_k.1",
            "hit_k.1",
            "mrr.1",
        }
        by_hand = [1 / (items.index(next(iter(told))) + 1) for items, told in zip(shown, relevant, strict=True)]
        assert seen["mrr.1", ""].value == pytest.approx(np.mean(by_hand))
        ndcg = seen["ndcg_k.1", ""]
        assert (ndcg.n, ndcg.base_n, ndcg.threshold) == (1_500, 4_000, 0.02)
        assert ndcg.low < ndcg.value < ndcg.high
        assert {one.verdict for one in seen.values()} == {Verdict.ok}

    def test_items_found_further_down_are_worse(self):
        seen, *_ = self.judged(0.4)

        assert {metric: one.verdict for (metric, segment), one in seen.items() if not segment} == {
            "ndcg_k.1": Verdict.worse,
            "map_k.1": Verdict.worse,
            "recall_k.1": Verdict.ok,  # all six items are among the first ten
            "hit_k.1": Verdict.ok,
            "mrr.1": Verdict.worse,
        }

    def test_the_region_that_is_ranked_worse_is_named(self):
        good, bad, before = rankings(0.8, 800), rankings(0.3, 800, seed=9), rankings(0.8, 4_000, seed=8)
        labels = labels_of(
            "ranking",
            label=good[1] + bad[1],
            prediction=good[0] + bad[0],
            segment=["EU"] * 800 + ["US"] * 800,
            base=(before[1], None),
            base_prediction=before[0],
            base_segment=["EU", "US"] * 2_000,
        )

        seen = found(labels, "ranking")

        assert (seen["ndcg_k.1", "region=EU"].verdict, seen["ndcg_k.1", "region=US"].verdict) == (
            Verdict.ok,
            Verdict.worse,
        )

    def test_queries_without_a_relevant_item_are_no_evidence(self):
        shown, _ = rankings(0.8, 500)
        labels = labels_of("ranking", label=[{}] * 500, prediction=shown)

        ndcg = found(labels, "ranking")["ndcg_k.1", ""]

        assert (ndcg.value, ndcg.n, ndcg.verdict, ndcg.reason) == (None, 0, Verdict.insufficient, "empty")


def rankings(skill: float, n: int, seed: int = 7):
    """Lists of six items; the relevant one comes first with this chance, else anywhere."""
    r = rng(seed)
    shown, relevant = [], []
    for _ in range(n):
        items = [str(item) for item in r.permutation(6)]
        best = items[0] if r.random() < skill else items[r.integers(0, 6)]
        shown.append(items)
        relevant.append({best: 1.0})
    return shown, relevant


@pytest.mark.parametrize(
    ("labels", "task", "reason"),
    [
        (Labels(500, 0, None, None, True), "binary", "empty"),
        (None, "binary", "undefined"),
        (Labels(500, 0, None, None, True), "ranking", "empty"),
        (Labels(500, 0, None, None, True), "clustering", "undefined"),
    ],
    ids=["no outcome", "not joined", "no relevances", "an unknown task"],
)
def test_what_cannot_be_measured_is_insufficient_with_a_reason(labels, task, reason):
    [seen] = found(labels, task).values()

    assert (seen.verdict, seen.value, seen.reason) == (Verdict.insufficient, None, reason)
