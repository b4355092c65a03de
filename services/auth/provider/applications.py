"""Applications: registered by administrators, let in by people."""

from __future__ import annotations

from collections.abc import Iterable

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from libs.common.security.scopes import permissions_of
from services.auth import admin_log
from services.auth.identity.policy import Actor
from services.auth.machines.secrets import hash_secret, new_client_id, new_secret
from services.auth.provider import store
from services.auth.provider.asking import check_client_id, check_scopes, check_uris
from services.auth.provider.models import (
    ApplicationChange,
    ApplicationCreate,
    ApplicationEntry,
    NewApplication,
)

APPLICATION = ("auth", "application")
UNKNOWN = "There is no application with this id."


class Applications:
    """The use cases of their registration; each is one transaction, with its line in the log."""

    def __init__(self, database: Database) -> None:
        """It is shared with the rest of the service."""
        self._database = database

    async def all(self) -> list[ApplicationEntry]:
        """Every one, by name."""
        async with self._database.connection() as connection:
            return await store.list_applications(connection)

    async def get(self, client_id: str) -> ApplicationEntry:
        """One of them. Raises NotFound."""
        async with self._database.connection() as connection:
            return await _get(connection, client_id)

    async def create(self, actor: Actor, wanted: ApplicationCreate) -> NewApplication:
        """Register one. Raises InvalidRequest, PermissionDenied, or Conflict where a client is called so."""
        scopes = _checked(actor, wanted.scopes, (*wanted.redirect_uris, *wanted.post_logout_redirect_uris))
        client_id = wanted.client_id or new_client_id(wanted.name)
        try:
            check_client_id(client_id)
        except ValueError as error:
            raise InvalidRequest(f"Choose another client_id: {error}.") from error
        secret = new_secret() if wanted.confidential else None
        async with self._database.transaction() as connection:
            made = await store.insert(
                connection,
                client_id,
                wanted.name,
                wanted.redirect_uris,
                wanted.post_logout_redirect_uris,
                scopes or (),
                None if secret is None else hash_secret(secret),
                trusted=wanted.trusted,
            )
            if not made:
                raise Conflict(f"There is a client with the id {client_id} already.")
            await _note(connection, actor, client_id, wanted.name, admin_log.ADDED)
            entry = await _get(connection, client_id)
        return NewApplication(**entry.model_dump(), client_secret=secret)

    async def change(self, actor: Actor, client_id: str, change: ApplicationChange) -> ApplicationEntry:
        """Change one; turned off, it is signed out everywhere. To turn it off takes no right of its scopes.

        Raises InvalidRequest, PermissionDenied or NotFound.
        """
        scopes = _checked(
            actor, change.scopes, (*(change.redirect_uris or ()), *(change.post_logout_redirect_uris or ()))
        )
        async with self._database.transaction() as connection:
            await _lock(connection, client_id)
            if change.model_dump(exclude_none=True) != {"is_active": False}:
                _require_may(actor, (await _get(connection, client_id)).scopes)
            await store.change(
                connection,
                client_id,
                change.name,
                change.redirect_uris,
                change.post_logout_redirect_uris,
                scopes,
                trusted=change.trusted,
                is_active=change.is_active,
            )
            if change.is_active is False or scopes is not None:
                await store.end_sessions(connection, client_id)
            if change.redirect_uris is not None:
                await store.drop_codes(connection, client_id)
            entry = await _get(connection, client_id)
            fields = sorted(change.model_dump(exclude_none=True))
            await _note(connection, actor, client_id, entry.name, admin_log.CHANGED, fields)
            return entry

    async def renew_secret(self, actor: Actor, client_id: str) -> NewApplication:
        """Give it another secret; the old one ends at once.

        Raises NotFound, PermissionDenied, or Conflict: it has none.
        """
        secret = new_secret()
        async with self._database.transaction() as connection:
            await _lock(connection, client_id)
            entry = await _get(connection, client_id)
            _require_may(actor, entry.scopes)
            if not await store.replace_secret(connection, client_id, hash_secret(secret)):
                raise Conflict("This application keeps no secret.")
            await _note(connection, actor, client_id, entry.name, admin_log.CHANGED, ["client_secret"])
        return NewApplication(**entry.model_dump(), client_secret=secret)

    async def delete(self, actor: Actor, client_id: str) -> None:
        """Delete one, and sign it out everywhere. Raises NotFound."""
        async with self._database.transaction() as connection:
            await _lock(connection, client_id)
            await store.end_sessions(connection, client_id)
            name = await store.delete(connection, client_id)
            await _note(connection, actor, client_id, name, admin_log.DELETED)


async def _lock(connection: Connection, client_id: str) -> None:
    if not await store.lock(connection, client_id):
        raise NotFound(UNKNOWN)


async def _get(connection: Connection, client_id: str) -> ApplicationEntry:
    found = await store.get_application(connection, client_id)
    if found is None:
        raise NotFound(UNKNOWN)
    return found


async def _note(
    connection: Connection,
    actor: Actor,
    client_id: str,
    name: str,
    flag: admin_log.Flag,
    fields: Iterable[str] = (),
) -> None:
    await admin_log.note(connection, actor.user_id, APPLICATION, client_id, name, flag, list(fields))


def _checked(actor: Actor, named: list[str] | None, uris: Iterable[str]) -> tuple[str, ...] | None:
    """What is asked for, looked at. Raises InvalidRequest or PermissionDenied."""
    try:
        check_uris(uris)
        scopes = None if named is None else check_scopes(named)
    except ValueError as error:
        raise InvalidRequest(f"{error}.") from error
    _require_may(actor, scopes or ())
    return scopes


def _require_may(actor: Actor, scopes: Iterable[str]) -> None:
    """Nobody lets a program do for others what they may not do themselves, nor leads one elsewhere that does.

    Raises PermissionDenied.
    """
    if missing := permissions_of(scopes) - actor.permissions:
        raise PermissionDenied(
            f"Your account lacks what this would let through: {', '.join(sorted(missing))}."
        )
