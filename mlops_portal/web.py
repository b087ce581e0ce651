"""The web server of `manage.py portal`: `python -m mlops_portal.web`, a child process of its own."""

from argparse import ArgumentParser

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from mlops_portal.jobs import lifeline

THREADS = 32  # per process: Python runs one at a time; bodies that arrive together are committed together


def main() -> None:
    """Serve until told to stop, or until the parent dies."""
    parser = ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--child-of", type=int, required=True)
    options = parser.parse_args()
    lifeline.tie(options.child_of)
    Granian(
        target="mlops_portal.tied_wsgi:application",
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        workers=options.workers,
        blocking_threads=THREADS,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
    ).serve()


if __name__ == "__main__":
    main()
