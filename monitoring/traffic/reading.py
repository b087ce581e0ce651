"""What is found while a body is read: the groups of good records, and the rejected items with their faults."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mlops_portal.kit.errors import Fault
from monitoring.traffic import privacy, quarantine, settle, signals, specs, times
from monitoring.traffic.grouping import Batch, Moment
from monitoring.traffic.payload import Group
from monitoring.traffic.quarantine import Kept
from monitoring.traffic.records import Row
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Target
from monitoring.traffic.values import Rejected
from registry.models import RegisteredModel


@dataclass(frozen=True, slots=True)
class Reject:
    """One item that was not taken: why, for which version and feature, and what may be kept of it."""

    fault: Fault
    version: str
    feature: str
    kept: Kept


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body after all checks. unfrozen: versions whose features have to be frozen with the first accepted records."""

    kind: str
    received: int
    groups: list[Group]
    rejects: list[Reject]
    unfrozen: list[UUID] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """How many records were taken."""
        return self.received - len(self.rejects)

    @property
    def errors(self) -> list[Fault]:
        """One fault per rejected item, in the order of the items."""
        return [reject.fault for reject in self.rejects]

    @property
    def surprises(self) -> dict[str, dict[str, int]]:
        """{code: {feature: count}} of all groups together."""
        merged: dict[str, dict[str, int]] = {}
        for group in self.groups:
            for code, counts in group.surprises.items():
                level = merged.setdefault(code, {})
                for feature, count in counts.items():
                    level[feature] = level.get(feature, 0) + count
        return merged


@dataclass(slots=True)
class Reading:
    """What decoding one body needs to know, and what it has found so far."""

    model: ModelSpec
    moment: Moment
    find: Callable[[Iterable[str]], Mapping[str, Target]]
    signals: Callable[[], signals.Signals]
    current: Callable[[], Sequence[FeatureSpec]]
    targets: dict[str, Target] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    _current_features: Sequence[FeatureSpec] | None = None

    def target(self, label: str) -> Target | None:
        """The version of a label, looked up at most once."""
        self.look_up([label])
        return self.targets.get(label)

    def look_up(self, labels: Iterable[str]) -> None:
        """Load the versions of all labels that are not known yet."""
        unknown = set(labels) - self.targets.keys()
        if unknown:
            self.targets |= self.find(unknown)

    def reject(self, index: int, error: Rejected, item: Any, label: str = "") -> None:
        """Note an item that is not taken. label: the version that it names, registered or not."""
        fault = Fault(error.code, error.detail, f"/items/{index}{error.pointer}", index, error.received)
        target, is_unknown = self.targets.get(label), error.code == "unknown_version" and item is not None
        features = target.spec.features if target else self._current() if is_unknown else ()
        kept = quarantine.kept(item, features, self.model.team_id, self.moment.kid, is_unknown=is_unknown)
        self.rejects.append(Reject(fault, label, error.feature, kept))

    def add(self, batch: Batch, target: Target, item_of: Callable[[int], Any]) -> None:
        """Settle records of one version."""
        settled = settle.settle(batch, target.spec, self.moment, is_blocked=target.is_blocked)
        self._take(settled, item_of, target.spec.label)

    def add_outcomes(self, rows: Sequence[Row], indexes: Sequence[int], item_of: Callable[[int], Any]) -> None:
        """Settle outcomes."""
        self._take(signals.settle(rows, indexes, self.model, self.signals, self.moment), item_of, "")

    def decoded(self, kind: str, received: int) -> Decoded:
        """Everything found."""
        unfrozen = {str(t.spec.id): t.spec.id for t in self.targets.values() if not t.is_frozen}
        named = [unfrozen[group.version_id] for group in self.groups if group.version_id in unfrozen]
        self.rejects.sort(key=lambda reject: reject.fault.index or 0)
        return Decoded(kind, received, self.groups, self.rejects, named)

    def _current(self) -> Sequence[FeatureSpec]:
        """The model's present list, whose rules hold for versions that nobody knows; read once."""
        if self._current_features is None:
            self._current_features = self.current()
        return self._current_features

    def _take(self, settled: settle.Settled, item_of: Callable[[int], Any], label: str) -> None:
        if settled.group:
            self.groups.append(settled.group)
        for index, error in settled.rejected:
            self.reject(index, error, item_of(index), label)


def start(
    model: RegisteredModel | ModelSpec,
    now: datetime,
    *,
    too_old_ok: bool = False,
    targets: Mapping[str, Target] | None = None,
) -> Reading:
    """An empty reading of a body for the model."""
    spec = model if isinstance(model, ModelSpec) else ModelSpec.of(model)
    return begin(spec, Moment(times.micros(now), privacy.current_kid(), too_old_ok), targets)


def begin(spec: ModelSpec, moment: Moment, targets: Mapping[str, Target] | None = None) -> Reading:
    """As `start`, with everything said about the moment."""
    return Reading(
        model=spec,
        moment=moment,
        find=lambda labels: specs.find(spec, list(labels)),
        signals=lambda: signals.known(spec.id),
        current=lambda: specs.current(spec.id),
        targets=dict(targets or {}),
    )
