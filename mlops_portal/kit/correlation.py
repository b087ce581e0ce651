"""The id of the request that is being answered here, for what is written on its behalf: log lines, audit rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_way: ContextVar[str] = ContextVar("way", default="")


def request_id() -> str:
    """The id of the request this thread answers; empty outside of requests, as in jobs and commands."""
    return _request_id.get()


def way() -> str:
    """Through which door what is done here came in: ui, api, mlflow, manifest; empty outside of all of them."""
    return _way.get()


@contextmanager
def answering(request_id: str, *, way: str = "") -> Iterator[None]:
    """Until the end of the block this thread answers the request with that id, which came in by that way."""
    token = _request_id.set(request_id)
    try:
        with by_way_of(way):
            yield
    finally:
        _request_id.reset(token)


@contextmanager
def by_way_of(way: str) -> Iterator[None]:
    """Until the end of the block, what this thread does is recorded as having come in by that way."""
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)
