"""Error regression: how large the errors of a regression model will be, learnt from rows whose labels are known.

Direct loss estimation: a ridge regression of the absolute error on the basis of `monitoring.stats.basis`. It sees
inputs on which the model errs more, not a change of what the inputs mean.
"""

from dataclasses import dataclass

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.basis import Basis, fit
from monitoring.stats.results import Estimate, Reason

MIN_ROWS = 200
MAX_ROWS = 20_000
FOLDS = 5
MIN_SKILL = 0.01  # below, the best of several penalties may be luck
PENALTIES = (10.0, 100.0, 1_000.0, 10_000.0)
_Z = 1.959963984540054
_METHOD = "error_regression"


@dataclass(frozen=True, slots=True, eq=False)
class ErrorModel:
    """What absolute error to expect of a row.

    mean: of the errors it was fitted on, the expectation where the inputs say nothing; weights: per column of the
    basis, standardised by centre and scale. noise: variance of an error over the square of its expectation.
    inverse: of the penalised Gram matrix.
    skill: share of the errors' variance that it explains in rows it was not fitted on (5 folds); below 0.01 the
    weights are 0. None below 200 rows: nothing was fitted.
    """

    basis: Basis
    centre: FloatArray
    scale: FloatArray
    weights: FloatArray
    inverse: FloatArray
    mean: float
    noise: float
    n: int
    skill: float | None

    def expected(self, columns: FloatArray) -> FloatArray:
        """Return the absolute error to expect of each row, at least 0; columns as in `fit_errors`."""
        return np.maximum(self.mean + self._standardised(columns) @ self.weights, 0.0)

    def estimate(self, columns: FloatArray) -> Estimate:
        """Estimate the mean absolute error of rows without labels.

        The interval holds the realised mean in 95 % of windows if the inputs mean what they meant: the errors
        scatter around their expectations, and the expectations were learnt from a sample.
        A model of fewer than 200 rows says `too_few`, no rows are `empty`.

        Raises ValueError for another number of columns.
        """
        expected, n = self.expected(columns), len(columns)
        if not n or self.skill is None:
            return Estimate(None, n=n, n_eff=n, method=_METHOD, reason=Reason.too_few if n else Reason.empty)
        middle = self._standardised(columns).mean(axis=0)
        learnt = 1 / self.n + float(middle @ self.inverse @ middle)
        variance = self.noise * (float((expected**2).sum()) / n**2 + self.mean**2 * learnt)
        value, half = float(expected.mean()), _Z * variance**0.5
        return Estimate(value, max(value - half, 0.0), value + half, n, n, _METHOD)

    def _standardised(self, columns: FloatArray) -> FloatArray:
        return (self.basis.apply(columns) - self.centre) / self.scale


def fit_errors(columns: FloatArray, errors: FloatArray) -> ErrorModel:
    """Fit the expected absolute error to rows with labels.

    columns: features and, best, the prediction among them, shape (rows, features), at most 40, NaN for null.
    errors: prediction - label; rows without a finite one are left out. Beyond 20 000 rows every so many-th is used.
    The penalty is the one of 10 to 10 000 that predicts best in 5 folds.

    Raises ValueError for other shapes or more features.

    >>> x = np.linspace(0, 1, 400)
    >>> model = fit_errors(x[:, None], np.where(np.arange(400) % 2, x, -x))
    >>> round(model.estimate(np.full((50, 1), 0.9)).value, 1)
    0.9
    """
    if columns.ndim != 2 or errors.shape != (len(columns),):
        raise ValueError("a table of features and an error per row are needed")
    known = np.flatnonzero(np.isfinite(errors))
    known = known[:: max(1, -(-len(known) // MAX_ROWS))]
    basis, absolute = fit(columns[known]), np.abs(errors[known])
    table = basis.apply(columns[known])
    n, width = table.shape
    if n < MIN_ROWS:
        nothing = np.zeros(width)
        return ErrorModel(basis, nothing, nothing + 1, nothing, np.zeros((width, width)), 0.0, 0.0, n, None)
    centre, scale = table.mean(axis=0), table.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return _fitted(basis, (table - centre) / scale, absolute, centre, scale)


def _fitted(basis: Basis, table: FloatArray, absolute: FloatArray, centre: FloatArray, scale: FloatArray) -> ErrorModel:
    n, width = table.shape
    mean = float(absolute.mean())
    held_out = _cross_validated(table, absolute - mean)
    missed = [float(((absolute - np.maximum(mean + guess, 0.0)) ** 2).sum()) for guess in held_out]
    best, spread = int(np.argmin(missed)), float(((absolute - mean) ** 2).sum())
    skill = 1 - missed[best] / spread if spread > 0 else 0.0
    guess = np.maximum(mean + held_out[best], 0.0) if skill >= MIN_SKILL else np.full(n, mean)
    power = float((guess**2).sum())
    noise = float(((absolute - guess) ** 2).sum()) / power if power > 0 else 0.0
    inverse, weights = np.zeros((width, width)), np.zeros(width)
    if skill >= MIN_SKILL:
        inverse = np.linalg.inv(table.T @ table + PENALTIES[best] * np.eye(width))
        weights = inverse @ (table.T @ (absolute - mean))
    return ErrorModel(basis, centre, scale, weights, inverse, mean, noise, n, skill)


def _cross_validated(table: FloatArray, centred: FloatArray) -> list[FloatArray]:
    """Return per penalty what a ridge of the other folds says of each row."""
    n, width = table.shape
    gram, moment = table.T @ table, table.T @ centred
    said = [np.empty(n) for _ in PENALTIES]
    for fold in range(FOLDS):
        rows = table[fold::FOLDS]
        others, target = gram - rows.T @ rows, moment - rows.T @ centred[fold::FOLDS]
        for guess, penalty in zip(said, PENALTIES, strict=True):
            guess[fold::FOLDS] = rows @ np.linalg.solve(others + penalty * np.eye(width), target)
    return said
