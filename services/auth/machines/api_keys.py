"""Personal API keys: made and ended by their owner, exchanged for access tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.common import permissions
from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Database
from libs.common.errors import Conflict, InvalidRequest, NotAuthenticated, NotFound
from libs.common.ids import UserId, new_uuid
from libs.common.permissions import Permission
from services.auth import admin_log
from services.auth.identity import store as accounts
from services.auth.identity.policy import Actor, require_above, require_has
from services.auth.machines import store
from services.auth.machines.models import (
    AccountApiKey,
    AccountApiKeyQuery,
    ApiKeyCreate,
    ApiKeyEntry,
    NewApiKey,
)
from services.auth.machines.secrets import decode_api_key, hash_secret, matches, new_api_key
from services.auth.machines.tokens import MachineToken, Tokens
from services.auth.users import store as users

MOST_KEYS = 50
MOST_A_DAY = 100
"""Revoked ones too: each that was used is in the document that every service reads for a token's life."""
API_KEY = ("auth", "apikey")
UNKNOWN = "You have no API key with this id."
UNKNOWN_TO_ALL = "There is no such API key, or it is over."
REFUSED = "This API key is unknown, expired or revoked."


class ApiKeys:
    """The use cases of API keys."""

    def __init__(self, database: Database, tokens: Tokens) -> None:
        """`tokens` signs what keys are exchanged for."""
        self._database = database
        self._tokens = tokens

    async def own(self, user_id: int) -> list[ApiKeyEntry]:
        """An account's keys, newest first."""
        async with self._database.connection() as connection:
            return await store.list_keys(connection, user_id)

    async def create(self, actor: Actor, wanted: ApiKeyCreate) -> NewApiKey:
        """Make a key. Raises InvalidRequest, PermissionDenied or Conflict (too many)."""
        scope = None if wanted.permissions is None else require_known(wanted.permissions)
        require_has(actor, scope or ())
        key = new_api_key()
        async with self._database.transaction() as connection:
            await users.lock_target(connection, actor.user_id)  # one at a time, or more pass the limits
            held, made = await store.count_keys(connection, actor.user_id)
            if held >= MOST_KEYS:
                raise Conflict(f"You have {MOST_KEYS} API keys: revoke one of them first.")
            if made >= MOST_A_DAY:
                raise Conflict(
                    f"You have made {MOST_A_DAY} API keys within a day: use those, or wait until tomorrow."
                )
            entry = await store.insert_key(
                connection,
                new_uuid(),
                actor.user_id,
                wanted.name,
                key.prefix,
                hash_secret(key.secret),
                None if scope is None else sorted(scope),
                wanted.days,
            )
            await note_done(connection, "key", entry.id)
        return NewApiKey(**entry.model_dump(), key=key.encode())

    async def revoke(self, user_id: int, key_id: UUID) -> None:
        """End a key; tokens it was exchanged for are refused within half a minute. Raises NotFound."""
        async with self._database.transaction() as connection:
            if not await store.revoke_key(connection, key_id, user_id):
                raise NotFound(UNKNOWN)
            await note_done(connection, "key", key_id)

    async def searched(self, query: AccountApiKeyQuery, limit: int) -> list[AccountApiKey]:
        """Keys of everybody, newest first."""
        before = None if query.cursor is None else UUID(hex=query.cursor)
        async with self._database.connection() as connection:
            return await store.search_keys(connection, before, query.q, limit)

    async def revoke_of(self, actor: Actor, key_id: UUID) -> None:
        """End anybody's key. Raises NotFound, or PermissionDenied for an account that may do more."""
        async with self._database.transaction() as connection:
            user_id = await store.owner_of_key(connection, key_id)
            found = None if user_id is None else await users.lock_target(connection, user_id)
            if user_id is None or found is None:
                raise NotFound(UNKNOWN_TO_ALL)
            target, username, _ = found
            require_above(actor, target)
            if not await store.revoke_key(connection, key_id, user_id):
                raise NotFound(UNKNOWN_TO_ALL)
            await admin_log.note(connection, actor.user_id, API_KEY, key_id, username, admin_log.DELETED)

    async def exchange(self, presented: str) -> MachineToken:
        """An access token for a key. Raises NotAuthenticated."""
        key = decode_api_key(presented)
        about("key", *(() if key is None else (key.prefix,)))
        if key is None:
            raise NotAuthenticated(REFUSED)
        async with self._database.transaction() as connection:
            found = await store.find_key(connection, key.prefix)
            if found is None or not matches(key.secret, found.secret_hash):
                raise NotAuthenticated(REFUSED)
            identity = await accounts.get_identity(connection, UserId(found.user_id))
            if identity is None:
                raise NotAuthenticated(REFUSED)
            await store.note_key_used(connection, found.id)
            come_as(f"user:{found.user_id}", f"client:key:{found.id.hex}")
            await note_done(connection, "key", found.id)
        scope = None if found.permissions is None else permissions.known(found.permissions)
        left = found.expires_at - datetime.now(UTC)
        return await self._tokens.issue(
            identity, scope, client_id=f"key:{found.id.hex}", most=max(left, timedelta(seconds=1))
        )


def require_known(codenames: list[str]) -> frozenset[Permission]:
    """Raises InvalidRequest for a permission that does not exist."""
    known = permissions.known(codenames)
    if unknown := sorted(set(codenames) - known):
        raise InvalidRequest(f"There is no permission {', '.join(unknown)}.")
    return known
