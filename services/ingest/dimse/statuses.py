"""Statuses of C-STORE (PS3.4 B.2.3, PS3.7 annex C), and what of ours ends with which; pure."""

from __future__ import annotations

from enum import IntEnum

from libs.common.errors import (
    Conflict,
    DicomSystemError,
    RequestError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)


class DimseStatus(IntEnum):
    """What a response says."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    INVALID_OBJECT_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_DOES_NOT_MATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    # PS3.4 B.2.3 has no duplicates: to DCMTK 0111 is an unknown status, Cxxx a failed object.
    OTHER_DATA_SET_KEPT = 0xC111


MEANINGS = {
    DimseStatus.SUCCESS: "durable and accepted, or there before",
    DimseStatus.PROCESSING_FAILURE: "a fault of this system; a request for commitment that cannot be read",
    DimseStatus.INVALID_OBJECT_INSTANCE: "the SOP Instance UID is none",
    DimseStatus.SOP_CLASS_NOT_SUPPORTED: "the SOP class is not that of the presentation context",
    DimseStatus.NO_SUCH_ACTION: "storage commitment has the action type 1 only",
    DimseStatus.NOT_AUTHORIZED: "the peer, or its account, may not send any more",
    DimseStatus.UNRECOGNIZED_OPERATION: "an operation that is not served",
    DimseStatus.OUT_OF_RESOURCES: "no room, too large, too much at once, a dependency is away: try later",
    DimseStatus.DATA_SET_DOES_NOT_MATCH: "request and data set differ, or study or series are not named",
    DimseStatus.CANNOT_UNDERSTAND: "the data set cannot be read",
    DimseStatus.OTHER_DATA_SET_KEPT: "another data set with this SOP Instance UID is kept, and untouched",
}
"""For the conformance statement: every status that is answered."""


class StoreRefused(RequestError):
    """An object that this door does not take, and the status that says so."""

    def __init__(self, status: DimseStatus, comment: str) -> None:
        """`comment` is shown by the sender's console: 64 characters at most."""
        super().__init__(comment)
        self.dimse_status = status


def status_of(error: DicomSystemError) -> DimseStatus:
    """How a C-STORE ends that raised `error`."""
    match error:
        case StoreRefused():
            return error.dimse_status
        case TooLarge() | TooManyRequests() | Unavailable():
            return DimseStatus.OUT_OF_RESOURCES
        case Conflict():
            return DimseStatus.OTHER_DATA_SET_KEPT
        case RequestError():
            return DimseStatus.CANNOT_UNDERSTAND
    return DimseStatus.PROCESSING_FAILURE
