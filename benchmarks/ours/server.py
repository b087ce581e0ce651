"""The web server of the ingest bench: granian as `manage.py portal` runs it, with the peer's route added."""

import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from mlops_portal.web import THREADS


def main(port: int, workers: int) -> None:
    """Serve until told to stop."""
    Granian(
        target="mlops_portal.wsgi:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
