"""Callers that arrive while work is under way do the next round of it together, at the price of one.

The first caller leads: it does its own item at once. Whoever comes meanwhile waits; when the leader is done, the first
of those who wait leads a round with the items of all of them. Nobody waits for company, and nobody is answered from
before he asked.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Place(Generic[Item, Result]):
    """A caller's place in the queue."""

    __slots__ = ("item", "outcome", "signal")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: Result | BaseException | None = None
        self.signal = Lock()
        self.signal.acquire()


class Together(Generic[Item, Result]):
    """Calls `run(items)`, which gives one result or exception per item, in order; one round at a time.

    run: works in the thread of one of the callers. If it raises, every item of the round gets that exception.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result | BaseException]], *, at_most: int) -> None:
        self._run = run
        self._at_most = at_most
        self._lock = Lock()
        self._waiting: list[_Place[Item, Result]] = []
        self._is_led = False

    def __call__(self, item: Item) -> Result:
        """The result for the item, or its exception."""
        place: _Place[Item, Result] = _Place(item)
        with self._lock:
            self._waiting.append(place)
            leads = not self._is_led
            self._is_led = True
        if not leads:
            place.signal.acquire()
        if place.outcome is None:
            self._lead()
        if isinstance(place.outcome, BaseException):
            raise place.outcome
        return place.outcome  # type: ignore[return-value]

    def _lead(self) -> None:
        """Do one round, hand the lead to the next who waits, and wake everybody who is served."""
        with self._lock:
            places, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
        try:
            outcomes = self._run([place.item for place in places])
        except BaseException as error:
            outcomes = [error] * len(places)
        for place, outcome in zip(places, outcomes, strict=True):
            place.outcome = outcome
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._is_led = following is not None
        for place in places:
            place.signal.release()
        if following:
            following.signal.release()
