"""Service accounts: made by administrators, signing in as OAuth 2.0 clients (RFC 6749 4.4, RFC 7523)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.common import permissions
from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Database
from libs.common.errors import InvalidRequest, NotFound
from libs.common.ids import UserId
from libs.common.permissions import Permission
from services.auth import admin_log
from services.auth.identity import store as accounts
from services.auth.identity.models import Identity, normal_username
from services.auth.identity.policy import Actor, name_taken
from services.auth.machines import assertions, store
from services.auth.machines.models import NewServiceAccount, ServiceAccount, ServiceAccountCreate
from services.auth.machines.secrets import hash_secret, is_client_id, matches, new_client_id, new_secret
from services.auth.machines.tokens import MachineToken, Tokens
from services.auth.users import store as users
from services.auth.users.users import require_above_in_groups, require_may_give

SERVICE_ACCOUNT = ("auth", "serviceaccount")
UNKNOWN = "There is no service account with this id."


class InvalidClient(Exception):
    """The client did not prove who it is (RFC 6749 5.2)."""


class InvalidScope(Exception):
    """The client asked for a permission that it does not have (RFC 6749 5.2)."""


class Clients:
    """The use cases of service accounts."""

    def __init__(self, database: Database, tokens: Tokens, audiences: Sequence[str]) -> None:
        """`audiences`: what a signed assertion may name as its audience, e.g. the URL of the token route."""
        self._database = database
        self._tokens = tokens
        self._audiences = audiences

    async def all(self) -> list[ServiceAccount]:
        """Every service account, by name."""
        async with self._database.connection() as connection:
            return await store.list_services(connection)

    async def create(self, actor: Actor, wanted: ServiceAccountCreate) -> NewServiceAccount:
        """Make one. Raises InvalidRequest, PermissionDenied or Conflict (the name is taken)."""
        try:
            username = normal_username(wanted.username)
        except ValueError as error:
            raise InvalidRequest(f"Choose another name: {error}.") from error
        if wanted.jwks is not None:
            assertions.check_jwks(wanted.jwks)
        secret = new_secret() if wanted.jwks is None else None
        async with self._database.transaction() as connection:
            await require_may_give(connection, actor, wanted.groups, wanted.permissions)
            user_id = await store.insert_service(connection, username)
            if user_id is None:
                raise name_taken("username", f"There is an account named {username} already.")
            await store.insert_client(
                connection,
                new_client_id(username),
                user_id,
                None if secret is None else hash_secret(secret),
                wanted.jwks,
            )
            await users.set_permissions(connection, user_id, wanted.permissions)
            await users.set_groups(connection, user_id, wanted.groups)
            await admin_log.note(
                connection, actor.user_id, SERVICE_ACCOUNT, user_id, username, admin_log.ADDED
            )
            made = (await store.list_services(connection, user_id))[0]
        return NewServiceAccount(**made.model_dump(), client_secret=secret)

    async def renew_secret(self, actor: Actor, user_id: int) -> NewServiceAccount:
        """Give it another secret; the old one ends at once. Raises NotFound or PermissionDenied.

        Whoever knows the secret can do what the account can.
        """
        secret = new_secret()
        async with self._database.transaction() as connection:
            found = await users.lock_target(connection, user_id)
            if found is not None:
                await require_above_in_groups(connection, actor, found[0])
            if not await store.replace_secret(connection, user_id, hash_secret(secret)):
                raise NotFound(UNKNOWN)
            await users.bump_access(connection, [user_id])
            made = (await store.list_services(connection, user_id))[0]
            await admin_log.note(
                connection,
                actor.user_id,
                SERVICE_ACCOUNT,
                user_id,
                made.username,
                admin_log.CHANGED,
                ["client_secret"],
            )
        return NewServiceAccount(**made.model_dump(), client_secret=secret)

    async def with_secret(self, client_id: str, secret: str, scope: str | None) -> MachineToken:
        """A token for a client and its secret. Raises InvalidClient or InvalidScope."""
        if not is_client_id(client_id):
            raise InvalidClient
        about("client", client_id)
        async with self._database.connection() as connection:
            found = await store.find_client(connection, client_id)
        if found is None or not matches(secret, found.secret_hash):
            raise InvalidClient
        return await self._issue(found.client_id, found.user_id, scope)

    async def with_assertion(self, assertion: str, scope: str | None) -> MachineToken:
        """A token for a client that signs. Raises InvalidClient or InvalidScope."""
        client_id = assertions.subject_of(assertion)
        if client_id is None or not is_client_id(client_id):
            raise InvalidClient
        about("client", client_id)
        async with self._database.transaction() as connection:
            found = await store.find_client(connection, client_id)
            if found is None or found.jwks is None:
                raise InvalidClient
            genuine = assertions.verify(
                assertion, found.jwks, found.client_id, self._audiences, datetime.now(UTC)
            )
            if genuine is None:
                raise InvalidClient
            if not await store.use_assertion(connection, client_id, genuine.jti, genuine.expires_at):
                raise InvalidClient
        return await self._issue(found.client_id, found.user_id, scope)

    async def _issue(self, client_id: str, user_id: int, scope: str | None) -> MachineToken:
        async with self._database.transaction() as connection:
            identity = await accounts.get_identity(connection, UserId(user_id))
            if identity is None:
                raise InvalidClient
            asked = _asked(identity, scope)
            await store.note_client_used(connection, client_id)
            come_as(f"user:{user_id}", f"client:{client_id}")
            await note_done(connection, "client", client_id)
        return await self._tokens.issue(identity, asked, client_id=client_id)


def _asked(identity: Identity, scope: str | None) -> frozenset[Permission] | None:
    """The permissions that a token is asked to be narrowed to; None: all. Raises InvalidScope."""
    if scope is None:
        return None
    names = scope.split()
    asked = permissions.known(names)
    if set(names) - asked or not asked <= identity.permissions:
        raise InvalidScope
    return asked
