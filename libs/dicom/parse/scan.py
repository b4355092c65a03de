"""Finds the pixel data and the few header elements around them, fast and without reading the rest.

The header was read and judged when the file came in (`libs.dicom.parse.header`); here only some 30 of its
elements matter, so values are skipped by length and those wanted are left raw until somebody asks for them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from libs.dicom.faults import DicomFault
from libs.dicom.parse import vr
from libs.dicom.parse.attributes import Attributes, RawElement
from libs.dicom.parse.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, UNDEFINED, Syntax
from libs.dicom.pixels.image import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, PIXEL_DATA

_PIXEL_TAGS = frozenset([FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA])
_WANTED = frozenset(
    [
        0x00080060,  # Modality
        *range(0x00280002, 0x00280012),  # Image Pixel, Number of Frames
        *range(0x00280100, 0x00280104),
        *range(0x00280120, 0x00280126),  # pixel padding
        *range(0x00281050, 0x00281057),  # window, rescale, VOI LUT function
        *range(0x00281101, 0x00281104),  # palette
        *range(0x00281201, 0x00281204),
        *range(0x00281221, 0x00281224),
        0x00283000,  # Modality LUT Sequence
        0x00283010,  # VOI LUT Sequence
        0x52009229,  # Shared Functional Groups Sequence
        0x52009230,  # Per-Frame Functional Groups Sequence
        0x7FE00001,  # Extended Offset Table, and its lengths
        0x7FE00002,
    ]
)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_WINDOW = 32 << 10
_LARGEST_VALUE = 32 << 20


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the value of the pixel data element starts; `length` None when undefined."""

    tag: int
    vr: str
    offset: int
    length: int | None


def scan_data_set(stream: BinaryIO, start: int, syntax: Syntax) -> tuple[Attributes, PixelElement | None]:
    """Give the wanted elements before the pixel data, undecoded, and the pixel data unless they are empty.

    Raises DicomFault `truncated` when the file ends inside an element.
    """
    if syntax.little:  # some writers use implicit VR whatever they state, or the reverse
        stream.seek(start + 4)
        syntax = EXPLICIT_LITTLE if stream.read(2) in vr.EXPLICIT else IMPLICIT_LITTLE
    cursor = _Cursor(stream, start, syntax)
    wanted: dict[int, RawElement] = {}
    for tag, code, length in cursor.elements():
        if tag in _PIXEL_TAGS and length:
            pixels = PixelElement(tag, code, cursor.at, None if length == UNDEFINED else length)
            return cursor.attributes(wanted), pixels
        begin, end = cursor.pass_value(code, length)
        if tag in _WANTED and end - begin <= _LARGEST_VALUE:
            wanted[tag] = RawElement(code, cursor.read(begin, end))
    cursor.check_end()
    return cursor.attributes(wanted), None


def _parse_items(element: RawElement, syntax: Syntax) -> list[Attributes]:
    """Read the items of a sequence with all their elements; what comes before a fault counts."""
    if element.vr == "UN":
        syntax = IMPLICIT_LITTLE
    cursor = _Cursor(io.BytesIO(element.value), 0, syntax)
    found: list[Attributes] = []
    while (head := cursor.head(implicit=True)) and head[0] == _ITEM:
        try:
            begin, end = cursor.pass_value("", head[2])
        except DicomFault:
            break
        inner = _Cursor(io.BytesIO(cursor.read(begin, end)), 0, syntax)
        found.append(inner.attributes(inner.all()))
    return found


class _Cursor:
    """Walks element heads in a window over a stream."""

    def __init__(self, stream: BinaryIO, start: int, syntax: Syntax) -> None:
        self.at = start
        self._stream = stream
        self._syntax = syntax
        self._base = start
        self._window = b""
        self._explicit_head = syntax.explicit_head.unpack_from
        self._implicit_head = syntax.implicit_head.unpack_from

    def head(self, *, implicit: bool) -> tuple[int, str, int] | None:
        """Take an element's head: tag, VR (empty when implicit) and length; None at the end of the file."""
        place = self.at - self._base
        if place + 12 > len(self._window):
            self._stream.seek(self.at)
            self._window = self._stream.read(_WINDOW)
            self._base, place = self.at, 0
            if len(self._window) < 8:
                return None
        if not implicit:
            group, element, code, length = self._explicit_head(self._window, place)
            found = vr.EXPLICIT.get(code)
            if found is None and vr.is_code(code):
                found = vr.UN  # VRs of a later standard are long form, all of them
            if found is not None and not found.long_form:
                self.at += 8
                return group << 16 | element, found.code, length
            if found is not None and len(self._window) - place >= 12:
                self.at += 12
                (length,) = self._syntax.long_length.unpack_from(self._window, place + 8)
                return group << 16 | element, found.code, length
        # Delimiters and items have no VR; nor has an element that some writer left implicit.
        group, element, length = self._implicit_head(self._window, place)
        self.at += 8
        return group << 16 | element, "", length

    def elements(self) -> Iterator[tuple[int, str, int]]:
        """Give tag, VR and length of each element, whose value the caller passes."""
        while (found := self.head(implicit=self._syntax.implicit)) and found[0]:
            yield found

    def pass_value(self, code: str, length: int) -> tuple[int, int]:
        """Pass a value; give where it lies, without its delimiter."""
        begin = self.at
        if length == UNDEFINED:
            return begin, self._pass_items(implicit=self._syntax.implicit or code == "UN")
        self.at = begin + length
        return begin, self.at

    def _pass_items(self, *, implicit: bool) -> int:
        """Pass over the content of a value of undefined length; give where its delimiter starts.

        Open items and sequences are kept on a list, not on Python's stack, so depth costs nothing.
        """
        open_levels = [implicit]  # for each open sequence or item: whether its elements are implicit
        while True:
            start = self.at
            found = self.head(implicit=open_levels[-1])
            if found is None:
                raise DicomFault("truncated", "The file ends inside a sequence. Send it again, whole.")
            tag, code, length = found
            if tag in (_ITEM_END, _SEQUENCE_END):
                open_levels.pop()
                if not open_levels:
                    return start
            elif length == UNDEFINED:
                open_levels.append(open_levels[-1] or code == "UN")
            else:
                self.at += length

    def read(self, begin: int, end: int) -> bytes:
        """Read a value that is wanted."""
        place = begin - self._base
        if place >= 0 and end - self._base <= len(self._window):
            return self._window[place : end - self._base]
        self._stream.seek(begin)
        return self._stream.read(end - begin)

    def all(self) -> dict[int, RawElement]:
        """Read every element up to the end or to the first fault."""
        found: dict[int, RawElement] = {}
        try:
            for tag, code, length in self.elements():
                begin, end = self.pass_value(code, length)
                found[tag] = RawElement(code, self.read(begin, end))
        except DicomFault:
            return found
        return found

    def attributes(self, elements: dict[int, RawElement]) -> Attributes:
        """Wrap elements with what reading them takes."""
        return Attributes(
            elements, little=self._syntax.little, parse_items=partial(_parse_items, syntax=self._syntax)
        )

    def check_end(self) -> None:
        """Raise DicomFault `truncated` when the last value passed the end of the file."""
        self._stream.seek(self.at - 1)
        if not self._stream.read(1):
            raise DicomFault("truncated", "The file ends inside its header. Send it again, whole.")
