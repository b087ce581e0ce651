"""What a check reads and what it answers.

A check is a pure function of WindowData. It judges nothing that needs the other checks of the run: a divergence
carries its Gates, and `judging.judge` decides over all of them at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from monitoring.stats.profile import LabelProfile, Profile
from monitoring.stats.profile.operations import Operations
from monitoring.stats.results import Divergence, Estimate, Verdict


@dataclass(frozen=True, slots=True)
class Gates:
    """What a divergence is judged by: its effect against thresholds, its p-value against those of the whole run."""

    divergence: Divergence
    p: float
    warn: float
    drift: float
    hard_break: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A measurement that is not stored yet; the fields are those of Measurement.

    gates: set while the verdict waits for the other findings of the run. excess: PSI above what chance gives.
    """

    check_key: str
    metric: str
    verdict: Verdict = Verdict.insufficient
    version: UUID | None = None
    endpoint: str = ""
    signal: str = ""
    feature: str = ""
    segment: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    base_value: float | None = None
    base_n: int = 0
    threshold: float | None = None
    gap: float | None = None
    reason: str = ""
    hard: bool = False
    provisional: bool = False
    rank: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    gates: Gates | None = None
    excess: float = 0.0

    @property
    def key(self) -> tuple[object, ...]:
        """What names it within a run."""
        return (self.check_key, self.metric, self.version, self.endpoint, self.signal, self.feature, self.segment)


def interval(estimate: Estimate) -> dict[str, Any]:
    """Return value, interval, n and reason of an estimate as fields of a Finding."""
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "reason": estimate.reason.value if estimate.reason else "",
    }


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """What the registry says of a feature of a version."""

    name: str
    importance: float | None = None
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Labels:
    """Predictions of a version joined with a signal, and what they are compared with.

    rows: predictions; profile: None where the task or the data allow none. is_mature: complete enough to judge.
    base_since: the first of the early days that the base is; None where it is a reference.
    """

    rows: int
    labelled: int
    profile: LabelProfile | None
    base: LabelProfile | None
    is_mature: bool
    base_since: date | None = None

    @property
    def coverage(self) -> float:
        return self.labelled / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class VersionWindow:
    """One version's share of a window. dimensions: the segment features to look at.

    current: the window itself, whose numbers are stored. judged: what verdicts rest on: the window, or where it has
    too few rows the longer one that run took with the same end.
    """

    id: UUID
    number: int
    current: Profile | None = None
    judged: Profile | None = None
    reference: Profile | None = None
    features: tuple[FeatureInfo, ...] = ()
    dimensions: tuple[str, ...] = ()
    labels: Labels | None = None

    @property
    def rows(self) -> int:
        """Predictions of the window."""
        return self.current.rows if self.current else 0

    @property
    def is_widened(self) -> bool:
        return self.judged is not None and self.judged is not self.current


class Hour(Protocol):
    """One HourProfile: what one chunk holds of one hour at one endpoint."""

    @property
    def version_id(self) -> UUID: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def hour(self) -> datetime: ...

    @property
    def rows(self) -> int: ...

    @property
    def errors(self) -> int: ...

    @property
    def fallbacks(self) -> int: ...

    @property
    def calls(self) -> int: ...

    @property
    def amount(self) -> Decimal: ...

    @property
    def amount_missing(self) -> int: ...

    @property
    def blob(self) -> "bytes | memoryview[int]": ...


def operations(hours: Sequence[Hour]) -> Operations:
    """Return latency and cost of the hours together."""
    return Operations.merge_all([Operations.loads(bytes(hour.blob)) for hour in hours])


@dataclass(frozen=True, slots=True)
class Objective:
    """What an endpoint promises, in milliseconds."""

    p95_ms: float | None = None
    p99_ms: float | None = None

    def of(self, quantile: float) -> float | None:
        """Return the limit of a quantile, if one is promised."""
        return {0.95: self.p95_ms, 0.99: self.p99_ms}.get(quantile)


@dataclass(frozen=True, slots=True)
class Usage:
    """What serving took: the hours of the window, of the days before it, and of each version's first full days.

    started_on: the first full day of traffic; earlier days are not history but absence.
    """

    current: Sequence[Hour] = ()
    before: Sequence[Hour] = ()
    first_days: Mapping[UUID, Sequence[Hour]] = field(default_factory=dict)
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    started_on: date | None = None


@dataclass(frozen=True, slots=True)
class WindowData:
    """All that the checks of one run read.

    rows: predictions of the window itself; labels and hours may begin earlier where it was widened.
    rejects: refused items by (version number as text, feature); "" where it is not a feature that is at fault.
    """

    task: str
    start: datetime
    end: datetime
    rows: int = 0
    versions: tuple[VersionWindow, ...] = ()
    usage: Usage = field(default_factory=Usage)
    rejects: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """A kind of check: measure(data, its part of the configuration) gives findings and never raises for bad data."""

    key: str
    measure: Callable[[WindowData, Any], list[Finding]]
