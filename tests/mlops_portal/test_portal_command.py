"""`manage.py portal`: real processes, started and ended in every way."""

import base64
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from mlops_portal import hosting
from mlops_portal.hosting import Address
from mlops_portal.jobs import alarm
from mlops_portal.kit import keyring

PATIENCE_S = 60
READY = "The portal is at"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> set[int]:
    """Every living process below this one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below, found = {pid}, set[int]()
    while below:
        below = {child for child, parent in parents.items() if parent in below}
        found |= below
    return found


def still_there(pids: set[int]) -> set[int]:
    """Those that run: a process nobody has waited for is gone, whatever /proc lists."""
    alive = set()
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        alive |= {pid} if status != "Z" else set()
    return alive


def gone(pids: set[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while still_there(pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


class Running:
    """A portal with its own folder and port."""

    def __init__(self, folder: Path, database_url: str, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "tests.mlops_portal.jobs.worker_settings",
            "PORTAL_DATA_DIR": str(folder),
            "LOG_LEVEL": "WARNING",
        }
        environment.pop("PUBLIC_URL", None)
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "portal", f"--port={self.port}", *options],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until_ready(self) -> str:
        """What it has printed up to and including the line that says where it is."""
        assert self.process.stdout
        said = ""
        while READY not in said:
            line = self.process.stdout.readline()
            assert line, self.process.communicate(timeout=PATIENCE_S)
            said += line
        return said

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:  # noqa: S310 (our own server)
            return answer.status, answer.read().decode()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def portals(tmp_path: Path) -> Iterator[list[Running]]:
    started: list[Running] = []
    yield started
    for one in started:
        below = descendants(one.process.pid)
        one.process.kill()
        for pid in still_there(below):
            os.kill(pid, signal.SIGKILL)
        one.process.communicate()


@pytest.fixture
def database_url(tmp_path: Path, transactional_db: None) -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'portal.sqlite3'}"
    where = connection.settings_dict
    return f"postgres://{where['USER']}@{where['HOST']}:{where['PORT']}/{where['NAME']}"


def start(portals: list[Running], tmp_path: Path, database_url: str, *options: str) -> Running:
    one = Running(tmp_path / "data", database_url, *options)
    portals.append(one)
    return one


@pytest.mark.fault
@pytest.mark.slow
def test_one_command_serves_works_and_shows_where_to_begin(portals, tmp_path, database_url):
    portal = start(portals, tmp_path, database_url)

    said = portal.until_ready()

    assert portal.url in said
    assert portal.get("/healthz") == (200, "ok\n")
    deadline = time.monotonic() + PATIENCE_S
    while len(descendants(portal.process.pid)) < 4:  # web server, web process, two workers
        assert time.monotonic() < deadline
        time.sleep(0.1)
    status, answer = portal.get("/readyz")
    assert (status, json.loads(answer)["ready"]) == (200, True)
    assert portal.process.stdout
    assert "Nobody has an account yet" in portal.process.stdout.readline()
    link = portal.process.stdout.readline().strip()
    assert re.match(rf"{re.escape(portal.url)}/\S+", link)
    assert stat.S_IMODE((portal.folder / "keys.json").stat().st_mode) == 0o600
    if connection.vendor == "sqlite":
        assert stat.S_IMODE((portal.folder / "portal.sqlite3").stat().st_mode) == 0o600


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stop_ends_every_process_cleanly(portals, tmp_path, database_url, number):
    portal = start(portals, tmp_path, database_url)
    portal.until_ready()
    below = descendants(portal.process.pid)

    code = portal.end(number)

    assert code == 0
    assert still_there(below) == set()


@pytest.mark.fault
@pytest.mark.slow
def test_every_process_ends_when_the_portal_is_killed(portals, tmp_path, database_url):
    portal = start(portals, tmp_path, database_url)
    portal.until_ready()
    below = descendants(portal.process.pid)
    assert len(below) >= 3

    portal.end(signal.SIGKILL)

    assert gone(below, alarm.GRACE_S + 7), still_there(below)


@pytest.mark.fault
@pytest.mark.slow
def test_a_killed_web_server_takes_its_processes_along_and_is_replaced(portals, tmp_path, database_url):
    portal = start(portals, tmp_path, database_url, "--no-worker")
    portal.until_ready()
    web = {pid for pid in descendants(portal.process.pid) if descendants(pid)}
    below = descendants(portal.process.pid)

    os.kill(web.pop(), signal.SIGKILL)

    assert gone(below, alarm.GRACE_S + 7), still_there(below)
    deadline = time.monotonic() + PATIENCE_S
    while not Address("127.0.0.1", portal.port).answers():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert portal.get("/healthz")[0] == 200


@pytest.mark.fault
@pytest.mark.slow
def test_a_taken_port_is_said_at_once(portals, tmp_path, database_url):
    with socket.socket() as taken:
        portal = start(portals, tmp_path, database_url)
        taken.bind(("127.0.0.1", portal.port))
        taken.listen()
        _, said = portal.process.communicate(timeout=PATIENCE_S)

    assert portal.process.returncode == 1
    assert f"127.0.0.1:{portal.port} is in use" in said
    assert "Traceback" not in said


# --- what it is made of ---


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 (not bound)
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("portal.example.org", "http://portal.example.org:8000"),
    ],
)
def test_an_address_is_written_as_a_browser_needs_it(host, url):
    assert Address(host, 8000).url == url


def test_an_address_is_free_or_taken():
    address = Address("127.0.0.1", free_port())
    assert address.is_free()
    assert not address.answers()

    with socket.socket() as taken:
        taken.bind((address.host, address.port))
        taken.listen()
        assert not address.is_free()
        assert address.answers()


def test_an_address_of_another_machine_is_not_free():
    assert not Address("192.0.2.1", free_port()).is_free()


@pytest.fixture
def fresh_folder(tmp_path, settings, monkeypatch):
    """A data folder that does not exist yet."""
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    settings.DATA_DIR, settings.KEY_RING_FILE = tmp_path / "d", tmp_path / "d" / "keys.json"
    keyring.ring.cache_clear()
    yield settings.DATA_DIR
    keyring.ring.cache_clear()


@pytest.mark.django_db
def test_a_first_start_makes_the_folder_and_a_key_ring_that_a_second_one_keeps(fresh_folder):
    hosting.prepare()
    ring = (fresh_folder / "keys.json").read_text()
    keyring.ring.cache_clear()
    hosting.prepare()

    assert (fresh_folder / "keys.json").read_text() == ring
    assert stat.S_IMODE((fresh_folder / "keys.json").stat().st_mode) == 0o600


@pytest.mark.django_db
def test_a_key_ring_of_the_environment_needs_no_file_but_has_to_be_one(fresh_folder, settings):
    settings.KEY_RING = json.dumps({"k1": base64.b64encode(b"k" * 32).decode()})
    hosting.prepare()
    assert not (fresh_folder / "keys.json").exists()

    settings.KEY_RING = "not a ring"
    keyring.ring.cache_clear()
    with pytest.raises(ImproperlyConfigured, match="KEY_RING"):
        hosting.prepare()
