"""Loading a reference: from an uploaded file to a profile, and for the primary one to the grid of its version."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mlops_portal.jobs import queue
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from mlops_portal.kit.faults import fault
from monitoring import monitors
from monitoring.models import Reference
from monitoring.stats.grid import Grid
from monitoring.stats.profile import dumps
from monitoring.traffic import privacy, storage
from monitoring.traffic.chunks import grids
from monitoring.traffic.reference import content as contents
from monitoring.traffic.reference import tables
from monitoring.traffic.reference.content import Content, Declared
from monitoring.traffic.reference.reprofiling import activate
from monitoring.traffic.reference.requesting import FOLDER, PARQUET, order_reprofile
from monitoring.traffic.reference.tables import Unreadable
from monitoring.traffic.reference.typed import Problem

ENOUGH_ROWS = 500


@dataclass(frozen=True, slots=True)
class _Read:
    """A usable reference, and what is to be said of it."""

    content: Content
    notes: list[str]


class _Unusable(Exception):
    """The reference cannot be used, for these reasons."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = problems


def load(reference_id: UUID, lease: Lease) -> None:
    """Read the file, apply the privacy rules, freeze the grid if it becomes primary, and count it.

    What is kept of the file afterwards is the typed content only. A file that does not fit makes the reference
    `failed`, with every problem; it is no failure of the job. Safe to run twice. Raises LostLease if overtaken.
    """
    reference = Reference.objects.select_related("version__model__team").filter(pk=reference_id).first()
    if reference is None or reference.state == Reference.State.FAILED:
        return
    now = clock.now()
    declared = Declared.of(reference.version)
    try:
        read = _stored(reference) if reference.state == Reference.State.READY else _uploaded(reference, declared, lease)
    except _Unusable as error:
        _fail(reference, error.problems, lease, now)
    else:
        _keep(reference, declared, read, lease, now)


def _stored(reference: Reference) -> _Read:
    with storage.store().opened(reference.path) as path:
        return _Read(Content.load(path), list(reference.notes))


def _uploaded(reference: Reference, declared: Declared, lease: Lease) -> _Read:
    try:
        with storage.store().opened(reference.path) as path:
            table = tables.read(path, reference.file_format)
    except Unreadable as error:
        raise _Unusable([error.problem]) from error
    queue.progress(lease, 0, len(table), "rows")
    content, problems, notes = contents.read(table, declared, privacy.current_kid())
    if problems:
        raise _Unusable(problems)
    if content.rows < ENOUGH_ROWS:
        notes.append(f"With {content.rows} rows drift stays insufficient; {ENOUGH_ROWS} or more are needed.")
    queue.progress(lease, content.rows // 2, content.rows, "rows")
    return _Read(content, notes)


def _fail(reference: Reference, problems: list[Problem], lease: Lease, now: datetime) -> None:
    with queue.finishing(lease, {"problems": len(problems)}):
        Reference.objects.filter(pk=reference.pk, state=Reference.State.LOADING).update(
            state=Reference.State.FAILED,
            is_primary=False,
            problems=[problem.as_json() for problem in problems[:100]],
            path="",
        )
        transaction.on_commit(lambda: storage.store().delete(reference.path), robust=True)


def _keep(reference: Reference, declared: Declared, read: _Read, lease: Lease, now: datetime) -> None:
    version, content = reference.version, read.content
    active_id = grids.active(version.pk)
    becomes_primary = _becomes_primary(reference, lease, has_grid=active_id is not None)
    grid = content.freeze(declared) if becomes_primary or active_id is None else grids.load(active_id)
    profile = dumps(content.profile(grid, declared.model))
    labels = content.label_profile(grid, declared.model)
    path = reference.path if reference.state == Reference.State.READY else _publish(reference, content)
    queue.progress(lease, content.rows, content.rows, "rows")
    with queue.finishing(lease, {"rows": content.rows, "primary": becomes_primary}):
        grid_id = grids.keep(grid, version.pk, now)
        if becomes_primary:
            Reference.objects.filter(version=version, is_primary=True).update(is_primary=False)
        Reference.objects.filter(pk=reference.pk).update(
            state=Reference.State.READY,
            is_primary=becomes_primary or reference.is_primary,
            rows=content.rows,
            label_rows=labels.n_labelled if labels else 0,
            grid=grid_id,
            profile=profile,
            label_profile=labels.dumps() if labels else None,
            path=path,
            file_format=PARQUET,
            problems=[],
            notes=[{"detail": note} for note in read.notes],
            ready_at=now,
        )
        if becomes_primary:
            _switch(reference, grid, grid_id, active_id, now)
        if path != reference.path:
            transaction.on_commit(lambda: storage.store().delete(reference.path), robust=True)
        fault("load_reference.in_txn")


def _becomes_primary(reference: Reference, lease: Lease, *, has_grid: bool) -> bool:
    if lease.payload.get("primary") or not has_grid:
        return True
    return not Reference.objects.filter(version=reference.version_id, is_primary=True).exists()


def _switch(reference: Reference, grid: Grid, grid_id: UUID, active_id: UUID | None, now: datetime) -> None:
    """Count the version on the grid at once if nothing is stored yet; else order that everything be counted on it."""
    if grid_id != active_id and not activate(reference.version_id, grid_id):
        order_reprofile(reference.version, grid_id)
    monitors.create_defaults(reference.version.model, now)


def _publish(reference: Reference, content: Content) -> str:
    """Store the typed content beside the upload, which goes after the commit."""
    of = storage.store()
    path = f"{FOLDER}/{reference.pk}/content.parquet"
    with storage.drafting(of) as draft:
        content.save(draft)
        storage.fsync(draft)
        of.publish(draft, path)
        of.settle(path)
    return path
