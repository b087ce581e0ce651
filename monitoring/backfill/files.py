"""Parquet and CSV files as Arrow tables, in batches, with a hash that names their content."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mlops_portal.kit.errors import Invalid

_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """One file: where it is, what it holds, how many rows, and the SHA-256 of its bytes."""

    path: Path
    schema: pa.Schema
    rows: int
    sha256: str
    is_csv: bool

    def table(self) -> pa.Table:
        """All of it. CSV types are those found in the whole file: integer, number, boolean, else text."""
        return _read_csv(self.path) if self.is_csv else pq.read_table(self.path)

    def batches(self, size: int, *, start: int = 0) -> Iterator[tuple[int, pa.Table]]:
        """(first row, table of at most `size` rows) from row `start` on; Parquet is read group by group."""
        if self.is_csv:
            table = self.table()
            for first in range(start, table.num_rows, size):
                yield first, table.slice(first, size)
            return
        first = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=size):
                if first >= start:
                    yield first, pa.Table.from_batches([batch])
                first += batch.num_rows


def opened(path: Path) -> HistoryFile:
    """The file at a path.

    Raises Invalid if it does not exist, is neither Parquet nor CSV, or cannot be read.
    """
    if not path.is_file():
        raise Invalid(f"{path} does not exist.", field="file")
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(0)
        while block := stream.read(1 << 20):
            digest.update(block)
    is_csv = head != b"PAR1"
    try:
        if is_csv:
            table = _read_csv(path)
            return HistoryFile(path, table.schema, table.num_rows, digest.hexdigest(), is_csv)
        with pq.ParquetFile(path) as file:
            return HistoryFile(path, file.schema_arrow, file.metadata.num_rows, digest.hexdigest(), is_csv)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Invalid(
            f"{path.name} cannot be read as {'CSV' if is_csv else 'Parquet'}: {error}", field="file"
        ) from error


def _read_csv(path: Path) -> pa.Table:
    """UTF-8, comma, RFC 4180; a byte-order mark is dropped; an empty cell is null; times stay text."""
    return pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            null_values=[""],
            true_values=list(_TRUE),
            false_values=list(_FALSE),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            timestamp_parsers=["%"],  # no text matches: a time without a zone must not slip through
        ),
    )


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in one of the types that records are made of, if it can be said in one without loss.

    Dictionaries are unpacked, numbers widened, times with a zone expressed in UTC microseconds. A time without a zone
    stays as it is, and is refused later by name.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(pc.cast(column, kind.value_type))
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pc.cast(column, pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or kind == pa.uint64():
        return pc.cast(column, pa.float64(), safe=False)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pc.cast(column, pa.timestamp("us", "UTC"), safe=False)
    if pa.types.is_null(kind):
        return pc.cast(column, pa.string())
    return column
