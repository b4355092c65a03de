"""The DICOM file format (PS3.10 section 7): preamble, prefix and file meta information."""

from __future__ import annotations

import re
from dataclasses import dataclass

from libs.dicom.faults import DicomFault
from libs.dicom.parse import vr
from libs.dicom.parse.charset import DEFAULT
from libs.dicom.parse.elements import Head, take_head
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.lookalike import resembles
from libs.dicom.parse.notes import Notes, label
from libs.dicom.parse.source import Source
from libs.dicom.parse.syntax import EXPLICIT_LITTLE, UNDEFINED, is_transfer_syntax
from libs.dicom.parse.values import READERS

PREAMBLE_SIZE = 128
PREFIX = b"DICM"
META_START = 144
"""Bytes of preamble, prefix and group length."""
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_UID = re.compile(r"[0-9.]{1,64}")
_GROUP_LENGTH = 0x00020000
_SOP_CLASS_UID = 0x00020002
_SOP_INSTANCE_UID = 0x00020003
_TRANSFER_SYNTAX_UID = 0x00020010
_PROGRAMS = (b"MZ", b"\x7fELF")


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What is needed of the file meta information; UIDs other than the transfer syntax may be missing."""

    transfer_syntax_uid: str
    sop_class_uid: str | None
    sop_instance_uid: str | None


def is_uid(value: str) -> bool:
    """Whether this is written like a UID: 1 to 64 digits and dots (PS3.5 9.1, without its finer rules)."""
    return _UID.fullmatch(value) is not None


def data_set_offset(start: bytes) -> int | None:
    """Where the data set begins in a file that starts so (144 bytes), by its group length; None without."""
    if start[PREAMBLE_SIZE : PREAMBLE_SIZE + 12] != PREFIX + b"\x02\0\0\0UL\x04\0" or len(start) < META_START:
        return None
    return META_START + int.from_bytes(start[META_START - 4 : META_START], "little")


def read_file_meta(source: Source, size: int, budget: Budget, notes: Notes) -> FileMeta:
    """Read everything up to the data set, where it leaves the source; raises DicomFault."""
    _take_prefix(source, size, notes)
    uids: dict[int, str | None] = {}
    stated_end: int | None = None
    while (start := source.peek(8))[:2] == b"\x02\0" and len(start) == 8:
        if not vr.is_code(start[4:6]):
            raise DicomFault(
                "invalid-file-meta",
                "The file meta information is not in explicit VR, as PS3.10 demands. Export the file again.",
            )
        head = take_head(source, EXPLICIT_LITTLE, {}, notes)
        raw = _take_value(source, head, budget)
        tag, value_vr, *_ = head
        if tag == _GROUP_LENGTH and len(raw) == 4:
            stated_end = source.position + int.from_bytes(raw, "little")
        elif value_vr.code == "UI":
            values = READERS["UI"](raw, True, DEFAULT, notes.add)
            uids[tag] = "\\".join(value or "" for value in values) or None  # several are none that is valid
    if stated_end != source.position:
        notes.add("the group length of the file meta information is missing or wrong")
    if uids.get(_SOP_CLASS_UID) == MEDIA_STORAGE_DIRECTORY:
        raise DicomFault(
            "dicomdir",
            "This is a DICOMDIR, the index of a medium: it holds no image. Upload the files that it lists.",
        )
    transfer_syntax_uid = _checked_transfer_syntax(uids.get(_TRANSFER_SYNTAX_UID))
    return FileMeta(transfer_syntax_uid, uids.get(_SOP_CLASS_UID), uids.get(_SOP_INSTANCE_UID))


def _take_prefix(source: Source, size: int, notes: Notes) -> None:
    """Pass the preamble and the prefix, or say why this is no DICOM file."""
    if size == 0:
        raise DicomFault(
            "empty-file", "The file is empty. Check that it was copied completely and send it again."
        )
    start = source.peek(512)
    if start[PREAMBLE_SIZE : PREAMBLE_SIZE + 4] == PREFIX:
        if start.startswith(_PROGRAMS):
            notes.add("the preamble begins like a program; never run this file")
        source.skip(PREAMBLE_SIZE + len(PREFIX))
        return
    known = resembles(start)
    if known is None and size < PREAMBLE_SIZE + len(PREFIX):
        raise DicomFault(
            "too-short",
            f"The file has only {size} bytes; a DICOM file has at least 132. "
            "Check that it was copied completely.",
        )
    raise DicomFault(
        "not-dicom",
        "This is not a DICOM file: it does not have the letters DICM at byte 128."
        + (f" It looks like {known}." if known else " Send files that an imaging system exported as DICOM."),
    )


def _take_value(source: Source, head: Head, budget: Budget) -> bytes:
    """Take a short value of the file meta information, skip a long one."""
    tag, value_vr, length, _ = head
    remaining = source.remaining
    if length == UNDEFINED or (remaining is not None and length > remaining):
        raise DicomFault(
            "length-beyond-file",
            f"The value of {label(tag)} passes the end of the file: it was cut off or is damaged. "
            "Send it again from its source.",
        )
    if length > value_vr.kept:
        budget.element()
        source.skip(length)
        return b""
    budget.element(length, 1)
    return source.take(length)


def _checked_transfer_syntax(uid: str | None) -> str:
    if uid is None:
        raise DicomFault(
            "no-transfer-syntax",
            "The file meta information does not name the transfer syntax (0002,0010), so nobody can tell how "
            "the data set is encoded. Export the file again.",
        )
    if not is_uid(uid):
        raise DicomFault(
            "invalid-transfer-syntax",
            "The transfer syntax (0002,0010) is not written like a UID. Export the file again.",
        )
    if not is_transfer_syntax(uid):
        raise DicomFault(
            "unknown-transfer-syntax",
            f"{uid} is no transfer syntax that DICOM defines. Export the file again in a standard one, "
            "for example explicit VR little endian.",
        )
    return uid
