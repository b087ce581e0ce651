"""Databases and folders that a bench makes for itself and removes again."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.processes import ROOT

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
_DEFAULT_SERVER = "postgres://root@127.0.0.1:5432/postgres"
_NAME = f"portal_bench_{os.getpid()}"


class Absent(Exception):
    """There is no PostgreSQL server to measure on."""


@contextmanager
def portal(kind: str) -> Iterator[dict[str, str]]:
    """A portal with an empty database in a folder of its own: the environment that its processes need.

    Raises Absent if no PostgreSQL server answers at DATABASE_URL (or on this machine).
    """
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder, _database(kind, Path(folder)) as url:
        env = {
            "PORTAL_MODE": "production",
            "PUBLIC_URL": "http://127.0.0.1",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "PORTAL_DATA_DIR": folder,
            "STORAGE_URL": f"file://{folder}/chunks",
            "DATABASE_URL": url,
            "REDIS_URL": "",
            "EMAIL_URL": "memorymail://",
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "mlops_portal.settings",
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # as the settings do, but some benches import pyarrow before them
        }
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=os.environ | env, check=True)
        yield env


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == SQLITE:
        yield f"sqlite:///{folder}/portal.sqlite3"
        return
    server = os.environ.get("DATABASE_URL", _DEFAULT_SERVER)
    if not server.startswith("postgres"):
        server = _DEFAULT_SERVER
    _administer(server, f"DROP DATABASE IF EXISTS {_NAME} WITH (FORCE)", f"CREATE DATABASE {_NAME}")
    try:
        yield _named(server, _NAME)
    finally:
        _administer(server, f"DROP DATABASE IF EXISTS {_NAME} WITH (FORCE)")


def _administer(server: str, *statements: str) -> None:
    try:
        with psycopg.connect(_named(server, "postgres"), autocommit=True, connect_timeout=3) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise Absent(f"no PostgreSQL answers: {error}") from error


def _named(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
