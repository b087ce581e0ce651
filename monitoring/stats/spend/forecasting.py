"""Where the month's spend will end: days so far and, from two weeks on, weekday profile times level."""

from dataclasses import dataclass, field

import numpy as np

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.intervals import rate
from monitoring.stats.results import Estimate, Reason

BAND = (0.1, 0.9)
PATHS = 400
MIN_DAYS, MIN_PROFILE_DAYS = 3, 14
_WEEK = 7
_PROFILE_DAYS, _WALK_DAYS = 28, 84
_ORIGINS, _ORIGIN_STEP = 24, 3
# Of a random walk with unit steps: the variance of the difference of two adjacent weekly means, and of its last
# value against the mean of its last week.
_BETWEEN_WEEKS, _SINCE_WEEK = (2 * _WEEK**2 + 1) / (3 * _WEEK), (_WEEK - 1) * (2 * _WEEK - 1) / (6 * _WEEK)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The spend expected for a whole month, with its 80 % band, or None with the reason.

    spent: so far. p_over: the probability to end above the budget. method: "linear" or "weekday".
    coverage: how often the band of earlier forecasts as long as this one held what was then spent; they overlap,
    n_eff says how many of them could be laid end to end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p_over: float | None = None
    spent: float = 0.0
    method: str = ""
    coverage: Estimate = field(default_factory=lambda: Estimate(None, reason=Reason.too_few))
    reason: Reason | None = None


def forecast(daily: FloatArray, first_day: int, length: int, budget: float, seed: int) -> Forecast:
    """Forecast the spend of a month from the spend of full days.

    daily: spend per day, the oldest first, up to the last full day. first_day: the place of the month's first day
    in it; its length if the month begins now, below 0 if nothing was spent at the month's beginning. length: days
    of the month. budget: for the month. seed: of the paths.

    3 to 13 days: spent so far and the mean day for the days to come. From 14 days on: the mean of each weekday in
    the last 28 days times the geometric level of the last 7. The band comes from 400 paths with the noise of the
    days, and a level that is uncertain and wanders as it did from week to week in the last 12.

    Under three days `too_few`; a negative or infinite amount gives `undefined`. Raises ValueError for a month that is
    over or begins after the last full day.

    >>> found = forecast(np.full(10, 2.0), first_day=0, length=30, budget=50.0, seed=0)
    >>> found.value, found.low, found.high, found.p_over
    (60.0, 60.0, 60.0, 1.0)
    """
    days_left = first_day + length - len(daily)
    if first_day > len(daily) or length < 1 or days_left < 0:
        raise ValueError("the month has to begin by now and must not be over")
    amounts = np.asarray(daily, dtype=np.float64)
    if not (np.isfinite(amounts) & (amounts >= 0)).all():
        return Forecast(None, reason=Reason.undefined)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _forecast(amounts, first_day, days_left, budget, seed)
    ends = [number for number in (found.spent, found.value, found.low, found.high) if number is not None]
    return found if np.isfinite(ends).all() else Forecast(None, reason=Reason.not_finite)


def _forecast(amounts: FloatArray, first_day: int, days_left: int, budget: float, seed: int) -> Forecast:
    spent = float(amounts[max(first_day, 0) :].sum())
    if len(amounts) < MIN_DAYS:
        return Forecast(None, spent=spent, reason=Reason.too_few)
    model = _fit(amounts)
    ends = spent + _paths(model, days_left, np.random.default_rng(seed))
    low, high = np.quantile(ends, BAND).tolist()
    p_over, value = float((ends > budget).mean()), spent + model.mean(days_left)
    return Forecast(value, low, high, p_over, spent, model.method, _backtest(amounts, days_left, seed))


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A day is profile x level x one of the noise factors; the level is uncertain by start_sd and walks, in logs."""

    method: str
    profile: FloatArray  # of the days to come, a week round
    level: float
    noise: FloatArray
    start_sd: float
    walk_sd: float = 0.0

    def mean(self, days: int) -> float:
        return float(self.expected(days).sum() * self.noise.mean())

    def expected(self, days: int) -> FloatArray:
        return self.level * np.resize(self.profile, days) if days else np.zeros(0)


def _fit(amounts: FloatArray) -> _Model:
    return _fit_linear(amounts) if len(amounts) < MIN_PROFILE_DAYS else _fit_weekdays(amounts)


def _fit_linear(amounts: FloatArray) -> _Model:
    mean, n = float(amounts.mean()), len(amounts)
    if not mean:
        return _Model("linear", np.zeros(_WEEK), 0.0, np.ones(1), 0.0)
    noise = amounts / mean
    return _Model("linear", np.ones(_WEEK), mean, noise, float(noise.std(ddof=1)) / n**0.5)


def _fit_weekdays(amounts: FloatArray) -> _Model:
    recent = amounts[-_PROFILE_DAYS:]
    ahead = -np.arange(len(recent), 0, -1) % _WEEK  # 0: the weekday of the next day
    profile = np.bincount(ahead, recent, minlength=_WEEK) / np.bincount(ahead, minlength=_WEEK)
    ratio = recent / np.where(profile > 0, profile, 1.0)[ahead]
    weeks = np.arange(len(recent), 0, -1)  # days back
    level = _geometric(ratio[-_WEEK:])
    noise, noise_sd = _noise(ratio, (weeks - 1) // _WEEK)
    walk = _walk_variance(amounts, noise_sd)
    start_sd = float(np.sqrt(noise_sd**2 / _WEEK + walk * _SINCE_WEEK))
    return _Model("weekday", profile, level, noise, start_sd, float(np.sqrt(walk)))


def _geometric(values: FloatArray) -> float:
    """Return the geometric mean of the positive values; 0 without one."""
    positive = values[values > 0]
    return float(np.exp(np.log(positive).mean())) if len(positive) else 0.0


def _noise(ratio: FloatArray, week: IntArray) -> tuple[FloatArray, float]:
    """Return the factors of the days against their week's level, and the deviation of their logarithms.

    A day without spend keeps its 0. The deviation makes up for the profile and levels that were fitted.
    """
    positive = ratio > 0
    if not positive.any():
        return np.ones(1), 0.0
    size = np.bincount(week[positive], minlength=week.max() + 1)
    logs = np.zeros(len(ratio))
    logs[positive] = np.log(ratio[positive])
    logs[positive] -= (np.bincount(week, logs) / np.maximum(size, 1))[week[positive]]
    free = max(int(positive.sum()) - _WEEK - int((size > 0).sum()) + 1, 1)
    logs *= np.sqrt(positive.sum() / free)
    return np.where(positive, np.exp(logs), 0.0), float(logs[positive].std())


def _walk_variance(amounts: FloatArray, noise_sd: float) -> float:
    """Return the variance by which the level moves in a day, from the logarithms of weekly means."""
    weeks = len(amounts[-_WALK_DAYS:]) // _WEEK
    means = amounts[-weeks * _WEEK :].reshape(weeks, _WEEK).mean(axis=1)
    steps = np.diff(np.log(means[means > 0]))
    if not len(steps):
        return 0.0
    return max(0.0, float((steps**2).mean()) - 2 * noise_sd**2 / _WEEK) / _BETWEEN_WEEKS


def _paths(model: _Model, days: int, rng: np.random.Generator) -> FloatArray:
    """Return what 400 possible courses of the days to come cost."""
    start = rng.normal(0.0, model.start_sd, (PATHS, 1))
    walk = np.cumsum(rng.normal(0.0, model.walk_sd, (PATHS, days)), axis=1)
    noise = model.noise[rng.integers(0, len(model.noise), (PATHS, days))]
    return np.asarray((model.expected(days) * np.exp(start + walk) * noise).sum(axis=1))


def _backtest(amounts: FloatArray, days: int, seed: int) -> Estimate:
    """Return the share of earlier forecasts over as many days whose band held the spend; at most 24 of them."""
    last = len(amounts) - days
    origins = list(range(last, MIN_PROFILE_DAYS - 1, -_ORIGIN_STEP))[:_ORIGINS] if days else []
    if not origins:
        return Estimate(None, method="wilson", reason=Reason.too_few)
    held = 0
    for origin in origins:
        ends = _paths(_fit(amounts[:origin]), days, np.random.default_rng((seed, origin)))
        low, high = np.quantile(ends, BAND)
        held += bool(low <= amounts[origin : origin + days].sum() <= high)
    end_to_end = min(len(origins), 1 + (last - origins[-1]) / days)
    return rate(held, len(origins), n_eff=end_to_end)
