"""The cast of the tests, and the rule that no test reaches beyond this machine."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from hypothesis import HealthCheck, settings

from registry.models import AuditEntry, Deployment, DeploymentArm, Environment, Role, Team, User
from tests.factories import make_team, make_user

# How long an example takes says how busy the machine is; what hypothesis finds must not depend on it.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


class BeyondLoopback(Exception):
    """A test tried to open a connection to another machine."""


@pytest.fixture(autouse=True, scope="session")
def _only_loopback() -> Iterator[None]:
    """Every connection to anything but loopback or a local socket file fails loudly."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: Any) -> None:
        _require_loopback(self, address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        _require_loopback(self, address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


def _require_loopback(opened: socket.socket, address: Any) -> None:
    if opened.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(str(address[0])):
        raise BeyondLoopback(f"tests reach loopback only, not {address[0]}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _flush_between_tests() -> Iterator[None]:
    """Emptying the tables after a test with real transactions keeps what migrations wrote, and on SQLite steps
    around the triggers that protect audit trail and revisions (PostgreSQL truncates, which is no DELETE)."""
    operations = connection.ops
    original = operations.sql_flush

    def flush(style: Any, tables: list[str], **options: Any) -> list[str]:
        statements = original(style, [table for table in tables if table != Environment._meta.db_table], **options)
        if connection.vendor != "sqlite" or not statements:
            return statements
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (%s, %s, %s)",
                [model._meta.db_table for model in (AuditEntry, Deployment, DeploymentArm)],
            )
            triggers = cursor.fetchall()
        drop = [f"DROP TRIGGER {name}" for name, _ in triggers]
        return [*drop, *statements, *(sql for _, sql in triggers)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "sql_flush", flush)
        yield


@pytest.fixture(autouse=True, scope="session")
def _cheap_hashes() -> Iterator[None]:
    """The same password hash as in production with the least work factors: tests sign in often."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("time_cost", 1), ("memory_cost", 8), ("parallelism", 1)):
            patch.setattr(Argon2PasswordHasher, name, value)
        yield


@pytest.fixture
def team(db: None) -> Team:
    """The team whose objects the tests are about."""
    return make_team("risk", name="Risk")


@pytest.fixture
def other_team(db: None) -> Team:
    """A team on the other side of the wall."""
    return make_team("other", name="Other")


@pytest.fixture
def alice(team: Team) -> User:
    """Maintainer of team risk; owns its models."""
    return make_user("alice", team=team, role=Role.MAINTAINER)


@pytest.fixture
def bob(team: Team) -> User:
    """Second maintainer of team risk, who also approves."""
    return make_user("bob", team=team, role=Role.MAINTAINER, is_approver=True)


@pytest.fixture
def victor(team: Team) -> User:
    """Viewer of team risk."""
    return make_user("victor", team=team, role=Role.VIEWER)


@pytest.fixture
def charlie(other_team: Team) -> User:
    """Maintainer of another team: nothing of team risk exists for him."""
    return make_user("charlie", team=other_team, role=Role.MAINTAINER)
