"""The id of the request that is being answered here, for what is written on its behalf: log lines, audit rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """The id of the request this thread answers; empty outside of requests, as in jobs and commands."""
    return _request_id.get()


@contextmanager
def answering(request_id: str) -> Iterator[None]:
    """Until the end of the block this thread answers the request with that id."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)
