"""Typed outcome records become the columns of a payload group: kinds, values, times, content hash."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any
from uuid import UUID

import msgspec

from monitoring.models import VersionTraffic
from monitoring.traffic import hashes, judge, limits, surprises, times
from monitoring.traffic.grouping import Moment
from monitoring.traffic.payload import Group
from monitoring.traffic.records import OUTCOME_FIELDS, Row
from monitoring.traffic.settle import Settled, time_fault
from monitoring.traffic.specs import ModelSpec, Task
from monitoring.traffic.values import Rejected

TRUTH = "truth"
RESERVED = frozenset({"review"})
PROXIES = 20
_json = msgspec.json.Encoder(order="sorted").encode
_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Signals:
    """Which proxy signals a model has, with their types; a type is fixed by the first value."""

    types: Mapping[str, str] = field(default_factory=dict)
    may_review: bool = False


def known(model_id: UUID) -> Signals:
    """The signals the model's versions have had so far."""
    types: dict[str, str] = {}
    for signals in VersionTraffic.objects.filter(version__model=model_id).values_list("signals", flat=True):
        types |= {kind: str(held["type"]) for kind, held in signals.items()}
    return Signals(types)


def settle(
    rows: Sequence[Row], indexes: Sequence[int], model: ModelSpec, load: Callable[[], Signals], moment: Moment
) -> Settled:
    """The group of those outcomes that hold; the others with their faults. Signals are loaded if a proxy comes."""
    faults: list[Rejected | None] = [None] * len(rows)
    rows = [_judged(row, i, model, faults) for i, row in enumerate(rows)]
    if any(row[1] != TRUTH for row in rows):
        _check_kinds(rows, load(), faults)
    observed = times.parse_column([row[3] for row in rows])
    hints = _hints(rows, moment, faults)
    for i, at in enumerate(observed):
        faults[i] = faults[i] or time_fault(at, rows[i][3], "/observed_at", moment)
    rejected = [(index, fault) for index, fault in zip(indexes, faults, strict=True) if fault]
    keep = [fault is None for fault in faults]
    if not any(keep):
        return Settled(None, rejected)
    rows, times_kept, hints_kept = (
        list(compress(rows, keep)),
        list(compress(observed, keep)),
        list(compress(hints, keep)),
    )
    return Settled(_grouped(rows, times_kept, hints_kept, moment), rejected)  # type: ignore[arg-type]


def type_of(value: Any) -> str:
    """The type a signal's value fixes: boolean, number or text."""
    return "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"


def _judged(row: Row, i: int, model: ModelSpec, faults: list[Rejected | None]) -> Row:
    """The row with its value as it is kept; read again by `judge` unless it is plainly right."""
    if _is_plain(row, model):
        return row
    item = dict(zip(OUTCOME_FIELDS, row, strict=True))
    for name in ("observed_at", "predicted_at"):
        if isinstance(item[name], int):
            item[name] = times.Micros(item[name])
    try:
        return judge.outcome(item, model).row
    except Rejected as error:
        faults[i] = error
        return row


def _is_plain(row: Row, model: ModelSpec) -> bool:
    value = row[2]
    if not _VISIBLE.fullmatch(row[0]) or (isinstance(value, str) and "\x00" in value):
        return False
    if row[1] != TRUTH:
        return isinstance(value, bool | float | str)
    if model.task == Task.REGRESSION:
        return type(value) is float
    return isinstance(value, str) and value in model.classes


def _check_kinds(rows: Sequence[Row], signals: Signals, faults: list[Rejected | None]) -> None:
    """Note a fault for reserved kinds, for one proxy too many, and for a value of another type than the first."""
    types = {kind: held for kind, held in signals.types.items() if kind != TRUTH and kind not in RESERVED}
    for i, row in enumerate(rows):
        kind = row[1]
        if faults[i] or kind == TRUTH or (kind in RESERVED and signals.may_review):
            continue
        if kind in RESERVED:
            faults[i] = Rejected("bad_kind", f"The kind {kind} is reserved.", "/kind", received=kind)
        elif kind not in types and len(types) >= PROXIES:
            faults[i] = Rejected("bad_kind", f"A model has at most {PROXIES} proxy signals.", "/kind", received=kind)
        elif (held := types.setdefault(kind, type_of(row[2]))) != type_of(row[2]):
            faults[i] = Rejected("bad_kind", f"The values of {kind} are of type {held}.", "/value")


def _hints(rows: Sequence[Row], moment: Moment, faults: list[Rejected | None]) -> list[int | None]:
    """The times of the predictions, where senders give them; how old they are does not matter."""
    parsed = iter(times.parse_column([row[4] for row in rows if row[4] is not None]))
    hints: list[int | None] = []
    for i, row in enumerate(rows):
        at = None if row[4] is None else next(parsed)
        if isinstance(at, times.BadTime) or (at is not None and at > moment.now_us + times.FUTURE_US):
            faults[i] = faults[i] or time_fault(at, row[4], "/predicted_at", moment)
            at = None
        hints.append(at)
    return hints


def _grouped(rows: Sequence[Row], observed: list[int], hints: list[int | None], moment: Moment) -> Group:
    ids, kinds, values, _, _ = map(list, zip(*rows, strict=True))
    numbers, texts = [_number(value) for value in values], [_text(value) for value in values]
    columns = {
        "request_id": ids,
        "kind": kinds,
        "value_number": numbers,
        "value_text": texts,
        "observed_at": observed,
    }
    columns["content_hash"] = hashes.content_hashes("outcome", list(columns.values()))
    columns |= {"predicted_at": hints, "received_at": [moment.now_us] * len(rows)}
    counted: surprises.Surprises = Counter()
    counted["time_order", ""] = sum(hint is not None and at < hint for at, hint in zip(observed, hints, strict=True))
    counted["long_value", ""] = sum(isinstance(value, str) and len(value) > limits.TEXT_LENGTH for value in values)
    return Group("", len(rows), columns, {}, surprises.nested(+counted), moment.kid)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, bool | int | float) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(surprises.shortened([value])[0])
    return str(_json(value), "utf-8") if isinstance(value, dict) else None
