"""Telling new records from repeated and from changed ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring.models import Chunk
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import chunks, frames, lookup
from monitoring.traffic.chunks import DamagedChunk
from monitoring.traffic.index import HashIndex

DAY = timedelta(days=1)
Mask = NDArray[np.bool_]
Known = dict[str, list[tuple[int, int]]]  # request id -> (day, content hash) of what is stored
Lost = dict[int, list[int]]  # place of an id hash -> days of damaged files that hold it


@dataclass(frozen=True, slots=True)
class Judged:
    """For each row of a frame whether it is new, a repetition, or another content under a known id."""

    new: Mask
    duplicate: Mask
    conflict: Mask


def predictions(version_id: UUID, table: pa.Table) -> Judged:
    """Judge predictions by version and request id, against their day and its two neighbours; the first one stays.

    A known id whose first record lies in a damaged file, so that nobody can compare them, is a repetition.
    """
    touched = {frames.as_date(day) for day in np.unique(frames.days_of(table))}
    around = {day + n * DAY for day in touched for n in (-1, 0, 1)}
    stored = Chunk.objects.known().filter(version=version_id, kind=Kind.PREDICTION, day__in=around)
    return _judged(table, frames.days_of(table), stored, has_conflicts=True)


def outcomes(table: pa.Table, stored: Iterable[Chunk]) -> Judged:
    """Judge outcomes against these chunks: equal content is a repetition, anything else a correction and new."""
    return _judged(table, np.zeros(len(table), dtype=np.int64), stored, has_conflicts=False)


def _judged(table: pa.Table, days: NDArray[np.int64], stored: Iterable[Chunk], *, has_conflicts: bool) -> Judged:
    ids, content = frames.hashes(table), frames.hashes(table, "content_hash")
    index = HashIndex(ids)
    place = index.find(ids)  # of equal ids the last
    found = list(lookup.matches(stored, index))
    suspect = np.zeros(len(table), dtype=bool)
    suspect[place[place != np.arange(len(table))]] = True
    for match in found:
        suspect[match.wanted] = True
    new, duplicate, conflict = (np.full(len(table), value) for value in (True, False, False))
    rows = np.flatnonzero(suspect[place])
    known, lost = _known(found, by_day=has_conflicts)
    names = table["request_id"].take(pa.array(rows)).to_pylist() if len(rows) else []
    for row, name in zip(rows, names, strict=True):
        held = known.setdefault(name, [])
        near = [digest for day, digest in held if abs(day - days[row]) <= 1]
        if content[row] in near:
            duplicate[row], new[row] = True, False
        elif near and has_conflicts:
            conflict[row], new[row] = True, False
        elif has_conflicts and any(abs(day - days[row]) <= 1 for day in lost.get(int(place[row]), ())):
            duplicate[row], new[row] = True, False
        else:
            held.append((days[row], content[row]))
    return Judged(new, duplicate, conflict)


def _known(found: Sequence[lookup.Match], *, by_day: bool) -> tuple[Known, Lost]:
    """The full ids and contents of stored rows that matched by hash, and the matches of which the hash is all."""
    known: Known = {}
    lost: Lost = {}
    for match in found:
        day = frames.as_day(match.chunk.day) if by_day and match.chunk.day else 0
        rows = _read(match)
        if rows is None:
            for wanted in match.wanted:
                lost.setdefault(int(wanted), []).append(day)
            continue
        contents = frames.hashes(rows, "content_hash")
        for name, digest in zip(rows["request_id"].to_pylist(), contents, strict=True):
            known.setdefault(name, []).append((day, digest))
    return known, lost


def _read(match: lookup.Match) -> pa.Table | None:
    if match.rows is None:
        return None
    try:
        table = chunks.read(match.chunk, ["request_id", "content_hash"])
    except DamagedChunk:
        return None
    return table.take(pa.array(match.rows))
