"""Finding request ids in stored chunks by their hashes, without reading texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.models import Chunk, ChunkIds
from monitoring.traffic import chunks, frames
from monitoring.traffic.chunks import DamagedChunk
from monitoring.traffic.index import HashIndex

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """Records of one chunk whose ids are among those sought. wanted: for each of them, its place in the sought hashes.

    rows: where they stand in the file; None if the file is damaged and only its ids are known.
    """

    chunk: Chunk
    rows: Places | None
    wanted: Places


def matches(stored: Iterable[Chunk], sought: HashIndex) -> Iterator[Match]:
    """Where the sought hashes occur; of a chunk that is damaged, by the ids kept beside it, as long as they were."""
    for chunk in stored:
        ids, is_readable = _ids(chunk)
        found = sought.find(ids)
        rows = np.flatnonzero(found >= 0)
        if len(rows):
            yield Match(chunk, rows if is_readable else None, found[rows])


def _ids(chunk: Chunk) -> tuple[NDArray[np.uint64], bool]:
    """The id hashes of a chunk, and whether they are in the order of a file that can be read."""
    try:
        return frames.hashes(chunks.read(chunk, ["id_hash"])), True
    except DamagedChunk:
        kept = ChunkIds.objects.filter(chunk=chunk).values_list("blob", flat=True)
        return np.frombuffer(b"".join(map(bytes, kept)), dtype="<u8"), False
