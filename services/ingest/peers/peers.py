"""The use cases of peers: who may send by DIMSE, for whom and where to."""

from __future__ import annotations

from uuid import UUID

from libs.common.access import user_collection
from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import InvalidRequest, NotFound
from libs.common.ids import UserId, new_uuid
from services.ingest.dimse.callers import Caller, Calling, Stranger
from services.ingest.intake import Sender
from services.ingest.peers import store
from services.ingest.peers.models import KnownPeer, PeerChange, PeerCreate

UNKNOWN = "There is no peer with this id."


class Peers:
    """Made, changed and removed by administrators; asked at every association."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, before: UUID | None, q: str, limit: int) -> list[KnownPeer]:
        """So many at most, newest first."""
        async with self._database.connection() as connection:
            return await store.list_peers(connection, before, q, limit)

    async def get(self, peer_id: UUID) -> KnownPeer:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            found = await store.get_peer(connection, peer_id)
        if found is None:
            raise NotFound(UNKNOWN)
        return found

    async def create(self, wanted: PeerCreate) -> KnownPeer:
        """Raises InvalidRequest where the account may not send into the collection."""
        values = wanted.model_dump()
        if values["collection"] is None:
            values["collection"] = user_collection(wanted.account_id)
        async with self._database.transaction() as connection:
            await _require(connection, wanted.account_id, values["collection"])
            made = await store.insert_peer(connection, new_uuid(), values)
            await note_done(connection, "peer", made.id, collection=made.collection, ae_title=made.ae_title)
        return made

    async def change(self, peer_id: UUID, wanted: PeerChange) -> KnownPeer:
        """Raises NotFound, or InvalidRequest where the account may not send into the collection."""
        given = wanted.model_dump(exclude_unset=True)
        if missing := sorted(name for name in given.keys() - {"certificate", "port"} if given[name] is None):
            raise InvalidRequest(f"Leave out what shall stay: {', '.join(missing)} cannot be null.")
        async with self._database.transaction() as connection:
            before = await store.get_peer(connection, peer_id, hold=True)
            if before is None:
                raise NotFound(UNKNOWN)
            values = {**before.model_dump(), **given}
            if given.keys() & {"account_id", "collection"}:
                await _require(connection, values["account_id"], values["collection"])
            changed = await store.update_peer(connection, peer_id, values)
            await note_done(connection, "peer", peer_id, collection=changed.collection, fields=sorted(given))
        return changed

    async def delete(self, peer_id: UUID) -> None:
        """Raises NotFound."""
        async with self._database.transaction() as connection:
            if not await store.delete_peer(connection, peer_id):
                raise NotFound(UNKNOWN)
            await note_done(connection, "peer", peer_id)

    async def identify(self, calling: Calling) -> Caller:
        """Whom the peer acts for, while its account may send. Raises Stranger, Unavailable."""
        async with self._database.connection() as connection:
            peer = await store.find_peer(connection, calling.ae_title, calling.address, calling.certificate)
            if peer is None:
                raise Stranger(f"no peer is known for {calling.ae_title} at {calling.address}")
            rights = await store.may_send(connection, peer.account_id, peer.collection)
        if rights is None or not all(rights):
            raise Stranger(f"the account of peer {peer.id} may not send into {peer.collection} now")
        return Caller(
            str(peer.id),
            f"user:{peer.account_id}",
            Sender(UserId(peer.account_id), peer.collection),
            acting_as=f"peer:{peer.id}",
            port=peer.port,
        )


async def _require(connection: Connection, account_id: int, collection: str) -> None:
    """Raises InvalidRequest, naming what is missing."""
    rights = await store.may_send(connection, account_id, collection)
    if rights is None or not rights.active:
        raise InvalidRequest(f"There is no active account {account_id}: choose another one.")
    if not rights.may_add:
        raise InvalidRequest(
            f"Account {account_id} may not send files: it needs the permission add_dicomfile."
        )
    if not rights.may_manage:
        raise InvalidRequest(
            f"Account {account_id} does not manage {collection}: choose its own collection, or that of one "
            "of its groups that lets members manage."
        )
