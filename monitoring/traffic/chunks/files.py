"""Chunk files: Parquet with page checksums, named by the hash of their bytes, visible whole or not at all."""

import errno
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import chain, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlops_portal.kit.faults import fault
from monitoring.models import Chunk
from monitoring.traffic import frames, storage

logger = logging.getLogger(__name__)

ROW_GROUP_ROWS = 131_072
COMPRESSION_LEVEL = 1
PARKED = "parked"
_SAMPLE_ROWS = 1024
_SAMPLE_IDS = 128
_DICTIONARY_SHARE = 0.125  # of the rows of a group: more different numbers than these make no dictionary
_WORTH_SHARE = 0.75  # of the size that a slower form may have
_PIECE = 1024 * 1024
_DAMAGE = frozenset({None, errno.ENOENT, errno.EIO})
_TIMES = ("predicted_at", "observed_at", "received_at")
_HASHES = [name for name, _ in frames.HASHES]


class DamagedChunk(Exception):
    """The file of a chunk is gone or altered; the chunk is marked, and its profile still counts."""

    def __init__(self, chunk: Chunk, reason: str) -> None:
        super().__init__(f"chunk {chunk.path} is damaged: {reason}")
        self.chunk = chunk


class NotWritten(Exception):
    """What stands on disk is not what was written: nothing of it may become visible."""


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """A published file; first_at, last_at: of the column it is ordered by."""

    path: str
    sha256: str
    size_bytes: int
    rows: int
    first_at: datetime
    last_at: datetime


def folder(model_id: UUID, version_id: UUID | None, day: object) -> str:
    """Where the chunks of a version and day lie; parked outcomes have neither."""
    return f"{model_id}/{version_id}/{day}" if version_id else f"{model_id}/{PARKED}"


def write(tables: Iterable[pa.Table], into: str, *, order: str) -> ChunkFile:
    """Publish tables of one schema as one file: draft, fsync, read back, rename, fsync of the folder.

    A failure at any step leaves nothing visible. Equal content gives the same name, so a retry does no harm.
    order: the time column whose ends the chunk states.
    """
    of = storage.store()
    with storage.drafting(of) as draft:
        written = _fill(draft, tables, order)
        fault("compact.tmp_written")
        storage.fsync(draft)
        fault("compact.fsynced")
        _verify(draft, written.sha256, written.rows)
        fault("compact.verified")
        path = f"{into}/{written.sha256}.parquet"
        of.publish(draft, path)
        fault("compact.renamed")
        of.settle(path)
        fault("compact.dir_synced")
    return ChunkFile(path, written.sha256, written.size_bytes, written.rows, written.first_at, written.last_at)


def read(chunk: Chunk, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a chunk, every page checked against its checksum.

    Raises DamagedChunk, after marking the chunk, if the file is gone, altered or holds another number of rows.
    """
    with opened(chunk) as file:
        table = file.read(columns=list(columns) if columns is not None else None)
        if len(table) != chunk.rows:
            raise OSError(f"{len(table)} rows instead of {chunk.rows}")
    return table


def is_whole(chunk: Chunk) -> bool:
    """Whether the chunk's file is there and holds, byte by byte, what was written."""
    try:
        with storage.store().opened(chunk.path) as path, path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == chunk.sha256
    except OSError:
        return False


@contextmanager
def opened(chunk: Chunk) -> Iterator[pq.ParquetFile]:
    """The chunk's file for reading in pieces; what goes wrong while reading marks the chunk as `read` does."""
    try:
        with storage.store().opened(chunk.path) as path, _parquet(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _DAMAGE:
            raise  # too many open files, no permission: the chunk is not to blame
        _mark(chunk)
        raise DamagedChunk(chunk, str(error)) from error


def _parquet(path: Path) -> pq.ParquetFile:
    """The file with its footer read; raises OSError also where an altered footer names columns in no known letters."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except UnicodeDecodeError as error:
        raise OSError(f"the footer is altered: {error}") from error


def _mark(chunk: Chunk) -> None:
    readable = (Chunk.State.LIVE, Chunk.State.PARKED)
    if Chunk.objects.filter(pk=chunk.pk, state__in=readable).update(state=Chunk.State.DAMAGED):
        logger.error("chunk damaged", extra={"chunk": str(chunk.pk), "path": chunk.path})


class _Hashing:
    """A binary file that hashes what passes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.sha256.update(view)
        self.size_bytes += len(view)
        return self.file.write(view)

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.flush()

    def __enter__(self) -> "_Hashing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fill(draft: Path, tables: Iterable[pa.Table], order: str) -> ChunkFile:
    """Write the draft; the ChunkFile it returns has no path yet."""
    remaining = iter(tables)
    first = next(remaining)
    rows, ends = 0, []
    with draft.open("wb") as file, _Hashing(file) as sink:
        with pq.ParquetWriter(sink, first.schema, **_options(first)) as writer:
            for table in chain([first], remaining):
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                rows += len(table)
                moments = frames.micros(table[order])
                ends += [moments.min(), moments.max()]
        digest, size_bytes = sink.sha256.hexdigest(), sink.size_bytes
    return ChunkFile("", digest, size_bytes, rows, frames.moment(min(ends)), frames.moment(max(ends)))


class _Form(Enum):
    """How a column is stored; the value is its compression."""

    TEXTS = "zstd"
    DICTIONARY = "zstd of a dictionary"
    PLANES = "zstd of byte planes"  # the first bytes of all numbers, then the second ones, and so on
    REPEATS = "lz4"
    NOISE = "none"


def _options(table: pa.Table) -> dict[str, Any]:
    """How each column is encoded and compressed. What compression would hardly shorten costs no reader any time.

    No statistics on texts: they would hold raw values outside of the pages.
    """
    names = table.schema.names
    forms = {name: _form(table[name], name) for name in names}
    encoding = {name: "BYTE_STREAM_SPLIT" for name, form in forms.items() if form is _Form.PLANES}
    encoding |= {field.name: "DELTA_BINARY_PACKED" for field in table.schema if pa.types.is_timestamp(field.type)}
    encoding |= {name: _encoding_of_ids(table[name]) for name in names if name == "request_id"}
    compression = {name: form.value.split(maxsplit=1)[0] for name, form in forms.items()}
    return {
        "compression": compression,
        "compression_level": {name: COMPRESSION_LEVEL for name in names if compression[name] == "zstd"},
        "use_dictionary": [name for name, form in forms.items() if form is _Form.DICTIONARY],
        "column_encoding": encoding,
        "write_page_checksum": True,
        "write_statistics": [name for name in _TIMES if name in names],
    }


def _form(column: pa.ChunkedArray, name: str) -> _Form:
    if pa.types.is_dictionary(column.type):
        return _Form.DICTIONARY
    if pa.types.is_floating(column.type):
        return _form_of_numbers(column)
    return _Form.NOISE if name in _HASHES else _Form.TEXTS


def _encoding_of_ids(ids: pa.ChunkedArray) -> str:
    """Ids that count upwards shrink to nearly nothing if only what differs from the one before is stored."""
    halves = [one[: len(one) // 2] for one in ids.slice(0, _SAMPLE_IDS).to_pylist()]
    shared = sum(half == before for before, half in pairwise(halves))
    return "DELTA_BYTE_ARRAY" if 2 * shared > len(halves) else "DELTA_LENGTH_BYTE_ARRAY"


def _form_of_numbers(column: pa.ChunkedArray) -> _Form:
    """The shortest form, judged by a sample; one that is slow to read or to write has to be shorter by far."""
    step = max(1, len(column) // _SAMPLE_ROWS)
    some = column.take(pa.array(np.arange(0, len(column), step))) if step > 1 else column
    sample = np.ascontiguousarray(frames.floats(some))
    if _distinct(sample, is_whole=step == 1) <= _DICTIONARY_SHARE * min(len(column), ROW_GROUP_ROWS):
        return _Form.DICTIONARY
    as_it_is = sample.nbytes * _WORTH_SHARE
    repeats = len(pa.Codec("lz4_raw").compress(sample.tobytes(), asbytes=True))
    planes = sample.view(np.uint8).reshape(len(sample), -1).T.tobytes()
    if len(pa.Codec("zstd", COMPRESSION_LEVEL).compress(planes, asbytes=True)) < min(as_it_is, _WORTH_SHARE * repeats):
        return _Form.PLANES
    return _Form.REPEATS if repeats < as_it_is else _Form.NOISE


def _distinct(sample: NDArray[np.float64], *, is_whole: bool) -> float:
    """How many different numbers a column holds, estimated from a sample: Chao (1984)."""
    _, times = np.unique(sample, return_counts=True)
    once, twice = int(np.count_nonzero(times == 1)), int(np.count_nonzero(times == 2))
    return float(len(times) if is_whole else len(times) + once**2 / (2 * max(twice, 1)))


def _verify(draft: Path, sha256: str, rows: int) -> None:
    """Raise NotWritten unless the file holds, byte by byte, what was written, and reads as Parquet."""
    digest = hashlib.sha256()
    with draft.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise NotWritten(f"{draft.name} does not hold what was written")
    with pq.ParquetFile(draft, page_checksum_verification=True) as stored:
        if stored.read(columns=["id_hash"]).num_rows != rows:
            raise NotWritten(f"{draft.name} does not hold {rows} rows")
