"""What has to hold for the portal to be ready, each as a question with a short answer."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from mlops_portal.jobs.models import Job

WAITS_TOO_LONG = timedelta(seconds=120)
LEAST_FREE_BYTES = 512 << 20
LEAST_FREE_SHARE = 0.05
POSTGRESQL_FLAGS = ("synchronous_commit", "fsync", "full_page_writes")
SQLITE_FULL = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One question and how it was answered; no problems means yes."""

    name: str
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.problems


def all_checks() -> list[Check]:
    """Every check, asked now. Where the database is away, the checks that need it say so."""
    questions: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("database", _database),
        ("durability", durability),
        ("migrations", _migrations),
        ("work", _work),
        ("disk", _disk),
    )
    return [Check(name, tuple(_answered(question))) for name, question in questions]


def durability() -> list[str]:
    """Database settings under which an acknowledged commit may be lost; empty if there is none."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA synchronous")
            level = cursor.fetchone()[0]
            return [] if level >= SQLITE_FULL else [f"synchronous is {level}, not FULL"]
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(POSTGRESQL_FLAGS)])
        return [f"{name} is {value}" for name, value in cursor.fetchall() if value == "off"]


def disk_free() -> tuple[int, float]:
    """Free bytes, and their share, where the portal keeps its data."""
    folder = next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists())
    usage = shutil.disk_usage(folder)
    return usage.free, usage.free / usage.total


def _answered(question: Callable[[], list[str]]) -> list[str]:
    try:
        return question()
    except DatabaseError as error:
        return [f"the database does not answer ({type(error).__name__})"]


def _database() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return []


def _migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name} is not applied" for migration, _ in plan]


def _work() -> list[str]:
    """Alive is not enough: a worker that hears nothing leaves due jobs lying."""
    waiting = Job.objects.due().filter(not_before__lt=Now() - WAITS_TOO_LONG).count()
    return [f"{waiting} due jobs wait longer than {WAITS_TOO_LONG.seconds} s"] if waiting else []


def _disk() -> list[str]:
    free, share = disk_free()
    if free < LEAST_FREE_BYTES or share < LEAST_FREE_SHARE:
        return [f"{free >> 20} MB ({share:.0%}) are free"]
    return []
