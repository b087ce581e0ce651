"""The database connection of a process that works: long statements, and a fresh start after a failure."""

from collections.abc import Sequence

from django.db import connection, connections

WEB_TIMEOUT = "statement_timeout=5s"
WORK_TIMEOUT = "statement_timeout=300s"


def allow_long_statements() -> None:
    """Give this process the worker's settings: statements of 300 s, one connection per thread, no pool.

    Effective for connections opened from now on; does nothing the second time, on SQLite, or inside a transaction.
    """
    options = connections.settings["default"].get("OPTIONS", {})
    if WEB_TIMEOUT not in options.get("options", "") or connection.in_atomic_block:
        return
    options.pop("pool", None)
    options["options"] = options["options"].replace(WEB_TIMEOUT, WORK_TIMEOUT)
    connection.close()


def forget_freed(tables: Sequence[str]) -> None:
    """Make deleted rows of these tables unreadable in the files of the database too; nothing inside a transaction.

    SQLite writes its whole file anew, during which nobody else can write.
    """
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(f"VACUUM {', '.join(map(connection.ops.quote_name, tables))}")
            cursor.execute("RESET statement_timeout")


def drop_if_broken() -> None:
    """Close a connection that a failure may have left unusable; the next statement opens a new one.

    Inside a transaction of the caller it does nothing: the end of that transaction will tell.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
