"""What a provider says of itself, and its keys: fetched, held for a while, renewed when a key is unknown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from libs.common.errors import Unavailable
from services.auth.oidc.id_token import PublishedKey
from services.auth.oidc.providers import Provider, is_protected
from services.auth.oidc.transport import Transport

PATH = "/.well-known/openid-configuration"
METADATA_SECONDS = 3600.0
KEYS_SECONDS = 300.0
"""After which a key that was withdrawn has lost its force."""
AGAIN_SECONDS = 5.0
"""Between fetches that fail, or that unknown keys ask for: anybody may begin a sign-in."""
_KINDS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


def _protected(url: str) -> str:
    if not is_protected(url):
        raise ValueError("must begin with https://")
    return url


Endpoint = Annotated[str, AfterValidator(_protected)]


class Metadata(BaseModel):
    """What of a discovery document is used (OpenID Connect Discovery 1.0 3, RP-Initiated Logout 1.0 2.1)."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: Endpoint
    token_endpoint: Endpoint
    jwks_uri: Endpoint
    userinfo_endpoint: Endpoint | None = None
    end_session_endpoint: Endpoint | None = None
    authorization_response_iss_parameter_supported: bool = False


class Discovery:
    """One provider's documents. Concurrent fetches are one; a failure is remembered for AGAIN_SECONDS."""

    def __init__(
        self, provider: Provider, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` counts seconds and never goes back."""
        self._provider = provider
        self._transport = transport
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._metadata_at = float("-inf")
        self._keys: tuple[PublishedKey, ...] = ()
        self._keys_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure = ""

    async def metadata(self) -> Metadata:
        """Raises Unavailable: away, or no discovery document of this issuer."""
        async with self._fetching:
            return await self._current_metadata()

    async def keys(self, kid: str | None) -> tuple[PublishedKey, ...]:
        """Those that a token may be signed with which names `kid`, or none. Raises Unavailable."""
        async with self._fetching:
            age = self._clock() - self._keys_at
            if age >= KEYS_SECONDS or (not self._known(kid) and age >= AGAIN_SECONDS):
                metadata = await self._current_metadata()
                self._keys = public_keys(await self._fetch(metadata.jwks_uri))
                self._keys_at = self._clock()
            return self._known(kid)

    def _known(self, kid: str | None) -> tuple[PublishedKey, ...]:
        return tuple(key for key in self._keys if kid is None or key.kid == kid)

    async def _current_metadata(self) -> Metadata:
        if self._metadata is None or self._clock() - self._metadata_at >= METADATA_SECONDS:
            document = await self._fetch(self._provider.issuer.rstrip("/") + PATH)
            self._metadata = read_metadata(document, self._provider.issuer)
            self._metadata_at = self._clock()
        return self._metadata

    async def _fetch(self, url: str) -> bytes:
        if self._clock() - self._failed_at < AGAIN_SECONDS:
            raise Unavailable(self._failure)
        try:
            return await self._transport.get(url)
        except Unavailable as error:
            self._failed_at, self._failure = self._clock(), error.detail
            raise


def read_metadata(document: bytes, issuer: str) -> Metadata:
    """Raises Unavailable for what is no discovery document, or another issuer's (Discovery 4.3)."""
    try:
        found = Metadata.model_validate_json(document)
    except ValidationError as error:
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors() if one["loc"]) or "no JSON object"
        raise Unavailable(f"The discovery document of {issuer} is no good: {wrong}.") from None
    if found.issuer != issuer:
        raise Unavailable(f"The discovery document of {issuer} names another issuer: {found.issuer[:200]}.")
    return found


def public_keys(document: bytes) -> tuple[PublishedKey, ...]:
    """The keys that verify signatures; what is for encryption or unknown is left out (RFC 7517 5).

    Raises Unavailable when there is none.
    """
    found = []
    try:
        for published in orjson.loads(document)["keys"]:
            kind = _KINDS.get(published.get("kty"))
            if kind is None or published.get("use", "sig") != "sig" or published.keys() & {"d", "k"}:
                continue
            try:
                key = kind.import_key({name: published[name] for name in _PARTS if name in published})
            except (JoseError, ValueError, KeyError, TypeError):
                # A curve that nobody here knows, say: the others count all the same.
                continue
            found.append(PublishedKey(published.get("kid"), published.get("alg"), key))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable("The provider's keys are not a JSON Web Key Set.") from error
    if not found:
        raise Unavailable("The provider publishes no key that verifies signatures.")
    return tuple(found)


_PARTS = ("kty", "n", "e", "crv", "x", "y")
