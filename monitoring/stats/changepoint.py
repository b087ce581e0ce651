"""When a metric left its usual level: the cumulative sum of Page, Biometrika 41 (1954)."""

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.results import Onset, Reason

MIN_IN_CONTROL = 24
ALLOWANCE, LIMIT = 0.5, 5.0  # in standard deviations of the baseline


def baseline(x: FloatArray) -> tuple[float, float]:
    """Return the centre and scale of a series in control: its median and 1.4826 x the median absolute deviation.

    NaN and infinite values are left out. The scale is 0, with which no shift is ever found, under 24 values or
    where more than half of them are equal.

    >>> centre, scale = baseline(np.arange(25.0))
    >>> centre, round(scale, 4)
    (12.0, 8.8956)
    """
    usable = x[np.isfinite(x)]
    if not len(usable):
        return 0.0, 0.0
    with np.errstate(over="ignore"):
        centre = float(np.median(usable))
        scale = 1.4826 * float(np.median(np.abs(usable - centre)))
    if len(usable) < MIN_IN_CONTROL or not np.isfinite((centre, scale)).all():
        return (centre if np.isfinite(centre) else 0.0), 0.0
    return centre, scale


def cusum(x: FloatArray, centre: float, scale: float, k: float = ALLOWANCE, h: float = LIMIT) -> Onset:
    """Return the first alarm of an upward shift, and its onset.

    S = max(0, S + z - k) with z = (x - centre) / scale; the alarm is the first S > h, strictly, and the onset the
    position after the last S = 0 before it. Values that are not finite leave S as it is. A scale of 0 gives `too_few`.

    Raises ValueError for a negative scale or k, or an h that is not positive.

    >>> cusum(np.array([0, 0.2, -0.1, 0.3, 0, 2, 1.8, 2.2, 2.1, 1.9]), 0.0, 1.0)
    Onset(alarm=8, onset=5, reason=None)
    """
    if scale == 0:
        return Onset(reason=Reason.too_few)
    sums = _sums(x, centre, scale, k, h)
    alarms = np.flatnonzero(sums > h)
    if not len(alarms):
        return Onset()
    return Onset(alarm=int(alarms[0]), onset=_start(sums, int(alarms[0])))


def two_sided(x: FloatArray, centre: float, scale: float, k: float = ALLOWANCE, h: float = LIMIT) -> Onset:
    """Return the earlier alarm of an upward and a downward shift, and its onset; both at once count as upward.

    >>> two_sided(np.array([0.0, 0, -3, -3, -3]), 0.0, 1.0)
    Onset(alarm=4, onset=2, reason=None)
    """
    up, down = cusum(x, centre, scale, k, h), cusum(-x, -centre, scale, k, h)
    if down.alarm is None or (up.alarm is not None and up.alarm <= down.alarm):
        return up
    return down


def lasting(x: FloatArray, centre: float, scale: float, k: float = ALLOWANCE, h: float = LIMIT) -> Onset:
    """Return the onset of an upward shift that still lasts at the end of the series; no alarm if none does.

    alarm: the first S > h since the last S = 0. What was over earlier is not reported: a condition that opens at
    the end of the series asks for its own beginning.

    >>> lasting(np.array([9.0, -9, 0, 3, 3, 3]), 0.0, 1.0)
    Onset(alarm=5, onset=3, reason=None)
    """
    if scale == 0:
        return Onset(reason=Reason.too_few)
    sums = _sums(x, centre, scale, k, h)
    if not len(sums) or sums[-1] <= h:
        return Onset()
    start = _start(sums, len(sums) - 1)
    return Onset(alarm=start + int(np.argmax(sums[start:] > h)), onset=start)


def _sums(x: FloatArray, centre: float, scale: float, k: float, h: float) -> FloatArray:
    if scale < 0 or k < 0 or h <= 0:
        raise ValueError("a scale and an allowance of at least 0, and a positive limit, are needed")
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.where(np.isfinite(x), (x - centre) / scale - k, 0.0)
    sums, s = np.zeros(len(x)), 0.0
    for place, step in enumerate(steps.tolist()):
        s = max(0.0, s + step)
        sums[place] = s
    return sums


def _start(sums: FloatArray, alarm: int) -> int:
    """Return the position after the last zero before the alarm."""
    zeros = np.flatnonzero(sums[:alarm] == 0)
    return int(zeros[-1]) + 1 if len(zeros) else 0
