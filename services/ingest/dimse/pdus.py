"""Protocol data units of the DICOM upper layer, as far as pynetdicom is not asked (PS3.8 9.3); pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

HEAD = struct.Struct(">BxI")
"""Type, and how many bytes follow."""
_ITEM = struct.Struct(">IBB")
_FLAGS = {0x00: (False, False), 0x01: (True, False), 0x02: (False, True), 0x03: (True, True)}
PDV_HEAD = 6
"""Bytes of a presentation data value before its fragment."""
MAX_REQUEST = 512 << 10
"""Bytes of an A-ASSOCIATE-RQ: 128 presentation contexts of forty transfer syntaxes are 350 kB."""


class PduType(IntEnum):
    """PS3.8 9.3.1."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    P_DATA = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    INVALID_PARAMETER = 6


class Rejection(NamedTuple):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21), and a word for it."""

    result: int
    source: int
    reason: int
    word: str


NO_REASON = Rejection(1, 1, 1, "no-reason")
APPLICATION_CONTEXT = Rejection(1, 1, 2, "application-context")
CALLING_AE_TITLE = Rejection(1, 1, 3, "calling-ae-title")
CALLED_AE_TITLE = Rejection(1, 1, 7, "called-ae-title")
PROTOCOL_VERSION = Rejection(1, 2, 2, "protocol-version")
CONGESTION = Rejection(2, 3, 1, "congestion")
LOCAL_LIMIT = Rejection(2, 3, 2, "local-limit")
REJECTIONS = (
    NO_REASON,
    APPLICATION_CONTEXT,
    CALLING_AE_TITLE,
    CALLED_AE_TITLE,
    PROTOCOL_VERSION,
    CONGESTION,
    LOCAL_LIMIT,
)


class ProtocolError(Exception):
    """The peer sent what PS3.8 does not allow here: the association is aborted."""

    def __init__(self, what: str, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        """`what` for the log."""
        super().__init__(what)
        self.reason = reason


class Fragment(NamedTuple):
    """A presentation data value (PS3.8 9.3.5.1 and annex E)."""

    context_id: int
    is_command: bool
    is_last: bool
    data: bytes


def fragments_of(body: bytes) -> Iterator[Fragment]:
    """The presentation data values of a P-DATA-TF. Raises ProtocolError."""
    offset, end = 0, len(body)
    if not end:
        raise ProtocolError("a P-DATA-TF without a presentation data value")
    while offset < end:
        if end - offset < PDV_HEAD:
            raise ProtocolError("a presentation data value that is cut off")
        length, context_id, control = _ITEM.unpack_from(body, offset)
        stop = offset + 4 + length
        if length < 2 or stop > end:
            raise ProtocolError("a presentation data value longer than its PDU")
        # Bits 2 to 7 are reserved: not tested (PS3.8 E.2).
        yield Fragment(context_id, *_FLAGS[control & 0x03], body[offset + PDV_HEAD : stop])
        offset = stop


def p_data(context_id: int, message: bytes, max_pdu: int, *, command: bool) -> Iterator[bytes]:
    """The PDUs of a command or data set, of `max_pdu` bytes at most (0: any length)."""
    room = max(max_pdu - PDV_HEAD, 1) if max_pdu else max(len(message), 1)
    for start in range(0, max(len(message), 1), room):
        part = message[start : start + room]
        control = int(command) | (0x02 if start + room >= len(message) else 0)
        yield (
            HEAD.pack(PduType.P_DATA, PDV_HEAD + len(part))
            + _ITEM.pack(len(part) + 2, context_id, control)
            + part
        )


def reject(rejection: Rejection) -> bytes:
    """An A-ASSOCIATE-RJ."""
    return HEAD.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, *rejection[:3]))


def abort(reason: AbortReason | None = None) -> bytes:
    """An A-ABORT of the service provider, or without a reason of its user."""
    return HEAD.pack(PduType.ABORT, 4) + bytes((0, 0, *((0, 0) if reason is None else (2, reason))))


def release_reply() -> bytes:
    """An A-RELEASE-RP."""
    return HEAD.pack(PduType.RELEASE_RP, 4) + bytes(4)
