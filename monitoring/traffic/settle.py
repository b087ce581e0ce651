"""Typed prediction records of one version become the columns of a payload group: last checks, privacy, content hash."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import UNSET

from monitoring.traffic import grouping, judge, times
from monitoring.traffic.grouping import Batch, Moment
from monitoring.traffic.judge import Rejected
from monitoring.traffic.payload import Group
from monitoring.traffic.records import FIELDS, Row
from monitoring.traffic.specs import ModelSpec, VersionSpec

_CONTROL = re.compile(r"[\x00-\x1f]")
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
    features = zip(version.features, item["features"], strict=True)
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
    rows = batch.rows
    found: set[int] = set()
    found |= _odd_ids([row[0] for row in rows])
    found |= _odd_scores(rows, version.model)
    found |= _odd_moments(rows, version)
    if not batch.is_screened:
        found |= _odd_texts(rows, version)
    return frozenset(found)


def _odd_ids(ids: Sequence[str]) -> set[int]:
    joined = "".join(ids)
    if joined.isascii() and joined.isprintable() and " " not in joined:
        return set()
    return {i for i, text in enumerate(ids) if not judge.REQUEST_ID.fullmatch(text)}


def _odd_scores(rows: Sequence[Row], model: ModelSpec) -> set[int]:
    position = FIELDS.index("scores")
    return {
        i
        for i, row in enumerate(rows)
        if row[position] is not None
        and (
            (model.classes and len(row[position]) != len(model.classes))
            or not judge.is_whole(row[position], model.low, model.high)
        )
    }


def _odd_texts(rows: Sequence[Row], version: VersionSpec) -> set[int]:
    """Rows with a control character in a name, or U+0000 in any text."""
    found: set[int] = set()
    for name in _NAMES:
        found |= _matching(list(map(itemgetter(FIELDS.index(name)), rows)), _CONTROL.search)
    found |= {i for i, row in enumerate(rows) if _has_odd_label(row)}
    found |= _matching(list(map(itemgetter(FIELDS.index("error")), rows)), _has_nul)
    for j, feature in enumerate(version.features):
        if feature.dtype in {"text", "category"}:
            found |= _matching([row[3][j] for row in rows], _has_nul)
    return found


def _odd_moments(rows: Sequence[Row], version: VersionSpec) -> set[int]:
    """Rows whose features of type timestamp hold a text that is no time."""
    found: set[int] = set()
    for j, feature in enumerate(version.features):
        if feature.dtype == "timestamp":
            texts = [(i, row[3][j]) for i, row in enumerate(rows) if isinstance(row[3][j], str)]
            parsed = times.parse_column([text for _, text in texts])
            found |= {i for (i, _), at in zip(texts, parsed, strict=True) if isinstance(at, times.BadTime)}
    return found


def _matching(values: Sequence[Any], search: Callable[[str], Any]) -> set[int]:
    joined = "".join(value for value in values if isinstance(value, str))
    if not search(joined):
        return set()
    return {i for i, value in enumerate(values) if isinstance(value, str) and search(value)}


def _has_nul(text: str) -> bool:
    return "\x00" in text


def _has_odd_label(row: Row) -> bool:
    prediction, scores, stages = row[4], row[6], row[12]
    names = [prediction] if isinstance(prediction, str) else prediction if isinstance(prediction, list) else []
    return any(map(_CONTROL.search, chain(names, scores or (), (stage.name for stage in stages or ()))))


def _timed(batch: Batch, moment: Moment, rejected: list[tuple[int, Rejected]]) -> tuple[Batch, list[int]]:
    """The batch without rows whose time will not do, and the times of the others."""
    found = times.parse_column([row[2] for row in batch.rows])
    faults = [time_fault(at, row[2], "/predicted_at", moment) for at, row in zip(found, batch.rows, strict=True)]
    if not any(faults):
        return batch, found  # type: ignore[return-value]
    rejected += [(index, fault) for index, fault in zip(batch.indexes, faults, strict=True) if fault]
    keep = [not fault for fault in faults]
    return _kept(batch, keep), list(compress(found, keep))  # type: ignore[arg-type]


def time_fault(at: int | times.BadTime, written: Any, pointer: str, moment: Moment) -> Rejected | None:
    """What is wrong with a time: unreadable, more than 5 minutes ahead, or over 30 days old."""
    shown = str(written)
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
