"""Where the keys come from that access tokens are verified with."""

from __future__ import annotations

from urllib.parse import urljoin

from pydantic import Field

from libs.common.settings.base import HTTP_URL
from libs.common.settings.http import HttpSettings


class TokenSettings(HttpSettings):
    """For a service that people sign in to, other than the one that signs."""

    auth_jwks_url: str | None = Field(
        None,
        pattern=HTTP_URL,
        description="Where access-token keys are fetched; unset: PUBLIC_URL + /api/auth/jwks.json. The "
        "list of revoked tokens, `revocations.json`, is fetched beside it.",
    )

    @property
    def token_url(self) -> str:
        """Where API keys are exchanged for access tokens: beside the keys."""
        return f"{self.jwks_url.rpartition('/')[0]}/token"

    @property
    def jwks_url(self) -> str:
        """Where to fetch the JSON Web Key Set."""
        return self.auth_jwks_url or f"{self.base_url}/api/auth/jwks.json"

    @property
    def revocations_url(self) -> str:
        """Where to fetch what was revoked: beside the keys."""
        return urljoin(self.jwks_url, "revocations.json")
