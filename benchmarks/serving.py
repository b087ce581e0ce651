"""The poll of the serving layer over HTTP, and an activation with all that follows from it."""

from http.client import HTTPConnection

from benchmarks import database, processes
from benchmarks.ingest import server
from benchmarks.report import Line, Lines, at_most, seconds
from benchmarks.timing import Stopwatch

POLLS, WARM = 1500, 200
PATH = "/api/v1/serving/credit-decision"
LIMITS_S = {304: 0.005, 200: 0.010}
ACTIVATE_S = 0.060


class Wrong(Exception):
    """A poll was answered with another status than it should be."""


def lines() -> Lines:
    """95th percentiles of polls one after the other; promises are those of SQLite with one web process."""
    for kind in (database.SQLITE, database.POSTGRESQL):
        try:
            with database.portal(kind) as env:
                yield from _on(kind, env)
        except database.Absent as absent:
            yield Line(f"serving, {kind}", f"not measured: {absent}")


def _on(kind: str, env: dict[str, str]) -> Lines:
    made = processes.ours("serving", "prepare", "null", env=env)
    promised = kind == database.SQLITE
    with server(env, workers=1) as port:
        for status, held in ((304, made["etag"]), (200, "")):
            median, p95 = _poll(port, made["key"], status, held)
            promise = at_most(p95 * 1e3, LIMITS_S[status] * 1e3, " ms") if promised else None
            figure = f"{seconds(p95)} (median {seconds(median)})"
            yield Line(f"serving, {kind}, poll answered {status}, p95", figure, promise=promise)
    activated = processes.ours("serving", "activate", "null", env=env)
    promise = at_most(activated["p95_s"] * 1e3, ACTIVATE_S * 1e3, " ms") if promised else None
    yield Line(f"serving, {kind}, activate, p95", seconds(activated["p95_s"]), promise=promise)
    yield Line(f"serving, {kind}, activate, statements", f"{activated['statements']} (savepoints not counted)")


def _poll(port: int, key: str, status: int, held: str) -> tuple[float, float]:
    """Median and 95th percentile of the time a poll takes, in seconds, on one connection that is kept."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {key}", "X-Instance": "pod-1", "X-Applied-Revision": "1"}
    headers |= {"If-None-Match": f'"{held}"'} if held else {}
    took = []
    for _ in range(WARM + POLLS):
        watch = Stopwatch()
        connection.request("GET", PATH, headers=headers)
        answer = connection.getresponse()
        answer.read()
        took.append(watch.wall_s())
        if answer.status != status:
            raise Wrong(f"{answer.status} instead of {status}")
    connection.close()
    ordered = sorted(took[WARM:])
    return ordered[POLLS // 2], ordered[int(0.95 * POLLS)]
