"""Spend: what predictions cost, why it changed, where the month will end, and whether it runs away."""

from monitoring.stats.spend.burning import BURN_RULES, FLAT_BURN_RULES, BurnRule, burn, burning, expected
from monitoring.stats.spend.costs import Decomposition, decompose, per_thousand
from monitoring.stats.spend.forecasting import Forecast, forecast

__all__ = [
    "BURN_RULES",
    "FLAT_BURN_RULES",
    "BurnRule",
    "Decomposition",
    "Forecast",
    "burn",
    "burning",
    "decompose",
    "expected",
    "forecast",
    "per_thousand",
]
