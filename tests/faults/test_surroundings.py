"""The machine, the broker, the clock, the disk and the database fail; the portal keeps what it acknowledged."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest

from tests.faults.harness import KILLED, ROOT, Portal, free_port, is_on_postgresql, until
from tests.faults.ledger import Body, outcomes, predictions, send_all
from tests.faults.proxy import Proxy
from tests.faults.trouble import Trouble

pytestmark = [pytest.mark.fault, pytest.mark.slow]

ACK_WITHIN_S = 2.0
REDIS_URL = os.environ.get("REDIS_URL", "")
MIB = 1 << 20


def test_without_a_broker_everything_is_taken_and_done(make_portal):
    portal = make_portal(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=2))  # imports happen at the first request
    started = time.monotonic()

    portal.send(predictions(slug, days_ago=1))

    assert time.monotonic() - started < ACK_WITHIN_S
    portal.require_promises()


@pytest.mark.skipif(not REDIS_URL, reason="needs a broker: REDIS_URL")
def test_celery_goes_on_when_the_broker_is_back(make_portal):
    where = urlsplit(REDIS_URL)
    with Proxy(where.port or 6379) as cable:
        portal = make_portal(REDIS_URL=f"redis://127.0.0.1:{cable.port}{where.path}")
        [slug] = portal.models()
        portal.serve().until_it_answers()
        queues = "--queues=ingest,deliver,compute,maintain,sweep"
        with celery(portal, "worker", "--concurrency=1", queues), celery(portal, "beat"):
            portal.send(predictions(slug, days_ago=3))
            until(lambda: not portal.do("inbox_rows"), "stored by Celery", every_s=0.5)
            cable.cut()
            portal.send(predictions(slug, days_ago=2))
            time.sleep(2)
            assert portal.do("inbox_rows") == 1
            cable.mend()

            until(lambda: not portal.do("inbox_rows"), "stored when the broker is back", every_s=0.5)
    portal.require_promises()


class celery:  # noqa: N801 (reads as a verb)
    """`celery -A mlops_portal …` of a portal, until the block ends."""

    def __init__(self, portal: Portal, *arguments: str) -> None:
        self._portal = portal
        self._arguments = arguments

    def __enter__(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "mlops_portal.celery", "--quiet", *self._arguments]
        with (self._portal.folder / f"celery-{self._arguments[0]}.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._portal.environment, stdout=log, stderr=log, start_new_session=True
            )

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.mark.parametrize("step_s", [-3600, 86_400], ids=["an hour back", "a day ahead"])
def test_a_worker_with_a_wrong_clock_dies_and_nothing_is_skipped_or_doubled(portal, step_s):
    [slug] = portal.models()
    first = predictions(slug, days_ago=2)
    portal.send(first, predictions(slug, days_ago=1), outcomes(first))
    wrong = Trouble("run.computed:exit:2", clock_s=step_s, lease_s=1)

    killed = portal.start("work", wrong, drain=True)

    assert killed.wait() == KILLED, killed.said()
    portal.require_promises(Trouble(lease_s=1))


@pytest.mark.parametrize("step_s", [-3600, 86_400], ids=["an hour back", "a day ahead"])
def test_a_clock_that_was_wrong_and_is_right_again_skips_no_window(portal, step_s):
    [slug] = portal.models()
    portal.send(predictions(slug, days_ago=3))
    portal.do("work", Trouble(clock_s=step_s), drain=True)

    portal.send(predictions(slug, days_ago=2), predictions(slug, days_ago=1))

    portal.require_promises()


def test_a_low_disk_is_said_and_what_came_before_is_kept(own_portal):
    portal = own_portal
    [slug] = portal.models()
    web = portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=2))
    web.kill()
    web = portal.serve(Trouble(free_bytes=100 * MIB)).until_it_answers()
    body = predictions(slug, days_ago=1)

    assert not portal.sender.attempt(body)

    assert body.answers == [507]
    web.kill()
    portal.serve().until_it_answers()
    portal.send(body)
    portal.require_promises()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 560 MB; skips where nothing may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=560m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room(make_portal, small_disk):
    portal = make_portal(small_disk)
    [slug] = portal.models()
    portal.serve().until_it_answers()
    portal.send(predictions(slug, days_ago=2), predictions(slug, days_ago=1))
    ballast = small_disk / "ballast"

    fill(ballast, small_disk)
    worker = portal.start("work", drain=True)
    worker.wait()
    refused = predictions(slug, days_ago=1, name="refused")
    until(lambda: not portal.sender.attempt(refused), "the web server notices", within_s=10, every_s=1)
    ballast.unlink()

    assert refused.answers[-1] in {500, 503, 507}
    until(lambda: portal.sender.attempt(refused), "the web server notices the room", within_s=20, every_s=1)
    portal.require_promises()


def fill(ballast: Path, disk: Path) -> None:
    """Leave not one free block."""
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)


def test_a_disk_that_stores_something_else_is_found_out_at_once(portal):
    [slug] = portal.models()
    first = predictions(slug, days_ago=1)
    portal.send(first, outcomes(first))

    lied_to = portal.start("work", Trouble(lying_writes=2), drain=True)

    assert lied_to.wait() == 0, lied_to.said()
    assert "NotWritten" in lied_to.said()
    portal.require_promises()


def test_a_corrupted_chunk_is_marked_and_said_and_stops_nobody_else(own_portal):
    portal = own_portal
    hurt, whole = portal.models(2)
    portal.do("refer", slugs=[hurt, whole])
    portal.serve().until_it_answers()
    firsts = [predictions(slug, days_ago=days, count=150) for slug in (hurt, whole) for days in (2, 1)]
    portal.send(*firsts)
    portal.require_promises()

    path = portal.damage(hurt)
    portal.send(*map(outcomes, firsts), *(predictions(slug, days_ago=2, name="more") for slug in (hurt, whole)))
    portal.send(*(Body(body.model, body.kind, body.items[::-1]) for body in firsts))  # the same records, another body
    portal.require_promises()

    assert portal.do("chunk_states", slug=hurt)[path] == "damaged"
    assert "damaged" not in portal.do("chunk_states", slug=whole).values()
    said = {run["monitor"] for run in portal.do("runs", slug=hurt) if run["summary"]["damaged"]}
    assert said == {"inputs-training", "performance"}  # operations rest on the hours, which are counted
    assert not any(run["summary"]["damaged"] for run in portal.do("runs", slug=whole))
    answers = portal.do("pages", key=portal.house.key)
    assert {url: status for url, status in answers.items() if status not in {200, 503}} == {}


def test_processes_killed_at_random_lose_and_double_nothing(own_portal):
    portal = own_portal
    slugs = portal.models(2)
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 (shown when the test fails)
    rng = np.random.default_rng(seed)
    bodies = [
        predictions(slug, days_ago=days, count=5, name=f"n{i}") for i in range(15) for days in (2, 1) for slug in slugs
    ]
    clients = threading.Thread(target=send_all, args=(portal.sender, bodies), kwargs={"senders": 3})
    web, worker = portal.serve(), portal.start("work", Trouble(lease_s=2))
    clients.start()

    for _ in range(5):
        time.sleep(rng.uniform(0.5, 2.5))
        if rng.random() < 0.5:
            web.kill()
            web = portal.serve()
        else:
            worker.kill()
            worker = portal.start("work", Trouble(lease_s=2))
    clients.join()
    worker.kill()

    assert all(body.acked for body in bodies)
    portal.require_promises()


@pytest.mark.skipif(not is_on_postgresql(), reason="SQLite has no server to lose")
def test_connections_that_the_database_ends_lose_and_double_nothing(own_portal):
    portal = own_portal
    slugs = portal.models(2)
    bodies = [predictions(slug, days_ago=2, count=5, name=f"n{i}") for i in range(30) for slug in slugs]
    portal.serve().until_it_answers()
    worker = portal.start("work")
    clients = threading.Thread(target=send_all, args=(portal.sender, bodies), kwargs={"senders": 3})
    clients.start()

    for _ in range(20):
        time.sleep(0.1)
        end_connections(portal)
    clients.join()
    worker.send(signal.SIGTERM)

    assert worker.wait() == 0, worker.said()
    assert all(body.acked for body in bodies)
    portal.require_promises()


def end_connections(portal: Portal) -> None:
    """End every connection to the portal's database, from the server's side."""
    name = portal.house.database_url.rpartition("/")[2]
    with psycopg.connect(f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/postgres", autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
