"""Peers: each in an environment of its own, in the pinned versions of `peers/<name>.txt`."""

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT, WORK, run

# No usage reports: nothing leaves the machine, and their failing attempts would count as the peer's time.
QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}
PEERS = ROOT / "benchmarks" / "peers"


def environment(name: str) -> Path:
    """Install a peer unless its environment stands already; returns its interpreter."""
    wanted = PEERS / f"{name}.txt"
    folder = WORK / f"venv-{name}"
    python, mark = folder / "bin" / "python", folder / ".installed"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return python
    print(f"installing {name} into {folder.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(wanted)]
    subprocess.run(pip, check=True)
    mark.write_text(digest)
    return python


@cache
def measure(name: str, *arguments: object) -> Any:
    """Run a peer's script on the same files as ours."""
    script = PEERS / f"{name}_drift.py"
    return run([str(environment(name)), str(script), *map(str, arguments)], env=QUIET, timeout_s=3600)
