"""What an application asks for, and whether it may by its registration; pure (RFC 6749 4.1, RFC 9700)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from libs.common.security import scopes
from libs.common.security.tokens import PORTAL
from services.auth.provider.models import AuthorizationQuery, Registered

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[1-9][0-9]{0,4})?((?:/.*)?)")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")


@dataclass(frozen=True)
class WithinScope:
    """What is asked for, within what the application is registered for."""

    scopes: tuple[str, ...]
    nonce: str | None
    challenge: str
    consent: bool
    """Whether its person has to be asked, whoever the application is."""


@dataclass(frozen=True)
class Fault:
    """Why it is not given (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6); told to the application."""

    error: str
    description: str


def check(query: AuthorizationQuery, application: Registered) -> WithinScope | Fault:
    """Everything but the address to answer to, which the caller has compared before."""
    if query.request is not None or query.request_uri is not None:
        what = "request" if query.request is not None else "request_uri"
        return Fault(f"{what}_not_supported", "Send each parameter by itself.")
    if query.response_type != "code":
        return Fault("unsupported_response_type", "Only the authorization code flow is served: code.")
    if query.response_mode not in (None, "query"):
        return Fault("invalid_request", "response_mode must be query.")
    if query.code_challenge_method != "S256" or _CHALLENGE.fullmatch(query.code_challenge or "") is None:
        return Fault("invalid_request", "Send a code_challenge with code_challenge_method S256 (RFC 7636).")
    asked = tuple(one for one in scopes.known(query.scope) if one in application.scopes)
    if not asked:
        return Fault("invalid_scope", f"Ask for some of: {' '.join(application.scopes)}.")
    prompts = (query.prompt or "").split()
    if "none" in prompts:
        # Cookies of ours are not sent on another site's errand, so nobody is known here without being seen.
        return Fault("login_required", "Nobody is signed in without a page: renew with the refresh token.")
    if "login" in prompts or query.max_age is not None:
        return Fault("login_required", "A new sign-in cannot be demanded: sign out of the portal first.")
    # Any program of a machine may listen at its address or own the scheme: only a host is known to be whose
    # (RFC 8252 8.6), so nothing else is let in unseen.
    unknown = urlsplit(query.redirect_uri).scheme != "https"
    return WithinScope(asked, query.nonce, query.code_challenge or "", unknown or "consent" in prompts)


def is_registered(uri: str, registered: Collection[str]) -> bool:
    """Whether an answer may go to `uri`: it is one of these to the last character.

    Except for the port of a program on the reader's machine, which takes whichever is free (RFC 8252 7.3).
    """
    bare = _without_port(uri)
    return uri in registered or (bare is not None and bare in map(_without_port, registered))


def _without_port(uri: str) -> str | None:
    """A loopback address without its port; None for any other. As text: what is odd stays odd."""
    match = _LOOPBACK.fullmatch(uri)
    return None if match is None else match[1] + match[2]


def redirect(uri: str, issuer: str, state: str | None, answer: Mapping[str, str]) -> str:
    """The address that carries the answer, with who gives it (RFC 9207)."""
    told = {**answer, "iss": issuer} | ({} if state is None else {"state": state})
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode(told)}"


def proves(verifier: str, challenge: str) -> bool:
    """Whether it is the verifier of this S256 challenge (RFC 7636 4.6)."""
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(digest, challenge)


def check_uris(uris: Iterable[str]) -> None:
    """Addresses that tokens may go to: HTTPS, this machine, or a scheme that a program owns (RFC 8252 7).

    Raises ValueError with what is wrong.
    """
    for uri in uris:
        parts = urlsplit(uri)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if not (good and parts.hostname) and _PRIVATE_SCHEME.fullmatch(parts.scheme) is None:
            raise ValueError(
                f"{uri} is neither https:// nor http://localhost, nor has it a scheme as com.example.app:"
            )
        if (
            "#" in uri
            or "*" in uri
            or "\\" in uri
            or parts.username is not None
            or parts.password is not None
        ):
            raise ValueError(
                f"{uri} has a fragment, a wildcard, a backslash or a password, which none may have"
            )
        if parts.scheme in ("http", "https"):
            _ = parts.port  # a ValueError of its own


def check_client_id(client_id: str) -> None:
    """Raises ValueError for the one by which people's own tokens are known."""
    if client_id == PORTAL:
        raise ValueError(f"{PORTAL} is this system itself")


def check_scopes(named: Iterable[str]) -> tuple[str, ...]:
    """In the order of the house. Raises ValueError for one that there is not."""
    found = set(named)
    if unknown := found - set(scopes.SCOPES):
        raise ValueError(
            f"there is no scope {', '.join(sorted(unknown))}; there are {', '.join(scopes.SCOPES)}"
        )
    return tuple(scope for scope in scopes.SCOPES if scope in found)


def host_of(uri: str) -> str:
    """What people are shown of an address: its host, or the scheme of a program's own."""
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"
