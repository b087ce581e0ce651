"""The content hash of a record: equal for equal typed values, however they were written.

It is taken over the values as they are stored, after the privacy rules, so that it tells nothing they hide. Key order,
spacing and 0.1 against 0.10 do not matter; null against a missing feature does.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import Any

import msgspec
from msgspec import UNSET

HASH_BYTES = 16
MISSING = False  # stands for a missing feature: no stored value is a truth value
_encode = msgspec.msgpack.Encoder().encode


def content_hashes(kind: str, columns: Sequence[Iterable[Any]]) -> list[bytes]:
    """One BLAKE2b-128 per row of the columns, which come in an order fixed per kind and version."""
    constant = repeat(kind)
    return [
        blake2b(packed, digest_size=HASH_BYTES).digest()
        for packed in map(_encode, zip(constant, *columns, strict=False))
    ]


def marked(stored: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """The stored column with a mark where the given one lacks the value, so that missing and null differ."""
    return [MISSING if raw is UNSET else value for value, raw in zip(stored, given, strict=True)]
