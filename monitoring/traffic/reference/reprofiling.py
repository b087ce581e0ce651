"""Counting stored traffic on another grid, and switching a version to it when everything is counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from mlops_portal.jobs import queue
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit.faults import fault
from monitoring.models import Chunk, ChunkProfile, Reference, VersionTraffic
from monitoring.models.ingest_batch import Kind
from monitoring.stats.profile import dumps
from monitoring.traffic import chunks, storage
from monitoring.traffic.chunks import DamagedChunk, grids
from monitoring.traffic.reference.content import Content, Declared
from registry.models import ModelVersion

_ROUNDS = 20


class StillUncounted(Exception):
    """Traffic came faster than it was counted."""


class _Lacking(Exception):
    """A chunk is not counted on the grid yet."""


@dataclass(frozen=True, slots=True)
class _Recounted:
    """A reference on the new grid."""

    reference_id: UUID
    profile: bytes
    label_profile: bytes | None


def activate(version_id: UUID, grid_id: UUID) -> bool:
    """Have the version counted on the grid from now on; False, changing nothing, if a chunk lacks a profile on it.

    Runs in the caller's transaction. A compaction at the same moment either commits before the look for lacking
    chunks, or finds the grid moved and counts again.
    """
    VersionTraffic.objects.bulk_create([VersionTraffic(version_id=version_id)], ignore_conflicts=True)
    try:
        with transaction.atomic():
            VersionTraffic.objects.filter(version=version_id).update(grid=grid_id)
            if lacking(version_id, grid_id).exists():
                raise _Lacking
    except _Lacking:
        return False
    return True


def lacking(version_id: UUID, grid_id: UUID) -> QuerySet[Chunk]:
    """Chunks of predictions that could be counted on the grid and are not."""
    counted = ChunkProfile.objects.filter(chunk=OuterRef("pk"), grid=grid_id)
    return Chunk.objects.live().filter(version=version_id, kind=Kind.PREDICTION).exclude(Exists(counted))


def reprofile(version_id: UUID, grid_id: UUID, lease: Lease) -> None:
    """Count all stored predictions and the references of a version on a grid, then switch to it in one step.

    Until then readers use the old grid, so no window mixes grids. Interrupted, it goes on where it stopped.
    Raises StillUncounted if new traffic keeps coming faster; the job is then tried again.
    """
    version = ModelVersion.objects.select_related("model").get(pk=version_id)
    declared, grid = Declared.of(version), grids.load(grid_id)
    done = 0
    for _ in range(_ROUNDS):
        total = done + lacking(version_id, grid_id).count()
        for chunk in lacking(version_id, grid_id).order_by("day"):
            try:
                profile = chunks.recounted(chunk, grid, declared.model)
            except DamagedChunk:
                continue
            row = ChunkProfile(chunk=chunk, grid_id=grid_id, blob=dumps(profile))
            ChunkProfile.objects.bulk_create([row], ignore_conflicts=True)
            done += 1
            queue.progress(lease, done, total, "chunks")
        if _switch(version, declared, grid_id, lease):
            return
    raise StillUncounted(f"version {version_id} gets traffic faster than it is counted")


def _switch(version: ModelVersion, declared: Declared, grid_id: UUID, lease: Lease) -> bool:
    recounted = list(_recounted(version, declared, grid_id))
    if lacking(version.pk, grid_id).exists():
        return False
    try:
        with queue.finishing(lease):
            if not activate(version.pk, grid_id):
                raise _Lacking
            for one in recounted:
                Reference.objects.filter(pk=one.reference_id).update(
                    grid=grid_id, profile=one.profile, label_profile=one.label_profile
                )
            fault("reprofile.in_txn")
    except _Lacking:
        return False
    return True


def _recounted(version: ModelVersion, declared: Declared, grid_id: UUID) -> Iterator[_Recounted]:
    """The other references of the version on the new grid."""
    grid = grids.load(grid_id)
    for reference in Reference.objects.filter(version=version, state=Reference.State.READY).exclude(grid=grid_id):
        with storage.store().opened(reference.path) as path:
            content = Content.load(path)
        labels = content.label_profile(grid, declared.model)
        profile = dumps(content.profile(grid, declared.model))
        yield _Recounted(reference.pk, profile, labels.dumps() if labels else None)
