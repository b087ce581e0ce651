"""Finding the outcome of a prediction: of one request that outcome counts which was observed last."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring.stats.columns import CodedColumn
from monitoring.traffic import frames
from monitoring.traffic.index import HashIndex, Rows

COLUMNS = ("request_id", "id_hash", "kind", "value_number", "value_text", "observed_at", "received_at")
_ABSENT = -1


@dataclass(frozen=True, slots=True)
class Found:
    """Predictions that have an outcome. place: their rows; number, text, at_us: of the outcome of each."""

    place: Rows
    number: NDArray[np.float64]
    text: CodedColumn
    at_us: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Told:
    """Outcomes of one signal, in the order of their observation wherever a request has several."""

    index: HashIndex
    hashes: NDArray[np.uint64]
    ids: pa.Array
    number: NDArray[np.float64]
    text: CodedColumn
    at_us: NDArray[np.int64]

    @classmethod
    def of(cls, columns: dict[str, pa.ChunkedArray]) -> Self:
        """Keep outcomes at hand, given by `COLUMNS`; they are taken from the dictionary, so that few exist twice."""
        hashes = columns.pop("id_hash").to_numpy()
        index = HashIndex(hashes)
        received = frames.micros(columns.pop("received_at"))
        at_us = frames.micros(columns.pop("observed_at"))
        ids, number = columns.pop("request_id").combine_chunks(), frames.floats(columns.pop("value_number"))
        text = frames.coded(columns.pop("value_text"))
        if not index.has_repeats:
            return cls(index, hashes, ids, number, text, at_us)
        by_time = np.lexsort((received, at_us))
        hashes, codes = hashes[by_time], CodedColumn(text.codes[by_time], text.values)
        return cls(HashIndex(hashes), hashes, ids.take(pa.array(by_time)), number[by_time], codes, at_us[by_time])

    def find(self, predictions: pa.Table) -> Found:
        """The outcomes of those predictions that have one; the table has `request_id` and `id_hash`."""
        hashes = frames.hashes(predictions)
        rows = self.index.find(hashes)
        place = np.flatnonzero(rows != _ABSENT)
        ids = predictions["request_id"]
        mine = ids if len(place) == len(ids) else ids.take(pa.array(place))
        is_same = pc.equal(mine.combine_chunks(), self.ids.take(pa.array(rows[place]))).to_numpy(zero_copy_only=False)
        for i in place[~is_same]:  # two ids share a hash: the ids decide
            rows[i] = self._row_of(hashes[i], ids[int(i)].as_py())
        place = np.flatnonzero(rows != _ABSENT)
        rows = rows[place]
        return Found(place, self.number[rows], CodedColumn(self.text.codes[rows], self.text.values), self.at_us[rows])

    def _row_of(self, wanted: np.uint64, request_id: str) -> int:
        """The last outcome of a request, among those that share its hash."""
        rows = np.flatnonzero(self.hashes == wanted)
        mine = rows[[one == request_id for one in self.ids.take(pa.array(rows)).to_pylist()]]
        return int(mine[-1]) if len(mine) else _ABSENT
