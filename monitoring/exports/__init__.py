"""Measurements as files: the same rows and names as the API, one measurement a line."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from mlops_portal.kit.errors import Invalid
from monitoring.models import Measurement

ROW_LIMIT = 100_000
CHUNK = 2_000
COLUMNS: dict[str, str] = {  # name in the file: field of the measurement
    "run": "run_id",
    "monitor": "run__monitor__slug",
    "revision": "run__revision",
    "window_start": "window_start",
    "window_end": "window_end",
    "check": "check_key",
    "metric": "metric",
    "version": "version__number",
    "endpoint": "endpoint",
    "signal": "signal",
    "feature": "feature",
    "segment": "segment",
    "value": "value",
    "low": "low",
    "high": "high",
    "n": "n",
    "base_value": "base_value",
    "base_n": "base_n",
    "threshold": "threshold",
    "gap": "gap",
    "verdict": "verdict",
    "reason": "reason",
    "provisional": "provisional",
    "rank": "rank",
    "details": "details",
}
# What a spreadsheet takes for a formula, after spaces and quotes, also in full-width forms.
_FORMULA = re.compile("^[\\s\"']*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_PLAIN_NUMBER = re.compile(r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$")


class QueryTooLarge(Invalid):
    """More rows than one export may hold."""

    code = "query_too_large"


def require_exportable(rows: QuerySet[Measurement]) -> None:
    """Raise QueryTooLarge if the export would hold more than 100,000 rows."""
    if rows.order_by()[: ROW_LIMIT + 1].count() > ROW_LIMIT:
        raise QueryTooLarge(f"An export holds {ROW_LIMIT:,} rows at most; narrow it by time, metric or feature.")


def tuples(rows: QuerySet[Measurement]) -> Iterator[tuple[Any, ...]]:
    """The rows as tuples in the order of COLUMNS, read in pieces."""
    yield from rows.values_list(*COLUMNS.values()).iterator(chunk_size=CHUNK)


def csv_lines(rows: QuerySet[Measurement]) -> Iterator[str]:
    """The lines of a CSV file, header first. A cell a spreadsheet would run as a formula gets a leading '."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow(COLUMNS)
    for row in tuples(rows):
        yield writer.writerow([cell(value) for value in row])


def cell(value: Any) -> str:
    """A value as the text of a CSV cell; what is missing is empty.

    >>> cell("=1+1"), cell("-0.5"), cell(None), cell("plain")
    ("'=1+1", '-0.5', '', 'plain')
    """
    if value is None:
        return ""
    text = plain(value)
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.match(text) else text


def plain(value: Any) -> str:
    """A value as text: times in UTC with Z, booleans and objects as JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool | dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


class _Echo:
    """A file that hands every line back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


def names() -> Sequence[str]:
    """The columns of an export, in order."""
    return tuple(COLUMNS)


def columns(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """The rows turned into columns."""
    gathered: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for row in rows:
        for name, value in zip(COLUMNS, row, strict=True):
            gathered[name].append(value)
    return gathered
