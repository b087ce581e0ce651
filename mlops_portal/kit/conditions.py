"""Conditions that a writing request carries: the state it has seen, and the key that makes a retry harmless."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit.errors import Invalid, Malformed, Stale, Unconditional

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_TAG = re.compile(r'(?:W/)?"?(\d{1,9})"?\Z')


@dataclass(frozen=True, slots=True)
class Once:
    """The idempotency key of a request, and a hash of what it asks for."""

    key: str
    body_sha256: str

    def made(self, rows: "QuerySet[Any]") -> Any | None:
        """The row that an earlier request with this key made, or None.

        Raises Invalid (`idempotency_key_reused`) if that request asked for something else.
        """
        row = rows.filter(client_key=self.key).first()
        if row is not None and row.client_body_sha != self.body_sha256:
            raise Invalid("This Idempotency-Key was used for another body.", code="idempotency_key_reused")
        return row


def idempotency_key(request: Request) -> str:
    """The key's text. Raises Malformed (`idempotency_key_required`) without a well-formed one."""
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.match(key):
        raise Malformed(
            "Send an Idempotency-Key of 1 to 255 visible ASCII characters, new for each intent.",
            code="idempotency_key_required",
        )
    return key


def once(request: Request) -> Once:
    """The idempotency key of the request with a hash of its JSON body; raises as `idempotency_key`."""
    key = idempotency_key(request)
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    return Once(key, hashlib.sha256(body.encode("utf-8")).hexdigest())


def if_match(request: Request) -> int:
    """The lock_version that the request has seen.

    Raises Unconditional (428) if the header is missing, Stale (412) if it holds no tag of ours.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise Unconditional("Send If-Match with the ETag you read, so that no change of others is lost.")
    found = _TAG.match(given)
    if not found:
        raise Stale(f"If-Match: {given[:64]} is not a tag of this resource. Read it again.")
    return int(found[1])


def if_match_given(request: Request) -> int | None:
    """As `if_match`, where the header may be left out."""
    return if_match(request) if request.headers.get("If-Match", "").strip() else None


def tagged(response: Response, lock_version: int) -> Response:
    """The answer with the ETag that a later change sends back."""
    response["ETag"] = f'"{lock_version}"'
    return response


def replayed(response: Response) -> Response:
    """The answer, marked as that of an earlier request."""
    response["Idempotency-Replayed"] = "true"
    return response
