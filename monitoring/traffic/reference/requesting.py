"""Taking in a reference file, choosing the primary one, giving one up."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from mlops_portal.jobs import queue as jobs_queue
from mlops_portal.jobs.models import Job
from mlops_portal.kit.errors import Conflict, Invalid, WrongMedia
from mlops_portal.kit.ruling import YES, Ruling, not_now
from monitoring.models import Reference, VersionTraffic
from monitoring.traffic import limits, storage
from registry import audit
from registry.actors import Actor, actor_label
from registry.models import ModelVersion
from registry.permissions import Permission, require
from registry.rules import Checked

PARQUET, CSV = "parquet", "csv"
SIZE_LIMITS = {PARQUET: limits.PARQUET_BYTES, CSV: 256 * limits.MIB}
FOLDER = "references"
NAME_LIMIT = 64
_PIECE = 1024 * 1024
_HEAD = 4096
_FORMAT_NAMES = {PARQUET: "Parquet", CSV: "CSV"}


@dataclass(frozen=True, slots=True)
class _Kept:
    path: str
    sha256: str
    size_bytes: int


def request(
    version: ModelVersion,
    file: BinaryIO | Path,
    *,
    name: str,
    primary: bool,
    source: str,
    file_format: str,
    by: Actor,
    now: datetime,
) -> Reference:
    """Keep the file and order its loading; the answer is a reference in the state `loading`.

    primary: let it freeze the grid of its version once it is loaded; the first reference of a version does anyway.
    A failed reference of the same name gives way. Raises Refused without the right, Invalid for a name or format
    that will not do, WrongMedia if the content is not of the format, TooLarge above its limit, and Conflict
    (`name_taken`) if the version has a reference of this name, or (`task_not_said`) while the model has no task.
    """
    require(by, Permission.MONITOR_EDIT, version.model.team)
    if not version.model.task:
        raise Conflict("Nobody has said yet what this model predicts; say its task first.", code="task_not_said")
    name = _checked_name(name, file_format)
    reference_id = uuid4()
    with _opened(file) as opened:
        kept = _keep(opened, f"{FOLDER}/{reference_id}.{file_format}", file_format)
    return _insert(
        Reference(
            pk=reference_id,
            version=version,
            name=name,
            source=source,
            file_format=file_format,
            path=kept.path,
            sha256=kept.sha256,
            size_bytes=kept.size_bytes,
            created_at=now,
            created_by=actor_label(by),
        ),
        primary=primary,
        by=by,
        now=now,
    )


def may_make_primary(reference: Reference) -> Ruling:
    """Whether traffic can be compared with this reference from now on."""
    if reference.state != Reference.State.READY:
        return not_now("Only a reference that has been loaded can become the primary one.")
    return not_now("It is the primary reference already.") if reference.is_primary else YES


@transaction.atomic
def make_primary(reference: Reference, *, by: Actor, now: datetime) -> None:
    """Have the version counted on the grid of this reference.

    A job freezes the grid, counts all stored traffic on it and only then switches; until it ends, runs use the old
    one, and past windows keep their numbers. Raises Refused without the right, Conflict unless it is ready.
    """
    require(by, Permission.MONITOR_EDIT, reference.version.model.team)
    may_make_primary(reference).require()
    _order_load(reference, primary=True)
    audit.record("reference.made_primary", reference, by=by, now=now, team=reference.version.model.team)


def may_delete(reference: Reference) -> Ruling:
    """Whether nothing is compared with this reference any more."""
    in_use = reference.is_primary or (
        reference.grid_id is not None
        and VersionTraffic.objects.filter(version=reference.version_id, grid=reference.grid_id).exists()
        and not Reference.objects.filter(version=reference.version_id, grid=reference.grid_id)
        .exclude(pk=reference.pk)
        .exists()
    )
    if in_use:
        return Ruling("Traffic is compared with this reference; make another one primary first.", ReferenceInUse)
    return YES


@transaction.atomic
def delete(reference: Reference, *, by: Actor, now: datetime) -> None:
    """Give the reference up; measurements that compared with it keep their numbers.

    Raises Refused without the right, Conflict (`reference_in_use`) if traffic is compared with it.
    """
    require(by, Permission.MONITOR_EDIT, reference.version.model.team)
    may_delete(reference).require()
    audit.record("reference.deleted", reference, by=by, now=now, team=reference.version.model.team)
    path = reference.path
    if not Reference.objects.filter(pk=reference.pk, is_primary=False).delete()[0]:
        raise ReferenceInUse("It has become the primary reference meanwhile.")
    transaction.on_commit(lambda: storage.store().delete(path), robust=True)


class ReferenceInUse(Conflict):
    """Traffic is compared with the reference."""

    code = "reference_in_use"


def _checked_name(name: str, file_format: str) -> str:
    with Checked() as checked:
        name = checked.line("name", name, limit=NAME_LIMIT)
        if not name:
            checked.refuse("name", "Give the reference a name, such as training.", code="missing_field")
        if file_format not in SIZE_LIMITS:
            checked.refuse("file_format", f"{file_format[:64]!r} is none of {', '.join(SIZE_LIMITS)}.")
    return name


@contextmanager
def _opened(file: BinaryIO | Path) -> Iterator[BinaryIO]:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            yield opened
    else:
        yield file


def _keep(file: BinaryIO, path: str, file_format: str) -> _Kept:
    """Store the file under the path, piece by piece; nothing is kept of one that is refused."""
    of = storage.store()
    digest, size_bytes = hashlib.sha256(), 0
    with storage.drafting(of) as draft:
        with draft.open("wb") as target:
            while piece := file.read(_PIECE):
                if not size_bytes:
                    _require_format(piece, file_format)
                size_bytes += len(piece)
                limits.require_size(size_bytes, SIZE_LIMITS[file_format], f"A {_FORMAT_NAMES[file_format]} reference")
                digest.update(piece)
                target.write(piece)
        if not size_bytes:
            raise Invalid("The file is empty.", code="reference_invalid", field="file")
        storage.fsync(draft)
        of.publish(draft, path)
        of.settle(path)
    return _Kept(path, digest.hexdigest(), size_bytes)


def _require_format(head: bytes, file_format: str) -> None:
    is_parquet = head.startswith(b"PAR1")
    if file_format == PARQUET and not is_parquet:
        raise WrongMedia("This is not a Parquet file.")
    if file_format == CSV and (is_parquet or b"\x00" in head[:_HEAD] or not _is_text(head[:_HEAD])):
        raise WrongMedia("This is not a CSV file in UTF-8.")


def _is_text(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # the head may end inside a character
    return True


@transaction.atomic
def _insert(reference: Reference, *, primary: bool, by: Actor, now: datetime) -> Reference:
    same = Reference.objects.filter(version=reference.version, name=reference.name)
    same.filter(state=Reference.State.FAILED).delete()
    try:
        with transaction.atomic():
            reference.save(force_insert=True)
    except IntegrityError:
        detail = f"This version has a reference {reference.name!r} already."
        raise Conflict(detail, code="name_taken", field="name") from None
    _order_load(reference, primary=primary)
    audit.record("reference.requested", reference, by=by, now=now, team=reference.version.model.team)
    return reference


def _order_load(reference: Reference, *, primary: bool) -> None:
    payload = {"reference": str(reference.pk), "primary": primary}
    _order("monitoring.load_reference", str(reference.pk), payload, reference.version, queue=Job.Queue.COMPUTE)


def order_reprofile(version: ModelVersion, grid_id: UUID) -> None:
    """Have all traffic of a version counted on a grid, which is then switched to."""
    payload = {"version": str(version.pk), "grid": str(grid_id)}
    _order("monitoring.reprofile", f"{version.pk}:{grid_id}", payload, version, queue=Job.Queue.MAINTAIN)


def _order(kind: str, key: str, payload: dict[str, Any], version: ModelVersion, *, queue: str) -> None:
    jobs_queue.enqueue(kind, key, payload=payload, queue=queue, team=version.model.team_id)
