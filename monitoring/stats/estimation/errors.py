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

    weights: of 1 and of the basis's columns, standardised by centre and scale; covariance: how sure they are.
    noise: variance of an error over the square of its expectation.
    skill: share of the errors' variance that it explains in rows it was not fitted on (5 folds); below 0.01 every
    row is expected to have the mean. None below 200 rows: nothing was fitted.
    """

    basis: Basis
    centre: FloatArray
    scale: FloatArray
    weights: FloatArray
    covariance: FloatArray
    noise: float
    n: int
    skill: float | None

    def expected(self, columns: FloatArray) -> FloatArray:
        """Return the absolute error to expect of each row, at least 0; columns as in `fit_errors`."""
        return np.maximum(self._table(columns) @ self.weights, 0.0)

    def estimate(self, columns: FloatArray) -> Estimate:
        """Estimate the mean absolute error of rows without labels.

        The interval holds the realised mean in 95 % of windows if the inputs mean what they meant: the errors
        scatter around their expectations, and the expectations were learnt from a sample.
        A model of fewer than 200 rows says `too_few`, no rows are `empty`.

        Raises ValueError for another number of columns.
        """
        table, n = self._table(columns), len(columns)
        if not n or self.skill is None:
            return Estimate(None, n=n, n_eff=n, method=_METHOD, reason=Reason.too_few if n else Reason.empty)
        expected, middle = np.maximum(table @ self.weights, 0.0), table.mean(axis=0)
        variance = self.noise * float((expected**2).sum()) / n**2 + float(middle @ self.covariance @ middle)
        value, half = float(expected.mean()), _Z * variance**0.5
        return Estimate(value, max(value - half, 0.0), value + half, n, n, _METHOD)

    def _table(self, columns: FloatArray) -> FloatArray:
        return _with_ones((self.basis.apply(columns) - self.centre) / self.scale)


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
        nothing, covariance = np.zeros(width), np.zeros((width + 1, width + 1))
        return ErrorModel(basis, nothing, nothing + 1, np.zeros(width + 1), covariance, 0.0, n, None)
    centre, scale = table.mean(axis=0), table.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    weights, covariance, noise, skill = _ridge(_with_ones((table - centre) / scale), absolute)
    return ErrorModel(basis, centre, scale, weights, covariance, noise, n, skill)


def _with_ones(table: FloatArray) -> FloatArray:
    return np.column_stack((np.ones(len(table)), table))


def _ridge(table: FloatArray, absolute: FloatArray) -> tuple[FloatArray, FloatArray, float, float]:
    """Return weights, their covariance, the noise and the skill.

    The covariance is the sandwich of White (1980) with the errors of held-out rows, for they scatter unevenly.
    """
    n, width = table.shape
    said = _cross_validated(table, absolute)
    missed = [float(((absolute - guess) ** 2).sum()) for guess in said]
    best, spread = int(np.argmin(missed)), float(((absolute - absolute.mean()) ** 2).sum())
    skill = 1 - missed[best] / spread if spread > 0 else 0.0
    if skill < MIN_SKILL:
        weights, covariance = np.zeros(width), np.zeros((width, width))
        weights[0], covariance[0, 0] = absolute.mean(), spread / n**2
        return weights, covariance, _noise(absolute, np.full(n, weights[0])), skill
    inverse = np.linalg.inv(table.T @ table + PENALTIES[best] * _all_but_ones(width))
    scattered = table * (absolute - said[best])[:, None]
    covariance = inverse @ (scattered.T @ scattered) @ inverse
    return inverse @ (table.T @ absolute), covariance, _noise(absolute, said[best]), skill


def _noise(absolute: FloatArray, expected: FloatArray) -> float:
    power = float((expected**2).sum())
    return float(((absolute - expected) ** 2).sum()) / power if power > 0 else 0.0


def _all_but_ones(width: int) -> FloatArray:
    """Return which weights are penalised: all but that of the mean."""
    return np.diag(np.append(0.0, np.ones(width - 1)))


def _cross_validated(table: FloatArray, absolute: FloatArray) -> list[FloatArray]:
    """Return per penalty what a ridge of the other folds expects of each row."""
    n, width = table.shape
    gram, moment = table.T @ table, table.T @ absolute
    said = [np.empty(n) for _ in PENALTIES]
    for fold in range(FOLDS):
        rows = table[fold::FOLDS]
        others, target = gram - rows.T @ rows, moment - rows.T @ absolute[fold::FOLDS]
        for guess, penalty in zip(said, PENALTIES, strict=True):
            weights = np.linalg.solve(others + penalty * _all_but_ones(width), target)
            guess[fold::FOLDS] = np.maximum(rows @ weights, 0.0)
    return said
