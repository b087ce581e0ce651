"""Order and pages of searches: by the values of the last row, so that depth costs nothing and no row comes twice."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet

from mlops_portal.kit.errors import Invalid
from registry.mlflow.shapes import milliseconds

SALT = "registry.mlflow.page"
SHOWN = 64
KEYS_LIMIT = 8
_NAMES = frozenset({"name", "model__name"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Key:
    """One part of an order."""

    column: str
    descending: bool = False

    @property
    def term(self) -> str:
        """The part as `order_by` takes it."""
        return f"-{self.column}" if self.descending else self.column


@dataclass(frozen=True, slots=True)
class Orders:
    """What a search may be sorted by, and how it is without being asked. ending: appended, so that no two rows tie."""

    columns: Mapping[str, str]
    default: tuple[Key, ...]
    ending: tuple[Key, ...]

    def read(self, items: Sequence[str]) -> list[Key]:
        """The whole order that `order_by` asks for. Raises Invalid for an unknown key or one given twice."""
        asked = [self._key(item) for item in items]
        names = [key.column for key in asked]
        if len(set(names)) < len(names):
            raise Invalid("`order_by` contains duplicate fields; name each once.", field="order_by")
        whole = asked or list(self.default)
        return whole + [key for key in self.ending if key.column not in {one.column for one in whole}]

    def _key(self, item: str) -> Key:
        words = item.split()
        column = self.columns.get(words[0].strip('`"').removeprefix("attribute.")) if words else None
        direction = words[1].upper() if len(words) == 2 else "ASC"
        if column is None or len(words) > 2 or direction not in {"ASC", "DESC"}:
            known = ", ".join(self.columns)
            raise Invalid(
                f"Invalid order_by clause '{item[:SHOWN]}'. Valid keys are {known}, each with ASC or DESC.",
                field="order_by",
            )
        return Key(column, direction == "DESC")


MODELS = Orders(
    columns={"name": "name", "timestamp": "updated_at", "last_updated_timestamp": "updated_at"},
    default=(Key("name"),),
    ending=(Key("name"),),
)
VERSIONS = Orders(
    columns={
        "name": "model__name",
        "version_number": "number",
        "creation_timestamp": "created_at",
        "last_updated_timestamp": "updated_at",
    },
    default=(Key("updated_at", descending=True),),
    ending=(Key("model__name"), Key("number", descending=True)),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: its order, its question as a hash, and where it begins."""

    order: Sequence[Key]
    question: str
    after: Sequence[Any] | None

    @classmethod
    def read(cls, kind: str, filter: str, order: Sequence[Key], token: str) -> "Page":
        """The page that a request asks for. Raises Invalid if the token was not made for this filter and order."""
        asked = json.dumps([kind, filter, [key.term for key in order]])
        question = hashlib.sha256(asked.encode()).hexdigest()[:16]
        return cls(order, question, _position(token, question, order) if token else None)

    def of(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        """The rows in order from the beginning of the page."""
        ordered = rows.order_by(*(key.term for key in self.order))
        if self.after is not None:
            return ordered.filter(_beyond(self.order, self.after))
        # Every name comes after the empty one; that there is a bound lets SQLite read the index of names in order.
        first = self.order[0].column
        return ordered.filter(**{f"{first}__gte": ""}) if first in _NAMES else ordered

    def token(self, last: Any) -> str:
        """The token of the page after the one that ends with this row."""
        values = [getattr(last, key.column) for key in self.order]
        plain = [milliseconds(value) if isinstance(value, datetime) else value for value in values]
        return signing.dumps([self.question, plain], salt=SALT)


def _position(token: str, question: str, order: Sequence[Key]) -> list[Any]:
    if len(token) > 8000:
        raise _invalid("it is too long")
    try:
        made_for, values = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise _invalid("it was not made by this portal") from None
    if made_for != question or len(values) != len(order):
        raise _invalid("it belongs to another filter or order")
    times = {"created_at", "updated_at"}
    return [
        _EPOCH + timedelta(milliseconds=value) if key.column in times else value
        for key, value in zip(order, values, strict=True)
    ]


def _invalid(why: str) -> Invalid:
    return Invalid(f"Invalid page token, {why}.", field="page_token")


def _beyond(order: Sequence[Key], after: Sequence[Any]) -> Q:
    """The rows after the position; the first condition, which all of them meet, is one that an index answers."""
    first = order[0]
    found = Q()
    for i, key in enumerate(order):
        same = Q(**{one.column: value for one, value in zip(order[:i], after, strict=False)})
        found |= same & Q(**{f"{key.column}__{'lt' if key.descending else 'gt'}": after[i]})
    return Q(**{f"{first.column}__{'lte' if first.descending else 'gte'}": after[0]}) & found
