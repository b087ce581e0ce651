"""Metrics: the definition of every number the portal shows, by id; docs/metrics.md is drawn from it.

An id is for ever. A changed formula is a new version (`psi.2`) beside the old one, and history is never rewritten.
"""

from monitoring.stats.metrics.business import AGREEMENT, COMPARISON, OPERATIONS, RUN, VALUE
from monitoring.stats.metrics.definition import (
    SKILL,
    Alert,
    Better,
    Family,
    Level,
    MetricDefinition,
    Rise,
    Step,
)
from monitoring.stats.metrics.drift import DRIFT, OUTPUT, PSI_LEVEL, QUALITY, SHARE_RISE
from monitoring.stats.metrics.skill import CALIBRATION, CLASSIFICATION, ESTIMATION, RANKING, REGRESSION

__all__ = [
    "DEFINITIONS",
    "PSI_LEVEL",
    "SHARE_RISE",
    "SKILL",
    "Alert",
    "Better",
    "Family",
    "Level",
    "MetricDefinition",
    "Rise",
    "Step",
    "definition",
    "latest",
]

_ALL = (
    *DRIFT,
    *QUALITY,
    *OUTPUT,
    *CLASSIFICATION,
    *REGRESSION,
    *RANKING,
    *CALIBRATION,
    *ESTIMATION,
    *VALUE,
    *OPERATIONS,
    *COMPARISON,
    *AGREEMENT,
    *RUN,
)
DEFINITIONS: dict[str, MetricDefinition] = {one.id: one for one in _ALL}
_LATEST: dict[str, MetricDefinition] = {one.stem: one for one in sorted(_ALL, key=lambda one: one.version)}


def definition(metric: str) -> MetricDefinition:
    """Return the definition of a metric id. Raises ValueError if there is none.

    >>> definition("psi.1").unit
    'nats'
    """
    found = DEFINITIONS.get(metric)
    if found is None:
        raise ValueError(f"there is no metric {metric}")
    return found


def latest(metric: str) -> MetricDefinition | None:
    """Return the newest definition of a metric, whatever version the id names; None if there is none.

    >>> latest("psi.7").id, latest("queue_depth.1")
    ('psi.1', None)
    """
    return _LATEST.get(metric.partition(".")[0])
