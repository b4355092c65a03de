"""A small document that the token issuer publishes, fetched over HTTP."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from yarl import URL

from libs.common.errors import Unavailable
from libs.common.security.certificates import client_context

MAX_DOCUMENT_BYTES = 65536


class HttpDocument:
    """Fetches one document again and again; one that has not changed (ETag, RFC 9110 13.1.2) is sent once."""

    def __init__(
        self,
        url: str,
        *,
        what: str = "token keys",
        timeout: float = 5.0,
        ca_file: Path | None = None,
        limit: int = MAX_DOCUMENT_BYTES,
    ) -> None:
        """`what` names it in errors, `ca_file` is TLS_CA_FILE, `limit` counts bytes.

        `timeout` is in seconds, for the whole request.
        """
        self._url = url
        self._what = what
        self._ca_file = ca_file
        self._limit = limit
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._etag: str | None = None
        self._held = b""

    async def __call__(self) -> bytes:
        """Raises Unavailable when there is no such document to be had."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        shown = URL(self._url).with_user(None)  # it may hold a password
        named = f"The {self._what} at {shown}"
        try:
            # Seldom enough to read the CAs of that time at each fetch.
            verified = client_context(self._ca_file) if self._url.lower().startswith("https:") else True
            headers = {} if self._etag is None else {"If-None-Match": self._etag}
            async with self._session.get(
                self._url, allow_redirects=False, ssl=verified, headers=headers
            ) as response:
                if response.status == 304 and self._etag is not None:
                    return self._held
                if response.status != 200:
                    raise Unavailable(f"{named} answer with status {response.status}.")
                document = bytearray()
                async for chunk in response.content.iter_any():
                    document += chunk
                    if len(document) > self._limit:
                        raise Unavailable(f"{named} are too long.")
                self._etag, self._held = response.headers.get("ETag"), bytes(document)
                return self._held
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unavailable(f"The certificate at {shown} is refused; see TLS_CA_FILE.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{named} cannot be fetched.") from error

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None
