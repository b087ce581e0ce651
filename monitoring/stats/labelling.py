"""Who has a label: how many predictions, and whether they look like the rest.

Whether labels are complete enough to judge by is `gates.mature`.
"""

from dataclasses import replace

import numpy as np

from monitoring.stats.divergence import psi
from monitoring.stats.gates import SINGLE_P, SLACK
from monitoring.stats.grid import headline
from monitoring.stats.intervals import rate
from monitoring.stats.profile import ScoreCounts
from monitoring.stats.results import Divergence, Estimate

SKEW_NOTE = 0.1


def coverage(labelled: int, rows: int) -> Estimate:
    """Return the share of predictions with a label, `label_coverage.1`, with its Wilson interval.

    Raises ValueError unless 0 <= labelled <= rows.

    >>> coverage(30, 40).value
    0.75
    """
    if not 0 <= labelled <= rows:
        raise ValueError("labelled rows are some of the rows")
    return rate(labelled, rows)


def label_skew(counts: ScoreCounts) -> Divergence:
    """Return the PSI of the scores of labelled rows against those of all rows, on headline bins of all rows.

    A part is compared with its whole, so the p-value errs on the side of no skew.
    Without scores `no_reference`, without labels `empty`, with a single score `constant`.

    >>> y, s = np.array([0.0, 1.0, np.nan, np.nan]), np.array([0.2, 0.2, 0.2, 0.9])
    >>> round(label_skew(ScoreCounts.of(y, s)).value, 4)
    0.1016
    """
    labelled = counts.negatives + counts.positives
    everybody = labelled + counts.unknown
    groups = headline(everybody)
    reference, current = (np.bincount(groups, side).astype(np.int64) for side in (everybody, labelled))
    return replace(psi(reference, current), metric="label_skew.1")


def is_skewed(skew: Divergence) -> bool:
    """Tell whether labels are skewed enough, beyond chance, for a note beside the numbers that rest on them.

    >>> is_skewed(Divergence("label_skew.1", value=0.2, p_value=1e-6))
    True
    """
    if skew.value is None or skew.p_value is None:
        return False
    return skew.value >= SKEW_NOTE - SLACK and skew.p_value <= SINGLE_P
