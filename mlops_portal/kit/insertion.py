"""Inserts of the hot path: plain rows into one table, without making a model instance of each."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, Model


class Insertion:
    """Inserts rows given as tuples of the named fields; every other column has to have a default in the database."""

    def __init__(self, model: type[Model], names: Sequence[str]) -> None:
        self._fields: list[Field[Any, Any]] = [model._meta.get_field(name) for name in names]  # type: ignore[misc]
        columns = ", ".join(f'"{field.column}"' for field in self._fields)
        marks = ", ".join(["%s"] * len(names))
        table = model._meta.db_table
        self._statement = f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608 (names of our own)

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Insert them in one round trip, in the caller's transaction.

        The statement is the same for any number of rows, so drivers read and prepare it once. Raises IntegrityError
        if a row breaks a constraint.
        """
        connection = connections[DEFAULT_DB_ALIAS]
        values = [
            [field.get_db_prep_save(value, connection) for field, value in zip(self._fields, row, strict=True)]
            for row in rows
        ]
        if values:
            with connection.cursor() as cursor:
                cursor.executemany(self._statement, values)
