"""CSV that a spreadsheet opens without running anything in it."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

# What a spreadsheet takes for a formula, after spaces and quotes, also in full-width forms.
_FORMULA = re.compile("[\\s\"']*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


def document(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV document with a header line (RFC 4180)."""
    return "".join(lines(columns, rows))


def lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a CSV document one by one, header first."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: object) -> str:
    """The text of a cell; one that would be run as a formula gets a leading apostrophe.

    >>> cell("=1+1"), cell("-0.5"), cell(None), cell(" @x")
    ("'=1+1", '-0.5', '', "' @x")
    """
    if value is None:
        return ""
    text = plain(value)
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.match(text) else text


def plain(value: object) -> str:
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
