"""Queries of the hot path whose SQL the ORM writes once instead of at every call."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet


class Prepared:
    """A `values_list` query with parameters, compiled once per thread.

    build: makes the queryset from placeholders, one for each of `parameters`; each has to reach the database as it
    is, exactly once and in this order, so the columns compared have to be texts.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], parameters: Sequence[str]) -> None:
        self._build = build
        self._placeholders = tuple(f"placeholder {name}" for name in parameters)
        self._local = threading.local()

    def rows(self, *values: str | int) -> list[tuple[Any, ...]]:
        """The rows for these values, converted as the ORM would convert them."""
        compiler, sql, converters = self._compiled()
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            found = cursor.fetchall()
        return [tuple(row) for row in compiler.apply_converters(found, converters)] if found else []

    def _compiled(self) -> tuple[Any, str, Any]:
        if not hasattr(self._local, "compiled"):
            compiler = self._build(*self._placeholders).query.get_compiler(connection=connection)
            sql, parameters = compiler.as_sql()
            if tuple(parameters) != self._placeholders:
                raise ValueError(f"a prepared query takes {self._placeholders}, and not {parameters}")
            converters = compiler.get_converters([column for column, _, _ in compiler.select])
            self._local.compiled = (compiler, sql, converters)
        compiled: tuple[Any, str, Any] = self._local.compiled
        return compiled
