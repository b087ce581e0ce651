"""Portals of real processes for the tests: one per module, or one per test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.faults.harness import Portal, Storehouse, database_name, running

collect_ignore = ["app.py"]  # the program of the child processes: it needs their environment
_numbers = count(1)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storehouse]:
    """Migrated tables, a team and a key, made once and copied by each portal."""
    folder = tmp_path_factory.mktemp("template")
    house = Storehouse.empty(folder / "data", database_name(0))
    with running(house, folder / "processes") as portal:
        key = portal.do("prepare")
        portal.end_processes()
        yield Storehouse(house.folder, house.database_url, key, house.secret)


@pytest.fixture(scope="module")
def unserved_portal(template: Storehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal that the tests of a module share; each starts the web servers it needs."""
    folder = tmp_path_factory.mktemp("portal")
    with running(template.copy(folder / "data", database_name(next(_numbers))), folder / "processes") as shared:
        yield shared


@pytest.fixture(scope="module")
def portal(unserved_portal: Portal) -> Portal:
    """A portal that the tests of a module share, with a web server that nobody harms."""
    unserved_portal.serve().until_it_answers()
    return unserved_portal


@pytest.fixture
def make_portal(template: Storehouse, tmp_path: Path) -> Iterator[Callable[..., Portal]]:
    """Portals of the test's own: `make_portal(REDIS_URL=…)`; `folder`: where its data lie."""
    with ExitStack() as portals:

        def make(folder: Path | None = None, **environment: str) -> Portal:
            number = next(_numbers)
            house = template.copy((folder or tmp_path) / f"data-{number}", database_name(number))
            return portals.enter_context(running(house, tmp_path / f"processes-{number}", **environment))

        yield make


@pytest.fixture
def own_portal(make_portal: Callable[..., Portal]) -> Portal:
    """A portal of the test's own; no web server is started yet."""
    return make_portal()
