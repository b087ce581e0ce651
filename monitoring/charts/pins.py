"""Change events as lettered pins in two rows that never overlap."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_portal.kit import wording
from monitoring.charts.data import Event
from monitoring.charts.marks import pct, plain

PIN_ROWS_PX = (12, 31)  # centres of the two rows
_NARROWEST_PX = 280
_APART = 18 / _NARROWEST_PX  # of the width, between two pins of the first row
_GROUPS_APART = 26 / _NARROWEST_PX  # in the second row, where a pin may say "+12"
_EDGE = 14 / _NARROWEST_PX


@dataclass(frozen=True, slots=True)
class Pin:
    """One letter, or how many events share a place."""

    x: str
    line_x: str
    cy: int
    text: str
    title: str
    grouped: bool

    @property
    def text_y(self) -> float:
        return self.cy + 3.5

    @property
    def line_top(self) -> float:
        return self.cy + 8.5


@dataclass(frozen=True, slots=True)
class _Placed:
    share: float
    row: int
    events: tuple[Event, ...]


def lettered(events: Sequence[Event]) -> tuple[Event, ...]:
    """The events in time order, each with a letter: A to Z, then AA, AB."""
    ordered = sorted(events, key=lambda event: event.at)
    return tuple(replace(event, letter=event.letter or _letter(place)) for place, event in enumerate(ordered))


def pinned(placed: Sequence[tuple[float, Event]]) -> tuple[Pin, ...]:
    """Pins for events at shares of the width, in time order: second row when close, "+n" from the third."""
    rows: list[list[_Placed]] = [[], []]
    for share, event in placed:
        x = min(max(share, _EDGE), 1 - _EDGE)
        if _fits(rows[0], x, _APART):
            rows[0].append(_Placed(x, 0, (event,)))
        elif _fits(rows[1], x, _GROUPS_APART):
            rows[1].append(_Placed(x, 1, (event,)))
        else:
            rows[1][-1] = replace(rows[1][-1], events=(*rows[1][-1].events, event))
    lines = {id(event): share for share, event in placed}
    return tuple(_pin(place, lines[id(place.events[0])]) for row in rows for place in row)


def _fits(row: list[_Placed], x: float, apart: float) -> bool:
    return not row or x - row[-1].share >= apart


def _pin(place: _Placed, line_share: float) -> Pin:
    grouped = len(place.events) > 1
    return Pin(
        x=pct(place.share),
        line_x=pct(line_share),
        cy=PIN_ROWS_PX[place.row],
        text=f"+{min(len(place.events), 999)}" if grouped else place.events[0].letter,
        title="\n".join(_line(event) for event in place.events[:12]),
        grouped=grouped,
    )


def _line(event: Event) -> str:
    return f"{event.letter} {wording.moment(event.at)} {plain(event.source)}: {plain(event.text, 120)}"


def _letter(place: int) -> str:
    letters = string.ascii_uppercase
    return letters[place] if place < 26 else letters[(place // 26 - 1) % 26] + letters[place % 26]
