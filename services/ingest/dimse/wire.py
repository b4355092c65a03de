"""One connection: whole PDUs in and out, each within its time, none larger than was agreed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from services.ingest.bodies.pace import SendingPace
from services.ingest.dimse import pdus
from services.ingest.dimse.pdus import HEAD, MAX_REQUEST, AbortReason, Fragment, PduType, ProtocolError

FAREWELL_SECONDS = 2.0
"""How long a peer may take to close what is over."""
SMALL = 64
"""Bytes of a release or an abort; those of the standard are four."""


class AssociationLost(ConnectionError):
    """The peer aborted, or its connection is gone: nothing is answered any more."""

    def __init__(self, what: str, *, by_peer: bool = False) -> None:
        """`by_peer`: by an A-ABORT."""
        super().__init__(what)
        self.by_peer = by_peer


class TimedOut(Exception):
    """The peer kept this system waiting: the association is aborted."""


class ReleaseRequested(Exception):
    """The peer asked for the release of the association, in order."""


class Wire:
    """Reads and writes PDUs. One reader, one writer at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_pdu: int, pace: SendingPace
    ) -> None:
        """`max_pdu` bytes are the longest P-DATA-TF that may come."""
        self._reader = reader
        self._writer = writer
        self._max_pdu = max_pdu
        self._pace = pace
        self._waiting: deque[Fragment] = deque()

    async def request(self, timeout: float) -> bytes:
        """The body of the A-ASSOCIATE-RQ. Raises AssociationLost, TimedOut, ProtocolError."""
        kind, body = await self._read(timeout, {PduType.ASSOCIATE_RQ: MAX_REQUEST})
        if kind is not PduType.ASSOCIATE_RQ:
            raise ProtocolError(f"{kind.name} before an association", AbortReason.UNEXPECTED_PDU)
        return body

    async def fragment(self, timeout: float) -> Fragment:
        """The next one. Raises ReleaseRequested, AssociationLost, TimedOut, ProtocolError."""
        while not self._waiting:
            kind, body = await self._read(timeout, {PduType.P_DATA: self._max_pdu})
            if kind is PduType.RELEASE_RQ:
                raise ReleaseRequested
            if kind is not PduType.P_DATA:
                raise ProtocolError(f"{kind.name} within an association", AbortReason.UNEXPECTED_PDU)
            self._waiting.extend(pdus.fragments_of(body))
        return self._waiting.popleft()

    async def _read(self, timeout: float, longest: dict[PduType, int]) -> tuple[PduType, bytes]:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(timeout):
                number, length = HEAD.unpack(await self._reader.readexactly(HEAD.size))
                kind = _kind(number)
                if length > longest.get(kind, SMALL):
                    raise ProtocolError(f"{kind.name} of {length} bytes", AbortReason.INVALID_PARAMETER)
                body = await self._reader.readexactly(length)
        except TimeoutError as error:
            raise TimedOut(f"nothing whole came within {timeout:g} s") from error
        except (asyncio.IncompleteReadError, OSError) as error:
            raise AssociationLost("the connection ended without a release") from error
        if kind is PduType.ABORT:
            raise AssociationLost("the peer aborted", by_peer=True)
        self._pace.came(length, clock() - began)
        return kind, body

    @property
    def too_slow(self) -> bool:
        """Whether what came lately came more slowly than this system waits for."""
        return self._pace.too_slow

    async def send(self, data: bytes, timeout: float) -> None:
        """Raises AssociationLost, TimedOut."""
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(data)
                await self._writer.drain()
        except TimeoutError as error:
            raise TimedOut(f"the peer took nothing within {timeout:g} s") from error
        except OSError as error:
            raise AssociationLost("the connection ended without a release") from error

    async def farewell(self, data: bytes, timeout: float) -> None:
        """Send the last PDU, and let the peer close, or it might lose what was said (PS3.8 9.2, ARTIM)."""
        timeout = min(timeout, FAREWELL_SECONDS)
        with contextlib.suppress(TimedOut, AssociationLost, TimeoutError, OSError):
            await self.send(data, timeout)
            async with asyncio.timeout(timeout):
                while await self._reader.read(1 << 16):
                    pass

    async def close(self) -> None:
        """Cut the connection."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()


def _kind(number: int) -> PduType:
    try:
        return PduType(number)
    except ValueError as error:
        raise ProtocolError(
            f"a PDU of the unknown type {number:#04x}", AbortReason.UNRECOGNIZED_PDU
        ) from error
