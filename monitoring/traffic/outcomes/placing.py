"""Outcomes find their predictions: each lies in a chunk of the prediction's version and day, or waits, parked."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_portal.kit.faults import fault
from monitoring.models import Chunk
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import chunks, dedupe, frames, ledger, lookup
from monitoring.traffic.batches import Batch, Prepared
from monitoring.traffic.index import HashIndex
from monitoring.traffic.ledger import Day, Draft
from monitoring.traffic.specs import ModelSpec

RECENT_DAYS = 3
Mask = NDArray[np.bool_]


def outcomes(batch: Batch, model: ModelSpec) -> Prepared:
    """Publish the outcomes of a batch: with each version that scored the request, or parked if none has so far.

    A prediction is sought on the day the sender names and its neighbours; without such a hint on the last three days
    before the outcome came, and before it was observed.
    """
    table = frames.joined(batch.tables[None])
    predictions = Chunk.objects.known().filter(model=model.id, kind=Kind.PREDICTION, day__in=_near_days(table))
    places = find(table, predictions)
    prepared = Prepared.of(len(batch.sources), see(places))
    stored = np.zeros(len(table), dtype=bool)
    for day, rows in places.items():
        stored |= add(prepared, table, rows, day, model.id)
    waiting = _park(prepared, table, ~anywhere(places, len(table)), model.id)
    fault("compact.deduped")
    sources = table[frames.ROW].to_numpy()
    prepared.parked += np.bincount(sources[waiting], minlength=len(batch.sources))
    prepared.duplicates += np.bincount(sources[~stored & ~waiting], minlength=len(batch.sources))
    if prepared.drafts:
        prepared.drafts[0] = ledger.surprised(prepared.drafts[0], batch.surprises_of(None))
    return prepared


def find(table: pa.Table, predictions: Iterable[Chunk], *, anywhere_else: bool = False) -> dict[Day, Mask]:
    """The outcomes whose request each day of each version scored, by version and day.

    An outcome with a hint belongs to that day or a neighbour. anywhere_else: unless it is found there.
    """
    sought = HashIndex(frames.hashes(table))
    place = sought.find(frames.hashes(table))
    hints = frames.micros(table["predicted_at"])
    hinted_days = hints // frames.DAY_US
    near: dict[Day, Mask] = {}
    far: dict[Day, Mask] = {}
    for match in lookup.matches(predictions, sought):
        version_id, on = match.chunk.version_id, match.chunk.day
        if version_id is None or on is None:
            continue  # parked outcomes are no predictions
        day = (version_id, on)
        named = np.zeros(len(table), dtype=bool)
        named[match.wanted] = True
        rows = named[place]
        in_reach = (hints == 0) | (np.abs(hinted_days - frames.as_day(on)) <= 1)
        _note(near, day, rows & in_reach)
        _note(far, day, rows & ~in_reach)
    if anywhere_else:
        settled = anywhere(near, len(table))
        for day, rows in far.items():
            _note(near, day, rows & ~settled)
    return dict(sorted(near.items()))


def anywhere(places: dict[Day, Mask], rows: int) -> Mask:
    """The outcomes that have a place."""
    return np.asarray(np.logical_or.reduce([np.zeros(rows, dtype=bool), *places.values()]))


def see(places: Iterable[Day]) -> ledger.Seen:
    """The generations of the days that outcomes are placed on."""
    days = list(places)
    return ledger.see({version_id for version_id, _ in days}, {day for _, day in days})


def add(prepared: Prepared, table: pa.Table, rows: Mask, day: Day, model_id: UUID) -> Mask:
    """Publish those of the rows that the day does not hold yet; returns which of the table's rows they are."""
    version_id, on = day
    mine = np.flatnonzero(rows)
    part = table.take(pa.array(mine))
    held = Chunk.objects.live().filter(version=version_id, day=on, kind=Kind.OUTCOME)
    new = dedupe.outcomes(part, held).new
    stored = np.zeros(len(table), dtype=bool)
    stored[mine[new]] = True
    if new.any():
        frame = _frame(part.filter(pa.array(new)))
        file = chunks.write([frame], chunks.folder(model_id, version_id, on), order="observed_at")
        prepared.drafts.append(Draft(file, Kind.OUTCOME, version_id, on))
        _add_signals(prepared.signals.setdefault(version_id, {}), frame)
    return stored


def park(table: pa.Table, model_id: UUID, *, since: datetime | None = None) -> Draft:
    """Publish outcomes that wait for their prediction. since: when they began to wait, if not now."""
    file = chunks.write([_frame(table)], chunks.folder(model_id, None, None), order="observed_at")
    return Draft(file, Kind.OUTCOME, created_at=since)


def _park(prepared: Prepared, table: pa.Table, rows: Mask, model_id: UUID) -> Mask:
    """Park those of the rows that do not wait already; returns which of the table's rows they are."""
    waiting = np.zeros(len(table), dtype=bool)
    if rows.any():
        mine = np.flatnonzero(rows)
        part = table.take(pa.array(mine))
        new = dedupe.outcomes(part, Chunk.objects.filter(model=model_id, state=Chunk.State.PARKED)).new
        waiting[mine[new]] = True
        if new.any():
            prepared.drafts.append(park(part.filter(pa.array(new)), model_id))
    return waiting


def _frame(table: pa.Table) -> pa.Table:
    return frames.finished(table, frames.OUTCOME_SCHEMA, "observed_at")


def _near_days(table: pa.Table) -> set[date]:
    hints = frames.micros(table["predicted_at"])
    hinted = np.unique(hints[hints > 0] // frames.DAY_US)
    found = {int(day) + n for day in hinted for n in (-1, 0, 1)}
    for name in ("received_at", "observed_at"):
        recent = np.unique(frames.micros(table[name])[hints == 0] // frames.DAY_US)
        found |= {int(day) - n for day in recent for n in range(RECENT_DAYS)}
    return {frames.as_date(day) for day in found}


def _note(places: dict[Day, Mask], day: Day, rows: Mask) -> None:
    if rows.any():
        places[day] = places[day] | rows if day in places else rows


def _add_signals(signals: dict[str, tuple[str, int]], frame: pa.Table) -> None:
    kinds = frames.coded(frame["kind"])
    counts = np.bincount(kinds.codes, minlength=len(kinds.values))
    for code, kind in enumerate(kinds.values):
        if counts[code]:
            type_name, n = signals.get(kind, (_type(frame, int(np.argmax(kinds.codes == code))), 0))
            signals[kind] = type_name, n + int(counts[code])


def _type(frame: pa.Table, row: int) -> str:
    """The type of a value: a truth value is kept both as number and as text."""
    number, text = frame["value_number"][row].as_py(), frame["value_text"][row].as_py()
    if number is None:
        return "text"
    return "boolean" if text in {"true", "false"} else "number"
