"""Where the files of traffic live: a local folder, or an object storage behind Django's storage API (`STORAGE_URL`).

A file is drafted locally, published under its final path in one step, and never changed. Only the owner may read it.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils.module_loading import import_string

DRAFTS = "tmp"
_PIECE = 1024 * 1024


class Store(Protocol):
    """What compaction and readers need of a place for files. Paths are relative, with forward slashes."""

    @property
    def drafts(self) -> Path:
        """The local folder of drafts."""

    def publish(self, draft: Path, path: str) -> None:
        """Make a finished draft visible under its path, whole or not at all."""

    def settle(self, path: str) -> None:
        """Make sure that the published name survives a power cut."""

    def opened(self, path: str) -> AbstractContextManager[Path]:
        """A context that gives a local path to read from. Raises FileNotFoundError if the file is not there."""

    def delete(self, path: str) -> None:
        """Remove the file; one that is gone already is no error."""

    def files(self) -> Iterator[tuple[str, datetime]]:
        """Every published file and when it was written."""


class LocalStore:
    """Files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drafts = root / DRAFTS

    def publish(self, draft: Path, path: str) -> None:
        target = self._at(path)
        self._make(target.parent)
        draft.replace(target)

    def settle(self, path: str) -> None:
        _fsync_folder(self._at(path).parent)

    @contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        target = self._at(path)
        if not target.is_file():
            raise FileNotFoundError(path)
        yield target

    def delete(self, path: str) -> None:
        self._at(path).unlink(missing_ok=True)

    def files(self) -> Iterator[tuple[str, datetime]]:
        for folder, names, found in os.walk(self.root):
            if Path(folder) == self.root:
                names[:] = [name for name in names if name != DRAFTS]
            for name in found:
                target = Path(folder) / name
                yield target.relative_to(self.root).as_posix(), _written_at(target)

    def _at(self, path: str) -> Path:
        if ".." in PurePosixPath(path).parts or PurePosixPath(path).is_absolute():
            raise ValueError(f"{path} leads out of the storage")
        return self.root / path

    def _make(self, folder: Path) -> None:
        """Create missing folders one by one, so that each new name is on disk before something stands below it."""
        missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
            _fsync_folder(one.parent)


class ObjectStore:
    """Files in an object storage: one put makes a file visible; reading copies it here first."""

    def __init__(self, storage: Storage, drafts: Path) -> None:
        self.storage = storage
        self.drafts = drafts

    def publish(self, draft: Path, path: str) -> None:
        with draft.open("rb") as file:
            name = self.storage.save(path, File(file))
        if name != path:
            # The name holds the hash of the content, so what stands there already is the same file.
            self.storage.delete(name)

    def settle(self, path: str) -> None:
        """A put is durable when it returns."""

    @contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        with drafting(self) as copy:
            with self.storage.open(path) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, _PIECE)
            yield copy

    def delete(self, path: str) -> None:
        self.storage.delete(path)

    def files(self) -> Iterator[tuple[str, datetime]]:
        yield from self._below("")

    def _below(self, folder: str) -> Iterator[tuple[str, datetime]]:
        folders, names = self.storage.listdir(folder)
        for name in names:
            path = f"{folder}/{name}".lstrip("/")
            yield path, self.storage.get_modified_time(path)
        for name in folders:
            yield from self._below(f"{folder}/{name}".lstrip("/"))


def store() -> Store:
    """The place that STORAGE_URL names. Raises ImproperlyConfigured if it names none."""
    return of_url(settings.STORAGE_URL)


@cache
def of_url(url: str) -> Store:
    """The store of `file:///folder` or `s3://bucket/prefix?endpoint_url=…` (needs django-storages[s3])."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        backend = import_string("storages.backends.s3.S3Storage")
        bucket = backend(
            bucket_name=parts.netloc, location=parts.path.strip("/"), file_overwrite=True, default_acl=None, **options
        )
        return ObjectStore(bucket, Path(settings.DATA_DIR) / "drafts")
    raise ImproperlyConfigured(f"STORAGE_URL={url!r} is neither file:///folder nor s3://bucket/prefix")


@contextmanager
def drafting(of: Store) -> Iterator[Path]:
    """A new empty local file, removed at the end unless it was published."""
    of.drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = of.drafts / uuid4().hex
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR))
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Wait until the content of the file is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete_drafts(of: Store, before: datetime) -> int:
    """Remove what writers that died have left behind; returns how many files."""
    stale = [draft for draft in of.drafts.glob("*") if draft.is_file() and _written_at(draft) < before]
    for draft in stale:
        draft.unlink(missing_ok=True)
    return len(stale)


def _fsync_folder(folder: Path) -> None:
    fsync(folder)


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:  # somebody else has just removed it
        return datetime.max.replace(tzinfo=UTC)
