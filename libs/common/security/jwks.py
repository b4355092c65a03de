"""The public keys of the token issuer (JSON Web Key Set, RFC 7517): fetched, cached, renewed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from libs.common.errors import TokenInvalid, Unavailable

FetchKeys = Callable[[], Awaitable[bytes]]
"""Gives the key set document; raises Unavailable."""


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
