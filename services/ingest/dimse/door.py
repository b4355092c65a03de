"""The listener for associations: who is let in, how many at once, and how all of them end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from libs.common.audit.entries import AuditEntry, Ending
from libs.common.audit.trail import AuditTrail
from libs.common.errors import Unavailable
from libs.common.keys import Running
from services.ingest.bodies.pace import SendingPace
from services.ingest.dimse import pdus
from services.ingest.dimse.association import Agreed, Association
from services.ingest.dimse.callers import Caller, Calling, Identify, Stranger, address_of
from services.ingest.dimse.commitment import Commitments
from services.ingest.dimse.metrics import AssociationEnd, DimseMetrics
from services.ingest.dimse.pdus import ProtocolError, Rejection
from services.ingest.dimse.receiving import Receiving
from services.ingest.dimse.settings import DimseSettings
from services.ingest.dimse.tls import fingerprint_of
from services.ingest.dimse.wire import AssociationLost, ReleaseRequested, TimedOut, Wire

if TYPE_CHECKING:  # pynetdicom comes with it, which is imported when the first peer does
    from services.ingest.dimse.negotiation import Agreement

log = logging.getLogger(__name__)
UNDECIDED = 64
"""Connections beyond the associations that may still be asking for theirs; more are cut at once."""


class Rejected(Exception):
    """An association that is not accepted."""

    def __init__(self, rejection: Rejection, why: str) -> None:
        """`why` for the log."""
        super().__init__(why)
        self.rejection = rejection


class Door:
    """Serves associations on a listening socket."""

    def __init__(
        self,
        settings: DimseSettings,
        identify: Identify,
        receiving: Receiving,
        commitments: Commitments,
        trail: AuditTrail,
        metrics: DimseMetrics,
        running: Running,
    ) -> None:
        """`identify` tells whom a peer acts for; the process ends when none is `running`, or cuts them."""
        self._settings = settings
        self._identify = identify
        self._receiving = receiving
        self._commitments = commitments
        self._trail = trail
        self._metrics = metrics
        self._running = running
        self._server: asyncio.Server | None = None
        self._draining = False
        self._connections: set[asyncio.Task[None]] = set()
        self._associations: set[Association] = set()
        self._held: Counter[str] = Counter()

    async def open(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Begin to take connections."""
        self._server = await asyncio.start_server(
            self._connected,
            sock=listener,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self._settings.dimse_acse_timeout,
            limit=2 * self._settings.dimse_max_pdu,
        )

    def drain(self) -> None:
        """Take no more; each association ends when its message has (SHUTDOWN_TIMEOUT is the caller's)."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for association in self._associations:
            association.leave()

    async def close(self) -> None:
        """Drain, and cut what is still there: of an object on its way nothing is kept."""
        self.drain()
        if self._connections:
            for connection in self._connections:
                connection.cancel()
            await asyncio.wait(self._connections)
        await self._commitments.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._settings.dimse_associations + UNDECIDED:
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  it runs in one
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        settings = self._settings
        pace = SendingPace(settings.transfer_min_rate, settings.transfer_slow_seconds)
        wire = Wire(reader, writer, settings.dimse_max_pdu, pace)
        try:
            peer = str(writer.get_extra_info("peername")[0])
            await self._converse(wire, peer, fingerprint_of(writer.get_extra_info("ssl_object")))
        finally:
            await wire.close()

    async def _converse(self, wire: Wire, peer: str, certificate: str | None) -> None:
        timeout = self._settings.dimse_acse_timeout
        try:
            agreed, answer = await self._agree(wire, peer, certificate)
        except Rejected as rejected:
            log.info("association from %s rejected: %s", peer, rejected)
            await wire.farewell(pdus.reject(rejected.rejection), timeout)
            return
        except (AssociationLost, TimedOut) as error:
            log.debug("no association from %s: %s", peer, error)
            return
        except ProtocolError as error:
            log.info("no association from %s: %s", peer, error)
            await wire.farewell(pdus.abort(error.reason), timeout)
            return
        with self._counted(agreed.caller):
            ending = await self._serve(wire, agreed, answer)
        self._metrics.ended.labels(ending).inc()
        log.info("association of %s from %s ended: %s", agreed.calling.ae_title, peer, ending)

    async def _serve(self, wire: Wire, agreed: Agreed, answer: bytes) -> AssociationEnd:
        timeout = self._settings.dimse_acse_timeout
        association = Association(
            wire,
            agreed,
            self._receiving,
            self._commitments,
            self._identify,
            self._settings,
            self._metrics,
        )
        self._associations.add(association)
        if self._draining:
            association.leave()
        try:
            await wire.send(answer, timeout)
            await association.serve()
        except ReleaseRequested:
            await wire.farewell(pdus.release_reply(), timeout)
            return "released"
        except AssociationLost as error:
            return "aborted" if error.by_peer else "lost"
        except TimedOut as error:
            log.info("association of %s aborted: %s", agreed.calling.ae_title, error)
            await wire.farewell(pdus.abort(), timeout)
            return "timeout"
        except ProtocolError as error:
            log.info("association of %s aborted: %s", agreed.calling.ae_title, error)
            await wire.farewell(pdus.abort(error.reason), timeout)
            return "protocol"
        except Exception:
            # The edge: whatever it was, the peer hears of it, and others go on.
            log.exception("association of %s failed", agreed.calling.ae_title)
            await wire.farewell(pdus.abort(), timeout)
            return "failed"
        finally:
            self._associations.discard(association)
        await wire.farewell(pdus.abort(), timeout)
        return "drained"

    async def _agree(self, wire: Wire, peer: str, certificate: str | None) -> tuple[Agreed, bytes]:
        """Raises Rejected, AssociationLost, TimedOut, ProtocolError."""
        body = await wire.request(self._settings.dimse_acse_timeout)
        # Half a second of imports the first time, and up to 350 kB of items.
        calling_title, called, agreed_on = await asyncio.to_thread(_negotiated, body, self._settings)
        calling = Calling(calling_title, address_of(peer), certificate)
        try:
            if called != self._settings.dimse_ae_title:
                raise Rejected(pdus.CALLED_AE_TITLE, "another called AE title")
            if isinstance(agreed_on, Rejection):
                raise Rejected(agreed_on, agreed_on.word)
            caller = await self._admit(calling)
        except Rejected as rejected:
            self._metrics.rejected.labels(rejected.rejection.word).inc()
            await self._note(calling, "refused", "anonymous", None, reason=rejected.rejection.word)
            raise
        self._metrics.accepted.inc()
        await self._note(calling, "success", caller.actor, caller.acting_as, contexts=len(agreed_on.contexts))
        return Agreed(calling, caller, agreed_on.contexts, agreed_on.max_pdu), agreed_on.pdu

    async def _admit(self, calling: Calling) -> Caller:
        """Raises Rejected."""
        if self._draining or self._held.total() >= self._settings.dimse_associations:
            raise Rejected(pdus.CONGESTION, "as many associations as there may be")
        try:
            caller = await self._identify(calling)
        except Stranger as error:
            raise Rejected(pdus.CALLING_AE_TITLE, str(error)) from error
        except Unavailable as error:
            raise Rejected(pdus.CONGESTION, error.detail) from error
        if self._held[caller.name] >= self._settings.dimse_associations_per_peer:
            raise Rejected(pdus.LOCAL_LIMIT, "as many associations of this peer as there may be")
        return caller

    @contextlib.contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        self._held[caller.name] += 1
        self._running.begin()
        self._metrics.open.set(self._held.total())
        try:
            yield
        finally:
            self._running.end()
            self._held[caller.name] -= 1
            if not self._held[caller.name]:
                del self._held[caller.name]
            self._metrics.open.set(self._held.total())

    async def _note(
        self, calling: Calling, ending: Ending, actor: str, acting_as: str | None, **details: object
    ) -> None:
        entry = AuditEntry(
            "ingest",
            "associate",
            ending,
            actor,
            acting_as=acting_as,
            address=str(calling.address),
            route="A-ASSOCIATE",
            details={"ae_title": calling.ae_title, **details},
        )
        try:
            await self._trail.add(entry)
        except Unavailable as error:
            log.warning("an entry of the audit log is lost: %s", error.detail)


def _negotiated(body: bytes, settings: DimseSettings) -> tuple[str, str, Agreement | Rejection]:
    """Calling and called AE title, and how to accept, or why not.

    Raises ProtocolError.
    """
    from services.ingest.dimse import negotiation

    requested = negotiation.read_request(body)
    found = negotiation.answer(
        requested, unknown=settings.dimse_unknown_sop_classes, max_pdu=settings.dimse_max_pdu
    )
    return requested.calling, requested.called, found
