"""One GridFS bucket, through motor: every command to MongoDB. `layout.py` says what lies where."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bson import Binary
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, IndexModel, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, InvalidURI
from pymongo.errors import ConfigurationError as WrongUrl

from libs.common.errors import ConfigurationError, Unavailable
from libs.common.ids import ObjectKey, new_uuid
from libs.common.storage.contract import StoredObject
from libs.common.storage.layout import (
    Document,
    Revision,
    RevisionId,
    begun,
    chunk_query,
    chunks_of,
    gone,
    joined,
    publishing,
    retiring,
    revision_of,
    unfinished,
)
from libs.common.storage.mongodb import answering, conflict_of, connection_options, fault_of, unconflicted

_LISTED_AT_ONCE = 1000


class Bucket:
    """All commands to MongoDB; safe for concurrent use. Any may raise Unavailable."""

    def __init__(self, url: str, ca_file: Path | None) -> None:
        """Nothing is connected yet. `ca_file` verifies the server's certificate; None: the system's CAs.

        Raises ConfigurationError, without the URL: it may hold a password.
        """
        try:
            # Only warned of otherwise: tls=ture would go on in plaintext.
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
                    url,
                    **connection_options(url, ca_file),
                    tz_aware=True,
                    appname="dicom-processing-system",
                )
            database = self._client.get_default_database()
        except (InvalidURI, WrongUrl, ValueError, Warning) as error:
            fault = fault_of(url, error)
            raise ConfigurationError(
                f"Correct STORAGE_URL, e.g. mongodb://user:password@host/dicom?tls=true: {fault}."
            ) from None
        given = self._client.write_concern
        if not given.acknowledged:
            raise ConfigurationError("Remove w=0 from STORAGE_URL: every write must be acknowledged.")
        # What the URL says about writes stands (a lone server without a journal, say).
        durable = WriteConcern(w="majority", j=True, wtimeout=10_000) if given.is_server_default else given
        files, chunks = database["objects.files"], database["objects.chunks"]
        self._database = database
        self._files = files.with_options(write_concern=durable)
        self._chunks = chunks.with_options(write_concern=durable)
        self._quick_files = files.with_options(write_concern=WriteConcern(w=1))
        self._quick_chunks = chunks.with_options(write_concern=WriteConcern(w=1))
        self._prepared = False
        self._preparing = asyncio.Lock()

    async def ready(self) -> None:
        """Return if the server that takes writes answers and the indexes are there."""
        with answering():
            await self._prepare()
            await self._database.command("ping")

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()

    async def begin(self, key: ObjectKey) -> RevisionId:
        """Announce an upload, so that a sweep finds what a crash leaves of it."""
        with answering():
            await self._prepare()
            revision = RevisionId(str(new_uuid()))
            document = begun(revision, key)
            await unconflicted(lambda: self._quick_files.insert_one(document))
            return revision

    async def still_writing(self, revision: RevisionId) -> None:
        """Tell sweeps that an upload is alive."""
        with answering():
            alive = {"$set": {"metadata.stale_since": datetime.now(UTC)}}
            await unconflicted(lambda: self._quick_files.update_one({"_id": revision}, alive))

    async def add(self, revision: RevisionId, first: int, sealed: bytes, *, durable: bool) -> int:
        """Append to an upload, from chunk `first`; returns the next. All calls but the last: segments."""
        chunks = self._chunks if durable else self._quick_chunks
        documents = chunks_of(revision, first, sealed)
        with answering():
            await unconflicted(_insertion(chunks, documents))
        return first + len(documents)

    async def publish(self, key: ObjectKey, revision: Revision, *, durable: bool) -> None:
        """Make an upload the object of this key, in one write; what it replaces is retired afterwards."""
        files = self._files if durable else self._quick_files
        with answering():
            while True:
                older = await self._revisions(key)
                highest = max((found["metadata"]["revision"] for found in older), default=0)
                change = publishing(key, revision, highest + 1, replaces=bool(older))
                upload = {"_id": revision.id, "filename": unfinished(revision.id)}
                try:
                    told = await unconflicted(partial(files.update_one, upload, change))
                except DuplicateKeyError:
                    continue  # another writer of this key came first: replace that one
                break
            if told.matched_count == 0:
                raise Unavailable("The upload was swept away as abandoned: send it again.")
            await self._finish_replacement(key)

    async def discard(self, revision: RevisionId) -> None:
        """Remove an upload that was not published."""
        with answering():
            retired = await self._retire(revision, unfinished(revision))
            # Swept away, as it seemed abandoned: what was written since is nobody's.
            if retired or await self._files.find_one({"_id": revision}, {"_id": 1}) is None:
                await self._remove(revision)

    async def find(self, key: ObjectKey) -> Revision | None:
        """The object of this key."""
        with answering():
            found = await self._files.find_one(
                {"filename": key}, sort=[("filename", DESCENDING), ("metadata.revision", DESCENDING)]
            )
        return None if found is None else revision_of(found)

    async def exists(self, key: ObjectKey) -> bool:
        """Whether there is such an object."""
        with answering():
            return await self._files.find_one({"filename": key}, {"_id": 1}) is not None

    async def read(self, revision: RevisionId, first: int, stop: int) -> bytes:
        """Bytes of the chunks `first` to `stop` (exclusive). Raises ObjectCorrupt if one is missing."""
        with answering():
            found = await self._chunks.find(*chunk_query(revision, first, stop)).sort("n").to_list(None)
        return joined(found, first, stop)

    def read_blocking(self, revision: RevisionId, first: int, stop: int) -> bytes:
        """The same for a worker thread: motor's `delegate` is PyMongo's own, synchronous collection."""
        with answering():
            found = list(self._chunks.delegate.find(*chunk_query(revision, first, stop)).sort("n"))
        return joined(found, first, stop)

    async def delete(self, key: ObjectKey) -> None:
        """Make the object undecipherable and invisible; its ciphertext goes with a later sweep."""
        with answering():
            for found in await self._revisions(key):
                await self._retire(found["_id"], key)

    async def swap_header(self, revision: Revision, header: bytes) -> bool:
        """Replace the header, if nobody else has meanwhile; the object counts as modified."""
        with answering():
            as_it_was = {"_id": revision.id, "metadata.header": Binary(revision.header)}
            swapped = {"metadata.header": Binary(header), "uploadDate": datetime.now(UTC)}
            told = await unconflicted(lambda: self._files.update_one(as_it_was, {"$set": swapped}))
            return bool(told.matched_count)

    async def listing(self) -> AsyncGenerator[StoredObject, None]:
        """Every object, in the order of keys; page by page, since no cursor lives as long as a backup."""
        after = "/"  # keys begin with a hexadecimal digit, what is none with a dot
        while True:
            with answering():
                page = await (
                    self._files.find(
                        {"filename": {"$gt": after, "$lt": "g"}},
                        {"_id": 0, "filename": 1, "uploadDate": 1, "metadata.container_bytes": 1},
                    )
                    .sort([("filename", ASCENDING), ("metadata.revision", ASCENDING)])
                    .limit(_LISTED_AT_ONCE)
                    .to_list(None)
                )
            for found in {found["filename"]: found for found in page}.values():  # the highest revision
                size = found["metadata"]["container_bytes"]
                when = found["uploadDate"].astimezone(UTC)
                yield StoredObject(ObjectKey(found["filename"]), size, when)
            if len(page) < _LISTED_AT_ONCE:
                return
            after = page[-1]["filename"]

    async def sweep(self, before: datetime) -> int:
        """Remove what has been unfinished, replaced or deleted since `before`; returns how many."""
        removed = 0
        with answering():
            await self._prepare()
            stale = {"metadata.stale_since": {"$lt": before}}
            async for found in self._files.find(stale, {"filename": 1}):
                revision, name = found["_id"], found["filename"]
                if not name.startswith("."):
                    await self._finish_replacement(ObjectKey(name))
                elif name == gone(revision) or await self._retire(revision, name):
                    await self._remove(revision)
                    removed += 1
        return removed

    async def _prepare(self) -> None:
        if self._prepared:
            return
        async with self._preparing:  # two at once would conflict with each other
            if not self._prepared:
                await self._make_indexes()
                self._prepared = True

    async def _make_indexes(self) -> None:
        by_name = IndexModel([("filename", ASCENDING), ("metadata.revision", ASCENDING)], unique=True)
        stale = IndexModel([("metadata.stale_since", ASCENDING)], sparse=True)
        await unconflicted(lambda: self._quick_files.create_indexes([by_name, stale]))
        by_place = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        await unconflicted(lambda: self._quick_chunks.create_indexes([by_place]))

    async def _revisions(self, key: ObjectKey) -> list[Document]:
        """Id, number and `stale_since` of every visible revision, lowest first: mostly none or one."""
        wanted = {"metadata.revision": 1, "metadata.stale_since": 1}
        by_number = [("filename", ASCENDING), ("metadata.revision", ASCENDING)]
        found: list[Document] = (
            await self._files.find({"filename": key}, wanted).sort(by_number).to_list(None)
        )
        return found

    async def _finish_replacement(self, key: ObjectKey) -> None:
        """Retire all revisions but the highest; any number of writers may do so at once."""
        found = await self._revisions(key)
        if not found:
            return
        *older, highest = found
        for revision in older:
            await self._retire(revision["_id"], key)
        if "stale_since" in highest["metadata"]:
            done = {"$unset": {"metadata.stale_since": ""}}
            visible = {"_id": highest["_id"], "filename": key}
            await unconflicted(lambda: self._files.update_one(visible, done))

    async def _retire(self, revision: RevisionId, name: str) -> bool:
        """Take name and keys from a revision called `name`; False if it is not called so any more."""
        called, retired = {"_id": revision, "filename": name}, retiring(revision)
        told = await unconflicted(lambda: self._files.update_one(called, retired))
        return bool(told.matched_count)

    async def _remove(self, revision: RevisionId) -> None:
        await unconflicted(lambda: self._chunks.delete_many({"files_id": revision}))
        # Last: it is what a sweep finds.
        await unconflicted(lambda: self._files.delete_one({"_id": revision}))


def _insertion(
    chunks: AsyncIOMotorCollection[Document], documents: list[Document]
) -> Callable[[], Awaitable[None]]:
    """A write that, repeated after a conflict, goes on where it stopped."""
    rest = documents

    async def insert() -> None:
        nonlocal rest
        try:
            await chunks.insert_many(rest)
        except BulkWriteError as error:
            conflict = conflict_of(error)
            if conflict is None:
                raise
            rest = rest[error.details["nInserted"] :]
            raise conflict from error

    return insert
