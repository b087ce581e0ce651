"""Measurements as files: the same rows and names as the API, one measurement a line."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from mlops_portal.kit import sheets
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
    return sheets.lines(tuple(COLUMNS), tuples(rows))


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
