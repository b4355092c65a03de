"""The public keys of the token issuer (JSON Web Key Set, RFC 7517): fetched, cached, renewed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from libs.common.errors import TokenInvalid, Unavailable
from libs.common.security.certificates import client_context

FetchKeys = Callable[[], Awaitable[bytes]]
"""Gives the key set document; raises Unavailable."""

MAX_DOCUMENT_BYTES = 65536


class HttpKeys:
    """Fetch the key set over HTTP."""

    def __init__(self, url: str, *, timeout: float = 5.0, ca_file: Path | None = None) -> None:
        """`url` is AUTH_JWKS_URL, `ca_file` TLS_CA_FILE; `timeout` is in seconds, for the whole request."""
        self._url = url
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self) -> bytes:
        """Raises Unavailable when there is no such document to be had."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            # Keys are fetched every few minutes: each time with the CAs of that time.
            verified = client_context(self._ca_file) if self._url.lower().startswith("https:") else True
            async with self._session.get(self._url, allow_redirects=False, ssl=verified) as response:
                if response.status != 200:
                    raise Unavailable(f"The token keys at {self._url} answer with status {response.status}.")
                document = bytearray()
                async for chunk in response.content.iter_any():
                    document += chunk
                    if len(document) > MAX_DOCUMENT_BYTES:
                        raise Unavailable(f"The token keys at {self._url} are too long.")
                return bytes(document)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unavailable(f"The certificate at {self._url} is refused; see TLS_CA_FILE.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"The token keys at {self._url} cannot be fetched.") from error

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class KeyCache:
    """Keys by `kid`. Concurrent fetches are folded into one; known keys outlive the issuer's absence.

    An unknown `kid` makes at most one fetch per `interval` seconds, so that forged tokens cannot hammer the
    issuer. Keys older than `max_age` seconds are fetched anew in the background, so that a withdrawn key
    loses its force.
    """

    def __init__(
        self,
        fetch: FetchKeys,
        *,
        interval: float = 5.0,
        max_age: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` counts seconds and never goes back."""
        self._fetch = fetch
        self._interval = interval
        self._max_age = max_age
        self._clock = clock
        self._keys: dict[str, OKPKey] = {}
        self._tried = float("-inf")
        self._fetched = float("-inf")
        self._failure: Unavailable | None = None
        self._running: asyncio.Task[None] | None = None

    def known(self, kid: str) -> OKPKey | None:
        """The cached key; an old cache is renewed in the background meanwhile."""
        now = self._clock()
        if self._keys and now - self._fetched >= self._max_age and now - self._tried >= self._interval:
            self.prefetch()
        return self._keys.get(kid)

    async def key(self, kid: str) -> OKPKey:
        """The key, fetched if need be. Raises TokenInvalid (no such key) or Unavailable (cannot tell)."""
        found = self.known(kid)
        if found is None and self._may_fetch():
            await asyncio.shield(self.prefetch())
            found = self._keys.get(kid)
        if found is not None:
            return found
        if self._failure is not None:
            raise Unavailable(self._failure.detail) from self._failure
        raise TokenInvalid("The token is signed with a key that the issuer does not publish; sign in again.")

    def prefetch(self) -> asyncio.Task[None]:
        """Start a fetch, or join the running one."""
        if self._running is None:
            self._tried = self._clock()
            self._running = asyncio.create_task(self._refresh(), name="jwks")
            self._running.add_done_callback(self._ended)
        return self._running

    async def ready(self) -> None:
        """Raises Unavailable while no key has ever been fetched."""
        if not self._keys:
            await asyncio.shield(self.prefetch())
        if not self._keys:
            raise Unavailable(
                "The token keys are not there yet." if self._failure is None else self._failure.detail
            )

    async def close(self) -> None:
        """Stop a running fetch."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _may_fetch(self) -> bool:
        return self._running is not None or not self._keys or self._clock() - self._tried >= self._interval

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None

    async def _refresh(self) -> None:
        try:
            self._keys = _public_keys(await self._fetch())
        except Unavailable as error:
            self._failure = error
            return
        self._fetched, self._failure = self._clock(), None


def _public_keys(document: bytes) -> dict[str, OKPKey]:
    """The Ed25519 keys; others are not ours to use (RFC 7517 5). Raises Unavailable when there is none."""
    try:
        published = orjson.loads(document)["keys"]
        keys = [OKPKey.import_key(key) for key in published if key.get("crv") == "Ed25519"]
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable("The token keys are not a JSON Web Key Set.") from error
    if not keys:
        raise Unavailable("The issuer publishes no Ed25519 key.")
    return {key.kid: key for key in keys if key.kid is not None}
