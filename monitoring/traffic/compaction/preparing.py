"""Predictions of a batch become published files with their profiles; nothing of it counts until it is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_portal.kit import wiring
from mlops_portal.kit.faults import fault
from monitoring.models.ingest_batch import Kind
from monitoring.stats.profile import dumps
from monitoring.traffic import chunks, dedupe, erasures, frames, ledger
from monitoring.traffic.batches import Batch, Conflict, Prepared
from monitoring.traffic.dedupe import Judged
from monitoring.traffic.ledger import Draft, Surprises
from monitoring.traffic.specs import ModelSpec


@dataclass(frozen=True, slots=True)
class _Target:
    """The version that drafts are for, and the grid it is counted on."""

    version_id: UUID
    schema: pa.Schema
    grid_id: UUID | None
    model: ModelSpec


def predictions(batch: Batch, model: ModelSpec) -> Prepared:
    """Drop what is stored already and publish the rest, one file per version, UTC day, shadow flag and hash key."""
    joined = {version_id: frames.joined(tables) for version_id, tables in batch.tables.items() if version_id}
    days = {frames.as_date(day) for table in joined.values() for day in np.unique(frames.days_of(table))}
    prepared = Prepared.of(len(batch.sources), ledger.see(joined.keys(), days))
    forgotten = erasures.refs_of(model.team_id)  # read after the rows were taken: see `erasures`
    new: dict[UUID, pa.Table] = {}
    for version_id in sorted(joined):
        new[version_id] = _new(version_id, joined.pop(version_id), prepared, forgotten)
    fault("compact.deduped")
    columns = frames.columns_of(new)
    for version_id in sorted(new):
        schema = frames.prediction_schema(columns[version_id])
        surprises = batch.surprises_of(version_id)
        grid_id = prepared.grid_ids[version_id] = chunks.grids.active(version_id)
        prepared.drafts += _drafts(_Target(version_id, schema, grid_id, model), new.pop(version_id), surprises)
    return prepared


def _new(version_id: UUID, table: pa.Table, prepared: Prepared, forgotten: Sequence[str]) -> pa.Table:
    """The rows that are new, in their order; the others are counted."""
    judged = dedupe.predictions(version_id, table)
    if forgotten:
        judged = _without(forgotten, table, judged, prepared)
    if judged.new.all():
        return table
    sources = table[frames.ROW].to_numpy()
    sources_count = len(prepared.duplicates)
    prepared.duplicates += np.bincount(sources[judged.duplicate], minlength=sources_count)
    prepared.conflicts += np.bincount(sources[judged.conflict], minlength=sources_count)
    for row in np.flatnonzero(judged.conflict):
        position = int(row - np.searchsorted(sources, sources[row]))
        prepared.conflicting.append(Conflict(int(sources[row]), position, table["request_id"][int(row)].as_py()))
    return table.filter(pa.array(judged.new))


def _without(forgotten: Sequence[str], table: pa.Table, judged: Judged, prepared: Prepared) -> Judged:
    """The judgement without the rows of subjects that were forgotten, which are counted as such."""
    gone = pc.is_in(table["subject_ref"], value_set=pa.array(forgotten, pa.string())).to_numpy()
    sources = table[frames.ROW].to_numpy()
    prepared.erased += np.bincount(sources[gone], minlength=len(prepared.erased))
    return Judged(judged.new & ~gone, judged.duplicate & ~gone, judged.conflict & ~gone)


def _drafts(target: _Target, table: pa.Table, surprises: Surprises) -> list[Draft]:
    """Publish each part of the rows. Surprises are counted per batch, not per row: they stand with its first part."""
    drafts: list[Draft] = []
    for day, shadow, kid, part in frames.split(table) if len(table) else ():
        frame = frames.finished(part, target.schema, "predicted_at")
        folder = chunks.folder(target.model.id, target.version_id, day)
        draft = Draft(
            chunks.write([frame], folder, order="predicted_at"),
            Kind.PREDICTION,
            target.version_id,
            day,
            shadow=shadow,
            kid=kid,
            surprises={} if drafts else surprises,
            ids=frames.hashes(frame).astype("<u8", copy=False).tobytes(),
            **_profiled(target, frame),
        )
        drafts.append(draft)
    return drafts


def _profiled(target: _Target, frame: pa.Table) -> dict[str, Any]:
    costs = chunks.costs_of(frame)
    grid_id = target.grid_id
    profile = chunks.profile_of(frame, chunks.grids.load(grid_id), target.model, costs) if grid_id else None
    return {
        "profiles": {grid_id: dumps(profile)} if profile else {},
        "hours": chunks.hours_of(frame, costs),
        "frame": frame if wiring.functions("CHUNK_STEPS") else None,
    }
