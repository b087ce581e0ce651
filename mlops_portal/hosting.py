"""The whole portal on one machine: what has to be ready before it starts, and the processes it consists of."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from django.conf import settings
from django.core.management import call_command

from mlops_portal.jobs.supervisor import Child, Supervisor
from mlops_portal.kit import keyring

TICK_S = 0.5
READY_WITHIN_S = 30.0
WEB_STOP_S = 15.0


class CannotServe(Exception):
    """The portal cannot be reached at the address that was asked for."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a browser on this machine has to write it."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 (compares only)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def is_free(self) -> bool:
        """Whether this process could listen there now."""
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
        except OSError:
            return False
        return True

    def answers(self) -> bool:
        """Whether something listens there."""
        host = self.url.removeprefix("http://").rpartition(":")[0].strip("[]")
        try:
            socket.create_connection((host, self.port), timeout=1).close()
        except OSError:
            return False
        return True


def prepare() -> None:
    """Make what a first start needs: folder, key ring, tables, static files. Harmless on every later start.

    What this process and its children write from now on is readable by their user alone.
    """
    os.umask(0o077)
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    keyring.ring()
    call_command("migrate", interactive=False, verbosity=0)
    if settings.MODE == "production":
        call_command("collectstatic", interactive=False, verbosity=0)


@dataclass(frozen=True, slots=True)
class Errand:
    """A command that runs once beside the portal, as soon as that answers. ended: told the exit code."""

    command: Sequence[str]
    ended: Callable[[int], None]


def demo_command() -> Sequence[str]:
    """The command that loads the demo beside the workers, and ends with this process."""
    return [sys.executable, "manage.py", "demo", "--load-only", f"--child-of={os.getpid()}"]


class Portal:
    """The web server and the embedded workers, as children that end when this process does."""

    def __init__(self, address: Address, *, web_processes: int, workers: int) -> None:
        self._address = address
        self._web_processes = web_processes
        self._web = Child(self._web_command)
        self._supervisor = Supervisor(workers)
        self._stop = threading.Event()
        self._errand: Child | None = None
        self.errand: Errand | None = None

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or Ctrl-C, then stop all children; calls `ready` once the address answers.

        Raises CannotServe if somebody else listens there, or the web server ends before it ever answered.
        """
        if not self._address.is_free():
            raise CannotServe(
                f"{self._address.host}:{self._address.port} is in use, or not an address of this machine."
            )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._web.start()
            self._supervisor.tend()
            self._wait_until_it_answers()
            if not self._stop.is_set():
                ready()
                self._set_out()
            while not self._stop.wait(TICK_S):
                self._supervisor.tend()
                self._web.ended()
                self._web.start_if_due()
                self._look_after_errand()
        finally:
            if self._errand:
                self._errand.terminate()
            self._web.terminate()
            self._supervisor.stop()
            if not self._web.wait(time.monotonic() + WEB_STOP_S):
                self._web.kill()

    def _wait_until_it_answers(self) -> None:
        while not self._stop.is_set() and not self._address.answers():
            code = self._web.ended()
            if code is not None or self._web.age_s > READY_WITHIN_S:
                raise CannotServe(f"The web server did not start (exit code {code}).")
            self._supervisor.tend()
            self._stop.wait(0.1)

    def _set_out(self) -> None:
        if self.errand:
            command = self.errand.command
            self._errand = Child(lambda _: command)
            self._errand.start()

    def _look_after_errand(self) -> None:
        code = self._errand.ended() if self._errand else None
        if code is not None and self.errand:
            self._errand = None
            self.errand.ended(code)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _web_command(self, _token: str) -> Sequence[str]:
        return [
            sys.executable,
            "-m",
            "mlops_portal.web",
            f"--host={self._address.host}",
            f"--port={self._address.port}",
            f"--workers={self._web_processes}",
            f"--child-of={os.getpid()}",
        ]
