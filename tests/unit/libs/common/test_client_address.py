"""The client's address and scheme: what proxies say counts only from those that are trusted."""

from __future__ import annotations

import pytest

from libs.common.http.client import Hops, address_group, client_address, client_scheme, parse_networks

TRUSTED = parse_networks("10.0.0.0/8, 2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("10.0.0.2", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.2", ("192.0.2.66, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.2", ("192.0.2.66", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.2", ("198.51.100.1, 10.1.2.3",), "198.51.100.1"),
        ("10.0.0.2", ("10.1.2.3",), "10.1.2.3"),
        ("10.0.0.2", (), "10.0.0.2"),
        ("10.0.0.2", ("",), "10.0.0.2"),
        ("10.0.0.2", ("nonsense",), "10.0.0.2"),
        ("10.0.0.2", ("198.51.100.1, nonsense",), "10.0.0.2"),
        ("10.0.0.2", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.0.0.2", ('"[2001:db9::1]:4711"',), "2001:db9::1"),
        ("::ffff:10.0.0.2", ("::ffff:198.51.100.1",), "198.51.100.1"),
        ("2001:db8::2", ("2001:db9::1%eth0",), "2001:db9::1"),
        (None, ("198.51.100.1",), "unknown"),
        ("", ("198.51.100.1",), "unknown"),
    ],
)
def test_the_nearest_hop_that_is_no_trusted_proxy_is_the_client(
    peer: str | None, forwarded: tuple[str, ...], expected: str
) -> None:
    assert client_address(Hops(peer, "http", forwarded), TRUSTED) == expected


@pytest.mark.parametrize(
    ("peer", "said", "expected"),
    [
        ("203.0.113.9", "https", "http"),
        ("10.0.0.2", "https", "https"),
        ("10.0.0.2", "http, HTTPS", "https"),
        ("10.0.0.2", "https, http", "http"),
        ("10.0.0.2", "gopher", "http"),
        ("10.0.0.2", None, "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says(peer: str, said: str | None, expected: str) -> None:
    assert client_scheme(Hops(peer, "http", (), said), TRUSTED) == expected


def test_a_subscriber_has_one_ipv4_address_or_a_network_of_ipv6() -> None:
    assert address_group("198.51.100.1") == "198.51.100.1"
    assert address_group("2001:db9::1") == address_group("2001:db9::ffff:1") == "2001:db9::/64"
    assert address_group("unknown") == "unknown"


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "host", "10.0.0.0/8;::1"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse_networks(wrong)
