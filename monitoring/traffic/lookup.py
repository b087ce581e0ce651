"""Finding request ids in stored chunks by their hashes, without reading texts."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring.models import Chunk
from monitoring.traffic import chunks
from monitoring.traffic.chunks import DamagedChunk

logger = logging.getLogger(__name__)

IDS_AT_ONCE = 2_000_000
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """Rows of one chunk whose ids are among those sought. wanted: for each of them, its place in the sought hashes."""

    chunk: Chunk
    rows: Places
    wanted: Places


def matches(stored: Iterable[Chunk], sought: Hashes) -> Iterator[Match]:
    """Where the sought hashes, each named once, occur. A chunk that turns out damaged is passed over."""
    value_set = pa.array(sought)
    for group in _readable(stored):
        lengths = [len(ids) for _, ids in group]
        ids = np.concatenate([ids for _, ids in group])
        found = pc.fill_null(pc.index_in(pa.array(ids), value_set=value_set), -1).to_numpy()
        for (chunk, _), part in zip(group, np.split(found, np.cumsum(lengths)[:-1]), strict=True):
            rows = np.flatnonzero(part >= 0)
            if len(rows):
                yield Match(chunk, rows, part[rows].astype(np.int64))


def _readable(stored: Iterable[Chunk]) -> Iterator[list[tuple[Chunk, Hashes]]]:
    """The id hashes of the chunks, in groups that fit into memory."""
    group: list[tuple[Chunk, Hashes]] = []
    held = 0
    for chunk in stored:
        try:
            ids = chunks.read(chunk, ["id_hash"])["id_hash"].to_numpy()
        except DamagedChunk:
            logger.error("damaged chunk passed over", extra={"chunk": str(chunk.pk)})
            continue
        group.append((chunk, ids))
        held += len(ids)
        if held >= IDS_AT_ONCE:
            yield group
            group, held = [], 0
    if group:
        yield group
