"""What a monitor measures: the content of a MonitorRevision, as typed structs with the default of every number."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec

from mlops_portal.kit.errors import Invalid
from monitoring.stats.metrics import PSI_LEVEL, SHARE_RISE

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One part of a configuration; a name that it does not know is refused."""


class Thresholds(_Part, frozen=True):
    """Where a distance is called warn, and where drift."""

    warn: Positive = PSI_LEVEL.warn
    drift: Positive = PSI_LEVEL.bad


class InputDrift(Thresholds, frozen=True):
    """Population stability of every feature against the baseline; features: those named, or all."""

    metric: Literal["psi"] = "psi"
    features: tuple[str, ...] | None = None
    overrides: dict[str, Thresholds] = {}
    hard_break: Positive = 0.5
    q: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01
    top: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5

    def thresholds(self, feature: str) -> Thresholds:
        """Return the thresholds of one feature."""
        return self.overrides.get(feature, self)


OutputPart = Literal["score", "mean_score", "positive_rate", "near_threshold", "class_mix", "fallback", "error"]
PROFILE_PARTS: tuple[OutputPart, ...] = ("score", "mean_score", "positive_rate", "near_threshold", "class_mix")
HOUR_PARTS: tuple[OutputPart, ...] = ("fallback", "error")


class OutputDrift(Thresholds, frozen=True):
    """What the model answers: the score and its mean, decisions, classes; from hours: fallbacks and errors."""

    parts: tuple[OutputPart, ...] = PROFILE_PARTS
    hard_break: Positive = 0.5


class DataQuality(_Part, frozen=True):
    """Shares of broken values; a change counts from min_change and `relative` of the baseline share on."""

    min_change: Share = SHARE_RISE.least
    relative: Annotated[float, msgspec.Meta(ge=0)] = SHARE_RISE.relative
    drift_change: Share = SHARE_RISE.drift
    critical_null: Share = SHARE_RISE.critical
    stuck_share: Share = 0.99


class Performance(_Part, frozen=True):
    """Error or skill against outcomes; metrics: those named, or those usual for the task; delta: by metric."""

    signal: str = "truth"
    metrics: tuple[str, ...] | None = None
    delta: dict[str, Positive] = {}
    min_labels: Annotated[int, msgspec.Meta(ge=1)] = 100


class Latency(_Part, frozen=True):
    """Quantiles per endpoint against its objective, else against `factor` times the first seven full days."""

    factor: Annotated[float, msgspec.Meta(gt=1)] = 1.5
    min_n: Annotated[int, msgspec.Meta(ge=1)] = 100


class Cost(_Part, frozen=True):
    """Cost and calls against the baseline, as multiples of it."""

    warn: Annotated[float, msgspec.Meta(gt=1)] = 1.25
    drift: Annotated[float, msgspec.Meta(gt=1)] = 2.0


class Volume(_Part, frozen=True):
    """Rows of a day against the same weekday before, in robust standard deviations and as a relative change.

    silence_factor: how many times the usual longest pause between predictions is silence.
    """

    z: Positive = 3.5
    change: Positive = 0.3
    silence_factor: Annotated[float, msgspec.Meta(ge=1)] = 3.0


class Checks(_Part, frozen=True):
    """The checks a monitor makes; one that is absent is not made."""

    input_drift: InputDrift | None = None
    output_drift: OutputDrift | None = None
    data_quality: DataQuality | None = None
    performance: Performance | None = None
    latency: Latency | None = None
    cost: Cost | None = None
    volume: Volume | None = None

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield key and configuration of each check that is made."""
        for key in self.__struct_fields__:
            if (check := getattr(self, key)) is not None:
                yield key, check


class AgainstReference(_Part, frozen=True, tag_field="kind", tag="reference"):
    """Compare with a reference of the version."""

    name: str = "primary"


class AgainstPrevious(_Part, frozen=True, tag_field="kind", tag="previous"):
    """Compare with the days before the window."""

    days: Annotated[int, msgspec.Meta(ge=7, le=91)] = 28


class MonitorConfig(_Part, frozen=True):
    """One revision of a monitor."""

    window_hours: Annotated[int, msgspec.Meta(ge=1, le=28 * 24)]
    checks: Checks
    baseline: AgainstReference | AgainstPrevious = AgainstReference()
    grace_minutes: Annotated[int, msgspec.Meta(ge=0, le=24 * 60)] = 5
    segments: Literal["declared", "none"] | tuple[str, ...] = "declared"

    @property
    def window(self) -> timedelta:
        return timedelta(hours=self.window_hours)

    @property
    def grace(self) -> timedelta:
        return timedelta(minutes=self.grace_minutes)

    @property
    def baseline_days(self) -> int:
        """How many days before the window are read as well."""
        return self.baseline.days if isinstance(self.baseline, AgainstPrevious) else 0

    def wants_segment(self, name: str) -> bool:
        """Tell whether a declared segment dimension is looked at."""
        return self.segments == "declared" or (self.segments != "none" and name in self.segments)


def load(stored: object) -> MonitorConfig:
    """Return the configuration that a MonitorRevision holds.

    Raises Invalid (`monitor_invalid`) if it is not one.
    """
    try:
        return msgspec.convert(stored, MonitorConfig)
    except msgspec.ValidationError as error:
        raise Invalid(f"This is not a monitor: {error}.", code="monitor_invalid") from None


def dump(config: MonitorConfig) -> dict[str, Any]:
    """Return the configuration as JSON values, with every default written out."""
    written: dict[str, Any] = msgspec.to_builtins(config)
    return written


def digest(config: MonitorConfig) -> str:
    """Return the SHA-256 of the canonical JSON, in hex."""
    return sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()
