"""Is an estimate worth showing? Ask the windows whose labels have come since."""

from collections.abc import Sequence

import numpy as np

from monitoring.stats.intervals import mean_interval
from monitoring.stats.results import Estimate

WINDOWS = 8
MAX_HALF_WIDTHS = 2.0
MAX_ECE = 0.05
_SLACK = 1e-12


def trust(pairs: Sequence[tuple[float | None, float | None]]) -> Estimate:
    """Return by how much the estimates of the last 8 mature windows missed: the mean of abs(estimate - realised).

    pairs: estimate and realised value of each mature window, the latest last; a pair without both numbers is left out.
    Without pairs: `empty`.

    >>> round(trust([(0.80, 0.70), (0.81, 0.80), (None, 0.7)]).value, 3)
    0.055
    """
    both = np.array([(one, other) for one, other in pairs if one is not None and other is not None]).reshape(-1, 2)
    estimated, realised = both[np.isfinite(both).all(axis=1)][-WINDOWS:].T
    with np.errstate(over="ignore", invalid="ignore"):
        missed = np.abs(estimated - realised)
        return mean_interval(len(missed), float(missed.sum()), float((missed * missed).sum()))


def is_trusted(missed: Estimate, estimate: Estimate, ece: Estimate) -> bool:
    """Tell whether an estimate may be shown: it missed by at most 2 half-widths of its interval, and ECE <= 0.05.

    missed: what `trust` says; without any realised window yet the calibration alone decides.
    ece: of the calibrated scores on labelled rows; without a value nothing vouches for the scores.

    >>> is_trusted(Estimate(0.01, n=8), Estimate(0.8, 0.79, 0.81), Estimate(0.02))
    True
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or ece.value is None:
        return False
    if ece.value > MAX_ECE + _SLACK:
        return False
    half_width = (estimate.high - estimate.low) / 2
    return missed.value is None or missed.value <= MAX_HALF_WIDTHS * half_width + _SLACK
