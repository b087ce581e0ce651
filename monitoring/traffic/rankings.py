"""Rankings as chunks and references hold them, JSON text, counted a stretch of rows at a time."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
import numpy as np

from monitoring.stats.columns import CodedColumn, Column
from monitoring.stats.grid import Grid
from monitoring.stats.profile import LabelProfile, build_labels
from monitoring.traffic import limits
from monitoring.traffic.specs import Task

ROWS_AT_ONCE = 10_000
_ITEM = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NAME_LENGTH)]
_SHOWN = Annotated[list[_ITEM | int], msgspec.Meta(max_length=limits.SHOWN_IDS)]
_RELEVANCES = dict[Annotated[str, msgspec.Meta(max_length=limits.NAME_LENGTH)], Annotated[float, msgspec.Meta(ge=0)]]
_shown = msgspec.json.Decoder(_SHOWN)
_relevances = msgspec.json.Decoder(_RELEVANCES)


def shown_ids(text: str) -> list[str] | None:
    """The ids a request showed, in order, or None if the text is no such list."""
    items = _document(text, _shown.decode)
    return None if items is None else [str(item) for item in items]


def relevances(text: str) -> dict[str, float] | None:
    """The relevance by item id, or None if the text names none."""
    found: dict[str, float] | None = _document(text, _relevances.decode)
    return found


def _document(text: str, decode: Callable[[str], Any]) -> Any:
    try:
        return decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None


def label_profile(shown: CodedColumn, told: CodedColumn, segments: Mapping[str, Column], grid: Grid) -> LabelProfile:
    """Count what was shown against the relevances told, row by row; a text that does not fit counts as none.

    The lists of a day do not fit in memory at once.
    """
    profile = LabelProfile.empty(grid, Task.RANKING)
    for start in range(0, len(shown), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        more = build_labels(
            None,
            _documents(_part(shown, rows), shown_ids),
            _documents(_part(told, rows), relevances),
            {name: _part(column, rows) for name, column in segments.items()},
            grid,
            Task.RANKING,
        )
        profile = profile.merge(more)
    return profile


def _documents(column: CodedColumn, read: Callable[[str], Any]) -> list[Any]:
    """The document of each row; a text that repeats is read once."""
    known = {code: read(column.values[code]) for code in np.unique(column.codes).tolist() if code >= 0}
    return [known.get(code) for code in column.codes.tolist()]


def _part(column: Column, rows: slice) -> Any:
    if isinstance(column, CodedColumn):
        return CodedColumn(column.codes[rows], column.values)
    part: Any = column
    return part[rows]
