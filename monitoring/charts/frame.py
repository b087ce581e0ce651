"""The time axis that the panels of a chart share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlops_portal.kit import wording
from monitoring.charts.data import Point
from monitoring.charts.marks import Text, settled

_DATE_STEPS_DAYS = (1, 2, 7, 14, 28, 56, 91, 182, 364, 728)
_MOST_DATES = 9


@dataclass(frozen=True, slots=True)
class Frame:
    """The time axis: where a moment lies as a share of the width."""

    start: datetime
    end: datetime
    step: timedelta

    def share(self, at: datetime) -> float:
        return min(max((at - self.start) / (self.end - self.start), 0.0), 1.0)

    def holds(self, at: datetime) -> bool:
        return self.start <= at <= self.end

    def inside(self, points: Sequence[Point]) -> list[Point]:
        return [point for point in points if self.holds(point.at)]


def dates(frame: Frame, y: int) -> tuple[Text, ...]:
    """Days in even steps that end at the last one; every second of them only where there is room."""
    whole_days = max((frame.end - frame.start).days, 1)
    step = next((step for step in _DATE_STEPS_DAYS if whole_days / step <= _MOST_DATES), whole_days // _MOST_DATES)
    last = frame.end.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [last - timedelta(days=step * index) for index in range(whole_days // step + 1)]
    inside = [at for at in days if frame.holds(at)]
    texts = [Text(frame.share(at), y, _date_label(at, whole_days), "t", "middle") for at in inside]
    return settled([*texts[::2], *texts[1::2]])


def _date_label(at: datetime, whole_days: int) -> str:
    return f"{at:%b %Y}" if whole_days > 400 else wording.day(at.date())
