"""CommandSet sets: group 0000 in Implicit VR Little Endian (PS3.7 6.3.1 and annex E); pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from services.ingest.dimse.pdus import ProtocolError

MAX_COMMAND = 64 << 10
"""Bytes of a command set; those that are known have a few hundred."""
NO_DATA_SET = 0x0101
COMMENT_CHARACTERS = 64
"""Of an Error Comment (LO)."""
RESPONSE = 0x8000
_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_UL = struct.Struct("<I")


class CommandField(IntEnum):
    """The operations that are served (PS3.7 table E.1-1)."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130
    C_CANCEL = 0x0FFF


class Tag(IntEnum):
    """Elements of group 0000 (PS3.7 annex E)."""

    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ACTION_TYPE_ID = 0x1008


@dataclass(frozen=True, slots=True)
class CommandSet:
    """A command set that was read."""

    elements: dict[int, bytes]
    """Values by element number."""

    @property
    def field(self) -> int:
        """Which operation, or the response to which."""
        return self.number(Tag.COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        """What a response names."""
        return self.number(Tag.MESSAGE_ID)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.number(Tag.COMMAND_DATA_SET_TYPE) != NO_DATA_SET

    def number(self, tag: Tag) -> int:
        """A US value. Raises ProtocolError."""
        raw = self.elements.get(tag)
        if raw is None or len(raw) != _US.size:
            raise ProtocolError(f"a command without a usable {tag.name}")
        number: int = _US.unpack(raw)[0]
        return number

    def uid(self, tag: Tag) -> str:
        """A UI value without its padding; empty where there is none."""
        return self.elements.get(tag, b"").rstrip(b"\0 ").decode("ascii", "replace")


def decode(raw: bytes) -> CommandSet:
    """Read a command set. Raises ProtocolError."""
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(raw):
        if len(raw) - offset < _ELEMENT.size:
            raise ProtocolError("a command that is cut off")
        group, element, length = _ELEMENT.unpack_from(raw, offset)
        offset += _ELEMENT.size
        if group != 0 or length > len(raw) - offset:
            raise ProtocolError("a command with an element of another group, or longer than itself")
        elements[element] = raw[offset : offset + length]
        offset += length
    return CommandSet(elements)


def encode(elements: dict[Tag, int | str]) -> bytes:
    """Write a command set, its group length first."""
    body = b"".join(_element(tag, elements[tag]) for tag in sorted(elements))
    return _ELEMENT.pack(0, 0, _UL.size) + _UL.pack(len(body)) + body


def _element(tag: Tag, value: int | str) -> bytes:
    if isinstance(value, int):
        raw = _US.pack(value)
    else:
        raw = value.encode("ascii", "replace")
        raw += (b" " if tag is Tag.ERROR_COMMENT else b"\0") * (len(raw) % 2)
    return _ELEMENT.pack(0, tag, len(raw)) + raw


def response(command: CommandSet, status: int, comment: str = "") -> bytes:
    """The response to a request, without a data set (PS3.7 9.3 and 10.3)."""
    elements: dict[Tag, int | str] = {
        Tag.COMMAND_FIELD: command.field | RESPONSE,
        Tag.MESSAGE_ID_BEING_RESPONDED_TO: command.message_id,
        Tag.COMMAND_DATA_SET_TYPE: NO_DATA_SET,
        Tag.STATUS: status,
    }
    # What N-ACTION names as requested is affected in its response.
    for asked, affected in (
        (Tag.AFFECTED_SOP_CLASS_UID, Tag.AFFECTED_SOP_CLASS_UID),
        (Tag.REQUESTED_SOP_CLASS_UID, Tag.AFFECTED_SOP_CLASS_UID),
        (Tag.AFFECTED_SOP_INSTANCE_UID, Tag.AFFECTED_SOP_INSTANCE_UID),
        (Tag.REQUESTED_SOP_INSTANCE_UID, Tag.AFFECTED_SOP_INSTANCE_UID),
    ):
        if uid := command.uid(asked):
            elements[affected] = uid
    if comment:
        elements[Tag.ERROR_COMMENT] = comment[:COMMENT_CHARACTERS]
    return encode(elements)
