"""Typed prediction records of one version become the columns of a payload group: last checks, privacy, content hash."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import msgspec
from msgspec import UNSET

from monitoring.traffic import grouping, judge, times, values
from monitoring.traffic.grouping import Batch, Moment
from monitoring.traffic.payload import Group
from monitoring.traffic.records import FIELDS, Row, Stage, values_of
from monitoring.traffic.specs import ModelSpec, VersionSpec
from monitoring.traffic.values import Rejected

_NAMES = ("action", "endpoint", "subject_id", "trace_id")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch: its group, if a record is left, and the index and fault of each that is not."""

    group: Group | None
    rejected: list[tuple[int, Rejected]]


def settle(batch: Batch, version: VersionSpec, moment: Moment, *, is_blocked: bool = False) -> Settled:
    """The group of those records that hold; the others with their faults."""
    rejected: list[tuple[int, Rejected]] = []
    batch, ats = _timed(_judged(batch, version, rejected), moment, rejected)
    while batch.rows:
        group, conflicts = grouping.group(batch, ats, version, moment, is_blocked=is_blocked)
        if not conflicts:
            return Settled(group, rejected)
        rejected += [(batch.indexes[i], _conflict(batch.rows[i])) for i in sorted(conflicts)]
        keep = [i not in conflicts for i in range(len(batch.rows))]
        batch, ats = _kept(batch, keep), list(compress(ats, keep))
    return Settled(None, rejected)


def as_item(row: Row, version: VersionSpec) -> dict[str, Any]:
    """The row as an item again, for `judge`: absent fields left out."""
    item = {name: value for name, value in zip(FIELDS, row, strict=True) if value is not None}
    features = zip(version.features, values_of(item["features"]), strict=True)
    item["features"] = {
        feature.name: times.Seconds(value) if feature.dtype == "timestamp" and isinstance(value, float) else value
        for feature, value in features
        if value is not UNSET
    }
    if isinstance(row[2], int):
        item["predicted_at"] = times.Micros(row[2])
    if row[12]:
        item["stages"] = msgspec.to_builtins(row[12])
    return item


def _judged(batch: Batch, version: VersionSpec, rejected: list[tuple[int, Rejected]]) -> Batch:
    """The batch with every suspect row read again by `judge`, which corrects it or says what is wrong."""
    suspects = batch.suspects | _suspects(batch, version)
    if not suspects:
        return batch
    rows: list[Row] = []
    keep = []
    noted = dict(batch.noted)
    for i, row in enumerate(batch.rows):
        keep.append(True)
        if i in suspects:
            try:
                judgement = judge.prediction(as_item(row, version), version)
            except Rejected as error:
                rejected.append((batch.indexes[i], error))
                keep[-1] = False
            else:
                row = judgement.row
                noted[batch.indexes[i]] = noted.get(batch.indexes[i], Counter()) + judgement.surprises
        rows.append(row)
    return _kept(replace(batch, rows=rows, noted=noted), keep)


def _kept(batch: Batch, keep: Sequence[bool]) -> Batch:
    return replace(
        batch,
        rows=list(compress(batch.rows, keep)),
        indexes=list(compress(batch.indexes, keep)),
        suspects=frozenset(),
    )


def _suspects(batch: Batch, version: VersionSpec) -> frozenset[int]:
    """Rows that may break a rule the types cannot express; looked for column by column."""
    if not batch.rows:
        return frozenset()
    columns = batch.columns
    found = _odd_ids(columns["request_id"]) | _odd_scores(columns["scores"], version.model)
    if any(feature.dtype == "timestamp" for feature in version.features):
        found |= _odd_moments(columns["features"], version)
    if not batch.is_screened:
        found |= _odd_texts(columns, version)
    return frozenset(found)


def _odd_ids(ids: Sequence[str]) -> set[int]:
    joined = "".join(ids)
    if joined.isascii() and joined.isprintable() and " " not in joined:
        return set()
    return {i for i, text in enumerate(ids) if not values.REQUEST_ID.fullmatch(text)}


def _odd_scores(column: Sequence[dict[str, float] | None], model: ModelSpec) -> set[int]:
    if column.count(None) == len(column):
        return set()
    return {
        i
        for i, scores in enumerate(column)
        if scores is not None
        and ((model.classes and len(scores) != len(model.classes)) or not judge.is_whole(scores, model.low, model.high))
    }


def _odd_texts(columns: Mapping[str, Sequence[Any]], version: VersionSpec) -> set[int]:
    """Rows with a control character in a name, or U+0000 in any text."""
    found: set[int] = set()
    for name in (*_NAMES, "prediction"):
        found |= _matching(columns[name], values.CONTROL.search)
    for name in ("prediction", "scores", "stages"):
        found |= {i for i, value in enumerate(columns[name]) if value is not None and _has_odd_name(value)}
    found |= _matching(columns["error"], _has_nul)
    if any(feature.dtype in {"text", "category"} for feature in version.features):
        rows = [values_of(features) for features in columns["features"]]
        for j, feature in enumerate(version.features):
            if feature.dtype in {"text", "category"}:
                found |= _matching([row[j] for row in rows], _has_nul)
    return found


def _odd_moments(rows: Sequence[Any], version: VersionSpec) -> set[int]:
    """Rows whose features of type timestamp hold a text that is no time."""
    found: set[int] = set()
    features = [values_of(row) for row in rows]
    for j, feature in enumerate(version.features):
        if feature.dtype == "timestamp":
            texts = [(i, values[j]) for i, values in enumerate(features) if isinstance(values[j], str)]
            parsed = times.parse_column([text for _, text in texts])
            found |= {i for (i, _), at in zip(texts, parsed, strict=True) if isinstance(at, times.BadTime)}
    return found


def _matching(values: Sequence[Any], search: Callable[[str], Any]) -> set[int]:
    if values.count(None) == len(values) or not search("".join(filter(_is_text, values))):
        return set()
    return {i for i, value in enumerate(values) if isinstance(value, str) and search(value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _has_nul(text: str) -> bool:
    return "\x00" in text


def _has_odd_name(value: Any) -> bool:
    """Whether an id, a label or the name of a stage within a value holds a control character."""
    if isinstance(value, str | float):
        return False  # plain texts are looked at together
    names = (one.name if isinstance(one, Stage) else one for one in value)
    return any(map(values.CONTROL.search, names))


def _timed(batch: Batch, moment: Moment, rejected: list[tuple[int, Rejected]]) -> tuple[Batch, list[int]]:
    """The batch without rows whose time will not do, and the times of the others."""
    if not batch.rows:
        return batch, []
    found = times.parse_column(batch.columns["predicted_at"])
    if _are_timely(found, moment):
        return batch, found  # type: ignore[return-value]
    faults = [time_fault(at, row[2], "/predicted_at", moment) for at, row in zip(found, batch.rows, strict=True)]
    if not any(faults):
        return batch, found  # type: ignore[return-value]
    rejected += [(index, fault) for index, fault in zip(batch.indexes, faults, strict=True) if fault]
    keep = [not fault for fault in faults]
    return _kept(batch, keep), list(compress(found, keep))  # type: ignore[arg-type]


def _are_timely(found: Sequence[int | times.BadTime], moment: Moment) -> bool:
    """Whether all are times, not too far ahead and (unless age is no matter) not too old."""
    try:
        is_past = max(found) <= moment.now_us + times.FUTURE_US  # type: ignore[type-var, operator]
        return is_past and (moment.too_old_ok or min(found) >= moment.now_us - times.OLD_US)  # type: ignore[type-var, operator]
    except TypeError:  # a BadTime compares with nothing
        return False


def time_fault(at: int | times.BadTime, written: Any, pointer: str, moment: Moment) -> Rejected | None:
    """What is wrong with a time: unreadable, more than 5 minutes ahead, or over 30 days old."""
    shown = written if isinstance(written, str) else times.written(written)
    if isinstance(at, times.BadTime):
        return Rejected(at.code, at.detail, pointer, received=shown)
    if at > moment.now_us + times.FUTURE_US:
        return Rejected("in_future", "The time lies more than five minutes ahead.", pointer, received=shown)
    if at < moment.now_us - times.OLD_US and not moment.too_old_ok:
        detail = "The time lies over 30 days back; `manage.py backfill` brings history in."
        return Rejected("too_old", detail, pointer, received=shown)
    return None


def _conflict(row: Row) -> Rejected:
    detail = "The same request id stands in this batch with other content; the first one is kept."
    return Rejected("request_id_conflict", detail, "/request_id", received=row[0])
