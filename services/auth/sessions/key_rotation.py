"""Replacing the key that signs access tokens: in time, at once, or so that its tokens die with it."""

from __future__ import annotations

from typing import Literal

from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection
from libs.common.errors import ConfigurationError
from services.auth.sessions import store
from services.auth.sessions.models import SigningKeyTimes
from services.auth.sessions.revocation_list import TOKEN_LIFE_SECONDS
from services.auth.sessions.signing import TokenSigner, generate_seed

LEAD_SECONDS = 900.0
"""How long a key is published before it signs: three times what verifiers keep the set of keys for."""
OVERLAP_SECONDS = TOKEN_LIFE_SECONDS + 60.0
"""How long a key is published after it has signed: longer than its last token lives."""

How = Literal["in time", "at once", "revoke"]


async def rotate(connection: Connection, how: How, lead: float = LEAD_SECONDS) -> list[SigningKeyTimes]:
    """Begin a rotation, in the caller's transaction; all keys, the newest first.

    `at once` brings one forward that is under way; `revoke` lets every token die that was signed so far.
    Raises ConfigurationError where another is under way.
    """
    await store.lock_signing_keys(connection)
    known = await store.signing_key_times(connection)
    waiting = [key for key in known if key.signs_in > 0 and key.published]
    if how == "in time" and waiting:
        raise ConfigurationError(
            f"Key {waiting[0].kid} signs from {waiting[0].signs_from:%Y-%m-%d %H:%M:%S} UTC on: a rotation "
            "is under way. To bring it forward, say --now."
        )
    if how == "at once" and waiting:
        await store.let_sign(connection, waiting[0].kid, OVERLAP_SECONDS)
        await note_done(connection, "signing_key", waiting[0].kid, how=how)
        return await store.signing_key_times(connection)
    begins = lead if how == "in time" else 0.0
    if how == "revoke":
        await store.revoke_signing_keys(connection)
    else:
        await store.end_signing_key(connection, begins + OVERLAP_SECONDS)
    seed = generate_seed()
    kid = TokenSigner(seed).kid
    await store.insert_signing_key(connection, kid, seed, begins)
    await note_done(connection, "signing_key", kid, how=how)
    return await store.signing_key_times(connection)
