"""Parquet files from outside: looked at before they are decoded, then read row group by row group.

A hostile file can end the process that reads it (pyarrow 26 aborts on some flipped bits of a footer), so the web
process reads through `parquet_in`, in a child.
"""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlops_portal.kit.errors import Invalid, TooLarge
from monitoring.traffic import cells, limits

MAGIC = b"PAR1"
COLUMNS = 512
ROW_GROUPS = 1_000
DECODED_BYTES = 1024 * limits.MIB
_SMALLEST_BYTES = 12
_THRIFT_BYTES = 16 * limits.MIB
_THRIFT_ITEMS = 1_000_000
_DAMAGE = (pa.ArrowException, OSError, ValueError, IndexError, KeyError, OverflowError, MemoryError, RecursionError)


def read(body: bytes, *, rows_limit: int = limits.ITEMS, decoded_limit: int = DECODED_BYTES) -> pa.Table:
    """The table of a Parquet file, texts as dictionaries.

    Sizes are taken from the footer before anything is decoded, and from the decoded dictionaries before texts are made.
    """
    if len(body) < _SMALLEST_BYTES or not body.startswith(MAGIC) or not body.endswith(MAGIC):
        raise _damaged("it does not begin and end as Parquet files do")
    try:
        with pq.ParquetFile(pa.BufferReader(body), **_options(())) as file:
            _require_bounds(file.metadata, rows_limit, decoded_limit)
            arrow_schema = file.schema_arrow
        cells.require_types(arrow_schema)
        texts = [field.name for field in arrow_schema if cells.is_text(field.type)]
        with pq.ParquetFile(pa.BufferReader(body), **_options(texts)) as file:
            table = _tables(file, decoded_limit)
    except _DAMAGE as error:
        raise _damaged(re.sub(r"\s+", " ", str(error))[:200]) from error
    return table


def _options(texts: Any) -> dict[str, Any]:
    return {
        "page_checksum_verification": True,
        "read_dictionary": list(texts),
        "thrift_string_size_limit": _THRIFT_BYTES,
        "thrift_container_size_limit": _THRIFT_ITEMS,
        "pre_buffer": False,
    }


def _require_bounds(metadata: pq.FileMetaData, rows_limit: int, decoded_limit: int) -> None:
    if metadata.num_rows > rows_limit:
        raise TooLarge(f"A file may hold {rows_limit:,} rows, not {metadata.num_rows:,}. Send several.")
    if metadata.num_columns > COLUMNS:
        raise TooLarge(f"A file may have {COLUMNS} columns, not {metadata.num_columns:,}.")
    if metadata.num_row_groups > ROW_GROUPS:
        raise TooLarge(f"A file may have {ROW_GROUPS:,} row groups, not {metadata.num_row_groups:,}.")
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    if metadata.num_rows < 0 or sum(group.num_rows for group in groups) != metadata.num_rows:
        raise _damaged("its footer contradicts itself")
    size_bytes = sum(group.column(i).total_uncompressed_size for group in groups for i in range(group.num_columns))
    _require_decoded(size_bytes, decoded_limit)


def _require_decoded(size_bytes: int, limit: int) -> None:
    if size_bytes > limit:
        raise TooLarge(f"A file may hold {limit // limits.MIB} MiB once decoded; this one holds more.")


def _tables(file: pq.ParquetFile, decoded_limit: int) -> pa.Table:
    tables = []
    size_bytes = 0
    for i in range(file.metadata.num_row_groups):
        table = file.read_row_group(i, use_threads=False)
        if table.num_rows != file.metadata.row_group(i).num_rows:
            raise _damaged("a row group has fewer rows than its footer says")
        table.validate(full=True)
        size_bytes += sum(_text_bytes(column) for column in table.columns if pa.types.is_dictionary(column.type))
        _require_decoded(size_bytes, decoded_limit)
        tables.append(table)
    return pa.concat_tables(tables) if tables else file.schema_arrow.empty_table()


def _text_bytes(column: pa.ChunkedArray) -> int:
    """How long the texts of a dictionary column are together, without making them."""
    size_bytes = 0
    for chunk in column.chunks:
        lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
        size_bytes += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return size_bytes


def _damaged(why: str) -> Invalid:
    return Invalid(f"The file cannot be read as Parquet: {why}.", code="damaged_file")
