"""Other processes of the bench: each prints one JSON object as its last line."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / ".work"


class Failed(Exception):
    """A process of the bench ended with an error."""


def run(command: list[str], *, env: Mapping[str, str] | None = None, timeout_s: float = 1800) -> Any:
    """Run a command and return the JSON of its last line. Raises Failed with the end of what it said otherwise."""
    held = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"} | dict(env or {})
    done = subprocess.run(command, cwd=ROOT, env=held, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command[:4])} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(module: str, *arguments: object, env: Mapping[str, str] | None = None, timeout_s: float = 1800) -> Any:
    """Run a module of `benchmarks.ours`."""
    command = [sys.executable, "-m", f"benchmarks.ours.{module}", *map(str, arguments)]
    return run(command, env=env, timeout_s=timeout_s)
