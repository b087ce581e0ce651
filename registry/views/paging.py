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
from rest_framework.request import Request

from mlops_portal.kit.api import Cursor

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


def in_order(rows: QuerySet[Any], request: HttpRequest) -> Page:
    """The page of rows that have an order of their own; the cursor is bound to path and filters, as in the API.

    All parameters of the request stay in the links. Raises Malformed for a cursor or limit that is not one of ours.
    """
    cursor = Cursor()
    found = cursor.paginate_queryset(rows, Request(request))
    token = cursor.get_paginated_response([]).data["next"]
    return Page(
        rows=found,
        next_url=address(request, cursor=token) if token else "",
        previous_url=address(request) if "cursor" in request.GET else "",
    )


def address(request: HttpRequest, **changes: str) -> str:
    """The query of the request without its place in the list, with changes."""
    kept = {name: str(value) for name, value in request.GET.items() if name not in Cursor.parameters and value}
    return f"?{urlencode(kept | changes)}"


def _position(request: HttpRequest, column: str) -> tuple[datetime, UUID] | None:
    try:
        at, pk = signing.loads(request.GET.get("cursor", ""), salt=f"page.{column}")
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(at), UUID(pk)


def _cursor(row: Model, column: str) -> str:
    return signing.dumps([getattr(row, column).isoformat(), str(row.pk)], salt=f"page.{column}")
