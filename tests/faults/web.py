"""The web server of the harness, which dies with the process that started it: `python -m tests.faults.web PORT`."""

import ctypes
import signal
import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

_PR_SET_PDEATHSIG = 1


def main(port: int) -> None:
    """Serve with one process, which nobody replaces when it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    Granian(
        target="tests.faults.app:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=4,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=False,
    ).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
