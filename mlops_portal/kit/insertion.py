"""Inserts of the hot path: plain rows into one table, without making a model instance of each."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import msgspec
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model

# Types whose Python values SQLite's driver does not take as they are; PostgreSQL's takes all of these but JSON.
_PREPARED = {"UUIDField", "DateTimeField", "BinaryField", "JSONField"}
_COPIED_FROM = 16  # rows; PostgreSQL executes a statement per row, but reads COPY as one: a hundred rows in a third


class Insertion:
    """Inserts rows given as tuples of the named fields; every other column has to have a default in the database.

    Values have to be of the fields' own Python types: a key for a relation, plain text for a choice.
    """

    def __init__(self, model: type[Model], names: Sequence[str]) -> None:
        self._fields: list[Field[Any, Any]] = [model._meta.get_field(name) for name in names]  # type: ignore[misc]
        columns = ", ".join(f'"{field.column}"' for field in self._fields)
        table = model._meta.db_table
        self._head = f'INSERT INTO "{table}" ({columns}) VALUES '  # noqa: S608 (names of our own)
        self._row = f"({', '.join(['%s'] * len(names))})"
        self._copying = f'COPY "{table}" ({columns}) FROM STDIN'

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Insert them in one round trip, in the caller's transaction.

        Raises IntegrityError if a row breaks a constraint.
        """
        connection = connections[DEFAULT_DB_ALIAS]
        values = [list(row) for row in rows]
        for i, change in self._changes(connection):
            given: Any = object()
            for row in values:
                if row[i] is not given:  # most rows have the same moment and the same key as the one before
                    given, changed = row[i], change(row[i])
                row[i] = changed
        if values:
            with connection.cursor() as cursor:
                self._write(connection, cursor, values)

    def _write(self, connection: BaseDatabaseWrapper, cursor: Any, values: list[list[Any]]) -> None:
        """Each database its cheapest way; equal numbers of rows are equal statements, which drivers prepare once."""
        if connection.vendor != "postgresql":
            cursor.executemany(self._head + self._row, values)
        elif len(values) < _COPIED_FROM:
            cursor.execute(self._head + ", ".join([self._row] * len(values)), list(chain.from_iterable(values)))
        else:
            with connection.wrap_database_errors, cursor.copy(self._copying) as copy:
                for row in values:
                    copy.write_row(row)

    def _changes(self, connection: BaseDatabaseWrapper) -> list[tuple[int, Callable[[Any], Any]]]:
        """Which values the database's driver wants changed, and how."""
        kinds = [getattr(field, "target_field", field).get_internal_type() for field in self._fields]
        if connection.vendor == "postgresql":
            return [(i, _json_text) for i, kind in enumerate(kinds) if kind == "JSONField"]
        return [
            (i, partial(self._fields[i].get_db_prep_save, connection=connection))
            for i, kind in enumerate(kinds)
            if kind in _PREPARED
        ]


def _json_text(value: Any) -> str:
    """The document as text, which costs a tenth of what the driver's own way does."""
    return msgspec.json.encode(value).decode()
