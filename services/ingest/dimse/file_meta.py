"""File meta information of an object that came without a file (PS3.10 7.1); pure."""

from __future__ import annotations

import struct

from libs.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2s2xI")


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> bytes:
    """Preamble, prefix and group 0002; `source` is the calling AE title.

    The same object of the same sender gets the same bytes, today and tomorrow: it is known again by them.
    """
    group = b"".join(
        (
            _LONG.pack(2, 0x0001, b"OB", 2) + b"\0\x01",
            _text(0x0002, b"UI", sop_class_uid),
            _text(0x0003, b"UI", sop_instance_uid),
            _text(0x0010, b"UI", transfer_syntax_uid),
            _text(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _text(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _text(0x0016, b"AE", source),
        )
    )
    return bytes(128) + b"DICM" + _SHORT.pack(2, 0, b"UL", 4) + struct.pack("<I", len(group)) + group


def _text(element: int, vr: bytes, value: str) -> bytes:
    raw = value.encode("ascii")
    raw += (b"\0" if vr == b"UI" else b" ") * (len(raw) % 2)
    return _SHORT.pack(2, element, vr, len(raw)) + raw
