"""Kinds of fields a manifest has, and the tables of them: what may be written where, and which column it becomes."""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from registry.manifest.faults import Document, Notes, Path
from registry.models import RegisteredModel
from registry.rules import json_text

KEEP = object()  # null does not empty such a field
WRONG = object()  # what was written will not do, and is noted
UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
GUESSES = 100  # faults up to which the nearest key is looked for
_DURATION = re.compile(r"([0-9]{1,9})([smhd])\Z")
_KINDS = {bool: "true or false", str: "a text", dict: "an object", list: "a list"}


@dataclass(frozen=True, slots=True)
class Reading:
    """The manifest that is being read, and the faults so far."""

    document: Document
    notes: Notes

    def refuse(self, path: Path, detail: str, code: str = "invalid", received: object = None) -> Any:
        """Note one fault; gives WRONG."""
        self.notes.note(self.document, path, detail, code=code, received=received)
        return WRONG

    def wrong_type(self, path: Path, wanted: str, value: Any) -> Any:
        """Note that the value is of another kind than the field takes."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        hint = f'; put it in quotes: "{value}"' if number and wanted == "a text" else ""
        found = "a number" if number else _KINDS.get(type(value), "null")
        return self.refuse(path, f"This takes {wanted}, not {found}{hint}.", "wrong_type", value)


Read = Callable[[Reading, Path, Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a table.

    column: what it becomes, if it is called otherwise inside. empty: what an explicit null makes of it. inside: the
    table of a key that groups others, whose columns stand beside those of the outer table.
    """

    read: Read | None = None
    column: str = ""
    required: bool = False
    empty: Any = KEEP
    inside: "Table | None" = None


Table = Mapping[str, Field]


def read_table(reading: Reading, path: Path, value: Any, table: Table) -> dict[str, Any]:
    """The columns that the object says something about; every fault is noted."""
    if not isinstance(value, dict):
        reading.wrong_type(path, "an object", value)
        return {}
    said: dict[str, Any] = {}
    for key in (key for key in value if key not in table):
        _refuse_unknown(reading, path, key, table)
    for key, one in table.items():
        if key in value:
            _read_field(reading, (*path, key), value[key], one, said)
        elif one.required:
            reading.refuse(path, f"{key} is missing; add it.", "missing_field")
    return said


def columns(table: Table, path: Path = ()) -> dict[str, Path]:
    """Where each column of the table stands in a manifest."""
    found: dict[str, Path] = {}
    for key, one in table.items():
        step = (*path, key)
        found |= columns(one.inside, step) if one.inside is not None else {one.column or key: step}
    return found


def _read_field(reading: Reading, path: Path, value: Any, one: Field, said: dict[str, Any]) -> None:
    if one.inside is not None:
        given = dict.fromkeys(one.inside) if value is None else value
        said |= read_table(reading, path, given, one.inside)
        return
    if value is None:
        if one.empty is KEEP:
            detail = "null cannot empty this; give a value, or leave the key out to leave it alone."
            reading.refuse(path, detail, "wrong_type")
        cleaned = WRONG if one.empty is KEEP else one.empty
    else:
        assert one.read is not None  # noqa: S101 (a field reads or groups)
        cleaned = one.read(reading, path, value)
    if one.required and cleaned == "":
        reading.refuse(path, "It is empty; give it a text.", "missing_field")
    if cleaned is not WRONG:
        said[one.column or str(path[-1])] = cleaned


def _refuse_unknown(reading: Reading, path: Path, key: str, table: Table) -> None:
    near = difflib.get_close_matches(key[:64], table, n=1, cutoff=0.6) if len(reading.notes) < GUESSES else []
    remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(table)}."
    reading.refuse((*path, key), f"There is no key {key[:64]!r} here; {remedy}", "unknown_field")


def verbatim(reading: Reading, path: Path, value: Any) -> Any:
    """A text exactly as it is written."""
    if not isinstance(value, str):
        return reading.wrong_type(path, "a text", value)
    if not json_text(value):
        return reading.refuse(path, "It holds a character that cannot be stored; remove it.", "invalid_character")
    return value


def text(reading: Reading, path: Path, value: Any) -> Any:
    """A text as the inventory keeps it: NFC, trimmed."""
    value = verbatim(reading, path, value)
    return value if value is WRONG else unicodedata.normalize("NFC", value).replace("\r\n", "\n").strip()


def truth(reading: Reading, path: Path, value: Any) -> Any:
    """true or false."""
    return value if isinstance(value, bool) else reading.wrong_type(path, "true or false", value)


def whole(reading: Reading, path: Path, value: Any) -> Any:
    """A whole number that a column can hold."""
    if type(value) is not int:
        return reading.wrong_type(path, "a whole number", value)
    if not 0 <= value < 2**31:
        return reading.refuse(path, f"{str(value)[:32]} is not within 0 to {2**31 - 1}.", received=value)
    return value


def number(reading: Reading, path: Path, value: Any) -> Any:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return reading.wrong_type(path, "a number", value)
    try:
        made = float(value)
    except OverflowError:
        made = math.inf
    return made if math.isfinite(made) else reading.refuse(path, "This number does not fit a double.", "not_finite")


def duration(reading: Reading, path: Path, value: Any) -> Any:
    """Seconds, written as 90s, 15m, 24h or 7d."""
    found = _DURATION.match(value) if isinstance(value, str) else None
    if found is None:
        detail = f"{str(value)[:32]!r} is not a duration; write 90s, 15m, 24h or 7d."
        return reading.refuse(path, detail, received=value)
    return whole(reading, path, int(found[1]) * UNITS_S[found[2]])


def day(reading: Reading, path: Path, value: Any) -> Any:
    """A date such as 2027-03-31."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else reading.wrong_type(path, "a date", value)
    except ValueError:
        return reading.refuse(path, f"{value[:32]!r} is not a date; write 2027-03-31.", received=value)


def texts(reading: Reading, path: Path, value: Any) -> Any:
    """Several texts."""
    if not isinstance(value, list):
        return reading.wrong_type(path, "a list of texts", value)
    read = [verbatim(reading, (*path, i), each) for i, each in enumerate(value)]
    return WRONG if WRONG in read else tuple(read)


def edges(reading: Reading, path: Path, value: Any) -> Any:
    """The edges of privacy buckets, as options of the rule."""
    if not isinstance(value, list):
        return reading.wrong_type(path, "a list of numbers", value)
    read = [number(reading, (*path, i), each) for i, each in enumerate(value)]
    return WRONG if WRONG in read else {"edges": read}


def tags(reading: Reading, path: Path, value: Any) -> Any:
    """Tags by key; null takes one away."""
    if not isinstance(value, dict):
        return reading.wrong_type(path, "an object of keys and texts", value)
    read = {
        key: None if each is None else verbatim(reading, (*path, key), each)
        for key, each in value.items()
        if verbatim(reading, (*path, key), key) is not WRONG
    }
    return WRONG if WRONG in read.values() else read


def anything(reading: Reading, path: Path, value: Any) -> Any:
    """Read later, by a table of its own."""
    return value


def described_output(reading: Reading, path: Path, value: Any) -> Any:
    """What a model answers; the rules between its parts are those of the inventory."""
    before = len(reading.notes)
    read = read_table(reading, path, value, OUTPUT)
    return WRONG if len(reading.notes) > before else read


def bounds(reading: Reading, path: Path, value: Any) -> Any:
    """A low and a high end."""
    if not isinstance(value, list):
        return reading.wrong_type(path, "a list of two numbers", value)
    read = [number(reading, (*path, i), each) for i, each in enumerate(value)]
    return WRONG if WRONG in read else [int(each) if each.is_integer() else each for each in read]


def classes(reading: Reading, path: Path, value: Any) -> Any:
    """Labels, as a list."""
    read = texts(reading, path, value)
    return read if read is WRONG else list(read)


OUTPUT: Table = {
    "score": Field(text),
    "classes": Field(classes, empty=[]),
    "positive": Field(verbatim, empty=""),
    "range": Field(bounds, empty=None),
    "unit": Field(verbatim, empty=None),
}
FEATURE: Table = {
    "name": Field(verbatim, required=True),
    "kind": Field(text),
    "dtype": Field(text),
    "segment": Field(truth),
    "required": Field(truth),
    "source": Field(text, empty=None),
    "source_field": Field(text, empty=""),
    "min": Field(number, "allowed_min", empty=None),
    "max": Field(number, "allowed_max", empty=None),
    "categories": Field(texts, empty=()),
    "abs_tolerance": Field(number),
    "rel_tolerance": Field(number),
    "privacy": Field(text, empty=None),
    "edges": Field(edges, "privacy_options", empty={}),
    "importance": Field(number, empty=None),
    "description": Field(text, empty=""),
}
CONSUMER: Table = {
    "name": Field(text, required=True),
    "kind": Field(text),
    "output": Field(text, empty=""),
    "use": Field(text),
    "criticality": Field(text),
    "contact": Field(text, empty=""),
}
ENDPOINT: Table = {
    "slug": Field(text, required=True),
    "environment": Field(text),
    "kind": Field(text),
    "location": Field(text, empty=""),
    "alias": Field(text, empty=""),
    "slo": Field(
        inside={
            "p95_ms": Field(whole, "slo_p95_ms", empty=None),
            "p99_ms": Field(whole, "slo_p99_ms", empty=None),
            "timeout_ms": Field(whole, "timeout_ms", empty=None),
        }
    ),
    "rate_limit_rps": Field(whole, empty=None),
    "routing_unit": Field(text, empty="request_id"),
    "consumers": Field(anything),
}
MODEL: Table = {
    "slug": Field(text, required=True),
    "name": Field(text),
    "owner": Field(text, empty=None),
    "deputy": Field(text, empty=None),
    "purpose": Field(text, empty=""),
    "intended_use": Field(text, empty=""),
    "limitations": Field(text, empty=""),
    "description": Field(verbatim, empty=""),
    "risk": Field(
        inside={
            "level": Field(text, "risk", empty=RegisteredModel.Risk.UNRATED.value),
            "reason": Field(text, "risk_reason", empty=""),
        }
    ),
    "review_due_on": Field(day, empty=None),
    "task": Field(text),
    "output": Field(described_output, empty={}),
    "tags": Field(tags),
    "features": Field(anything, empty=[]),
    "endpoints": Field(anything),
}
SOURCE: Table = {
    "slug": Field(text, required=True),
    "name": Field(text),
    "kind": Field(text),
    "latency": Field(text, empty=""),
    "expected_lag": Field(duration, "expected_lag_s", empty=None),
    "stability": Field(text, empty=""),
    "volatility": Field(text, empty=""),
    "contract_url": Field(text, empty=""),
    "schema_version": Field(text, empty=""),
    "description": Field(text, empty=""),
    "fed_by": Field(text, empty=None),
}
MANIFEST: Table = {
    "portal": Field(text, required=True),
    "name": Field(text, empty=""),
    "team": Field(text, required=True),
    "sources": Field(anything),
    "models": Field(anything),
}
TABLES: Mapping[str, Table] = {"source": SOURCE, "model": MODEL, "endpoint": ENDPOINT, "consumer": CONSUMER}
