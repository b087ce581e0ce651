"""Value: what decisions earn and cost, and what other thresholds would have earned on the same rows."""

from monitoring.stats.value.comparing import bounds, uplift, uplift_of_pairs, uplift_of_rows, uplifts
from monitoring.stats.value.matrix import Amounts, ideal_threshold, per_decision, row_values, total, value_of_rows
from monitoring.stats.value.signals import action_rate, signal_mean, signal_rate
from monitoring.stats.value.sweeping import sweep, sweep_of_rows
from monitoring.stats.value.thresholds import ALWAYS, NEVER, snap

__all__ = [
    "ALWAYS",
    "NEVER",
    "Amounts",
    "action_rate",
    "bounds",
    "ideal_threshold",
    "per_decision",
    "row_values",
    "signal_mean",
    "signal_rate",
    "snap",
    "sweep",
    "sweep_of_rows",
    "total",
    "uplift",
    "uplift_of_pairs",
    "uplift_of_rows",
    "uplifts",
    "value_of_rows",
]
