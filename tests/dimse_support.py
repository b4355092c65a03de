"""A DICOM door on a real intake, and senders that speak byte by byte or as pynetdicom does."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association as PynetdicomAssociation

from libs.common.audit.trail import AuditTrail
from libs.common.http.quotas import Quota
from libs.common.keys import Running
from libs.common.security.tls import CERTIFICATE_ENDS
from services.ingest.dimse import commands, pdus
from services.ingest.dimse.callers import Caller, Calling, Identify
from services.ingest.dimse.commands import NO_DATA_SET, CommandField, Tag
from services.ingest.dimse.commitment import Commitments
from services.ingest.dimse.door import Door
from services.ingest.dimse.metrics import DimseMetrics
from services.ingest.dimse.receiving import Receiving
from services.ingest.dimse.settings import DimseSettings
from services.ingest.dimse.tls import add_port_tls
from tests.builders import CT_IMAGE_STORAGE, EXPLICIT_LE
from tests.ingest_support import OWNER, Kit, sender
from tests.waiting import PATIENCE

MOST = 3_000_000
VERIFICATION = "1.2.840.10008.1.1"


async def anybody(calling: Calling) -> Caller:
    """Every peer acts for one account."""
    return Caller("anybody", f"user:{OWNER}", sender())


@dataclass
class RunningDoor:
    """A door that listens, and what it counts."""

    door: Door
    port: int
    registry: CollectorRegistry
    trail: AuditTrail
    running: Running

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def door_of(
    kit: Kit, *, identify: Identify = anybody, uploads: int = 32, of_bytes: int = 1 << 40, **settings: Any
) -> AsyncIterator[RunningDoor]:
    """A door on the intake of `kit`, on a free port."""
    registry = CollectorRegistry()
    refusals = Counter("refusals", "Refusals", ["code"], registry=registry)

    detail = "Wait until another one has ended."

    def quota(most: int, code: str) -> Quota:
        return Quota(most, code=code, detail=detail, retry_after=5, refusals=refusals)

    trail = AuditTrail(kit.database, "ingest", strict=True)
    receiving = Receiving(kit.intake, quota(uploads, "uploads"), quota(of_bytes, "bytes"), trail, MOST)
    commitments = Commitments(kit.database, trail, "DICOM", 30.0)
    running = Running()
    found = DimseSettings(**settings)
    door = Door(found, identify, receiving, commitments, trail, DimseMetrics(registry), running)
    listener = socket.create_server(("127.0.0.1", 0))
    app = web.Application()
    app[CERTIFICATE_ENDS] = Gauge("ends", "Ends", ["file"], registry=registry)
    await door.open(listener, add_port_tls(app, found))
    try:
        yield RunningDoor(door, listener.getsockname()[1], registry, trail, running)
    finally:
        await door.close()


def associate(
    port: int,
    *contexts: tuple[str, Sequence[str]],
    called: str = "DICOM",
    calling: str = "MODALITY",
    handlers: Sequence[Any] = (),
) -> PynetdicomAssociation:
    """pynetdicom as a sender; blocking."""
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 60
    ae.requested_contexts = [build_context(uid, list(syntaxes)) for uid, syntaxes in contexts]
    return ae.associate("127.0.0.1", port, ae_title=called, evt_handlers=list(handlers))


async def in_association(
    port: int, work: Callable[[PynetdicomAssociation], Any], *contexts: tuple[str, Sequence[str]]
) -> Any:
    """Do `work` on an association of CT slices, else of `contexts`, and release it."""

    def run() -> Any:
        association = associate(port, *(contexts or ((CT_IMAGE_STORAGE, [EXPLICIT_LE]),)))
        assert association.is_established
        try:
            return work(association)
        finally:
            association.release()

    return await asyncio.to_thread(run)


def parsed(content: bytes) -> Dataset:
    """A file as pynetdicom sends it."""
    return dcmread(BytesIO(content))


class RawSender:
    """A sender that writes PDUs itself, so that it can also break them off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def associated(cls, port: int, *contexts: tuple[str, Sequence[str]]) -> RawSender:
        found = cls(*await asyncio.open_connection("127.0.0.1", port))
        found.writer.write(associate_rq(*(contexts or ((CT_IMAGE_STORAGE, [EXPLICIT_LE]),))))
        kind, _ = await found.pdu()
        assert kind == pdus.PduType.ASSOCIATE_AC
        return found

    async def pdu(self) -> tuple[int, bytes]:
        """What the other side sends."""
        async with asyncio.timeout(PATIENCE):
            kind, length = pdus.HEAD.unpack(await self.reader.readexactly(pdus.HEAD.size))
            return kind, await self.reader.readexactly(length)

    def store_rq(self, uid: str, *, sop_class: str = CT_IMAGE_STORAGE, context: int = 1) -> None:
        """Send a C-STORE-RQ, without its data set."""
        self.command(
            {
                Tag.AFFECTED_SOP_CLASS_UID: sop_class,
                Tag.COMMAND_FIELD: CommandField.C_STORE,
                Tag.MESSAGE_ID: 7,
                Tag.COMMAND_DATA_SET_TYPE: 1,
                Tag.AFFECTED_SOP_INSTANCE_UID: uid,
            },
            context,
        )

    def echo_rq(self) -> None:
        """Send a C-ECHO-RQ."""
        self.command(
            {
                Tag.AFFECTED_SOP_CLASS_UID: VERIFICATION,
                Tag.COMMAND_FIELD: CommandField.C_ECHO,
                Tag.MESSAGE_ID: 8,
                Tag.COMMAND_DATA_SET_TYPE: NO_DATA_SET,
            }
        )

    def command(self, elements: dict[Tag, int | str], context: int = 1) -> None:
        for pdu in pdus.p_data(context, commands.encode(elements), 0, command=True):
            self.writer.write(pdu)

    def data(self, content: bytes, *, last: bool = True, context: int = 1) -> None:
        """Send one fragment of a data set."""
        head = struct.pack(">IBB", len(content) + 2, context, 2 if last else 0)
        self.writer.write(pdus.HEAD.pack(pdus.PduType.P_DATA, len(head) + len(content)) + head + content)

    async def response(self) -> commands.CommandSet:
        """The next response."""
        kind, body = await self.pdu()
        assert kind == pdus.PduType.P_DATA, (kind, body)
        (fragment,) = pdus.fragments_of(body)
        return commands.decode(fragment.data)

    async def cut(self) -> None:
        """End the connection without a word."""
        self.writer.transport.abort()


def associate_rq(
    *contexts: tuple[str, Sequence[str]],
    called: bytes = b"DICOM",
    calling: bytes = b"RAW",
    max_pdu: int = 16384,
    application_context: bytes = b"1.2.840.10008.3.1.1.1",
) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(content)) + content

    proposed = b"".join(
        item(
            0x20,
            bytes((2 * place + 1, 0, 0, 0))
            + item(0x30, uid.encode())
            + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes),
        )
        for place, (uid, syntaxes) in enumerate(contexts)
    )
    user = item(0x51, struct.pack(">I", max_pdu)) + item(0x52, b"1.2.3")
    body = (
        struct.pack(">HH", 1, 0)
        + called.ljust(16)
        + calling.ljust(16)
        + bytes(32)
        + item(0x10, application_context)
        + proposed
        + item(0x50, user)
    )
    return pdus.HEAD.pack(pdus.PduType.ASSOCIATE_RQ, len(body)) + body


def data_set_of(content: bytes) -> bytes:
    """What follows the file meta information of a built file."""
    return content[144 + struct.unpack("<I", content[140:144])[0] :]
