"""The key ring: random keys outside the database and its backups, each under a short id (`kid`).

`KEY_RING` holds it as JSON `{kid: base64 of 32 bytes}`; without it, `keys.json` in the data folder, made at the first
use and readable by its owner only. The last key is the one that new values are made with; older ones stay to read.
"""

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
KID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id; `current` is the id of the one in use."""

    keys: Mapping[str, bytes]
    current: str

    def derived(self, kid: str, purpose: str) -> bytes:
        """32 bytes for one purpose (such as a team's privacy hash) from the key `kid`, by HKDF-SHA-256.

        Raises KeyError if the ring has no such key.
        """
        return _derived(self.keys[kid], purpose)


@cache
def ring() -> KeyRing:
    """The ring of this installation, read once per process.

    Raises ImproperlyConfigured if it cannot be read or a key is not 32 bytes.
    """
    if settings.KEY_RING:
        return parse(settings.KEY_RING, "KEY_RING")
    path = Path(settings.KEY_RING_FILE)
    if not path.exists():
        _create(path)
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, source: str) -> KeyRing:
    """The ring that a JSON text describes. Raises ImproperlyConfigured naming the source."""
    try:
        keys = {kid: base64.b64decode(value, validate=True) for kid, value in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError, binascii.Error) as error:
        raise ImproperlyConfigured(f"{source} is not JSON of key ids and base64 keys.") from error
    if not keys or any(len(key) != KEY_BYTES or not 0 < len(kid) <= KID_LENGTH for kid, key in keys.items()):
        raise ImproperlyConfigured(f"{source} needs at least one key, each of {KEY_BYTES} bytes under a short id.")
    return KeyRing(keys, list(keys)[-1])


@cache
def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(key)


def _create(path: Path) -> None:
    """Write a ring with one fresh key; of several processes at the first start one wins, the others read its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    text = json.dumps({"k1": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()})
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
