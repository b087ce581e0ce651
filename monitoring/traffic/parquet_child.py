"""Reads Parquet files for a web process: a file in, an Arrow stream or a refusal out, until the end of input.

Arguments: the most rows and the most decoded bytes of a file. It holds no secret and opens no file.
"""

import dataclasses
import enum
import json
import resource
import sys
from typing import IO

import pyarrow as pa

from mlops_portal.kit.errors import DomainError
from monitoring.traffic import parquet_file

LENGTH_BYTES = 8
MEMORY_BYTES = 2 * 1024**3


class Answer(bytes, enum.Enum):
    """The first byte of an answer."""

    TABLE = b"T"
    REFUSAL = b"R"
    GONE = b"G"  # never sent: there was no answer


def main(stdin: IO[bytes], stdout: IO[bytes], rows_limit: int, decoded_limit: int) -> None:
    """Answer file by file."""
    while head := stdin.read(LENGTH_BYTES):
        answer, payload = _read(stdin.read(int.from_bytes(head, "big")), rows_limit, decoded_limit)
        stdout.write(answer.value + len(payload).to_bytes(LENGTH_BYTES, "big"))
        stdout.write(payload)
        stdout.flush()


def _read(body: bytes, rows_limit: int, decoded_limit: int) -> tuple[Answer, bytes | pa.Buffer]:
    try:
        table = parquet_file.read(body, rows_limit=rows_limit, decoded_limit=decoded_limit)
    except DomainError as error:
        faults = [dataclasses.asdict(fault) for fault in error.faults]
        told = {"status": error.status, "code": error.code, "detail": error.detail, "faults": faults}
        return Answer.REFUSAL, json.dumps(told).encode()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Answer.TABLE, sink.getvalue()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]), int(sys.argv[2]))
