"""The ring of secret keys for keyed hashes and stored secrets: from the environment, or a file only we may read."""

import base64
import json
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def ensure(path: Path) -> bool:
    """Make a ring with one new key at the path, readable by its owner alone, unless there is one; True if made.

    The file appears whole or not at all, and of two processes that make it at once one wins.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    ring = {secrets.token_hex(4): base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123
        json.dump(ring, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
