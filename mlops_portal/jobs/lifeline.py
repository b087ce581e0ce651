"""Ties a child process to its parent: when the parent dies, however it dies, the child ends too."""

import ctypes
import os
import signal
import sys
import threading
import time

LOOK_EVERY_S = 1.0
GRACE_S = 10.0  # a little more than a worker takes to finish or release its job
_PR_SET_PDEATHSIG = 1


def tie(parent_pid: int, *, grace_s: float = GRACE_S) -> None:
    """End this process when its parent has died: first by SIGTERM, after the grace for certain.

    Linux tells at once; elsewhere, and where the parent died before this call, a thread notices within a second.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(parent_pid, grace_s), name="lifeline", daemon=True).start()


def _watch(parent_pid: int, grace_s: float) -> None:
    while os.getppid() == parent_pid:
        time.sleep(LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(1)
