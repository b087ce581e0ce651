"""Named points at which a test can make the process fail; outside tests a call costs one truth test.

`PORTAL_FAULTS=point:action:nth[,point:action:nth…]` arms them. Actions: `exit` (as kill -9), `raise`, `enospc`,
`sleep:seconds` (written `point:sleep:seconds:nth`), `stop` (SIGSTOP).
"""

import errno
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass

from django.conf import settings

ACTIONS = frozenset({"exit", "raise", "enospc", "sleep", "stop"})


class Planted(Exception):
    """The failure that the action `raise` plants."""


@dataclass(frozen=True, slots=True)
class _Trap:
    action: str
    nth: int
    seconds: float = 0.0


def parse(text: str) -> dict[str, _Trap]:
    """The traps that the text of `PORTAL_FAULTS` sets, by point.

    Raises ValueError if a part is not `point:action:nth` or the action is unknown.
    """
    traps = {}
    for part in filter(None, text.split(",")):
        point, _, rest = part.partition(":")
        action, *numbers = rest.split(":")
        if action not in ACTIONS or len(numbers) != (2 if action == "sleep" else 1):
            raise ValueError(f"PORTAL_FAULTS: {part!r} is not point:action:nth")
        traps[point] = _Trap(action, int(numbers[-1]), float(numbers[0]) if action == "sleep" else 0.0)
    return traps


_traps = parse(settings.PORTAL_FAULTS)
_hits: Counter[str] = Counter()


def fault(point: str) -> None:
    """Fail here as planted; does nothing unless the point is armed and this is its nth hit."""
    if not _traps or point not in _traps:
        return
    trap = _traps[point]
    _hits[point] += 1
    if _hits[point] == trap.nth:
        _spring(point, trap)


def _spring(point: str, trap: _Trap) -> None:
    if trap.action == "exit":
        os._exit(137)
    if trap.action == "raise":
        raise Planted(point)
    if trap.action == "enospc":
        raise OSError(errno.ENOSPC, "No space left on device (planted)", point)
    if trap.action == "sleep":
        time.sleep(trap.seconds)
    if trap.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
