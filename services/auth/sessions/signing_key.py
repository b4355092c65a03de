"""The key that all replicas sign with, kept in the database."""

from __future__ import annotations

from libs.common.database.migrations import require_current
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from services.auth.schema import MIGRATIONS
from services.auth.sessions import store
from services.auth.sessions.signing import TokenSigner, generate_seed


class SigningKey:
    """Made by whichever replica comes first; read once by each."""

    def __init__(self, database: Database) -> None:
        """Nothing is read yet."""
        self._database = database
        self._signer: TokenSigner | None = None

    async def signer(self) -> TokenSigner:
        """What signs. Raises Unavailable, also while the schema is not there."""
        if self._signer is None:
            self._signer = TokenSigner(await self._seed())
        return self._signer

    async def _seed(self) -> bytes:
        await require_current(self._database, MIGRATIONS)
        async with self._database.transaction() as connection:
            seed = await store.current_signing_key(connection)
            if seed is None:
                fresh = generate_seed()
                await store.insert_signing_key(connection, TokenSigner(fresh).kid, fresh)
                seed = await store.current_signing_key(connection)
        if seed is None:
            raise Unavailable("The signing key is not there yet.")
        return seed
