"""Business metrics that need no matrix: how often an action, how often an event, how much of a signal."""

from collections.abc import Mapping

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.intervals import rate
from monitoring.stats.results import Estimate, Reason
from monitoring.stats.value.matrix import mean_of


def action_rate(counts: Mapping[str, int], action: str) -> Estimate:
    """Return the share of predictions with an action, `action_rate.1`, with Wilson's interval.

    counts: predictions by their action; those without one are not counted.

    >>> action_rate({"approve": 30, "decline": 10}, "approve").value
    0.75
    """
    return rate(counts.get(action, 0), sum(counts.values()))


def signal_rate(delay_h: FloatArray, age_h: FloatArray, within_h: float) -> Estimate:
    """Return the share of mature predictions with the event, `signal_rate.1`, with Wilson's interval.

    delay_h: hours from each prediction to its event, NaN or inf if there was none; none counts as no.
    age_h: hours from the prediction to now; it is mature once within_h have passed.
    An event later than within_h after its prediction is none, one before it is one at once.

    Without mature predictions: `too_few`, without any `empty`.
    Raises ValueError for columns of different length.

    >>> signal_rate(np.array([2.0, np.nan, 30.0, 1.0]), np.array([90.0, 90.0, 90.0, 5.0]), 24).value
    0.3333333333333333
    """
    if len(delay_h) != len(age_h):
        raise ValueError("as many delays as ages are needed")
    mature = age_h >= within_h
    happened = int((delay_h[mature] <= within_h).sum())
    return rate(happened, int(mature.sum()), Reason.too_few if len(age_h) else Reason.empty)


def signal_mean(values: FloatArray) -> Estimate:
    """Return the mean of a signal, `signal_mean.1`, with a normal interval; n says how many predictions have one.

    values: NaN where a prediction has none. None of them finite: `all_null`.

    >>> signal_mean(np.array([2.0, 4.0, np.nan])).value
    3.0
    """
    found = mean_of(np.asarray(values, dtype=np.float64))
    if found.n or not len(values):
        return found
    return Estimate(None, method=found.method, reason=Reason.all_null)
