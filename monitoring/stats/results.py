"""What the functions of this package answer: a value, how sure it is, or why there is none."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.arrays import FloatArray, IntArray


class Verdict(StrEnum):
    """How a measurement is judged; stored as `Measurement.verdict`."""

    ok = "ok"
    warn = "warn"
    drift = "drift"
    worse = "worse"
    insufficient = "insufficient"
    no_data = "no_data"
    error = "error"


WORST_FIRST = (
    Verdict.error,
    Verdict.drift,
    Verdict.worse,
    Verdict.warn,
    Verdict.no_data,
    Verdict.insufficient,
    Verdict.ok,
)  # which verdict a person has to see first


class Reason(StrEnum):
    """Why a result has no value."""

    empty = "empty"
    all_null = "all_null"
    too_few = "too_few"
    one_class = "one_class"
    constant = "constant"
    no_reference = "no_reference"
    zero_denominator = "zero_denominator"
    no_predicted_positives = "no_predicted_positives"
    no_positives = "no_positives"
    no_negatives = "no_negatives"
    not_finite = "not_finite"
    undefined = "undefined"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, or None with the reason.

    n: observations; n_eff: their effective number under weights, equal to n without.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_eff: float = 0.0
    method: str = ""
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Divergence:
    """The distance of a window from its reference, or None with the reason.

    floor: the value that chance alone exceeds once in a thousand comparisons.
    bins: how many bins held an observation on either side.
    """

    metric: str
    value: float | None = None
    p_value: float | None = None
    floor: float | None = None
    bins: int = 0
    n_ref: int = 0
    n_cur: int = 0
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What every threshold would do on the same rows, and what choosing the best one is worth.

    thresholds: ascending, from "all are decided 1" to one above every score, "none is".
    value: mean per decision, or None without labelled rows. approval: share of scored rows, labelled or not,
    decided 1, or None without any. fp, fn: labelled rows decided wrongly.
    current: today's decisions as they were logged, exact. snapped: the threshold nearest to today's.
    best: the threshold that did best. best_value: the value per decision of choosing so, cross-fitted.
    """

    thresholds: FloatArray
    value: FloatArray | None
    approval: FloatArray | None
    fp: IntArray
    fn: IntArray
    current: Estimate
    best: float | None
    best_value: Estimate
    snapped: float


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Counts of true label by decided label, shape (labels, labels), in the order of labels."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def n(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class Onset:
    """Where a series left its baseline, as positions in it; both None without an alarm.

    alarm: where the evidence sufficed; onset: where the shift is taken to have begun, at or before the alarm.
    """

    alarm: int | None = None
    onset: int | None = None
    reason: Reason | None = None
