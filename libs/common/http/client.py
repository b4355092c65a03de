"""Who is at the other end: the address and the scheme that the client used, through proxies that are trusted.

A proxy says so in `X-Forwarded-For` and `X-Forwarded-Proto`, but so can anybody: the headers count only from
peers in TRUSTED_PROXIES, and of a list only what trusted hops have added, from its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

TRUSTED_PROXIES = web.AppKey("trusted_proxies", Sequence[Network])
TRACED_CALLERS = web.AppKey("traced_callers", Sequence[Network])
"""Whose `traceparent` is continued."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Hops:
    """What a request says of its way: the peer, and what the headers claim of those before it."""

    peer: str | None
    scheme: str
    forwarded_for: Sequence[str] = ()
    forwarded_proto: str | None = None


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses and networks in CIDR notation. Raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def client_address(hops: Hops, trusted: Sequence[Network]) -> str:
    """The nearest address that is no trusted proxy; `unknown` when the peer has none (a Unix socket)."""
    nearest = _parse(hops.peer)
    if nearest is None:
        return UNKNOWN
    claimed = [part for line in hops.forwarded_for for part in line.split(",")]
    while claimed and _lies_in(nearest, trusted):
        before = _parse(claimed.pop())
        if before is None:
            break
        nearest = before
    return str(nearest)


def client_scheme(hops: Hops, trusted: Sequence[Network]) -> str:
    """`https` or `http`, as the browser sees it."""
    peer = _parse(hops.peer)
    if hops.forwarded_proto is None or peer is None or not _lies_in(peer, trusted):
        return hops.scheme
    # The nearest proxy is the one that is trusted; it replaces or adds at the end.
    said = hops.forwarded_proto.rpartition(",")[2].strip().lower()
    return said if said in ("http", "https") else hops.scheme


def address_group(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the /64 of an IPv6 one (RFC 6177 2)."""
    parsed = _parse(address)
    return str(IPv6Network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def address_of(request: web.Request) -> str:
    """`client_address` of a request."""
    return client_address(_hops(request), request.app[TRUSTED_PROXIES])


def scheme_of(request: web.Request) -> str:
    """`client_scheme` of a request."""
    return client_scheme(_hops(request), request.app[TRUSTED_PROXIES])


def is_traced(request: web.Request) -> bool:
    """Whether the client, beyond all proxies, may decide which trace its request belongs to."""
    address, traced = _parse(address_of(request)), request.app[TRACED_CALLERS]
    return address is not None and _lies_in(address, traced)


def _hops(request: web.Request) -> Hops:
    return Hops(
        request.remote,
        request.scheme,
        request.headers.getall("X-Forwarded-For", ()),
        request.headers.get("X-Forwarded-Proto"),
    )


def _lies_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _parse(text: str | None) -> Address | None:
    """An address as it stands in the header: alone, with a port, or in brackets; IPv4 within IPv6 is IPv4."""
    if text is None:
        return None
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
