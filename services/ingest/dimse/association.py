"""One association, from its request to its end: the acceptor's side of PS3.8 9.2."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from libs.common.errors import DicomSystemError, Unavailable
from services.ingest.dimse import pdus
from services.ingest.dimse.callers import Caller, Calling, Identify, Stranger
from services.ingest.dimse.commands import (
    MAX_COMMAND,
    RESPONSE,
    CommandField,
    CommandSet,
    Tag,
    decode,
    encode,
    response,
)
from services.ingest.dimse.commitment import (
    MAX_REQUEST_BYTES,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST_STORAGE_COMMITMENT,
    CommitmentReport,
    Commitments,
)
from services.ingest.dimse.metrics import DimseMetrics
from services.ingest.dimse.pdus import AbortReason, ProtocolError
from services.ingest.dimse.receiving import DataSet, Receiving
from services.ingest.dimse.settings import DimseSettings
from services.ingest.dimse.statuses import DimseStatus
from services.ingest.dimse.wire import Wire

if TYPE_CHECKING:  # pynetdicom comes with it, which is imported when the first peer does
    from services.ingest.dimse.negotiation import Context

log = logging.getLogger(__name__)
OPERATIONS: dict[int, str] = {
    CommandField.C_ECHO: "C-ECHO",
    CommandField.C_STORE: "C-STORE",
    CommandField.N_ACTION: "N-ACTION",
}
RIGHTS_SECONDS = 30.0
"""After which a peer's rights are asked again, before the next object."""
UNSERVED = "Served are C-ECHO, C-STORE and storage commitment."


class Agreed(NamedTuple):
    """What an association was accepted with."""

    calling: Calling
    caller: Caller
    contexts: Mapping[int, Context]
    max_pdu: int
    """Bytes that the peer takes in one PDU; 0: any number."""


class Association:
    """Answers one message after the other."""

    def __init__(
        self,
        wire: Wire,
        agreed: Agreed,
        receiving: Receiving,
        commitments: Commitments,
        identify: Identify,
        settings: DimseSettings,
        metrics: DimseMetrics,
    ) -> None:
        self._wire = wire
        self._agreed = agreed
        self._receiving = receiving
        self._commitments = commitments
        self._identify = identify
        self._identified = asyncio.get_running_loop().time()
        self._settings = settings
        self._metrics = metrics
        self._reported = 0
        self._leaving = False
        self._between: asyncio.Timeout | None = None
        """While no message is under way."""

    def leave(self) -> None:
        """End it as soon as no message is under way."""
        self._leaving = True
        if self._between is not None:
            self._between.reschedule(asyncio.get_running_loop().time())

    async def serve(self) -> None:
        """Return when asked to leave. Raises ReleaseRequested, AssociationLost, TimedOut, ProtocolError."""
        while not self._leaving and (asked := await self._next()) is not None:
            await self._answer(*asked)

    async def _next(self) -> tuple[int, CommandSet] | None:
        """The next message's context and command set; None when asked to leave before one begins."""
        try:
            async with asyncio.timeout(None) as self._between:
                fragment = await self._wire.fragment(self._settings.dimse_idle_timeout)
        except TimeoutError:
            return None
        finally:
            self._between = None
        raw, context_id = b"", fragment.context_id
        while True:
            if not fragment.is_command or fragment.context_id != context_id:
                raise ProtocolError("a data set without its command", AbortReason.UNEXPECTED_PDU)
            raw += fragment.data
            if len(raw) > MAX_COMMAND:
                raise ProtocolError(f"a command set of more than {MAX_COMMAND} bytes")
            if fragment.is_last:
                return context_id, decode(raw)
            fragment = await self._wire.fragment(self._settings.dimse_network_timeout)

    async def _answer(self, context_id: int, command: CommandSet) -> None:
        context = self._agreed.contexts.get(context_id)
        if context is None:
            raise ProtocolError(f"a message in presentation context {context_id}, which was not accepted")
        field = command.field
        data_set = DataSet(
            self._wire, context_id, self._settings.dimse_network_timeout, follows=command.has_data_set
        )
        if field == CommandField.C_CANCEL or field & RESPONSE:
            # What it cancels is answered already; and nothing was asked of the peer.
            await data_set.skip(MAX_COMMAND)
            return
        status, comment = DimseStatus.UNRECOGNIZED_OPERATION, UNSERVED
        report = None
        if field in (CommandField.C_STORE, CommandField.N_ACTION) and not await self._is_let_in():
            await data_set.skip(self._settings.max_file_bytes)
            status, comment = DimseStatus.NOT_AUTHORIZED, "This peer may not send any more."
        elif field == CommandField.C_STORE:
            status, comment = await self._receiving.store(
                command, context, data_set, self._agreed.calling, self._agreed.caller
            )
        elif field == CommandField.N_ACTION and context.sop_class_uid == PUSH_MODEL:
            status, comment, report = await self._commit(command, context, data_set)
        else:
            await data_set.skip(self._settings.max_header_bytes)
            if field == CommandField.C_ECHO:
                status, comment = DimseStatus.SUCCESS, ""
        await self._send(context_id, response(command, status, comment), command=True)
        if report is not None:
            await self._report(context_id, context, report)
        self._metrics.messages.labels(OPERATIONS.get(field, "other"), f"{status:04X}").inc()

    async def _is_let_in(self) -> bool:
        """Whether the peer may still send; associations last for days. Asked now and then."""
        now = asyncio.get_running_loop().time()
        if now - self._identified < RIGHTS_SECONDS:
            return True
        try:
            caller = await self._identify(self._agreed.calling)
        except Stranger as error:
            log.info("association of %s: %s", self._agreed.calling.ae_title, error)
            return False
        except Unavailable:
            # What is sent cannot be kept either, and says so.
            return True
        self._agreed, self._identified = self._agreed._replace(caller=caller), now
        return True

    async def _commit(
        self, command: CommandSet, context: Context, data_set: DataSet
    ) -> tuple[DimseStatus, str, CommitmentReport | None]:
        """Status and comment of an N-ACTION, and what is to be reported."""
        agreed = self._agreed
        if command.number(Tag.ACTION_TYPE_ID) != REQUEST_STORAGE_COMMITMENT:
            await data_set.skip(MAX_REQUEST_BYTES)
            return DimseStatus.NO_SUCH_ACTION, "Storage commitment has the action type 1 only.", None
        try:
            report = await self._commitments.requested(context, data_set, agreed.calling, agreed.caller)
        except DicomSystemError as error:
            await data_set.skip(MAX_REQUEST_BYTES)
            return DimseStatus.PROCESSING_FAILURE, error.detail, None
        return DimseStatus.SUCCESS, "", report

    async def _report(self, context_id: int, context: Context, report: CommitmentReport) -> None:
        """Where the peer has said that it listens, else here and now; its response is passed over."""
        if self._agreed.caller.port is not None:
            self._commitments.report_later(report, self._agreed.calling, self._agreed.caller.port)
            return
        self._reported += 1
        request = encode(
            {
                Tag.AFFECTED_SOP_CLASS_UID: PUSH_MODEL,
                Tag.COMMAND_FIELD: CommandField.N_EVENT_REPORT,
                Tag.MESSAGE_ID: self._reported % 65536,
                Tag.COMMAND_DATA_SET_TYPE: 1,
                Tag.AFFECTED_SOP_INSTANCE_UID: PUSH_MODEL_INSTANCE,
                Tag.EVENT_TYPE_ID: report.event_type_id,
            }
        )
        await self._send(context_id, request, command=True)
        await self._send(context_id, report.encoded(context.transfer_syntax_uid), command=False)

    async def _send(self, context_id: int, message: bytes, *, command: bool) -> None:
        for pdu in pdus.p_data(context_id, message, self._agreed.max_pdu, command=command):
            await self._wire.send(pdu, self._settings.dimse_network_timeout)
