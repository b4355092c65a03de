"""One upload becomes one durable, accepted file; or a clear refusal that leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from libs.common.arrivals import Arrivals
from libs.common.batches import Batcher
from libs.common.database.postgres import Database
from libs.common.errors import InvalidContent, NotRecorded, TooLarge, Unavailable, UnsupportedType
from libs.common.events import Priority
from libs.common.ids import ObjectKey, UserId, file_key, new_file_id
from libs.common.storage import ObjectWriter, Storage
from libs.common.telemetry.tracing import Telemetry
from libs.dicom.faults import DicomFault
from libs.dicom.parse.header import Header, HeaderLimits, read_header
from services.ingest.accepting import Candidate
from services.ingest.metrics import IngestMetrics
from services.ingest.models import StoredFile
from services.ingest.names import clean_file_name, clean_folder
from services.ingest.resending import Accepted, Resending, acceptance, announcement
from services.ingest.store import Acceptance

SLOT_SECONDS = 30.0
LARGEST_DIMENSION = 2**31 - 1
"""Rows, Columns (US) and Number of Frames (IS) of a sound header are far below; tables hold 32 bits."""


@dataclass(frozen=True)
class Limits:
    """What an upload may be. Sizes in bytes."""

    max_file_bytes: int
    max_decoded_bytes: int
    accepted_extensions: frozenset[str]
    header: HeaderLimits


@dataclass(frozen=True)
class Sender:
    """Who sends a file, into which collection, and how much of a hurry there is."""

    owner_id: UserId
    collection: str
    priority: Priority = "normal"


HeaderCheck = Callable[[Header], None]
"""What a way in asks of a file beyond what all do. Raises RequestError."""


class Intake:
    """Receives files. `wake` is called when an event waits in the outbox."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        limits: Limits,
        telemetry: Telemetry,
        metrics: IngestMetrics,
        accepting: Batcher[Candidate],
        arrivals: Arrivals,
        *,
        concurrency: int,
        wake: Callable[[], None],
    ) -> None:
        """`accepting` commits rows; `concurrency` bounds the files written at once, and so the memory."""
        self._storage = storage
        self._database = database
        self._limits = limits
        self._telemetry = telemetry
        self._metrics = metrics
        self._accepting = accepting
        self._arrivals = arrivals
        self._slots = asyncio.Semaphore(concurrency)
        self._resending = Resending(storage, database, self._slot)
        self._wake = wake

    async def free_bytes(self) -> int | None:
        """Room in the store; None where it does not tell. Raises Unavailable."""
        capacity = await self._storage.capacity()
        return None if capacity is None else capacity.free_bytes

    async def receive(
        self,
        chunks: AsyncIterable[bytes],
        file_name: str | None,
        sender: Sender,
        *,
        check: HeaderCheck | None = None,
    ) -> Accepted:
        """Store `chunks` and accept them as a file in the sender's collection.

        `check` is asked in a thread, of a header that can be read: what it raises refuses the file.
        Raises UnsupportedType, TooLarge, InvalidContent, Conflict (all leave nothing behind) or Unavailable.
        """
        try:
            accepted = await self._take(chunks, file_name, sender, check)
        except Exception as error:
            self._metrics.failed(error)
            raise
        self._metrics.ended("duplicate" if accepted.duplicate else "accepted")
        return accepted

    async def _take(
        self, chunks: AsyncIterable[bytes], file_name: str | None, sender: Sender, check: HeaderCheck | None
    ) -> Accepted:
        self._check_extension(file_name)
        key = file_key(new_file_id())
        async with self._slot(), self._storage.writer(key) as writer:
            await self._write(writer, chunks)
            with self._arrivals:
                file = await self._commit(writer, key, sender, file_name, check)
        with self._arrivals:
            recorded = await self._record(file, sender.priority)
        self._arrivals.note()
        if recorded:
            return Accepted(file, queued=True)
        # Looked up only now: nearly every file is new, and for those the question would be wasted.
        accepted = await self._resending.settle(file, sender.priority)
        if accepted.queued:
            self._wake()
        return accepted

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Raises Unavailable when too many other uploads go on for too long."""
        if self._slots.locked():
            try:
                async with asyncio.timeout(SLOT_SECONDS):
                    await self._slots.acquire()
            except TimeoutError as error:
                raise Unavailable("Too many uploads are under way; try again in a moment.") from error
        else:
            await self._slots.acquire()  # at once
        try:
            yield
        finally:
            self._slots.release()

    async def _record(self, file: StoredFile, priority: Priority) -> bool:
        """Row and event, atomically; False when its collection has the bytes or SOP Instance UID already."""
        waiting = Candidate(Acceptance(file, announcement(file, priority), acceptance(file)))
        try:
            with self._telemetry.detail("accept file"):
                await self._accepting.submit(waiting)
        except Unavailable as error:
            # Once asked, the database may have accepted the file before it was lost: the object must stay.
            if not waiting.asked or isinstance(error, NotRecorded):
                await self._storage.delete(ObjectKey(file.file))
            raise
        return waiting.accepted

    def _check_extension(self, file_name: str | None) -> None:
        allowed = self._limits.accepted_extensions
        if file_name is None or not allowed:
            return  # instances of a network have no names
        if PurePosixPath(file_name).suffix.lower() not in allowed:
            raise UnsupportedType(
                f"This server accepts only files named {', '.join(sorted(allowed))}; rename the file."
            )

    async def _write(self, writer: ObjectWriter, chunks: AsyncIterable[bytes]) -> None:
        limit = self._limits.max_file_bytes
        try:
            async for chunk in chunks:
                self._arrivals.note()
                if writer.size + len(chunk) > limit:
                    raise TooLarge(f"The file is larger than the {limit} bytes that this server accepts.")
                await writer.write(chunk)
        finally:
            self._metrics.received_bytes.inc(writer.size)

    async def _commit(
        self,
        writer: ObjectWriter,
        key: ObjectKey,
        sender: Sender,
        file_name: str | None,
        check: HeaderCheck | None,
    ) -> StoredFile:
        """Read the header and seal, in one hop off the event loop. Raises InvalidContent, and as `check`."""
        described: list[StoredFile] = []

        def describe() -> dict[str, Any]:
            with self._metrics.header_seconds.time():
                header = self._read_header(writer)
            if check is not None:
                check(header)
            file = _describe(key, sender, file_name, writer.size, writer.sha256, header)
            described.append(file)
            return {
                **file.identity(),
                **header.sealed(),
            }

        with self._telemetry.detail("commit object"):
            await writer.commit(describe)
        return described[0]

    def _read_header(self, writer: ObjectWriter) -> Header:
        """Blocking. Raises InvalidContent."""
        try:
            with writer.plaintext() as stream:
                header = read_header(stream, writer.size, self._limits.header)
        except DicomFault as fault:
            raise InvalidContent(fault.detail, code=fault.code) from fault
        if max(header.rows or 0, header.columns or 0, header.frames or 0) > LARGEST_DIMENSION:
            raise InvalidContent(
                "The header states more rows, columns or frames than any image has; export the file again.",
                code="invalid-dimensions",
            )
        limit = self._limits.max_decoded_bytes
        if header.decoded_bytes is not None and header.decoded_bytes > limit:
            raise InvalidContent(
                f"The header announces {header.decoded_bytes} bytes of pixel data, more than the {limit} "
                "that this server decodes.",
                code="too-large-when-decoded",
            )
        return header


def _describe(
    key: ObjectKey, sender: Sender, file_name: str | None, size: int, sha256: str, header: Header
) -> StoredFile:
    return StoredFile(
        id=UUID(key),
        file=key,
        file_name=clean_file_name(file_name) or f"{header.sop_instance_uid}.dcm",
        uploaded_at=datetime.now(UTC),
        owner_id=sender.owner_id,
        collection=sender.collection,
        size_bytes=size,
        sha256=sha256,
        state="accepted",
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        modality=header.modality,
        transfer_syntax_uid=header.transfer_syntax_uid,
        rows=header.rows,
        columns=header.columns,
        frames=header.frames,
        decoded_bytes=header.decoded_bytes,
        folder=clean_folder(file_name),
    )
