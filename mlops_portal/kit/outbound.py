"""Calls to the outside: the only module that uses an HTTP client (a test says so).

The rule (docs/webhooks.md): the name is resolved once, every address of it has to be allowed, the connection goes to
a checked address under the certificate of the name; no redirect, proxy or cookie; a call ends after 15 seconds.
"""

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import urllib3
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_match_hostname import CertificateError

from mlops_portal.kit import addresses
from mlops_portal.kit.addresses import Address, AddressRefused, Opening, Place

__all__ = ["AddressRefused", "Answer", "NoAnswer", "Resolver", "check", "request"]

Resolver = Callable[[str, int], Sequence[str]]

TOTAL_S = 15.0
CONNECT_S = 5.0
READ_LIMIT_BYTES = 64 * 1024
SHOWN_LIMIT = 1024  # characters of an answer that people see
TRIED_ADDRESSES = 3
RETRY_AFTER_LIMIT_S = 24 * 3600
# Of every address, for a host that the operator has named on the command line; metadata services stay closed.
_ANYWHERE = (
    Opening(ipaddress.ip_network("0.0.0.0/0"), None),
    Opening(ipaddress.ip_network("::/0"), None),
)


class NoAnswer(Exception):
    """The receiver gave no answer. One sentence for closed, filtered and silent ports alike."""

    def __init__(self, detail: str = "The receiver gave no answer: no connection, or none within 15 s.") -> None:
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: at most 64 KiB of the body unless the caller wanted more."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it; a redirect is not followed, and no success."""
        return 200 <= self.status < 300

    @property
    def excerpt(self) -> str:
        """At most 1,024 characters of the body as plain text."""
        text = self.body[: 4 * SHOWN_LIMIT].decode("utf-8", "replace")
        return re.sub(r"[^\x20-\x7e\xa1-\u2027\u2030-\ud7ff\ue000-\uffff]+", " ", text).strip()[:SHOWN_LIMIT]

    @property
    def retry_after_s(self) -> int:
        """The seconds of `Retry-After`, a day at most; 0 without it, or where it names a date."""
        given = self.headers.get("retry-after", "").strip()
        return min(int(given), RETRY_AFTER_LIMIT_S) if re.fullmatch(r"[0-9]{1,9}", given) else 0


def resolve(host: str, port: int) -> list[str]:
    """The addresses a name leads to, each once. Raises NoAnswer if it leads nowhere."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoAnswer from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check(url: str, *, resolver: Resolver = resolve) -> None:
    """Raise AddressRefused unless the portal may call the URL now. A name that leads nowhere is refused as well."""
    try:
        _checked(url, resolver, time.monotonic() + TOTAL_S, is_trusted=False)
    except NoAnswer:
        raise AddressRefused from None


def request(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    resolver: Resolver = resolve,
    limit_bytes: int = READ_LIMIT_BYTES,
    total_s: float = TOTAL_S,
    is_trusted: bool = False,
) -> Answer:
    """Call the URL once and give back what it answered, whatever the status.

    is_trusted: the operator has named this host; internal addresses, http and every port are allowed for it.
    Raises AddressRefused before any packet is sent, NoAnswer if no whole head came back in time.
    """
    ends_at = time.monotonic() + total_s
    place, found = _checked(url, resolver, ends_at, is_trusted=is_trusted)
    for address in found[:TRIED_ADDRESSES]:
        try:
            return _Call(place, address, ends_at).send(method, body, headers or {}, limit_bytes)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            continue  # nothing was sent: the next address of the name may answer
        except urllib3.exceptions.SSLError as error:
            if isinstance(error.args[0], ssl.SSLCertVerificationError | CertificateError):
                raise NoAnswer(f"The certificate of the receiver is not valid for {place.host}.") from None
            raise NoAnswer from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            raise NoAnswer from None
    raise NoAnswer


def _checked(url: str, resolver: Resolver, ends_at: float, *, is_trusted: bool) -> tuple[Place, list[Address]]:
    schemes = ("https", "http") if is_trusted or settings.PORTAL_OUTBOUND_HTTP else ("https",)
    place = addresses.parse(url, schemes=schemes)
    openings = _ANYWHERE if is_trusted else settings.PORTAL_OUTBOUND_ALLOW
    usual = (*settings.PORTAL_OUTBOUND_PORTS, *((80,) if settings.PORTAL_OUTBOUND_HTTP else ()))
    found = [place.host] if _is_address(place.host) else _resolved(resolver, place, ends_at)
    return place, addresses.check(found, place.port, openings, ports=usual)


def _resolved(resolver: Resolver, place: Place, ends_at: float) -> Sequence[str]:
    """What the resolver says, within the time of the call: the system's own may take minutes."""
    answer: Future[Sequence[str]] = Future()

    def ask() -> None:
        try:
            answer.set_result(resolver(place.host, place.port))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(timeout=max(0.0, ends_at - time.monotonic()))
    except TimeoutError:
        raise NoAnswer from None


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdecimal()


class _Call:
    """One request to one checked address, cut off when its time is over, even if bytes keep dripping."""

    def __init__(self, place: Place, address: Address, ends_at: float) -> None:
        self._place, self._address, self._ends_at = place, address, ends_at
        self._socket: socket.socket | None = None

    def send(self, method: str, body: bytes | None, headers: Mapping[str, str], limit: int) -> Answer:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise NoAnswer
        clock = threading.Timer(left, self._cut)
        clock.daemon = True
        clock.start()
        pool = self._pool(left)
        try:
            response = pool.urlopen(
                method,
                self._place.path,
                body=body,
                headers={"Host": self._place.host_header, "User-Agent": "mlops-portal", **headers},
                redirect=False,
                retries=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            named = {name.lower(): value for name, value in response.headers.items()}
            read = _read(response, limit)
            if time.monotonic() >= self._ends_at:
                raise NoAnswer  # cut off while bytes still dripped
            return Answer(response.status, named, read)
        finally:
            clock.cancel()
            pool.close()
            if self._socket:
                self._socket.close()

    def _pool(self, left: float) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(connect=min(CONNECT_S, left), read=left)
        common: dict[str, Any] = {"timeout": timeout, "maxsize": 1, "block": False}
        if self._place.scheme == "http":
            pool = urllib3.HTTPConnectionPool(str(self._address), self._place.port, **common)
        else:
            name = self._place.host
            pool = urllib3.HTTPSConnectionPool(
                str(self._address), self._place.port, server_hostname=name, assert_hostname=name, **common
            )
        pool.ConnectionCls = cast("Any", self._connection(pool.ConnectionCls))
        return pool

    def _connection(self, base: Any) -> type[HTTPConnection] | type[HTTPSConnection]:
        """The pool's own kind of connection, which leaves us a handle of its socket."""
        call = self

        class Held(base):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                opened: socket.socket = super()._new_conn()
                call._socket = opened.dup()
                return opened

        return Held

    def _cut(self) -> None:
        if self._socket:
            with suppress(OSError):  # it had ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)


def _read(response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    """At most so many bytes; the connection is dropped with the rest."""
    parts, size = [], 0
    while size < limit and (part := response.read1(min(16_384, limit - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
