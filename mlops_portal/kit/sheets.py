"""CSV that a spreadsheet opens without running anything in it."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

# What a spreadsheet takes for a formula, after spaces and quotes, also in full-width forms.
_FORMULA = re.compile("[\\s\"']*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


def document(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV document with a header line (RFC 4180)."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return lines.getvalue()


def cell(value: object) -> str:
    """The text of a cell; one that would be run as a formula gets a leading apostrophe.

    >>> cell("=1+1"), cell("-0.5"), cell(None), cell(" @x")
    ("'=1+1", '-0.5', '', "' @x")
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.match(text) else text
