"""Parquet bodies of requests, read by a child process under a memory limit: a file that ends it harms nobody else."""

import atexit
import json
import os
import subprocess
import sys
from threading import Lock, Timer
from typing import IO

import pyarrow as pa
from django.conf import settings

from mlops_portal.kit.errors import DomainError, Fault, Invalid, TooLarge
from monitoring.traffic import flat, limits
from monitoring.traffic.parquet_child import LENGTH_BYTES, Answer
from monitoring.traffic.schema import Decoded, Reading

DECODED_BYTES = 256 * limits.MIB
TIMEOUT_S = 20.0
_ERRORS: dict[int, type[DomainError]] = {Invalid.status: Invalid, TooLarge.status: TooLarge}


def decode(body: bytes, kind: str, reading: Reading) -> Decoded:
    """The records of a Parquet body.

    Raises Invalid (`damaged_file`, `unsupported_column`, `empty_batch`) or TooLarge, naming the limit.
    """
    return flat.decode(read(body), kind, reading)


def read(body: bytes) -> pa.Table:
    """The table in a body, with the limits of one batch. Raises as `parquet_file.read` does."""
    answer, payload = _child.ask(body)
    if answer == Answer.TABLE:
        return pa.ipc.open_stream(payload).read_all()
    if answer == Answer.GONE:
        raise Invalid("The file cannot be read as Parquet: it stops its reader.", code="damaged_file")
    told = json.loads(payload)
    faults = [Fault(**one) for one in told["faults"]]
    raise _ERRORS[told["status"]](told["detail"], code=told["code"], faults=faults)


class _Child:
    """The reader of this process: started at the first file, started anew after a file that ended it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, body: bytes) -> tuple[Answer, bytes]:
        """What the child answers to a file; GONE if it died of it or took too long."""
        with self._lock:
            process = self._running()
            timer = Timer(TIMEOUT_S, process.kill)
            timer.start()
            try:
                return _exchange(process, body)
            except (OSError, EOFError):
                self.stop()
                return Answer.GONE, b""
            finally:
                timer.cancel()

    def stop(self) -> None:
        """End the child and free its pipes."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(  # noqa: S603 (our own module)
                [sys.executable, "-m", "monitoring.traffic.parquet_child", str(limits.ITEMS), str(DECODED_BYTES)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=settings.BASE_DIR,
                env={"ARROW_DEFAULT_MEMORY_POOL": "system", "PATH": os.environ.get("PATH", "")},
            )
        return self._process


def _exchange(process: subprocess.Popen[bytes], body: bytes) -> tuple[Answer, bytes]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise EOFError
    stdin.write(len(body).to_bytes(LENGTH_BYTES, "big"))
    stdin.write(body)
    stdin.flush()
    answer = Answer(_exactly(stdout, 1))
    return answer, _exactly(stdout, int.from_bytes(_exactly(stdout, LENGTH_BYTES), "big"))


def _exactly(stream: IO[bytes], size_bytes: int) -> bytes:
    found = stream.read(size_bytes)
    if len(found) < size_bytes:
        raise EOFError
    return found


_child = _Child()
atexit.register(_child.stop)
