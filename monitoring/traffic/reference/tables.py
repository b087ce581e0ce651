"""Reference files as Arrow tables, read within bounds; what cannot be read is a sentence, never a traceback."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from mlops_portal.kit.errors import DomainError
from monitoring.traffic import parquet_file
from monitoring.traffic.reference.requesting import PARQUET
from monitoring.traffic.reference.typed import Problem

ROWS = 1_000_000
COLUMNS = 512
_BLOCK_BYTES = 8 * 1024 * 1024


class Unreadable(Exception):
    """The file cannot be read; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def read(path: Path, file_format: str) -> pa.Table:
    """The table in the file. Raises Unreadable if it is damaged, over its limits or without rows."""
    table = _parquet(path) if file_format == PARQUET else _csv(path)
    if table.num_columns > COLUMNS:
        raise Unreadable(Problem("", f"The file has {table.num_columns} columns.", f"It may have {COLUMNS}."))
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise Unreadable(Problem(twice[0], "two columns of this name", "Give each column a name of its own."))
    if not len(table):
        raise Unreadable(Problem("", "The file holds no rows.", "A reference needs at least one, better 500 or more."))
    return table


def _parquet(path: Path) -> pa.Table:
    try:
        return parquet_file.read(path.read_bytes(), rows_limit=ROWS)
    except DomainError as error:
        found = "; ".join([error.detail, *(fault.detail for fault in error.faults)])
        raise Unreadable(Problem("", found, "Write it anew, for instance with pandas or pyarrow.")) from error


def _csv(path: Path) -> pa.Table:
    """CSV after RFC 4180, UTF-8, a byte order mark dropped. All cells are texts; an empty one is null."""
    try:
        with pa_csv.open_csv(path, pa_csv.ReadOptions(block_size=_BLOCK_BYTES)) as probe:
            names = probe.schema.names
        options = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        with pa_csv.open_csv(
            path,
            pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
            pa_csv.ParseOptions(newlines_in_values=True),
            options,
        ) as reader:
            batches = []
            rows = 0
            for batch in reader:
                rows += len(batch)
                if rows > ROWS:
                    raise Unreadable(Problem("", f"The file has over {ROWS:,} rows.", "Send a sample of them."))
                batches.append(batch)
            return pa.Table.from_batches(batches, reader.schema)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        found = str(error).split("\n")[0][:200].rstrip(".")
        raise Unreadable(Problem("", f"The file cannot be read as CSV: {found}.", "Check that line.")) from error
