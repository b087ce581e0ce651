"""A portal made of real processes, with its own folder, port and database, that a test kills and starts as it likes."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.faults.ledger import Body, Ledger, Sender
from tests.faults.trouble import NONE, Trouble

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.02
KILLED = 137
_serial = count(1)


class Late(AssertionError):
    """Something did not happen in time."""


def until(holds: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S, every_s: float = LOOK_EVERY_S) -> Any:
    """Wait until something holds, and give it. Raises Late after the time."""
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise Late(f"not within {within_s} s: {what}")
        time.sleep(every_s)
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_on_postgresql() -> bool:
    """Whether the suite runs on PostgreSQL."""
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


@dataclass(frozen=True, slots=True)
class Storehouse:
    """A data folder and a database that nobody uses yet: what a portal begins with, or a template of it."""

    folder: Path
    database_url: str
    key: str = ""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(50))

    @classmethod
    def empty(cls, folder: Path, name: str) -> Self:
        folder.mkdir(mode=0o700)
        if not is_on_postgresql():
            return cls(folder, f"sqlite:///{folder / 'portal.sqlite3'}")
        _on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
        return cls(folder, f"{_server()}/{name}")

    def copy(self, folder: Path, name: str) -> "Storehouse":
        """The same content elsewhere."""
        shutil.copytree(self.folder, folder)
        if not is_on_postgresql():
            return Storehouse(folder, f"sqlite:///{folder / 'portal.sqlite3'}", self.key, self.secret)
        template = self.database_url.rpartition("/")[2]
        _on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return Storehouse(folder, f"{_server()}/{name}", self.key, self.secret)

    def drop(self) -> None:
        """Remove all of it."""
        if is_on_postgresql():
            _on_server(f'DROP DATABASE IF EXISTS "{self.database_url.rpartition("/")[2]}" WITH (FORCE)')
        shutil.rmtree(self.folder, ignore_errors=True)


def database_name(number: int) -> str:
    """The name of a database of this run of the suite on PostgreSQL."""
    own = os.environ.get("DATABASE_URL", "").rpartition("/")[2]
    return f"{own}_faults_{os.getpid()}_{number}"


def _server() -> str:
    return os.environ["DATABASE_URL"].rpartition("/")[0]


def _on_server(*statements: str) -> None:
    with psycopg.connect(f"{_server()}/postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


class Life:
    """One process of the portal, from its fork to its end."""

    def __init__(self, pid: int, folder: Path, log: Path, result: Path) -> None:
        self.pid = pid
        self.log = log
        self._exit = folder / f"{pid}.exit"
        self._result = result

    def code(self) -> int | None:
        """How it ended; None while it lives. Below zero: the signal."""
        return int(self._exit.read_text()) if self._exit.exists() else None

    def wait(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code, when it has ended. Raises Late, with its log."""
        try:
            until(self._exit.exists, f"the end of process {self.pid}", within_s=within_s)
        except Late:
            self.kill()
            raise Late(f"process {self.pid} did not end:\n{self.said()}") from None
        return int(self._exit.read_text())

    def result(self) -> Any:
        """What it came to. Raises AssertionError with its log if it failed."""
        code = self.wait()
        assert code == 0, f"process {self.pid} ended with {code}:\n{self.said()}"
        return json.loads(self._result.read_text())

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-6000:] if self.log.exists() else ""

    def send(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.code() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send(signal.SIGKILL)

    def is_stopped(self) -> bool:
        """Whether it stands still after SIGSTOP."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


class Web:
    """A web server of the portal with one process behind it."""

    def __init__(self, portal: "Portal", trouble: Trouble) -> None:
        self._portal = portal
        self.log = portal.folder / f"web-{next(_serial)}.log"
        environment = portal.environment | {
            "FAULTS_TROUBLE": trouble.dump(),
            "FAULTS_SPRUNG": str(portal.sprung_file),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.web", str(portal.port)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until_it_answers(self) -> Self:
        """Raises Late if it does not."""
        until(lambda: self._answers() or not self.lives(), f"an answer of the web server:\n{self.log}")
        assert self.lives(), self.log.read_text()[-6000:]
        return self

    def lives(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9 of the server and the process behind it."""
        if self.lives():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def until_it_ends(self, within_s: float = PATIENCE_S) -> None:
        """After the process behind it has died."""
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise Late(f"the web server did not end:\n{self.log.read_text()[-3000:]}") from None
        finally:
            self.kill()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._portal.port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Portal:
    """One portal: its data, the nursery its processes come from, and the ledger of its clients."""

    def __init__(self, house: Storehouse, folder: Path, **environment: str) -> None:
        self.house = house
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.letters = folder / "letters"
        self.sprung_file = folder / "sprung"
        self.port = free_port()
        self.ledger = Ledger()
        self.sender = Sender(self.port, house.key, self.ledger)
        self.environment = self._environment(environment)
        self._lock = threading.Lock()
        self.damaged: list[str] = []
        self._webs: list[Web] = []
        self._slugs = count(1)
        with (folder / "nursery.log").open("wb") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self, act: str, trouble: Trouble = NONE, **arguments: Any) -> Life:
        """A process that does one of `tests.faults.acts`."""
        number = next(_serial)
        log, result = self.folder / f"{act}-{number}.log", self.folder / f"{act}-{number}.json"
        order = {
            "act": act,
            "arguments": arguments,
            "trouble": asdict(trouble),
            "folder": str(self.folder),
            "log": str(log),
            "result": str(result),
            "sprung": str(self.sprung_file),
        }
        with self._lock:
            assert self._nursery.stdin
            self._nursery.stdin.write(json.dumps(order) + "\n")
            self._nursery.stdin.flush()
            pid = int(self._heard())
        return Life(pid, self.folder, log, result)

    def do(self, act: str, trouble: Trouble = NONE, **arguments: Any) -> Any:
        """What an act came to."""
        return self.start(act, trouble, **arguments).result()

    def serve(self, trouble: Trouble = NONE) -> Web:
        """Start a web server; the one before has to be gone."""
        web = Web(self, trouble)
        self._webs.append(web)
        return web

    def models(self, number: int = 1) -> list[str]:
        """Slugs of new models."""
        slugs = [f"model-{next(self._slugs)}" for _ in range(number)]
        self.do("make_models", slugs=slugs)
        return slugs

    def send(self, *bodies: Body) -> None:
        """Send bodies, one after the other, until each is acknowledged."""
        for body in bodies:
            self.sender.send(body)

    def settle(self, trouble: Trouble = NONE, *, drain: bool = True) -> list[dict[str, str]]:
        """Let everything become quiet; the promises that are broken then."""
        ledger, letters = self.ledger.document(), str(self.letters)
        return list(self.do("settle", trouble, ledger=ledger, letters=letters, damaged=self.damaged, drain=drain))

    def damage(self, slug: str) -> str:
        """Alter a file of the model's predictions; its path."""
        path = str(self.do("damage", slug=slug))
        self.damaged.append(path)
        return path

    def require_promises(self, trouble: Trouble = NONE, *, drain: bool = True) -> None:
        """Let everything become quiet; raises AssertionError naming each promise that is broken then."""
        broken = self.settle(trouble, drain=drain)
        assert not broken, "\n".join(f"{one['promise']}: {one['text']}" for one in broken)

    def broken(self, trouble: Trouble = NONE) -> set[str]:
        """The names of the promises that are broken when everything is quiet."""
        return {one["promise"] for one in self.settle(trouble)}

    def sprung(self) -> list[str]:
        """The faults that have sprung so far, as `point:action`."""
        return self.sprung_file.read_text().split() if self.sprung_file.exists() else []

    def end_processes(self) -> None:
        """kill -9 of everything: the children of the nursery die with it."""
        for web in self._webs:
            web.kill()
        self._nursery.kill()
        self._nursery.communicate()

    def close(self) -> None:
        """End every process, and forget the data."""
        self.end_processes()
        self.house.drop()

    def _heard(self) -> str:
        """The next word of the nursery; the first is `ready`."""
        assert self._nursery.stdout
        while (line := self._nursery.stdout.readline().strip()) == "ready":
            continue
        assert line, (self.folder / "nursery.log").read_text()[-6000:]
        return line

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "REDIS_"))}
        inherited.pop("PUBLIC_URL", None)
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "PORTAL_MODE": "test",
            "PORTAL_DATA_DIR": str(self.house.folder),
            "DATABASE_URL": self.house.database_url,
            "SECRET_KEY": self.house.secret,
            "EMAIL_URL": f"filemail:///{self.letters}",
            "LOG_LEVEL": "WARNING",
            "PYTHONWARNINGS": "default",
            **more,
        }


@contextmanager
def running(house: Storehouse, folder: Path, **environment: str) -> Iterator[Portal]:
    """A portal, ended at the end whatever happens."""
    portal = Portal(house, folder, **environment)
    try:
        yield portal
    finally:
        portal.close()
