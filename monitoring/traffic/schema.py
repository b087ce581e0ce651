"""Bodies become typed records. Structure rejects the item, syntax rejects the document, surprise is stored and counted.

The common case, a whole body of clean records of one version, is decoded by one compiled decoder. Whatever does not fit
is taken apart item by item: by version, by the plain types, and at last by `judge`, which explains.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import astuple

from mlops_portal.kit.errors import Invalid, Malformed, WrongMedia
from mlops_portal.kit.wiring import late
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import judge, limits, records
from monitoring.traffic.grouping import Batch
from monitoring.traffic.reading import Decoded, Reading, Reject, start
from monitoring.traffic.records import Row
from monitoring.traffic.specs import Target
from monitoring.traffic.values import Rejected
from registry.models import RegisteredModel

__all__ = [
    "JSON",
    "NDJSON",
    "PARQUET",
    "TYPES",
    "Decoded",
    "Reading",
    "Reject",
    "decode",
    "peek_version",
    "read",
    "start",
]

JSON = "application/json"
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
TYPES = (JSON, NDJSON, PARQUET)

_PEEK = re.compile(rb'"version"\s*:\s*"(\d{1,10})"')
_PEEKED_BYTES = 16 * 1024
_DIGITS = 400  # of a whole number that can still be a double
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode(
    body: bytes,
    content_type: str,
    kind: str,
    model: RegisteredModel,
    now: datetime,
    *,
    too_old_ok: bool = False,
    targets: Mapping[str, Target] | None = None,
) -> Decoded:
    """The records of a body, and the items that are wrong, each with its fault.

    content_type: one of TYPES, without parameters. targets: versions the caller has loaded already.
    Raises Malformed if the document cannot be parsed, TooLarge over a limit, WrongMedia for another type, Invalid for a
    batch without items or a file that is damaged.
    """
    return read(body, content_type, kind, start(model, now, too_old_ok=too_old_ok, targets=targets))


def read(body: bytes, content_type: str, kind: str, reading: Reading) -> Decoded:
    """As `decode`, for a reading that was started before."""
    if content_type == PARQUET:
        return late("monitoring.traffic.parquet_in").decode(body, kind, reading)  # type: ignore[no-any-return]
    if content_type not in TYPES:
        raise WrongMedia(f"Send {JSON}, {NDJSON} or {PARQUET}.")
    if not body:
        raise Malformed("The body is empty.", code="invalid_json")
    is_lines = content_type == NDJSON
    received = _whole(body, kind, reading, is_lines=is_lines)
    if received is None:
        received = _lines(body, kind, reading) if is_lines else _items(body, kind, reading)
    return reading.decoded(kind, received)


def peek_version(body: bytes) -> str | None:
    """The version that the first record of a JSON body names, as far as one can tell without decoding."""
    match = _PEEK.search(body, 0, _PEEKED_BYTES)
    return match[1].decode() if match else None


def _whole(body: bytes, kind: str, reading: Reading, *, is_lines: bool) -> int | None:
    """The number of records, if the whole body could be decoded at once, else None and nothing is done."""
    try:
        if kind == Kind.OUTCOME:
            return _whole_outcomes(body, reading, is_lines=is_lines)
        return _whole_predictions(body, reading, is_lines=is_lines)
    except _BROKEN:
        return None


def _whole_predictions(body: bytes, reading: Reading, *, is_lines: bool) -> int | None:
    label = peek_version(body)
    target = reading.target(label) if label else None
    if target is None or not records.is_compilable(target.spec):
        return None
    found = records.clean_lines(target.spec)(body) if is_lines else records.clean_body(target.spec)(body).items
    if is_lines and len(found) != _line_count(body):
        return None
    _require_items(len(found))
    batch = Batch(list(map(astuple, found)), range(len(found)), is_clean=True, is_screened=b"\\" not in body)
    reading.add(batch, target, lambda index: msgspec.to_builtins(found[index]))
    return len(found)


def _whole_outcomes(body: bytes, reading: Reading, *, is_lines: bool) -> int | None:
    found = records.outcome.decode_lines(body) if is_lines else records.outcome_body(body).items
    if is_lines and len(found) != _line_count(body):
        return None
    _require_items(len(found))
    reading.add_outcomes(list(map(astuple, found)), range(len(found)), lambda i: msgspec.to_builtins(found[i]))
    return len(found)


def _line_count(body: bytes) -> int:
    return body.count(b"\n") + (not body.endswith(b"\n"))


def _require_items(count: int) -> None:
    limits.require_count(count)
    if not count:
        raise Invalid("The batch holds no items.", code="empty_batch")


def _items(body: bytes, kind: str, reading: Reading) -> int:
    """The slow way of a JSON body; raises Malformed if it is none."""
    _require_text(body)
    limits.require_shallow(body, limits.DEPTH + 2)
    try:
        raws = records.raw_body(body).items
    except _BROKEN as error:
        raise _malformed(error) from error
    _require_items(len(raws))
    _singly(list(enumerate(raws)), kind, reading)
    return len(raws)


def _malformed(error: Exception) -> Malformed:
    text = str(error)
    if isinstance(error, msgspec.ValidationError) and "unknown field" in text:
        return Malformed('The body holds "items" and nothing else.', code="unknown_field")
    if isinstance(error, msgspec.ValidationError):
        return Malformed('The body has to be a JSON object {"items": […]}.', code="invalid_json")
    return Malformed("The body is not JSON in UTF-8; NaN and Infinity are not JSON.", code="invalid_json")


def _require_text(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8 text.", code="invalid_json") from error


def _lines(body: bytes, kind: str, reading: Reading) -> int:
    """The slow way of NDJSON: a line that is not JSON is one rejected item."""
    limits.require_shallow(body, limits.DEPTH)
    lines = [line for line in body.split(b"\n") if line.strip()]
    _require_items(len(lines))
    good = []
    for i, line in enumerate(lines):
        try:
            line.decode()
            good.append((i, msgspec.json.decode(line, type=msgspec.Raw)))
        except _BROKEN:
            reading.reject(i, Rejected("invalid_json", "The line is not JSON in UTF-8."), None)
    _singly(good, kind, reading)
    return len(lines)


def _singly(raws: Sequence[tuple[int, msgspec.Raw]], kind: str, reading: Reading) -> None:
    fitting = []
    for i, raw in raws:
        if memoryview(raw).nbytes > limits.ITEM_BYTES:
            detail = f"An item may hold {limits.ITEM_BYTES // 1024} KiB."
            reading.reject(i, Rejected("too_large", detail), None)
        else:
            fitting.append((i, raw))
    if kind == Kind.OUTCOME:
        _outcomes_singly(fitting, reading)
    else:
        _predictions_singly(fitting, reading)


def _predictions_singly(raws: Sequence[tuple[int, msgspec.Raw]], reading: Reading) -> None:
    by_label: dict[str, list[tuple[int, msgspec.Raw]]] = {}
    for i, raw in raws:
        try:
            by_label.setdefault(_label(raw), []).append((i, raw))
        except Rejected as error:
            reading.reject(i, error, plain(raw))
    reading.look_up(by_label)
    for label, members in by_label.items():
        target = reading.targets.get(label)
        if target is None:
            for i, raw in members:
                reading.reject(i, unknown_version(label), plain(raw), label[:64] if label.isprintable() else "")
        else:
            _of_version(members, target, reading)


def unknown_version(label: str) -> Rejected:
    """The fault of a record whose version is not registered."""
    return Rejected("unknown_version", "No such version is registered.", "/version", received=label)


def _label(raw: msgspec.Raw) -> str:
    """The version an item names; raises Rejected if it is no object, or names none as text."""
    try:
        label = records.versioned(raw).version
    except msgspec.ValidationError:
        label = plain(raw).get("version") if isinstance(plain(raw), dict) else None
        if label is None:
            raise Rejected("wrong_type", "An item is a JSON object.") from None
    if label is None:
        raise Rejected("missing_field", "version is missing.", "/version")
    if not isinstance(label, str):
        raise Rejected("wrong_type", "version is the number of the version as a text.", "/version", received=label)
    if not label.isprintable() and any(mark < " " for mark in label):
        raise Rejected("invalid_character", "version holds a control character.", "/version")
    return label


def _of_version(members: Sequence[tuple[int, msgspec.Raw]], target: Target, reading: Reading) -> None:
    batch = Batch([], [], is_clean=False)
    rows: list[Row] = []
    indexes: list[int] = []
    take = records.plain_item(target.spec) if records.is_compilable(target.spec) else _never
    for i, raw in members:
        try:
            row = astuple(take(raw))
        except _BROKEN:
            item = plain(raw)
            try:
                judgement = judge.prediction(item, target.spec)
            except Rejected as error:
                reading.reject(i, error, item, target.spec.label)
                continue
            row = judgement.row
            batch.noted[i] = judgement.surprises
        rows.append(row)
        indexes.append(i)
    batch.rows, batch.indexes = rows, indexes
    by_index = dict(members)
    reading.add(batch, target, lambda index: plain(by_index[index]))


def _never(raw: msgspec.Raw | bytes) -> Any:
    raise msgspec.ValidationError


def _outcomes_singly(raws: Sequence[tuple[int, msgspec.Raw]], reading: Reading) -> None:
    rows: list[Row] = []
    indexes: list[int] = []
    for i, raw in raws:
        try:
            row = astuple(records.outcome.decode(raw))
        except _BROKEN:
            try:
                row = judge.outcome(plain(raw), reading.model).row
            except Rejected as error:
                reading.reject(i, error, plain(raw))
                continue
        rows.append(row)
        indexes.append(i)
    by_index = dict(raws)
    reading.add_outcomes(rows, indexes, lambda index: plain(by_index[index]))


def plain(raw: msgspec.Raw) -> Any:
    """The plain Python value of a piece of JSON; numbers beyond all doubles become infinite."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return json.loads(bytes(raw), parse_int=_whole_number, parse_float=float)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < _DIGITS else math.inf
