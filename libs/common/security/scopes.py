"""What an application may be given of a person's right (RFC 6749 3.3): the scopes, and what each opens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from libs.common.http.prefixes import is_dicomweb
from libs.common.permissions import Permission

USERINFO = "/api/auth/oauth/userinfo"
DICOMWEB, STORE = "dicomweb", "dicomweb.store"
SCOPES: Mapping[str, frozenset[Permission]] = MappingProxyType(
    {
        "openid": frozenset(),
        "profile": frozenset(),
        "email": frozenset(),
        DICOMWEB: frozenset({"view_dicomfile", "view_dicomresult", "view_all_dicomresult"}),
        STORE: frozenset({"add_dicomfile"}),
    }
)
"""The permissions that a token with the scope keeps, of those that its person has."""


def known(text: str | None) -> tuple[str, ...]:
    """Those of a space-separated list that exist, in the order of SCOPES; others are passed over
    (OpenID Connect Core 3.1.2.1)."""
    named = set((text or "").split())
    return tuple(scope for scope in SCOPES if scope in named)


def permissions_of(scopes: Iterable[str]) -> frozenset[Permission]:
    """All that these let through."""
    return frozenset[Permission]().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))


def opens(scopes: Iterable[str], path: str) -> bool:
    """Whether a token with these may call `path` at all: it is for DICOMweb, and for who its person is."""
    held = set(scopes)
    if path == USERINFO:
        return "openid" in held
    return is_dicomweb(path) and not held.isdisjoint((DICOMWEB, STORE))
