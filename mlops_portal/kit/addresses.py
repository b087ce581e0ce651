"""Which addresses the portal may call: the form of a URL, and the networks behind its name."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import idna

from mlops_portal.kit.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_LIMIT = 2048
HOST_LIMIT = 253
# One sentence for every reason, so that nobody learns from it what stands behind the portal.
NOT_ALLOWED = (
    "This address is not allowed: it has to be https, on a usual port, of a name that leads to public addresses only. "
    "docs/webhooks.md says how the operator opens an internal one."
)
# What `ipaddress` takes for global on one Python or another and yet leads inside, or through a translator to inside.
_INSIDE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's platform address
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
    )
)
# Link-local and the metadata services of clouds, which hand out credentials: no setting opens them.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "100.100.100.200/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\@#]")  # controls, blanks, and what hides another host


class AddressRefused(Invalid):
    """The portal does not call this address."""

    code = "address_refused"

    def __init__(self) -> None:
        super().__init__(NOT_ALLOWED, field="url")


@dataclass(frozen=True, slots=True)
class Opening:
    """An internal network and the port of it that the operator has opened; an empty port stands for every one."""

    network: Network
    port: int | None

    def holds(self, address: Address, port: int) -> bool:
        """Whether the address and the port lie in it."""
        return address in self.network and self.port in (None, port)


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names, in the one form in which it is checked and called."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The value of `Host`: brackets around IPv6, the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"


def parse_openings(text: str) -> tuple[Opening, ...]:
    """Networks with ports from a list such as `10.1.0.0/16:9000,[fd00::/8]:443`.

    Raises ValueError naming the part that cannot be read, or that reaches a metadata service.
    """
    return tuple(_opening(part.strip()) for part in text.split(",") if part.strip())


def parse(url: str, *, schemes: Iterable[str] = ("https",)) -> Place:
    """What the URL names. Raises AddressRefused for any form but scheme, plain host, port, path and query."""
    if len(url) > URL_LIMIT or _UNFIT.search(url):
        raise AddressRefused
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused from None
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise AddressRefused
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise AddressRefused
    return Place(parts.scheme, _host(parts.hostname), port or {"https": 443, "http": 80}[parts.scheme], path)


def check(addresses: Sequence[str], port: int, openings: Iterable[Opening], *, ports: Iterable[int]) -> list[Address]:
    """The addresses a name leads to, IPv4-mapped ones unwrapped.

    Raises AddressRefused unless there is one and every one of them may be called at the port: public and a usual port,
    or opened by the operator.
    """
    found = [_unwrapped(text) for text in addresses]
    usual = port in ports
    for address in found:
        opened = any(opening.holds(address, port) for opening in openings)
        if _among(address, _NEVER) or not (opened or (usual and is_public(address))):
            raise AddressRefused
    if not found:
        raise AddressRefused
    return found


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet and to one machine of it."""
    inside = address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False)
    return address.is_global and not inside and not _among(address, _INSIDE)


def _host(host: str) -> str:
    """The host in ASCII. Names of which a resolver could make another address than the reader are refused."""
    if ":" in host:
        return str(_address(host))
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise AddressRefused from None
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):  # 2130706433, 0x7f.1, 0177.0.0.1: a number, or nothing
        return str(_address(name))
    if len(name) > HOST_LIMIT or not all(map(_LABEL.match, labels)):
        raise AddressRefused
    return name


def _address(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise AddressRefused from None
    if getattr(address, "scope_id", None):
        raise AddressRefused
    return address


def _unwrapped(text: str) -> Address:
    address = _address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _among(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _opening(part: str) -> Opening:
    found = re.fullmatch(r"\[?([0-9a-fA-F.:]+/\d{1,3})\]?:(\d{1,5})", part)
    if not found or not 0 < int(found[2]) < 65536:
        raise ValueError(f"{part!r} is not a network and a port such as 10.1.0.0/16:9000")
    network = ipaddress.ip_network(found[1])
    if any(network.version == never.version and network.subnet_of(never) for never in _NEVER):  # type: ignore[arg-type]
        raise ValueError(f"{part!r} is link-local or a metadata service, which stay closed")
    return Opening(network, int(found[2]))
