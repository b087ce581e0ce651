"""The table of metrics: ids that never change and definitions that say everything."""

import re

import pytest

from monitoring.stats import metrics
from monitoring.stats.metrics import Better, Family, Level, MetricDefinition, Rise, Step, definition, latest
from monitoring.stats.results import Reason

ID = re.compile(r"[a-z][a-z0-9_]*\.[1-9]\d*")

WRITTEN_DOWN = """
psi.1 kl.1 js.1 tvd.1 linf.1 hellinger.1 ks.1 w1.1 w1_raw.1 chi2.1 cramers_v.1 two_proportions.1 psi_excess.1
domain_auc.1
null_share.1 unseen_share.1 out_of_range_share.1 nonfinite_share.1 invalid_share.1 reject_share.1 stuck.1 schema.1
rows.1 silence.1 unknown_version.1 blocked_version.1 label_coverage.1 label_skew.1
mean_score.1 positive_rate.1 near_threshold_share.1 fallback_share.1 error_share.1
auc.1 ap.1 log_loss.1 brier.1 precision.1 recall.1 specificity.1 accuracy.1 f1.1 macro_f1.1 mcc.1 kappa.1
mae.1 rmse.1 bias.1 wape.1 medae.1 mape.1 r2.1 rmsle.1 pinball.1
ndcg_k.1 map_k.1 recall_k.1 hit_k.1 mrr.1
ece.1 citl.1 spiegelhalter.1
estimate_error.1
value.1 uplift.1 action_rate.1 signal_rate.1 signal_mean.1
latency_p50.1 latency_p95.1 latency_p99.1 slow_share.1 cost_per_1k.1 calls_per_request.1 month_end_spend.1 burn.1
disagreement.1 mismatch_share.1 arm_difference.1 split_log_e.1
raw_agreement.1 positive_agreement.1 fleiss_kappa.1 krippendorff_alpha.1
check.1 skill.1
"""
FOR_EVER = WRITTEN_DOWN.split()
DOWN = "auc ap precision recall specificity accuracy f1 macro_f1 ndcg_k map_k recall_k hit_k mrr"
UP = "log_loss brier mae rmse bias wape medae"


def test_no_id_ever_disappears_or_is_renamed():
    """A new metric, or a new version of one, is added to the end of this list; nothing is taken from it."""
    assert set(FOR_EVER) <= set(metrics.DEFINITIONS)
    assert set(metrics.DEFINITIONS) - set(FOR_EVER) == set(), "add new ids to the list for ever"


def test_every_id_stands_once():
    assert len(metrics.DEFINITIONS) == len(metrics._ALL)
    assert len(set(FOR_EVER)) == len(FOR_EVER)
    assert all(ID.fullmatch(one) for one in metrics.DEFINITIONS)


@pytest.mark.parametrize("one", metrics.DEFINITIONS.values(), ids=lambda one: one.id)
def test_a_definition_says_everything(one):
    assert one.name
    assert one.formula
    assert one.source
    assert one.low is None or one.high is None or one.low < one.high
    assert "|" not in one.formula + one.rule + one.undefined  # would break the drawn table
    assert set(re.findall(r"`(\w+)`", one.undefined)) <= set(Reason)
    if one.unit == "share":
        assert (one.low, one.high) == (0, 1) or one.better == Better.lower


@pytest.mark.parametrize("one", metrics.DEFINITIONS.values(), ids=lambda one: one.id)
def test_a_metric_with_a_step_knows_which_way_is_worse(one):
    if isinstance(one.alert, Step):
        assert one.better != Better.none


def test_defaults_are_those_of_the_design():
    steps = {one.id: one.alert for one in metrics.DEFINITIONS.values() if isinstance(one.alert, Step)}
    levels = {
        one.id: (one.alert.warn, one.alert.bad) for one in metrics.DEFINITIONS.values() if type(one.alert) is Level
    }

    assert steps == {f"{name}.1": Step(0.02) for name in DOWN.split()} | {
        f"{name}.1": Step(0.1, True) for name in UP.split()
    }
    assert levels == {
        "psi.1": (0.1, 0.25),
        "js.1": (0.13, 0.21),
        "ks.1": (0.1, 0.2),
        "w1.1": (0.1, 0.25),
        "cramers_v.1": (0.2, 0.4),
        "mean_score.1": (0.1, 0.25),
        "positive_rate.1": (0.1, 0.25),
        "ece.1": (0.03, 0.08),
    }


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match=r"no metric psi\.9"):
        definition("psi.9")
    assert latest("queue_depth.1") is None


def test_the_newest_version_is_the_one_that_is_said():
    assert latest("psi.9") == definition("psi.1")
    assert definition("psi.1").version == 1


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(None, None, "any"), (None, 1, "up to 1"), (0, None, "0 and more"), (-1, 1, "-1 to 1")],
)
def test_a_range_may_be_open(low, high, said):
    one = MetricDefinition(id="x.1", name="x", formula="x", family=Family.run, better=Better.none, low=low, high=high)

    assert one.range == said


def test_a_rise_may_be_any_part():
    assert str(Rise(0.02, 0.25, 0.2, 0.5)) == "warn +0.02 and 25 % of the reference, drift +0.2, critical +0.5"
