"""HTTP to one provider: verified, bounded, never led elsewhere by a redirect."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from libs.common.errors import Unavailable
from libs.common.security.certificates import client_context

MAX_ANSWER_BYTES = 262_144
TIMEOUT = aiohttp.ClientTimeout(total=10.0)


class ProviderRefused(Exception):
    """The provider has answered, and says no; the text is its error code."""


class Transport:
    """Connections to one provider."""

    def __init__(self, ca_file: Path | None) -> None:
        """`ca_file` None: the system's CAs."""
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """A document. Raises Unavailable."""
        status, body = await self._request("GET", url, headers=headers)
        if status != HTTPStatus.OK:
            raise Unavailable(f"{url} answers with status {status}.")
        return body

    async def post_form(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """A JSON object. Raises ProviderRefused for OAuth's errors (RFC 6749 5.2), else Unavailable."""
        status, body = await self._request("POST", url, data=dict(form), headers=headers)
        try:
            answer = orjson.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unavailable(f"{url} answers with status {status} and no JSON object.")
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and "error" in answer:
            raise ProviderRefused(str(answer["error"])[:100])
        if status != HTTPStatus.OK:
            raise Unavailable(f"{url} answers with status {status}.")
        return answer

    async def _request(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        try:
            verified = client_context(self._ca_file) if url.startswith("https:") else True
            async with self._session.request(
                method, url, allow_redirects=False, ssl=verified, **more
            ) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise Unavailable(f"{url} answers with too much.")
                return answer.status, bytes(body)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unavailable(f"The certificate at {url} is refused: see ca_file.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{url} cannot be reached.") from error

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None
