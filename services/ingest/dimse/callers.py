"""Who an association is of: the account that its objects are sent for, and where they go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from libs.common.http.client import Address
from services.ingest.intake import Sender


@dataclass(frozen=True)
class Calling:
    """What a peer shows of itself when it asks for an association."""

    ae_title: str
    address: Address
    certificate: str | None = None
    """SHA-256 of the TLS client certificate that was verified, in hexadecimal digits."""


@dataclass(frozen=True)
class Caller:
    """Whom a peer acts for."""

    name: str
    """What its associations are counted under."""
    actor: str
    """As the audit log names the account: `user:7`."""
    sender: Sender
    acting_as: str | None = None
    port: int | None = None
    """Where it takes reports of storage commitment; None: on the association that asked."""


class Stranger(Exception):
    """Nobody lets this peer in: its association is rejected."""


Identify = Callable[[Calling], Awaitable[Caller]]
"""Raises Stranger, or Unavailable where it cannot be told now."""


def address_of(name: str) -> Address:
    """The address of a socket's name; IPv4 within IPv6 (`::ffff:…`) as IPv4, a zone left out."""
    found = ip_address(name.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
