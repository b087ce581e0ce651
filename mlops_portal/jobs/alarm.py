"""When a worker process is told to stop, or a handler takes too long: both reach the handler as an exception."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlops_portal.jobs import limits

GRACE_S = 8.0  # after SIGTERM; the supervisor kills after a little more

stopping = threading.Event()


class SoftLimit(Exception):
    """The handler has used 80 % of the time its queue allows."""


class Stopping(BaseException):
    """The process has to end now; not an Exception, so that no handler swallows it."""


def listen(*, to_terminal: bool) -> None:
    """Take SIGTERM as "finish the present job, within 8 seconds" and arm soft limits. Main thread only.

    to_terminal: take Ctrl-C the same way; a supervised child ignores it, its supervisor says when to stop.
    """
    stopping.clear()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop if to_terminal else signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _ring)


@contextmanager
def soft_limit(queue: str) -> Iterator[None]:
    """Raise SoftLimit in the block after 80 % of the queue's time, and Stopping when the grace is over.

    Does nothing in a process that does not listen (Celery has limits of its own) and outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGALRM) is not _ring:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, limits.soft_s(queue))
    try:
        if stopping.is_set():  # it came between the claim and here, and its alarm has just been replaced
            raise Stopping
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    stopping.set()
    signal.setitimer(signal.ITIMER_REAL, GRACE_S)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    if stopping.is_set():
        raise Stopping
    raise SoftLimit("The handler used 80 % of the time its queue allows.")
