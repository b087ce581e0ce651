"""Conditions and alerts: the only writers of their state.

`observe` (any source) and `observe_run` (a run of a monitor) are the only way in; `acknowledge` and `unacknowledge`
are what people do. States and rules: docs and `conditions`; the life of an alert: `lifecycle`.
"""

from monitoring.alerts.acknowledgement import (
    AlertClosed,
    AlreadyAcknowledged,
    acknowledge,
    may_acknowledge,
    may_unacknowledge,
    sweep,
    unacknowledge,
)
from monitoring.alerts.conditions import JudgedWindow, Scope, Signal
from monitoring.alerts.lifecycle import is_flapping
from monitoring.alerts.observing import FAMILIES, REOPENS_WITHIN, RULES, observe, observe_run
from monitoring.alerts.wording import BLOCKED_VERSION, UNKNOWN_VERSION

__all__ = [
    "BLOCKED_VERSION",
    "FAMILIES",
    "REOPENS_WITHIN",
    "RULES",
    "UNKNOWN_VERSION",
    "AlertClosed",
    "AlreadyAcknowledged",
    "JudgedWindow",
    "Scope",
    "Signal",
    "acknowledge",
    "is_flapping",
    "may_acknowledge",
    "may_unacknowledge",
    "observe",
    "observe_run",
    "sweep",
    "unacknowledge",
]
