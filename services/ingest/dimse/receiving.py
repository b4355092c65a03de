"""C-STORE: a data set goes to the encrypted draft fragment by fragment, as it arrives (PS3.4 annex B)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from libs.common.audit.acts import Act, acting, entry_of
from libs.common.audit.entries import Ending
from libs.common.audit.trail import AuditTrail
from libs.common.errors import DicomSystemError, RequestError, Unavailable
from libs.common.http.quotas import Holding, Quota
from libs.dicom.parse.header import Header
from libs.dicom.parse.part10 import is_uid
from services.ingest.dimse.callers import Caller, Calling
from services.ingest.dimse.commands import CommandSet, Tag
from services.ingest.dimse.file_meta import file_meta
from services.ingest.dimse.pdus import AbortReason, ProtocolError
from services.ingest.dimse.statuses import DimseStatus, StoreRefused, status_of
from services.ingest.dimse.wire import TimedOut, Wire
from services.ingest.intake import Intake
from services.ingest.resending import Accepted

if TYPE_CHECKING:  # pynetdicom comes with it, which is imported when the first peer does
    from services.ingest.dimse.negotiation import Context

log = logging.getLogger(__name__)
ACTION = "c_store"
ROUTE = "C-STORE"


class DataSet:
    """The fragments of one message's data set, while they come."""

    def __init__(self, wire: Wire, context_id: int, timeout: float, *, follows: bool) -> None:
        """`timeout` in seconds is for each PDU; `follows`: whether there is a data set at all."""
        self._wire = wire
        self._context_id = context_id
        self._timeout = timeout
        self.ended = not follows

    async def fragments(self) -> AsyncGenerator[bytes, None]:
        """Each as it arrives. Raises AssociationLost, TimedOut, ProtocolError, ReleaseRequested."""
        while not self.ended:
            fragment = await self._wire.fragment(self._timeout)
            if fragment.is_command or fragment.context_id != self._context_id:
                raise ProtocolError("another message within a data set", AbortReason.UNEXPECTED_PDU)
            if self._wire.too_slow:
                raise TimedOut("the data set comes more slowly than this system waits for")
            self.ended = fragment.is_last
            if fragment.data:
                yield fragment.data

    async def skip(self, most: int) -> None:
        """Let the rest go by, so that the association can go on; `most` bytes. Raises as `fragments`."""
        passed = 0
        async for data in self.fragments():
            passed += len(data)
            if passed > most:
                raise ProtocolError("a data set that does not end", AbortReason.NOT_SPECIFIED)


class Receiving:
    """Receives objects for one association."""

    def __init__(self, intake: Intake, uploads: Quota, of_bytes: Quota, trail: AuditTrail, most: int) -> None:
        """`uploads` and `of_bytes` are what each account may have under way; `most` bytes an object has."""
        self._intake = intake
        self._uploads = uploads
        self._bytes = of_bytes
        self._trail = trail
        self._most = most

    async def store(
        self, command: CommandSet, context: Context, data_set: DataSet, calling: Calling, caller: Caller
    ) -> tuple[DimseStatus, str]:
        """Keep one object, or say why not: status and comment, once its data set has gone by.

        Raises AssociationLost, TimedOut, ProtocolError, ReleaseRequested; nothing of it is kept then.
        """
        act = Act(
            "ingest",
            ACTION,
            object_type="file",
            actor=caller.actor,
            acting_as=caller.acting_as,
            address=str(calling.address),
            route=ROUTE,
            details={"ae_title": calling.ae_title},
        )
        status, comment = DimseStatus.SUCCESS, ""
        with acting(act):
            try:
                accepted = await self._receive(command, context, data_set, calling, caller)
            except DicomSystemError as error:
                status, comment = status_of(error), error.detail
                ending: Ending = "refused" if isinstance(error, RequestError) else "error"
                await self._note(act, ending, problem=error.code, status=status)
            else:
                if accepted.duplicate and not accepted.queued:
                    act.objects = [str(accepted.id)]
                    await self._note(act, "success", duplicate=True)
        await data_set.skip(self._most)
        return status, comment

    async def _receive(
        self, command: CommandSet, context: Context, data_set: DataSet, calling: Calling, caller: Caller
    ) -> Accepted:
        sop_class_uid = command.uid(Tag.AFFECTED_SOP_CLASS_UID)
        sop_instance_uid = command.uid(Tag.AFFECTED_SOP_INSTANCE_UID)
        if sop_class_uid != context.sop_class_uid:
            raise StoreRefused(
                DimseStatus.SOP_CLASS_NOT_SUPPORTED,
                "The SOP Class UID is not that of the presentation context.",
            )
        if not is_uid(sop_instance_uid):
            raise StoreRefused(
                DimseStatus.INVALID_OBJECT_INSTANCE, "Send an Affected SOP Instance UID of digits and dots."
            )
        if data_set.ended:
            raise StoreRefused(DimseStatus.CANNOT_UNDERSTAND, "No data set follows the C-STORE request.")

        def check(header: Header) -> None:
            """Raises StoreRefused."""
            if (header.sop_class_uid, header.sop_instance_uid) != (sop_class_uid, sop_instance_uid):
                raise StoreRefused(
                    DimseStatus.DATA_SET_DOES_NOT_MATCH,
                    "SOP Class or Instance UID of data set and request differ.",
                )
            if header.study_instance_uid is None or header.series_instance_uid is None:
                raise StoreRefused(
                    DimseStatus.DATA_SET_DOES_NOT_MATCH,
                    "Missing Study (0020,000D) or Series Instance UID (0020,000E).",
                )

        meta = file_meta(sop_class_uid, sop_instance_uid, context.transfer_syntax_uid, calling.ae_title)
        owner = caller.actor
        with self._uploads.hold(owner), self._bytes.hold(owner, len(meta)) as held:
            async with contextlib.aclosing(_whole(meta, data_set, held)) as chunks:
                return await self._intake.receive(
                    chunks, f"{sop_instance_uid}.dcm", caller.sender, check=check
                )

    async def _note(self, act: Act, ending: Ending, **details: object) -> None:
        act.details.update(details)
        try:
            await self._trail.add(entry_of(act, ending))
        except Unavailable as error:
            # What is kept was noted in its transaction; what is told here was refused, or was there before.
            log.warning("an entry of the audit log is lost: %s", error.detail)


async def _whole(meta: bytes, data_set: DataSet, held: Holding) -> AsyncGenerator[bytes, None]:
    """The object as a file."""
    yield meta
    async with contextlib.aclosing(data_set.fragments()) as fragments:
        async for data in fragments:
            held.grow(len(data))
            yield data
