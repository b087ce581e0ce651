"""LIKE and ILIKE that mean the same on every database: case matters to the one and not to the other, no escapes."""

import re
from typing import Any

from django.db.models import BooleanField, CharField, Func, Lookup

from registry.models.tag import INDEXED


class Like(Lookup):
    """`%` and `_` are wildcards, case matters. SQLite's own LIKE knows no case, so there it is written as GLOB."""

    lookup_name = "mlflow_like"
    output_field = BooleanField()
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        left, parameters = self.process_lhs(compiler, connection)
        return f"{left} {self.sql_operator} %s ESCAPE ''", [*parameters, self.rhs]

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        left, parameters = self.process_lhs(compiler, connection)
        return f"{left} GLOB %s", [*parameters, as_glob(self.rhs)]

    sql_operator = "LIKE"


class ILike(Like):
    """As Like in any case."""

    lookup_name = "mlflow_ilike"
    sql_operator = "ILIKE"

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        left, parameters = self.process_lhs(compiler, connection)
        return f"{left} LIKE %s", [*parameters, self.rhs]


class Beginning(Func):
    """The characters of a tag's value that the index holds; written as the index is, without parameters."""

    function = "LEFT"
    template = f"%(function)s(%(expressions)s, {INDEXED})"
    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """SQLite has no LEFT."""
        template = f"SUBSTR(%(expressions)s, 1, {INDEXED})"
        return super().as_sql(compiler, connection, template=template, **extra)


class Unindexed(Func):
    """The column itself, but SQLite does not begin with its index: pages are read in their order instead, and SQLite
    without statistics would rather find every row of the team first and sort them."""

    template = "%(expressions)s"
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """A sign that changes nothing."""
        return super().as_sql(compiler, connection, template="+%(expressions)s", **extra)


def as_glob(pattern: str) -> str:
    """The pattern in the other spelling of SQLite.

    >>> as_glob("50%_[*]?")
    '50*?[[][*]][?]'
    """
    other = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(other.get(mark, mark) for mark in pattern)


def like_pattern(pattern: str, *, any_case: bool) -> re.Pattern[str]:
    """The pattern for a text that is no column.

    >>> bool(like_pattern("F%", any_case=True).match("false"))
    True
    """
    other = {"%": ".*", "_": "."}
    text = re.sub("%+", "%", pattern)[:1000]
    return re.compile(
        "".join(other.get(mark, re.escape(mark)) for mark in text) + r"\Z", re.S | (re.I if any_case else 0)
    )
