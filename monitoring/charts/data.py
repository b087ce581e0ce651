"""What a page hands over to have a chart drawn: plain values, times and words."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Value = float | None
Role = Literal["current", "second"]


@dataclass(frozen=True, slots=True)
class Spark:
    """A line without axes for a table cell; its last value carries the dot. The label says the finding."""

    values: tuple[Value, ...]
    limit: Value = None
    label: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement; it stands at the end of its window."""

    at: datetime
    value: Value
    low: Value = None
    high: Value = None
    n: int | None = None
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Measurements of one metric in time order; the second one of a panel is drawn dashed."""

    points: tuple[Point, ...]
    role: Role = "current"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A line that a value should not cross. below: the bad side is under it, as with a floor."""

    value: float
    word: str = "limit"
    tone: Literal["bad", "warn"] = "bad"
    below: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One or two series of one unit over time.

    domain: bounds that the axis keeps at least. starts_at_zero: false for ratios, whose axis then says where it starts.
    needs_labels: the values rest on outcomes, so the newest may still move.
    """

    title: str
    unit: str
    series: tuple[Series, ...]
    limits: tuple[Limit, ...] = ()
    domain: tuple[float, float] | None = None
    starts_at_zero: bool = True
    needs_labels: bool = False

    def __post_init__(self) -> None:
        if len(self.series) > 2:
            raise ValueError(f"the panel {self.title!r} has {len(self.series)} series; two can be told apart")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changed; without a letter it gets one by its place in time."""

    at: datetime
    source: str
    text: str
    url: str = ""
    letter: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """What was served from start to end; no end: still served."""

    start: datetime
    end: datetime | None
    number: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Panels, changes and serving revisions of a model over one time axis.

    immature_from: from here on, labels of panels that need them still arrive; immature_note says how many are in.
    """

    start: datetime
    end: datetime
    step: timedelta
    panels: tuple[Panel, ...]
    events: tuple[Event, ...] = ()
    revisions: tuple[Revision, ...] = ()
    immature_from: datetime | None = None
    immature_note: str = ""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares per bin of the reference (bars) and of the current window (line); either may be empty."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(shares) not in (0, len(self.labels)) for shares in (self.reference, self.current)):
            raise ValueError("a histogram needs one share per label on each side that it shows")


@dataclass(frozen=True, slots=True)
class Bullet:
    """A value of 0 or more against its gates. A divergence has a noise floor, an estimate an interval."""

    value: Value
    low: Value = None
    high: Value = None
    noise_floor: Value = None
    warn: Value = None
    limit: Value = None
    maximum: Value = None
    name: str = ""
    unit: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Whisker:
    """An estimate with its interval on a scale that many rows share."""

    value: Value
    low: Value
    high: Value
    reference_line: Value
    minimum: float
    maximum: float
    verdict: str = ""
    name: str = ""
    unit: str = ""
    reference_word: str = "limit"


Chart = Spark | Panel | Timeline | Histogram | Bullet | Whisker
