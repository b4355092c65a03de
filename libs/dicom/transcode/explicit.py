"""A data set as it stands in a file, written anew in Explicit VR Little Endian (PS3.5 7.1.2, A.2).

Values stay byte for byte what was sent, but for the order of bytes in words: nothing is read as text or
number and written again. What the reader of headers leaves out as damage is left out here as well.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from libs.dicom.faults import DicomFault
from libs.dicom.parse import vr
from libs.dicom.parse.dataset import PIXEL_TAGS, DataSetReader
from libs.dicom.parse.dicomjson import integer, key, little_endian
from libs.dicom.parse.elements import Head
from libs.dicom.parse.sequences import Item, Sequence
from libs.dicom.parse.syntax import UNDEFINED

MOST_BYTES = 48 << 20
"""Of a data set without its pixel data, which is held at once."""
LARGEST_VALUE = UNDEFINED - 1
"""Bytes of a value with a length, which is even (PS3.5 7.1.1)."""

_SHORT_MOST = 0xFFFF
_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHI")
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
_ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_PIXEL_REPRESENTATION = 0x00280103
_PADDED_WITH_ZERO = frozenset({"UI", "OB", "UN"})

Changes = Mapping[int, tuple[str, bytes] | None]
"""Elements of the outermost data set by tag: VR and value that they get, or None: they are left out."""


class Rewritten(NamedTuple):
    """What stands before and behind the pixel data; without any, all of it stands before."""

    before: bytes
    after: bytes


def element(tag: int, code: str, value: bytes) -> bytes:
    """An element with its value, which is padded to an even length."""
    if len(value) % 2:
        value += b"\0" if code in _PADDED_WITH_ZERO else b" "
    return element_head(tag, code, len(value)) + value


def element_head(tag: int, code: str, length: int) -> bytes:
    """What stands before a value of `length` bytes, or of undefined length."""
    if not vr.EXPLICIT[code.encode("ascii")].long_form:
        if length <= _SHORT_MOST:
            return _SHORT.pack(tag >> 16, tag & 0xFFFF, code.encode("ascii"), length)
        code = "UN"  # the only way to write it (PS3.5 6.2.2)
    return _LONG.pack(tag >> 16, tag & 0xFFFF, code.encode("ascii"), 0, length)


class ExplicitRewriter(DataSetReader):
    """Reads a data set as a header is read, and writes what it passes; used once."""

    def rewrite(self, pixel_tag: int | None, changes: Changes) -> Rewritten:
        """All but the value of the pixel data element `pixel_tag` and its head. Raises DicomFault.

        Other pixel data elements are left out.
        """
        self._pixel_tag, self._changes = pixel_tag, changes
        self._before: list[bytes] = []
        self._after: list[bytes] = []
        self._out, self._size = self._before, 0
        self._walk()
        return Rewritten(b"".join(self._before), b"".join(self._after))

    def _walk(self) -> None:
        root = self._root()
        levels: list[Item | Sequence] = [root]
        while levels:
            top = levels[-1]
            opened = self._sequences.next_item(top) if isinstance(top, Sequence) else self._elements(top)
            if opened is not None:
                levels.append(opened)
                if isinstance(opened, Item):
                    self._emit(_ITEM)
                continue
            levels.pop()
            if isinstance(top, Sequence):
                self._emit(_SEQUENCE_END)
            elif levels:
                self._emit(_ITEM_END)

    def _element(self, item: Item, head: Head) -> Sequence | None:
        tag, value_vr, length, syntax = head
        outermost = item.parent is None
        if value_vr is vr.SQ or length == UNDEFINED or length > item.end - self._source.position:
            return self._open(item, head)
        if outermost and tag in self._changes:
            self._source.skip(length)
            changed = self._changes[tag]
            if changed is not None:
                self._emit(element(tag, *changed))
        elif outermost and tag in PIXEL_TAGS:
            self._source.skip(length)
            self._pixels_passed(tag)
        elif tag & 0xFFFF == 0 or tag <= 0xFFFF:
            self._source.skip(length)  # group lengths are retired (PS3.5 7.2)
        else:
            self._rewrite(item, tag, value_vr, self._taken(length), little=syntax.little)
        return None

    def _rewrite(self, item: Item, tag: int, value_vr: vr.VR, raw: bytes, *, little: bool) -> None:
        code = self._code(item, value_vr)
        if tag == _PIXEL_REPRESENTATION or (tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF):
            # What later elements are read by: the sign of words, and whose private blocks are.
            item.elements[key(tag)] = self._attribute(item, tag, value_vr, raw, item.syntax)
        self._emit(element(tag, code, raw if little else little_endian(code, raw)))

    def _code(self, item: Item, value_vr: vr.VR) -> str:
        if value_vr is not vr.US_OR_SS:
            return value_vr.code
        level: Item | None = item
        while level is not None and key(_PIXEL_REPRESENTATION) not in level.elements:
            level = level.parent
        signed = level is not None and integer(level.elements, key(_PIXEL_REPRESENTATION)) == 1
        return "SS" if signed else "US"

    def _open(self, item: Item, head: Head) -> Sequence | None:
        """What is a sequence, encapsulated, or too long for what holds it."""
        tag, value_vr, length, _ = head
        too_long = length != UNDEFINED and length > item.end - self._source.position
        if value_vr is not vr.SQ or too_long:
            self._special(item, head)
            if item.parent is None and not too_long:
                self._pixels_passed(tag)
            return None
        self._emit(element_head(tag, "SQ", UNDEFINED))
        opened = self._special(item, head)
        if opened is None:
            self._emit(_SEQUENCE_END)
        return opened

    def _bulk(self, item: Item, tag: int, code: str, start: int, length: int) -> None:
        """Encapsulated values have no place in a native syntax, and what is no sequence none in one."""

    def _pixels_passed(self, tag: int) -> None:
        if tag == self._pixel_tag:
            self._out = self._after

    def _taken(self, length: int) -> bytes:
        self._room_for(length)
        return self._source.take(length)

    def _emit(self, data: bytes) -> None:
        self._room_for(len(data))
        self._size += len(data)
        self._out.append(data)

    def _room_for(self, count: int) -> None:
        if self._size + count > MOST_BYTES:
            raise DicomFault(
                "memory-limit",
                f"Without its pixel data the object has more than {MOST_BYTES} bytes, too many to be written "
                "in another transfer syntax. Ask for it as it is stored.",
            )
