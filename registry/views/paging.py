"""Pages of a list that grows: the newest first, each page after the last row of the one before."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

SIZE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, and the addresses of the next one and of the first; empty where there is none."""

    rows: list[Any]
    next_url: str
    previous_url: str


def newest_first(rows: QuerySet[Any], request: HttpRequest, *, column: str, kept: Collection[str]) -> Page:
    """The page that the signed cursor of the request asks for; a forged one starts at the top.

    column: a time; kept: the parameters that stay in the links.
    """
    rows = rows.order_by(f"-{column}", "-pk")
    position = _position(request, column)
    if position:
        at, pk = position
        rows = rows.filter(Q(**{f"{column}__lt": at}) | Q(**{column: at, "pk__lt": pk}))
    found = list(rows[: SIZE + 1])
    asked = {name: request.GET[name] for name in kept if request.GET.get(name)}
    more = len(found) > SIZE
    return Page(
        rows=found[:SIZE],
        next_url=f"?{urlencode(asked | {'cursor': _cursor(found[SIZE - 1], column)})}" if more else "",
        previous_url=f"?{urlencode(asked)}" if position else "",
    )


def _position(request: HttpRequest, column: str) -> tuple[datetime, UUID] | None:
    try:
        at, pk = signing.loads(request.GET.get("cursor", ""), salt=f"page.{column}")
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(at), UUID(pk)


def _cursor(row: Model, column: str) -> str:
    return signing.dumps([getattr(row, column).isoformat(), str(row.pk)], salt=f"page.{column}")
