"""The fallback without calibrated scores: reference accuracy per segment, in the mix of the window."""

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.intervals import wilson
from monitoring.stats.results import Estimate, Reason

_METHOD = "reweighted"


def reweighted_accuracy(hits: IntArray, labelled: IntArray, window: IntArray) -> Estimate:
    """Return the reference accuracy of each segment, weighted by the segment's share of the window.

    hits, labelled: right and all labelled rows of the reference per segment. window: rows of the window per segment.
    Rows of segments without reference labels are left out; n says how many remain. The interval is Wilson's, by the
    number of rows that would tell as much at once.

    No rows: `empty`; none of them in a segment with reference labels: `no_reference`.
    Raises ValueError for different shapes, or counts that are negative or more hits than rows.

    >>> round(reweighted_accuracy(np.array([90, 30]), np.array([100, 50]), np.array([10, 30])).value, 9)
    0.675
    """
    if (
        not hits.shape == labelled.shape == window.shape
        or (hits > labelled).any()
        or (np.minimum(hits, window) < 0).any()
    ):
        raise ValueError("hits, labelled rows and window rows per segment are needed")
    known = labelled > 0
    n = int(window[known].sum())
    if not n:
        return Estimate(None, method=_METHOD, reason=Reason.no_reference if window.any() else Reason.empty)
    share, right = window[known] / n, hits[known] / labelled[known]
    accuracy = float(share @ right)
    n_eff = _effective(share, right, labelled[known], accuracy)
    low, high = wilson(accuracy * n_eff, n_eff)
    return Estimate(accuracy, low, high, n=n, n_eff=n_eff, method=_METHOD)


def _effective(share: FloatArray, right: FloatArray, labelled: IntArray, accuracy: float) -> float:
    """Return how many rows drawn from the mix would leave the same variance."""
    variance = float((share**2 * right * (1 - right) / labelled).sum())
    if variance <= 0:
        return float(1 / (share**2 / labelled).sum())
    return accuracy * (1 - accuracy) / variance
