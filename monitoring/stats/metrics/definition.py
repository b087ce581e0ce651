"""What a metric is: the record that each of them has, and how its default alert is written down."""

from dataclasses import dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which way a metric improves; `zero`: towards 0 from both sides."""

    lower = "lower"  # type: ignore[assignment]
    higher = "higher"
    zero = "zero"
    none = "none"


class Family(StrEnum):
    """What kind of question a metric answers."""

    drift = "drift"
    quality = "data quality"
    output = "output"
    classification = "classification"
    regression = "regression"
    ranking = "ranking"
    calibration = "calibration"
    estimation = "estimation without labels"
    value = "value"
    operations = "operations"
    comparison = "comparison of versions"
    agreement = "agreement of people"
    run = "about the run"


SKILL = frozenset({Family.classification, Family.regression, Family.ranking, Family.calibration})


@dataclass(frozen=True, slots=True)
class Level:
    """Warn from a value on, and `bad` from a higher one on, under the verdict that `word` names.

    >>> str(Level(0.1, 0.25))
    'warn 0.1, drift 0.25'
    """

    warn: float
    bad: float
    word: str = "drift"

    def __str__(self) -> str:
        return f"warn {self.warn:g}, {self.word} {self.bad:g}"


@dataclass(frozen=True, slots=True)
class Step:
    """Worse than the base by this much: a difference, or a share of the base value.

    >>> str(Step(0.02)), str(Step(0.1, is_relative=True))
    ('worse by 0.02', 'worse by 10 %')
    """

    by: float
    is_relative: bool = False

    def __str__(self) -> str:
        return f"worse by {100 * self.by:g} %" if self.is_relative else f"worse by {self.by:g}"


@dataclass(frozen=True, slots=True)
class Rise:
    """A share that rose above its reference, see `quality.share_change`.

    warn: by `least` and by `relative` of the reference share; drift: also by `drift`; critical: by `critical`.

    >>> str(Rise(0.02, 0.5, 0.2, 0.5))
    'warn +0.02 and half of the reference, drift +0.2, critical +0.5'
    """

    least: float
    relative: float
    drift: float
    critical: float

    def __str__(self) -> str:
        part = "half" if self.relative == 0.5 else f"{100 * self.relative:g} %"
        return f"warn +{self.least:g} and {part} of the reference, drift +{self.drift:g}, critical +{self.critical:g}"


Alert = Level | Step | Rise


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    """One metric, for ever: a formula that changes is another version and leaves this one as it is.

    name: inside a sentence; short: where there is little room. formula: plain text, in the notation of
    docs/metrics.md. unit: "" for a pure number, "share" for a part of 1. low, high: the range, None where it is open.
    alert: the default thresholds as numbers; rule: what a number does not say. undefined: when there is no value, with
    the code of the reason.
    """

    id: str
    name: str
    formula: str
    family: Family
    better: Better
    unit: str = ""
    low: float | None = None
    high: float | None = None
    short: str = ""
    alert: Alert | None = None
    rule: str = ""
    undefined: str = "`empty`"
    source: str = ""

    @property
    def stem(self) -> str:
        """The id without its version."""
        return self.id.partition(".")[0]

    @property
    def version(self) -> int:
        """The number after the dot."""
        return int(self.id.partition(".")[2])

    @property
    def range(self) -> str:
        """The range in words.

        >>> brier = MetricDefinition(
        ...     id="brier.1", name="", formula="", family=Family.classification, better=Better.lower, low=0, high=1
        ... )
        >>> brier.range
        '0 to 1'
        """
        if self.low is None:
            return "any" if self.high is None else f"up to {self.high:g}"
        return f"{self.low:g} and more" if self.high is None else f"{self.low:g} to {self.high:g}"
