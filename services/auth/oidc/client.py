"""One provider, as its client: the question, the answer, and what the answer is worth."""

from __future__ import annotations

import base64
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_plus

import orjson
from yarl import URL

from libs.common.errors import ConfigurationError, SignInRefused, Unavailable
from services.auth.oidc.discovery import Discovery
from services.auth.oidc.id_token import Expected, IdToken, IdTokenRefused, key_id, verify
from services.auth.oidc.providers import Provider
from services.auth.oidc.round_trip import RoundTrip
from services.auth.oidc.transport import ProviderRefused, Transport

log = logging.getLogger(__name__)

MISMATCH = "This answer does not belong to the sign-in that this browser began: sign in again."
NO_PROOF = "The provider's answer proves nothing: sign in again, or tell an administrator."
MOST_CODE_CHARACTERS = 8192


@dataclass(frozen=True)
class ProviderAnswer:
    """What came back with the browser (RFC 6749 4.1.2, RFC 9207). Texts are a stranger's."""

    state: str | None
    code: str | None = None
    error: str | None = None
    iss: str | None = None


class ProviderClient:
    """Authorization code flow with PKCE (RFC 7636), state and nonce."""

    def __init__(self, provider: Provider, transport: Transport, redirect_uri: str) -> None:
        """`redirect_uri` is this provider's own: by it answers of two providers are kept apart."""
        self.provider = provider
        self.discovery = Discovery(provider, transport)
        self._transport = transport
        self._redirect_uri = redirect_uri

    async def question(self, trip: RoundTrip) -> str:
        """The URL where the browser asks. Raises Unavailable."""
        metadata = await self.discovery.metadata()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": trip.challenge,
            "code_challenge_method": "S256",
        }
        if self.provider.second_factor_acr:
            asked["acr_values"] = " ".join(self.provider.second_factor_acr)
        return str(URL(metadata.authorization_endpoint).update_query(asked))

    async def redeem(self, trip: RoundTrip, answer: ProviderAnswer, now: float) -> IdToken:
        """Who has answered. Raises SignInRefused or Unavailable."""
        if answer.state is None or not hmac.compare_digest(answer.state.encode(), trip.state.encode()):
            raise SignInRefused(MISMATCH, code="sign-in-mismatch")
        metadata = await self.discovery.metadata()
        if trip.issuer != self.provider.issuer or answer.iss not in (None, metadata.issuer):
            raise SignInRefused(MISMATCH, code="sign-in-mismatch")
        if answer.iss is None and metadata.authorization_response_iss_parameter_supported:
            raise SignInRefused(MISMATCH, code="sign-in-mismatch")
        if answer.error is not None:
            log.info("%s refuses a sign-in: %r", self.provider.name, answer.error[:100])
            raise SignInRefused("The provider did not sign you in.", code="provider-refused")
        if not answer.code or len(answer.code) > MOST_CODE_CHARACTERS:
            raise SignInRefused(MISMATCH, code="sign-in-mismatch")
        tokens = await self._exchange(metadata.token_endpoint, answer.code, trip)
        try:
            return await self._read(tokens, trip, metadata.userinfo_endpoint, now)
        except IdTokenRefused as error:
            log.warning("an ID token of %s is refused: %s", self.provider.name, error)
            raise SignInRefused(NO_PROOF, code="sign-in-unproved") from error

    async def _exchange(self, url: str, code: str, trip: RoundTrip) -> dict[str, Any]:
        provider = self.provider
        try:
            secret = provider.secret
        except ConfigurationError as error:
            raise Unavailable(error.detail) from error
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": trip.verifier,
        }
        headers = {"Accept": "application/json"}
        if secret is not None and provider.client_authentication == "client_secret_basic":
            # Both are encoded as a form's fields first (RFC 6749 2.3.1).
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = provider.client_id
            if secret is not None:
                form["client_secret"] = secret
        try:
            return await self._transport.post_form(url, form, headers)
        except ProviderRefused as error:
            log.warning("%s does not take a code: %s", provider.name, error)
            raise SignInRefused(NO_PROOF, code="sign-in-unproved") from error

    async def _read(
        self, tokens: Mapping[str, Any], trip: RoundTrip, userinfo_endpoint: str | None, now: float
    ) -> IdToken:
        token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str) or not isinstance(access_token, str):
            raise IdTokenRefused("there is none")
        provider = self.provider
        expected = Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=trip.nonce,
            asked_at=trip.started_at,
            access_token=access_token,
            leeway=provider.clock_leeway_seconds,
        )
        keys = await self.discovery.keys(key_id(token))
        found = verify(token, keys, provider.algorithms, expected, now)
        if not provider.userinfo:
            return found
        if userinfo_endpoint is None:
            raise Unavailable(f"The provider {provider.name} has no userinfo endpoint.")
        more = await self._userinfo(userinfo_endpoint, access_token, found.subject)
        # What is signed goes before what is only said.
        return replace(found, claims={**more, **found.claims})

    async def _userinfo(self, url: str, access_token: str, subject: str) -> dict[str, Any]:
        body = await self._transport.get(
            url, {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        )
        try:
            said = orjson.loads(body)
        except ValueError as error:
            raise IdTokenRefused("userinfo is no JSON") from error
        # Whoever swaps the access token must not lend somebody another one's groups (Core 5.3.2).
        if not isinstance(said, dict) or said.get("sub") != subject:
            raise IdTokenRefused("userinfo is of another subject")
        return said

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
