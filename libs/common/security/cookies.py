"""The portal's cookies: their names, and what prefixes make browsers promise (RFC 6265bis 4.1.3)."""

from __future__ import annotations

ACCESS_COOKIE = "dicom_access"
REFRESH_COOKIE = "dicom_refresh"
LINK_COOKIE = "dicom_link"
"""Of who opened a link, and has no account."""
ROUND_TRIP_COOKIE = "dicom_round_trip"
"""Of who is at an OpenID provider. `Lax`, since the way back begins at another site."""
_PREFIXES = {
    ACCESS_COOKIE: "__Host-",
    REFRESH_COOKIE: "__Secure-",
    LINK_COOKIE: "__Host-",
    ROUND_TRIP_COOKIE: "__Host-",
}


def cookie_name(name: str, *, secure: bool) -> str:
    """The name over HTTPS (`secure`), where no other host of the domain and no plain HTTP can set it.

    `__Host-` needs Path=/, which the refresh token shall not have: it is for auth only.
    """
    return f"{_PREFIXES[name]}{name}" if secure else name
