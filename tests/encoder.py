"""A DICOM encoder for tests, written from PS3.5 on its own.

It shares nothing with the code under test, so that a misreading of the standard there does not hide behind
the same misreading here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010

_SHORT_FORM = "AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US"
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}

Value = bytes | str | int | float | Sequence[str] | Sequence[int] | Sequence[float]


@dataclass(frozen=True)
class Encoding:
    """How a data set is written: implicit or explicit VR, little or big endian (PS3.5 section 7)."""

    implicit: bool = False
    little: bool = True

    @property
    def order(self) -> Literal["<", ">"]:
        """The byte order mark of `struct`."""
        return "<" if self.little else ">"

    def element(self, tag: int, vr: str, value: Value = b"", *, length: int | None = None) -> bytes:
        """Encode one element; `length` overrides the true length to tell a lie."""
        raw = self.value(vr, value)
        stated = len(raw) if length is None else length
        head = struct.pack(self.order + "HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + struct.pack(self.order + "I", stated) + raw
        if vr in _SHORT_FORM.split():
            return head + vr.encode() + struct.pack(self.order + "H", stated) + raw
        return head + vr.encode() + b"\0\0" + struct.pack(self.order + "I", stated) + raw

    def value(self, vr: str, value: Value) -> bytes:
        """Encode a value field, padded to even length."""
        if isinstance(value, bytes):
            return value + b"\0" * (len(value) % 2)
        many = list(value) if isinstance(value, list | tuple) else [value]
        if vr in _NUMBERS:
            return struct.pack(f"{self.order}{len(many)}{_NUMBERS[vr]}", *many)
        if vr == "AT":
            return b"".join(
                struct.pack(self.order + "HH", v >> 16, v & 0xFFFF) for v in many if isinstance(v, int)
            )
        raw = "\\".join(str(v) for v in many).encode("utf-8")
        return raw + (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)

    def item(self, content: bytes, *, undefined: bool = False) -> bytes:
        """Encode one sequence item (PS3.5 7.5)."""
        if undefined:
            return self._marker(0xE000, UNDEFINED) + content + self._marker(0xE00D, 0)
        return self._marker(0xE000, len(content)) + content

    def sequence(self, tag: int, items: Iterable[bytes], *, undefined: bool = False, vr: str = "SQ") -> bytes:
        """Encode a sequence of item contents; `undefined` lengths for it and its items."""
        body = b"".join(self.item(content, undefined=undefined) for content in items)
        if undefined:
            return self.element(tag, vr, b"", length=UNDEFINED) + body + self._marker(0xE0DD, 0)
        return self.element(tag, vr, body)

    def encapsulated(self, fragments: Sequence[bytes], *, tag: int = PIXEL_DATA, end: bool = True) -> bytes:
        """Encode encapsulated pixel data with an empty basic offset table (PS3.5 A.4)."""
        body = b"".join(self.item(f + b"\0" * (len(f) % 2)) for f in (b"", *fragments))
        head = self.element(tag, "OB", b"", length=UNDEFINED)
        return head + body + (self._marker(0xE0DD, 0) if end else b"")

    def _marker(self, element: int, length: int) -> bytes:
        return struct.pack(self.order + "HHI", 0xFFFE, element, length)


LITTLE = Encoding()
"""Explicit VR little endian."""


def deflate(data: bytes, *, level: int = 6) -> bytes:
    """Raw deflate without a zlib header (PS3.5 A.5), padded to even length."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)
