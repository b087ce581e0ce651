"""What performance is compared with where no reference knows outcomes: the first days of the version itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from monitoring.models import VersionTraffic
from monitoring.stats import gates
from monitoring.stats.profile import LabelProfile
from monitoring.traffic import outcomes
from registry.models import ModelVersion

DAYS = timedelta(days=28)
FULL_COVERAGE = 1.0  # what is usual is not known yet
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class EarlyDays:
    """The outcomes of a version's first 28 full days, `[first, until)`, and the state of their books."""

    version: ModelVersion
    profile: LabelProfile
    first: date
    until: date
    generations: Mapping[str, int]

    @property
    def name(self) -> str:
        """What pins them among the references of a run: other outcomes of these days give another name."""
        state = hashlib.sha256(json.dumps(self.generations, sort_keys=True).encode()).hexdigest()
        return f"outcomes of {self.version.pk} from {self.first} to {self.until}, {state[:16]}"


def early_days(version: ModelVersion, before: datetime, signal: str, now: datetime) -> EarlyDays | None:
    """Return the first 28 full days with what became of their predictions; None unless all lie before a moment.

    None too until their outcomes are mature, and for a model whose outcomes no profile can hold.
    """
    began = VersionTraffic.objects.filter(version=version).values_list("first_at", flat=True).first()
    if began is None:
        return None
    first = _first_full_day(began)
    until = first + DAYS
    if until > before:
        return None
    seen = outcomes.label_profile(version, first.date(), until.date(), signal)
    if seen.profile is None or not _is_mature(seen, now - until):
        return None
    return EarlyDays(version, seen.profile, first.date(), until.date(), seen.generations)


def _is_mature(seen: outcomes.PinnedLabels, age: timedelta) -> bool:
    delay_h = None if seen.delay_p95_s is None else seen.delay_p95_s / HOUR.total_seconds()
    coverage = seen.labelled / seen.rows if seen.rows else 0.0
    return gates.mature(coverage, FULL_COVERAGE, age / HOUR, delay_h)


def _first_full_day(began: datetime) -> datetime:
    midnight = datetime.combine(began.astimezone(UTC).date(), time.min, tzinfo=UTC)
    return midnight if midnight == began else midnight + timedelta(days=1)
