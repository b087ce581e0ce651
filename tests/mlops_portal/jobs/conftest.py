"""A job table with handlers of the test's own, and sweeps of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import wiring

Handler = Callable[[Lease], None]


class Wiring:
    """What the settings lists name, for one test."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.sweeps: list[Callable[..., Any]] = []

    def handles(self, kind: str) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.handlers[kind] = handler
            return handler

        return keep


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Wiring:
    """Handlers and sweeps of this test instead of those of the settings."""
    wired = Wiring()
    monkeypatch.setattr(wiring, "table", lambda setting: wired.handlers)
    monkeypatch.setattr(wiring, "functions", lambda setting: tuple(wired.sweeps))
    return wired


@pytest.fixture
def shared_database(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """A database that threads share as processes do: SQLite in memory locks tables in a way no file does."""
    kept, settings = connections["default"], connections.settings["default"]
    if kept.vendor != "sqlite":
        yield
        return
    connections.settings["default"] = {**settings, "NAME": str(tmp_path / "jobs.sqlite3")}
    del connections["default"]
    with connections["default"].schema_editor() as editor:
        editor.create_model(Job)
        editor.create_model(WorkerBeat)
    yield
    connections["default"].close()
    connections.settings["default"] = settings
    connections["default"] = kept
