"""A whole study as a ZIP archive of its original files, sent while it is made."""

from __future__ import annotations

import logging
from contextlib import closing
from functools import partial
from uuid import UUID

import asyncpg
from aiohttp import web

from libs.common.database.postgres import Connection
from libs.common.errors import ObjectCorrupt, ObjectNotFound
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import OWNER, viewer
from libs.common.http.json import NO_STORE, parse_query
from libs.common.ids import file_key
from libs.common.storage import ObjectReader, Storage
from services.results.keys import DATABASE, DOWNLOADS, READS, STORAGE
from services.results.read.downloads import body_sender
from services.results.read.ranges import content_disposition
from services.results.read.sending import BodySender
from services.results.read.shared_store import note_use
from services.results.studies import files_store
from services.results.studies.archive import Names, ZipStream, safe_name, series_folder
from services.results.studies.finding import find
from services.results.studies.models import CollectionQuery

log = logging.getLogger(__name__)

PAGE = 200
"""Files that are looked up at once; whether they may be seen is asked anew each time."""
MISSING = "missing.txt"
_TOLD_MISSING = "These files could not be read; whoever runs the system finds more in its log.\r\n"


async def get_zip(request: web.Request) -> web.StreamResponse:
    """All files of a study that the caller may see, a folder for each series."""
    with request.app[DOWNLOADS].hold(request[OWNER]):
        return await _send_archive(request)


async def _send_archive(request: web.Request) -> web.StreamResponse:
    caller, query = viewer(request), parse_query(request, CollectionQuery)
    reads = request.app[READS]

    async def measure(connection: Connection) -> tuple[files_store.StudyKey, int, int]:
        (study, *_) = await find(connection, caller, request.match_info["study_uid"], query.collection)
        place = files_store.StudyKey(study["collection"], study["study_instance_uid"])
        return place, *await files_store.measure(connection, caller, place)

    place, files, size = await reads(measure)
    await note_use(request.app[DATABASE], caller, *place)
    speak_of(request, "study", collection=place.collection, studies=[place.study_instance_uid])
    response = web.StreamResponse(
        headers={**NO_STORE, "X-Total-Files": str(files), "X-Total-Bytes": str(size)}
    )
    name = safe_name(f"study-{place.study_instance_uid}.zip")
    response.headers["Content-Disposition"] = content_disposition(name)
    response.content_type = "application/zip"
    await response.prepare(request)
    sender = body_sender(request, response)
    with closing(ZipStream()) as stream:
        archive = ArchiveSender(request.app[STORAGE], sender, stream)
        after: UUID | None = None
        while True:
            page = await reads(partial(files_store.page, viewer=caller, study=place, after=after, limit=PAGE))
            for row in page:
                await archive.add(row)
            if len(page) < PAGE:
                break
            after = page[-1]["file_id"]
        await archive.finish()
    await sender.end()
    return response


class ArchiveSender:
    """Sends a ZIP archive through `sender`."""

    def __init__(self, storage: Storage, sender: BodySender, stream: ZipStream) -> None:
        self._storage = storage
        self._sender = sender
        self._zip = stream
        self._folders: dict[str | None, str] = {}
        self._folder_names, self._names = Names(), Names()
        self._missing: list[str] = []

    async def add(self, row: asyncpg.Record) -> None:
        """One file; noted as missing where its object cannot be opened."""
        file_id = UUID(bytes=row["file_id"].bytes)
        name = self._name(row)
        try:
            reader = await self._storage.open(file_key(file_id))
        except (ObjectNotFound, ObjectCorrupt) as error:
            log.warning("file %s is left out of an archive: %s", file_id, error.detail)
            self._missing.append(f"{name} ({file_id})\r\n")
            return
        try:
            await self._send(reader, name, row)
        finally:
            await reader.close()

    async def finish(self) -> None:
        """The directory, and before it what is missing."""
        if self._missing:
            body = (_TOLD_MISSING + "".join(self._missing)).encode()
            begun = self._zip.begin(self._names.take(MISSING), len(body), None)
            await self._sender.write(begun + self._zip.add(body) + self._zip.end())
        await self._sender.write(self._zip.close())

    async def _send(self, reader: ObjectReader, name: str, row: asyncpg.Record) -> None:
        await self._sender.write(self._zip.begin(name, reader.size, row["received_at"]))
        async for chunk in reader.chunks(0, reader.size):
            await self._sender.write(self._zip.add(chunk))
        if ended := self._zip.end():
            await self._sender.write(ended)

    def _name(self, row: asyncpg.Record) -> str:
        uid = row["series_instance_uid"]
        if uid not in self._folders:
            told = series_folder(row["series_number"], row["modality"], row["series_description"])
            self._folders[uid] = self._folder_names.take(told)
        last = (row["file_name"] or "").replace("\\", "/").rpartition("/")[2]
        return self._names.take(f"{self._folders[uid]}/{safe_name(last) or str(row['file_id']) + '.dcm'}")
