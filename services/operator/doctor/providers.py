"""The OpenID providers of OIDC_PROVIDERS_FILE: whether they answer as who they are registered as."""

from __future__ import annotations

import asyncio

from libs.common.errors import Unavailable
from services.auth.oidc.discovery import Discovery
from services.auth.oidc.providers import Provider, read_providers
from services.auth.oidc.transport import Transport
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings

NAME = "providers"
ADVICE = "Correct issuer or ca_file in OIDC_PROVIDERS_FILE, or open the way: nobody signs in there meanwhile."


async def check(settings: DoctorSettings) -> list[Finding]:
    """Read each provider's discovery document and keys, as auth does. Raises ConfigurationError."""
    path = settings.oidc_providers_file
    providers = () if path is None else await asyncio.to_thread(read_providers, path)
    if not providers:
        return [Finding(NAME, "ok", "No OIDC_PROVIDERS_FILE: people sign in with a password.")]
    return list(await asyncio.gather(*map(_ask, providers)))


async def _ask(provider: Provider) -> Finding:
    transport = Transport(provider.ca_file)
    try:
        await Discovery(provider, transport).keys(None)
    except Unavailable as error:
        return Finding(NAME, "problem", f"{provider.name}: {error.detail}", ADVICE)
    finally:
        await transport.close()
    return Finding(NAME, "ok", f"{provider.name}: {provider.issuer} answers with its endpoints and keys.")
