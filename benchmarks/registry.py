"""MLflow's registry API at 10,000 models and 100,000 versions, against MLflow's own server."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import database, peering, processes
from benchmarks.report import Line, Lines, at_most, seconds

PEER_MODELS = 300  # what MLflow's server takes in about a minute
BASE_LIMIT_S = 90


def lines() -> Lines:
    """p95 and queries of each call on SQLite, one caller, in process; beside it medians of MLflow over HTTP."""
    with database.portal(database.SQLITE) as env:
        ours = processes.ours("registry", env=env)
    yield Line(
        "registry, the data set", f"{ours['models']:,} models, {ours['versions']:,} versions, {ours['tags']:,} tags"
    )
    theirs = _peer()
    for name, figure in ours["calls"].items():
        peer_ms = theirs.get(name)
        against = f"MLflow {theirs['version']}, {theirs['models']} models {seconds(peer_ms / 1e3)}" if peer_ms else ""
        yield Line(
            f"registry, {name}",
            f"p95 {seconds(figure['p95_ms'] / 1e3)}, median {seconds(figure['median_ms'] / 1e3)}",
            against,
            peer_ms / figure["median_ms"] if peer_ms else None,
            at_most(figure["p95_ms"], figure["limit_ms"], " ms"),
        )
        if figure["queries_limit"]:
            yield Line(
                f"registry, {name}: queries",
                str(figure["queries"]),
                promise=at_most(figure["queries"], figure["queries_limit"], ""),
            )


def _peer() -> dict[str, Any]:
    """Medians of MLflow's own server by the same names; only what could not be measured is missing."""
    python = peering.environment("mlflow")
    with _peer_server(python) as port:
        script = peering.PEERS / "mlflow_registry.py"
        answer: dict[str, Any] = processes.run(
            [str(python), str(script), str(port), str(PEER_MODELS)], env=peering.QUIET
        )
        return answer


@contextmanager
def _peer_server(python: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory(prefix="mlflow-bench-") as folder:
        command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.sqlite3", "--artifacts-destination", folder]
        held = os.environ | peering.QUIET | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        held["PATH"] = f"{python.parent}{os.pathsep}{held['PATH']}"
        process = subprocess.Popen(
            command, cwd=folder, env=held, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            _wait_for(port, process)
            yield port
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + BASE_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise processes.Failed("MLflow's server did not start")
