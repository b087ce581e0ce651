"""Measurements as a Parquet file. Loaded at the first such export, so that pages start without pyarrow."""

from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import QuerySet

from mlops_portal.kit.sheets import plain
from monitoring.exports import columns, tuples
from monitoring.models import Measurement

_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("monitor", pa.string()),
        ("revision", pa.int64()),
        ("window_start", _TIME),
        ("window_end", _TIME),
        ("check", pa.string()),
        ("metric", pa.string()),
        ("version", pa.int64()),
        ("endpoint", pa.string()),
        ("signal", pa.string()),
        ("feature", pa.string()),
        ("segment", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("base_value", pa.float64()),
        ("base_n", pa.int64()),
        ("threshold", pa.float64()),
        ("gap", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("provisional", pa.bool_()),
        ("rank", pa.int64()),
        ("details", pa.string()),
    ]
)


def write(rows: QuerySet[Measurement]) -> bytes:
    """The rows as one Parquet file, with the types of the API; details as JSON text."""
    gathered = columns(tuples(rows))
    gathered["run"] = [str(run) for run in gathered["run"]]
    gathered["details"] = [plain(details) for details in gathered["details"]]
    file = BytesIO()
    pq.write_table(pa.table(gathered, schema=_SCHEMA), file, compression="zstd")
    return file.getvalue()
