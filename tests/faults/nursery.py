"""A process that has loaded the portal and forks real processes of it on request: `python -m tests.faults.nursery`.

Starting Python and its libraries takes seconds, a fork milliseconds; the suite starts some hundred processes. The
nursery has no database connection and no thread when it forks, so a child is what a fresh process would be.
"""

import ctypes
import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import django

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Fork a child per line of standard input; how each ended stands in the file `<pid>.exit` of its folder."""
    django.setup()
    from tests.faults import acts, trouble

    acts.preload()
    exits: dict[int, Path] = {}
    signal.signal(signal.SIGCHLD, lambda *_: _reap(exits))
    _say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            _live(order, acts, trouble)
        exits[pid] = Path(order["folder"]) / f"{pid}.exit"
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _say(str(pid))


def _reap(exits: dict[int, Path], _signal: int = 0, _frame: FrameType | None = None) -> None:
    while exits:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        draft = exits[pid].with_suffix(".draft")
        draft.write_text(str(os.waitstatus_to_exitcode(status)))
        draft.replace(exits.pop(pid))


def _live(order: dict[str, Any], acts: Any, trouble: Any) -> None:
    """The whole life of a child."""
    code = 1
    try:
        _detach(Path(order["log"]))
        trouble.plant(trouble.Trouble(**order["trouble"]), Path(order["sprung"]))
        result = getattr(acts, order["act"])(**order["arguments"])
        Path(order["result"]).write_text(json.dumps(result))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _detach(log: Path) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    random.seed()
    os.setpgid(0, 0)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
