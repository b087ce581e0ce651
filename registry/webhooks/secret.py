"""Secrets of webhooks: made, locked with a key of the ring, and the signatures they make.

The ring lies outside the database and its backups: whoever has only these sees no secret.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken

from mlops_portal.kit import keyring
from registry.models import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32
PURPOSE = "webhook secrets"


class SecretLost(Exception):
    """The key that locked the secret is no longer in the ring."""


def make() -> str:
    """A new secret, in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def lock(secret: str) -> tuple[bytes, str]:
    """The secret under the ring's current key, and that key's id."""
    ring = keyring.ring()
    return _fernet(ring.current).encrypt(secret.encode()), ring.current


def unlock(ciphertext: bytes | memoryview, key_id: str) -> str:
    """The secret. Raises SecretLost if the ring does not hold its key any more."""
    try:
        return _fernet(key_id).decrypt(bytes(ciphertext)).decode()
    except (KeyError, InvalidToken) as error:
        raise SecretLost(f"the key ring does not hold the key {key_id}") from error


def of(webhook: Webhook, now: datetime) -> list[str]:
    """The secrets that sign now: the webhook's own, and for a day the one before it. Raises SecretLost."""
    found = []
    if webhook.secret_ciphertext is not None:
        found.append(unlock(webhook.secret_ciphertext, webhook.key_id))
    if webhook.old_secret_ciphertext is not None and webhook.old_secret_until and webhook.old_secret_until > now:
        found.append(unlock(webhook.old_secret_ciphertext, webhook.old_key_id))
    return found


def signature(secret: str, signed: bytes, *, is_plain: bool = False) -> str:
    """`v1,` and the HMAC-SHA256 of the bytes.

    The key is what follows `whsec_`, decoded from base64; of a plain secret, as MLflow has them, the text itself.

    >>> signature("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", b'msg_01.1700000000.{"type":"decision.applied"}')
    'v1,LgytdlhayjenEOGt6mIFLiNveV7EBnr7VoZ452yJhCo='
    """
    key = secret.encode() if is_plain else base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _fernet(key_id: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(keyring.ring().derived(key_id, PURPOSE)))
