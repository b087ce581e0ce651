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
def shared_database(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """A database that threads and processes share, and its URL: SQLite in memory locks tables in a way no file does."""
    kept, settings = connections["default"], connections.settings["default"]
    if kept.vendor != "sqlite":
        where = kept.settings_dict
        yield f"postgres://{where['USER']}@{where['HOST']}:{where['PORT']}/{where['NAME']}"
        return
    file = tmp_path / "jobs.sqlite3"
    connections.settings["default"] = {**settings, "NAME": str(file)}
    del connections["default"]
    with connections["default"].schema_editor() as editor:
        editor.create_model(Job)
        editor.create_model(WorkerBeat)
    yield f"sqlite:///{file}"
    connections["default"].close()
    connections.settings["default"] = settings
    connections["default"] = kept


@pytest.fixture
def processes(shared_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which processes that the test starts work on its database; the file their handlers write to."""
    monkeypatch.setenv("DATABASE_URL", shared_database)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.mlops_portal.jobs.worker_settings")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    return tmp_path / "notes.txt"
