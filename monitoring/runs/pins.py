"""What a run has read: generations of days, so that it can tell at the end whether something came meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from monitoring.models import DayManifest


class Day(NamedTuple):
    """The manifest of one day of one version."""

    version: UUID
    day: date
    generation: int
    label_generation: int
    rows: int
    labels: int


@dataclass(frozen=True, slots=True)
class Pins:
    """The days of a model, from first to before `until`, as they were when the run began to read."""

    model: UUID
    first: date
    until: date
    days: tuple[Day, ...]
    with_labels: bool = False

    def rows(self, since: date, until: date, version: UUID | None = None) -> int:
        """Return how many predictions the days hold."""
        return sum(one.rows for one in self._between(since, until) if version in (None, one.version))

    def labels(self, since: date, until: date) -> int:
        """Return how many outcomes the days hold."""
        return sum(one.labels for one in self._between(since, until))

    def versions(self, since: date, until: date) -> set[UUID]:
        """Return the versions with predictions on these days."""
        return {one.version for one in self._between(since, until) if one.rows}

    def have_moved(self) -> bool:
        """Tell whether traffic, or outcomes if they were read, came to these days since; one query."""
        return self._state(self.days) != self._state(read(self.model, self.first, self.until))

    def generations(self) -> dict[str, dict[str, int]]:
        """Return the generation of each day by version, as JSON."""
        return self._by_version((one.version, one.day, one.generation) for one in self.days)

    def label_generations(self) -> dict[str, dict[str, int]]:
        """Return the label generation of each day by version, as JSON; empty unless outcomes are read."""
        labelled = self.days if self.with_labels else ()
        return self._by_version((one.version, one.day, one.label_generation) for one in labelled)

    def _between(self, since: date, until: date) -> Iterable[Day]:
        return (one for one in self.days if since <= one.day < until)

    def _state(self, days: Iterable[Day]) -> set[tuple[object, ...]]:
        return {(one.version, one.day, one.generation, one.label_generation * self.with_labels) for one in days}

    @staticmethod
    def _by_version(rows: Iterable[tuple[UUID, date, int]]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for version, day, generation in rows:
            found.setdefault(str(version), {})[day.isoformat()] = generation
        return found


def pin(model: UUID, first: date, until: date, *, with_labels: bool = False) -> Pins:
    """Note the state of the days before anything of them is read; one query."""
    return Pins(model, first, until, read(model, first, until), with_labels)


def read(model: UUID, first: date, until: date) -> tuple[Day, ...]:
    """Return the manifests of a model's days in order."""
    days = DayManifest.objects.filter(version__model=model, day__gte=first, day__lt=until)
    fields = ("version_id", "day", "generation", "label_generation", "rows", "labels")
    return tuple(Day(*row) for row in days.order_by("version", "day").values_list(*fields))
