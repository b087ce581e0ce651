"""What metrics are called and in which unit they are said: the definitions of `monitoring.stats.metrics`, in words."""

from dataclasses import dataclass

from django.conf import settings

from monitoring.stats import metrics
from monitoring.stats.metrics import Better, MetricDefinition

# Units that a sentence says; others go without saying.
_SAID_UNITS = {
    "share": "%",
    "ms": "ms",
    "h": "h",
    "sd": "sd",
    "currency": settings.PORTAL_CURRENCY,
}
SILENCE = "silence.1"  # stored only where there is any


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How a metric is written: its name inside a sentence and the unit of `kit.wording` ("%" takes a share).

    short: the name where there is little room. is_error: less is better, so its limit lies above the reference.
    """

    name: str
    unit: str = ""
    short: str = ""
    is_error: bool = False

    @property
    def title(self) -> str:
        """The name at the start of a sentence or in a table."""
        return self.name[:1].upper() + self.name[1:]

    @property
    def brief(self) -> str:
        """The name for a table cell."""
        return self.short or self.name


def words(metric: str) -> MetricWords:
    """How a metric id is said; one without a definition is said by its id, so a new metric is readable at once.

    >>> words("null_share.1").name, words("queue_depth.2").name
    ('share of nulls', 'queue depth')
    """
    if known := metrics.latest(metric):
        return _of(known)
    stem = metric.partition(".")[0]
    return MetricWords(stem.replace("_", " "), "%" if stem.endswith(("_share", "_rate")) else "")


def _of(known: MetricDefinition) -> MetricWords:
    is_error = known.family in metrics.SKILL and known.better in {Better.lower, Better.zero}
    return MetricWords(known.name, _SAID_UNITS.get(known.unit, ""), known.short, is_error)
