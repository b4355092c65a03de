"""Access tokens for machines: without a session, limited to what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from libs.common.permissions import Permission
from services.auth.identity.models import Identity
from services.auth.sessions.signing_key import SigningKey


@dataclass(frozen=True)
class MachineToken:
    """What a machine gets; `expires_in` is in seconds."""

    access_token: str
    expires_in: int
    scope: frozenset[Permission]


class Tokens:
    """Signs them."""

    def __init__(self, key: SigningKey, lifetime: timedelta) -> None:
        """`lifetime` is that of every access token."""
        self._key = key
        self._lifetime = lifetime

    async def issue(
        self,
        identity: Identity,
        scope: frozenset[Permission] | None,
        *,
        client_id: str,
        most: timedelta | None = None,
    ) -> MachineToken:
        """A token for `identity`, never with more than it has; `scope` None: with all of it."""
        signer = await self._key.signer()
        held = identity.permissions if scope is None else identity.permissions & scope
        # The panel is for people, whatever a key's owner is.
        limited = replace(identity, permissions=held, staff=False)
        lifetime = self._lifetime if most is None else min(self._lifetime, most)
        token = signer.sign(limited, datetime.now(UTC), lifetime, client_id=client_id)
        return MachineToken(token, int(lifetime.total_seconds()), held)
