"""Storage commitment, the push model: which objects are kept here for good (PS3.4 annex J)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from libs.common.audit.entries import AuditEntry
from libs.common.audit.trail import AuditTrail
from libs.common.database.postgres import Database
from libs.dicom.faults import DicomFault
from libs.dicom.parse.dataset import DataSetReader
from libs.dicom.parse.header import HeaderLimits
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.part10 import is_uid
from libs.dicom.parse.source import FileFeed, Source
from libs.dicom.parse.syntax import data_set_syntax
from services.ingest.dimse import store
from services.ingest.dimse.callers import Caller, Calling
from services.ingest.dimse.receiving import DataSet
from services.ingest.dimse.statuses import DimseStatus, StoreRefused
from services.ingest.dimse.store import Instance

if TYPE_CHECKING:  # pynetdicom comes with it, which is imported when the first peer does
    from services.ingest.dimse.negotiation import Context

log = logging.getLogger(__name__)
PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_STORAGE_COMMITMENT = 1
MAX_REQUEST_BYTES = 4 << 20
"""Some 20 000 references."""
NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0112, 0x0119
"""Failure reasons (PS3.3 C.14.1.1)."""
ATTEMPTS = (0.0, 5.0, 60.0)
"""Seconds before each attempt to report on an association of our own."""


@dataclass(frozen=True)
class CommitmentReport:
    """What became of a request, as an N-EVENT-REPORT tells it."""

    transaction_uid: str
    kept: Sequence[Instance]
    failed: Sequence[tuple[Instance, int]]
    """With the reason."""

    @property
    def event_type_id(self) -> int:
        """1: all are kept; 2: some are not (PS3.4 table J.3-2)."""
        return 2 if self.failed else 1

    def data_set(self) -> Any:
        """As pydicom has it."""
        from pydicom.dataset import Dataset

        def item(instance: Instance, reason: int | None = None) -> Any:
            made = Dataset()
            made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = instance
            if reason is not None:
                made.FailureReason = reason
            return made

        found = Dataset()
        found.TransactionUID = self.transaction_uid
        if self.kept:
            found.ReferencedSOPSequence = [item(one) for one in self.kept]
        if self.failed:
            found.FailedSOPSequence = [item(one, reason) for one, reason in self.failed]
        return found

    def encoded(self, transfer_syntax_uid: str) -> bytes:
        """In one of the native transfer syntaxes."""
        from pydicom.uid import UID
        from pynetdicom.dsutils import encode

        syntax = UID(transfer_syntax_uid)
        raw = encode(self.data_set(), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        assert raw is not None  # noqa: S101  UIDs and numbers can be encoded
        return raw


class Commitments:
    """Answers requests, from the rows that are committed."""

    def __init__(self, database: Database, trail: AuditTrail, ae_title: str, timeout: float) -> None:
        """`ae_title` is ours, `timeout` in seconds that of an association to report on."""
        self._database = database
        self._trail = trail
        self._ae_title = ae_title
        self._timeout = timeout
        self._reporting: set[asyncio.Task[None]] = set()

    async def requested(
        self, context: Context, data_set: DataSet, calling: Calling, caller: Caller
    ) -> CommitmentReport:
        """What an N-ACTION asks for. Raises StoreRefused, Unavailable, and as `DataSet.fragments`."""
        raw = bytearray()
        async for fragment in data_set.fragments():
            raw += fragment
            if len(raw) > MAX_REQUEST_BYTES:
                raise StoreRefused(DimseStatus.PROCESSING_FAILURE, "Too many references; ask for fewer.")
        transaction, asked = await asyncio.to_thread(references, bytes(raw), context.transfer_syntax_uid)
        async with self._database.connection() as connection:
            kept = await store.kept_instances(
                connection, caller.sender.collection, [instance.uid for instance in asked]
            )
        found = [one for one in asked if kept.get(one.uid) == one.sop_class_uid]
        failed = [
            (one, CLASS_CONFLICT if one.uid in kept else NO_SUCH_OBJECT)
            for one in asked
            if kept.get(one.uid) != one.sop_class_uid
        ]
        await self._trail.add(
            AuditEntry(
                "ingest",
                "commit_storage",
                "success",
                caller.actor,
                acting_as=caller.acting_as,
                collection=caller.sender.collection,
                address=str(calling.address),
                route="N-ACTION",
                details={"ae_title": calling.ae_title, "kept": len(found), "failed": len(failed)},
            )
        )
        return CommitmentReport(transaction, found, failed)

    def report_later(self, report: CommitmentReport, calling: Calling, port: int) -> None:
        """Tell the peer on an association of our own, soon; with the process it is lost, and asked again."""
        task = asyncio.create_task(self._report(report, calling, port), name="storage commitment")
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    async def close(self) -> None:
        """Give up what is not reported yet."""
        for task in self._reporting:
            task.cancel()
        if self._reporting:
            await asyncio.wait(self._reporting)

    async def _report(self, report: CommitmentReport, calling: Calling, port: int) -> None:
        for pause in ATTEMPTS:
            await asyncio.sleep(pause)
            if await asyncio.to_thread(self._told, report, calling, port):
                return
        log.warning("storage commitment was not reported to %s port %d", calling.ae_title, port)

    def _told(self, report: CommitmentReport, calling: Calling, port: int) -> bool:
        """Blocking: whether the peer took it."""
        from pynetdicom import AE, build_role

        ae = AE(ae_title=self._ae_title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = self._timeout
        ae.add_requested_context(PUSH_MODEL)
        role = build_role(PUSH_MODEL, scp_role=True)
        association = ae.associate(str(calling.address), port, ae_title=calling.ae_title, ext_neg=[role])
        if not association.is_established:
            return False
        try:
            status, _ = association.send_n_event_report(
                report.data_set(), report.event_type_id, PUSH_MODEL, PUSH_MODEL_INSTANCE
            )
        finally:
            association.release()
        return bool(status)


def references(raw: bytes, transfer_syntax_uid: str) -> tuple[str, list[Instance]]:
    """Transaction UID, and the instances that are asked for. Raises StoreRefused."""
    try:
        source = Source(FileFeed(BytesIO(raw), len(raw)))
        reader = DataSetReader(
            source,
            transfer_syntax_uid,
            data_set_syntax(transfer_syntax_uid),
            Budget(HeaderLimits(max_bytes=MAX_REQUEST_BYTES)),
            Notes(),
        )
        found = reader.read()
    except DicomFault as fault:
        raise StoreRefused(DimseStatus.PROCESSING_FAILURE, fault.detail) from fault
    transaction = _uid(found, "00081195")
    asked = [
        Instance(_uid(item, "00081150") or "", uid)
        for item in (found.get("00081199") or {}).get("Value") or ()
        if isinstance(item, dict) and (uid := _uid(item, "00081155")) is not None
    ]
    if transaction is None or not asked:
        raise StoreRefused(
            DimseStatus.PROCESSING_FAILURE, "Send a Transaction UID and a Referenced SOP Sequence."
        )
    return transaction, asked


def _uid(data_set: Any, tag: str) -> str | None:
    values: list[Any] = (data_set.get(tag) or {}).get("Value") or []
    return values[0] if len(values) == 1 and isinstance(values[0], str) and is_uid(values[0]) else None
