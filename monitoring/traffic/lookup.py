"""Finding request ids in stored chunks by their hashes, without reading texts."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.models import Chunk
from monitoring.traffic import chunks, frames
from monitoring.traffic.chunks import DamagedChunk
from monitoring.traffic.index import HashIndex

logger = logging.getLogger(__name__)

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """Rows of one chunk whose ids are among those sought. wanted: for each of them, its place in the sought hashes."""

    chunk: Chunk
    rows: Places
    wanted: Places


def matches(stored: Iterable[Chunk], sought: HashIndex) -> Iterator[Match]:
    """Where the sought hashes occur. A chunk that turns out damaged is passed over."""
    for chunk in stored:
        try:
            ids = frames.hashes(chunks.read(chunk, ["id_hash"]))
        except DamagedChunk:
            logger.error("damaged chunk passed over", extra={"chunk": str(chunk.pk)})
            continue
        found = sought.find(ids)
        rows = np.flatnonzero(found >= 0)
        if len(rows):
            yield Match(chunk, rows, found[rows])
