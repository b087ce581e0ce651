"""Finding request ids in stored chunks by their hashes, without reading texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring.models import Chunk, ChunkIds
from monitoring.traffic import chunks
from monitoring.traffic.chunks import DamagedChunk

IDS_AT_ONCE = 2_000_000
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """Records of one chunk whose ids are among those sought. wanted: for each of them, its place in the sought hashes.

    rows: where they stand in the file; None if the file is damaged and only its ids are known.
    """

    chunk: Chunk
    rows: Places | None
    wanted: Places


def matches(stored: Iterable[Chunk], sought: Hashes) -> Iterator[Match]:
    """Where the sought hashes, each named once, occur.

    Of a chunk that is damaged, by the ids that were kept beside it, as long as they were.
    """
    value_set = pa.array(sought)
    for group in _groups(stored):
        found = pc.fill_null(
            pc.index_in(pa.array(np.concatenate([one.ids for one in group])), value_set=value_set), -1
        ).to_numpy()
        lengths = [len(one.ids) for one in group]
        for one, part in zip(group, np.split(found, np.cumsum(lengths)[:-1]), strict=True):
            rows = np.flatnonzero(part >= 0)
            if len(rows):
                yield Match(one.chunk, rows if one.is_readable else None, part[rows].astype(np.int64))


@dataclass(frozen=True, slots=True)
class _Ids:
    """The id hashes of a chunk, in the order of its file if that can be read."""

    chunk: Chunk
    ids: Hashes
    is_readable: bool


def _groups(stored: Iterable[Chunk]) -> Iterator[list[_Ids]]:
    """The id hashes of the chunks, in groups that fit into memory."""
    group: list[_Ids] = []
    held = 0
    for chunk in stored:
        one = _ids(chunk)
        group.append(one)
        held += len(one.ids)
        if held >= IDS_AT_ONCE:
            yield group
            group, held = [], 0
    if group:
        yield group


def _ids(chunk: Chunk) -> _Ids:
    try:
        return _Ids(chunk, chunks.read(chunk, ["id_hash"])["id_hash"].to_numpy(), is_readable=True)
    except DamagedChunk:
        kept = ChunkIds.objects.filter(chunk=chunk).values_list("blob", flat=True)
        return _Ids(chunk, np.frombuffer(b"".join(map(bytes, kept)), dtype="<u8"), is_readable=False)
