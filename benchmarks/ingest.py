"""Durable ingest with authentication over HTTP, against a Django REST framework serializer on the same server."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from os import environ
from typing import Any

from benchmarks import database, processes
from benchmarks.report import Line, Lines, at_least, rate

FEATURES = [*(f"n{i:02d}" for i in range(15)), *(f"c{i:02d}" for i in range(5))]
WEB_PROCESSES = 2
CONNECTIONS = 16
OURS, PEER = "/api/v1/models/bench/predictions", "/api/v1/peer/bench/predictions"
THOUSAND, ONE = (1000, 400, 16), (1, 12_000, 2_000)  # items per body, bodies of ours, bodies of the peer


class Lost(Exception):
    """What was acknowledged is not what is stored."""


def lines() -> Lines:
    """1,000 records and one record per POST on both databases; promises are those of PostgreSQL."""
    for kind in (database.POSTGRESQL, database.SQLITE):
        try:
            with database.portal(kind) as env:
                yield from _on(kind, env)
        except database.Absent as absent:
            yield Line(f"ingest, {kind}", f"not measured: {absent}")


def _on(kind: str, env: dict[str, str]) -> Lines:
    key = processes.ours("ingest", "prepare", json.dumps(FEATURES), env=env)
    acknowledged = {OURS: 0, PEER: 0}
    results: dict[tuple[str, int], Any] = {}
    with server(env) as port:
        for items, ours, theirs in (THOUSAND, ONE):
            for path, count in ((OURS, ours), (PEER, theirs)):
                results[path, items] = _send(port, path, key, items, count)
                acknowledged[path] += results[path, items]["acknowledged"]
    stored = processes.ours("ingest", "stored", "null", env=env)
    expected = {"receipts": acknowledged[OURS], "rows": acknowledged[OURS], "ids": acknowledged[OURS]}
    if stored != expected | {"peer": acknowledged[PEER]}:
        raise Lost(f"acknowledged {acknowledged}, stored {stored}")
    yield from _compared(kind, results)
    yield Line(f"ingest, {kind}: acknowledged = stored", f"{stored['ids']:,} records, 0 lost, 0 double")


def _compared(kind: str, results: Mapping[tuple[str, int], Any]) -> Lines:
    peer = f"DRF {version('djangorestframework')} serializer"
    promised = kind == database.POSTGRESQL
    for items, what, unit, ratio_limit, limit in (
        (1000, "records_per_s", "records/s", 8, 150_000),
        (1, "posts_per_s", "POST/s", 2, 2_000),
    ):
        ours, theirs = results[OURS, items][what], results[PEER, items][what]
        name = f"ingest, {kind}, {items:,} per POST"
        against = f"{peer} {rate(theirs, unit)}"
        ratio = ours / theirs
        yield Line(name, rate(ours, unit), against, ratio, at_least(ratio, ratio_limit, "x") if promised else None)
        if promised:
            yield Line(name, rate(ours, unit), promise=at_least(ours, limit, f" {unit}"))


def _send(port: int, path: str, key: str, items: int, count: int) -> Any:
    order = {"port": port, "path": path, "key": key, "items": items, "bodies": count}
    order |= {"connections": CONNECTIONS, "features": FEATURES, "name": f"{path[8:12]}{items}"}
    result = processes.ours("sender", json.dumps(order))
    if result["refused"]:
        raise processes.Failed(f"{path} refused: {result['refused']}")
    return result


@contextmanager
def server(env: Mapping[str, str], *, workers: int = WEB_PROCESSES) -> Iterator[int]:
    """The web server with our routes and that of the peer, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    held = environ | env | {"DJANGO_SETTINGS_MODULE": "benchmarks.drf_peer.settings", "PYTHONPATH": str(processes.ROOT)}
    held["PYTHONWARNINGS"] = "ignore"
    command = [sys.executable, "-m", "benchmarks.ours.server", str(port), str(workers)]
    process = subprocess.Popen(command, cwd=processes.ROOT, env=held)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(port: int, process: subprocess.Popen[bytes], within_s: float = 30) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise processes.Failed("the server did not start")
