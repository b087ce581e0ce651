"""Estimation: performance without labels, from calibrated scores, by segment, or by a model of the errors."""

from monitoring.stats.estimation.cbpe import cbpe, cbpe_exact
from monitoring.stats.estimation.errors import ErrorModel, fit_errors
from monitoring.stats.estimation.segments import reweighted_accuracy
from monitoring.stats.estimation.trust import is_trusted, trust

__all__ = [
    "ErrorModel",
    "cbpe",
    "cbpe_exact",
    "fit_errors",
    "is_trusted",
    "reweighted_accuracy",
    "trust",
]
