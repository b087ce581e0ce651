"""What metrics are called and in which unit they are said. After the dot stands the version of the definition."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

SILENCE = "silence.1"  # stored only where there is any


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How a metric is written: its name inside a sentence and the unit of `kit.wording` ("%" takes a share).

    short: the name where there is little room. is_error: less is better, so its limit lies above the reference.
    """

    name: str
    unit: str = ""
    short: str = ""
    is_error: bool = False

    @property
    def title(self) -> str:
        """The name at the start of a sentence or in a table."""
        return self.name[:1].upper() + self.name[1:]

    @property
    def brief(self) -> str:
        """The name for a table cell."""
        return self.short or self.name


_KNOWN: Mapping[str, MetricWords] = {
    "psi": MetricWords("PSI"),
    "kl": MetricWords("KL divergence"),
    "js": MetricWords("JS distance"),
    "ks": MetricWords("KS distance"),
    "tvd": MetricWords("total variation"),
    "w1": MetricWords("Wasserstein distance", "sd"),
    "chi2": MetricWords("chi-square"),
    "cramers_v": MetricWords("Cramér's V"),
    "null_share": MetricWords("share of nulls", "%"),
    "unseen_share": MetricWords("share of unseen values", "%"),
    "out_of_range_share": MetricWords("share out of range", "%"),
    "nonfinite_share": MetricWords("share of non-finite values", "%"),
    "invalid_share": MetricWords("share of invalid values", "%"),
    "top_share": MetricWords("share of the most frequent value", "%"),
    "reject_share": MetricWords("share of rejected records", "%"),
    "error_share": MetricWords("error rate", "%"),
    "fallback_share": MetricWords("fallback rate", "%"),
    "positive_rate": MetricWords("positive rate", "%"),
    "near_threshold_share": MetricWords("share near the threshold", "%"),
    "mean_score": MetricWords("mean score"),
    "auc": MetricWords("AUC"),
    "ap": MetricWords("average precision", short="AP"),
    "log_loss": MetricWords("log loss", is_error=True),
    "brier": MetricWords("Brier score", short="Brier", is_error=True),
    "precision": MetricWords("precision", "%"),
    "recall": MetricWords("recall", "%"),
    "specificity": MetricWords("specificity", "%"),
    "accuracy": MetricWords("accuracy", "%"),
    "f1": MetricWords("F1"),
    "macro_f1": MetricWords("macro F1"),
    "mcc": MetricWords("MCC"),
    "kappa": MetricWords("kappa"),
    "mae": MetricWords("mean absolute error", short="MAE", is_error=True),
    "rmse": MetricWords("root mean squared error", short="RMSE", is_error=True),
    "medae": MetricWords("median absolute error", short="MedAE", is_error=True),
    "mape": MetricWords("mean absolute percentage error", "%", short="MAPE", is_error=True),
    "wape": MetricWords("weighted absolute percentage error", "%", short="WAPE", is_error=True),
    "bias": MetricWords("mean error", short="bias", is_error=True),
    "r2": MetricWords("R²"),
    "ndcg_k": MetricWords("NDCG at 10", short="NDCG"),
    "map_k": MetricWords("MAP at 10", short="MAP"),
    "recall_k": MetricWords("recall at 10", "%", short="recall"),
    "hit_k": MetricWords("hit rate at 10", "%", short="hit rate"),
    "mrr": MetricWords("mean reciprocal rank", short="MRR"),
    "ece": MetricWords("calibration error", short="ECE", is_error=True),
    "latency_p50": MetricWords("p50 latency", "ms"),
    "latency_p95": MetricWords("p95 latency", "ms"),
    "latency_p99": MetricWords("p99 latency", "ms"),
    "cost_per_1k": MetricWords("cost per 1,000", settings.PORTAL_CURRENCY),
    "calls_per_request": MetricWords("calls per request"),
    "rows": MetricWords("volume"),
    "silence": MetricWords("time without a prediction", "h", short="silence"),
    "unknown_version": MetricWords("predictions of unregistered versions"),
    "blocked_version": MetricWords("predictions of blocked versions"),
    "stuck": MetricWords("share of the most frequent value", "%"),
    "schema": MetricWords("missing column"),
}


def words(metric: str) -> MetricWords:
    """How a metric id is said; one without an entry is said by its id, so a new metric is readable at once.

    >>> words("null_share.1").name, words("queue_depth.2").name
    ('share of nulls', 'queue depth')
    """
    stem = metric.partition(".")[0]
    return _KNOWN.get(stem) or MetricWords(stem.replace("_", " "), "%" if stem.endswith(("_share", "_rate")) else "")
