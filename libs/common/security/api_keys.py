"""API keys on every route: exchanged with the issuer for a short-lived access token, which is remembered.

The exchange is RFC 8693's; no service but auth knows what a key may do.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
import orjson

from libs.common.errors import NotAuthenticated, TokenInvalid, Unavailable
from libs.common.security.certificates import client_context

MARK = "dk_"
"""What every API key begins with."""
MAX_KEY_BYTES = 128
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  a grant's name
API_KEY_TYPE = "urn:dicom:params:oauth:token-type:api-key"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  a type's name
KEPT = 4096
KEPT_SECONDS = 60.0
REFUSED_SECONDS = 5.0
"""How long a refused key is refused without asking again."""
AT_ONCE = 8
"""Exchanges under way at once: keys that nobody knows must not keep the issuer busy."""


class Exchanged(NamedTuple):
    """An access token, and how many seconds it lasts."""

    token: str
    seconds: float


Exchange = Callable[[str], Awaitable[Exchanged]]
"""Gives the token of a key. Raises NotAuthenticated or Unavailable."""


def key_of_basic(header: str) -> str | None:
    """The API key that stands where HTTP Basic has its password (RFC 7617); None for other passwords."""
    try:
        text = base64.b64decode(header, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    password = text.partition(":")[2]
    return password if is_key(password) else None


def is_key(text: str) -> bool:
    """Whether it looks like an API key."""
    return text.startswith(MARK)


class KeyExchange:
    """Remembers what keys were exchanged for, under digests; one exchange a key at a time."""

    def __init__(self, exchange: Exchange, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds and never goes back."""
        self._exchange = exchange
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[str | None, float]] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[str | None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def token(self, key: str) -> str:
        """The access token of `key`. Raises TokenInvalid or Unavailable."""
        if len(key) > MAX_KEY_BYTES:
            raise TokenInvalid("This API key is longer than any that is issued here.")
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is None or known[1] <= self._clock():
            task = self._running.get(digest)
            if task is None:
                task = self._running[digest] = asyncio.create_task(self._ask(digest, key), name="api key")
                task.add_done_callback(lambda _: self._running.pop(digest, None))
            token = await asyncio.shield(task)
        else:
            token = known[0]
        if token is None:
            raise TokenInvalid("This API key is unknown, expired or revoked.")
        return token

    def forget(self, key: str) -> None:
        """Ask anew the next time: the token was revoked, the key perhaps not."""
        self._known.pop(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest(), None)

    async def _ask(self, digest: bytes, key: str) -> str | None:
        async with self._slots:
            try:
                token, seconds = await self._exchange(key)
            except NotAuthenticated:
                self._remember(digest, None, REFUSED_SECONDS)
                return None
        # Never up to the token's last moment: whoever gets it now has still to use it.
        self._remember(digest, token, min(KEPT_SECONDS, seconds / 2))
        return token

    def _remember(self, digest: bytes, token: str | None, seconds: float) -> None:
        self._known[digest] = token, self._clock() + seconds
        self._known.move_to_end(digest)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)


class HttpExchange:
    """Asks the issuer's token route."""

    def __init__(self, url: str, *, timeout: float = 5.0, ca_file: Path | None = None) -> None:
        """`url` is that of the route, `ca_file` TLS_CA_FILE; `timeout` in seconds, for the whole request."""
        self._url = url
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, key: str) -> Exchanged:
        """Raises NotAuthenticated or Unavailable."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": key,
            "subject_token_type": API_KEY_TYPE,
        }
        verified = client_context(self._ca_file) if self._url.lower().startswith("https:") else True
        try:
            async with self._session.post(
                self._url, data=form, allow_redirects=False, ssl=verified
            ) as response:
                body = await response.read()
                if response.status in (400, 401):
                    raise NotAuthenticated("This API key is unknown, expired or revoked.")
                if response.status != 200:
                    raise Unavailable(f"API keys cannot be checked now (status {response.status}).")
                answer = orjson.loads(body)
                return Exchanged(answer["access_token"], float(answer["expires_in"]))
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("API keys cannot be checked now: the auth service does not answer.") from error

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None
