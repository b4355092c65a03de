"""Which instance a Part 10 file says it is at its very beginning, for one that cannot be read further."""

from __future__ import annotations

import struct

from libs.dicom.parse.part10 import is_uid

BEGINNING = 4096
"""Bytes that hold the UIDs of the file meta information: they come first (PS3.10 7.1)."""
_PREFIX, _META_GROUP = 132, 0x0002
_SOP_CLASS_UID, _SOP_INSTANCE_UID = 0x0002, 0x0003
_LONG = (b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR")


def identify(beginning: bytes) -> tuple[str | None, str | None]:
    """SOP Class and SOP Instance UID, None for what is not there; never raises."""
    found: dict[int, str] = {}
    position = _PREFIX if beginning[128:_PREFIX] == b"DICM" else 0
    while len(head := beginning[position : position + 8]) == 8:
        group, element, vr, length = struct.unpack("<HH2sH", head)
        position += 8
        if group != _META_GROUP:
            break
        if vr in _LONG:
            length = int.from_bytes(beginning[position : position + 4], "little")
            position += 4
        value = beginning[position : position + length]
        if element in (_SOP_CLASS_UID, _SOP_INSTANCE_UID) and len(value) == length:
            uid = value.decode("latin-1").strip("\0 ")
            if is_uid(uid):
                found[element] = uid
        position += length
    return found.get(_SOP_CLASS_UID), found.get(_SOP_INSTANCE_UID)
